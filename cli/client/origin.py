"""Where a stored row comes from: its run, its unit, its object, and its line there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from enum import StrEnum
from typing import Any, Final

import duckdb
from botocore.exceptions import ClientError

from cli.client.deployment import Deployment
from cli.client.ledger import Item, LedgerView, plain_item
from cli.client.quarantine import read_snapshot
from cli.client.results_document import results_document
from cli.exit_codes import REFUSED, CommandFailed
from contracts import layout
from contracts.dataset import Dataset, DatasetSnapshot, ParquetFormat, Rule
from contracts.errors import InvalidData
from contracts.manifest import ManifestEntry, ManifestSummary, ObjectGroup
from contracts.run_request import parse_timestamp
from dataset_loading.check import CheckedDataset
from reading_rules.source_lines import SourceLines
from sources import fetch
from stores.dynamodb.items import partition_key
from stores.versions import place_in
from tabular.sql import column_type, sql_identifier, sql_literal
from tabular.workspace import Workspace, connect, workspace
from validation.row_classes import RowClassifier
from validation.unit_input import texts_given
from validation.unit_split import SplitResult, split_parquet, split_text

_SOUGHT: Final = "sought"  # the rule that the row breaks, and no other
_MEMORY: Final = 2048  # MB, of which DuckDB gets about half
_GONE: Final = frozenset({"404", "NoSuchKey", "NotFound"})
_NO_CHECKS: Final = {
    "required": False,
    "unique": False,
    "minimum": None,
    "maximum": None,
    "allowed": None,
    "pattern": None,
    "references": None,
}


class ObjectState(StrEnum):
    """Whether the object is still what the run read: SAME; CHANGED; GONE; UNKNOWN: the run's own
    files have expired, so it cannot be compared."""

    SAME = "SAME"
    CHANGED = "CHANGED"
    GONE = "GONE"
    UNKNOWN = "UNKNOWN"

    @property
    def said(self) -> str:
        """In words."""
        return _SAID_OF[self]


_SAID_OF: Final[dict[ObjectState, str]] = {
    ObjectState.SAME: "as the run read it",
    ObjectState.CHANGED: "CHANGED since the run read it; its lines are those of now",
    ObjectState.GONE: "not there any more",
    ObjectState.UNKNOWN: "cannot be compared, as the run's files have expired",
}


@dataclass(frozen=True)
class Lines:
    """Where rows with the key stand in the object.

    Attributes:
        numbers: lines (of Parquet rows, of arrays items), from 1.
        note: why there are none, or what they are numbers of; None: lines of the object.
    """

    numbers: tuple[int, ...] = ()
    note: str | None = None


@dataclass(frozen=True)
class Origin:
    """Where an item of the result table comes from.

    Attributes:
        item: as it is stored.
        url: of the object, or of the JSON array whose item it was; None: not known any more.
        run_expired: the ledger holds nothing of its run any more.
        results_url: of that run's results document, if it is still there.
    """

    key: str
    item: Item
    url: str | None
    state: ObjectState
    lines: Lines
    run_expired: bool = False
    results_url: str | None = None


def key_values(checked: CheckedDataset, texts: Sequence[str]) -> dict[str, Any]:
    """Values of the natural key by column, in the types of the result.

    Raises:
        CommandFailed: there are too many or too few, or one is not of its column's type.
    """
    target = checked.dataset.targets.dynamodb
    if target is None:
        raise CommandFailed(
            f"dataset {checked.dataset.name} stores nothing in DynamoDB",
            REFUSED,
            "its rows in the warehouse have the columns run_id, unit_id and job_id"
            " (docs/stores.md)",
        )
    if len(texts) != len(target.key):
        raise CommandFailed(
            f"the key of {checked.dataset.name} is {', '.join(target.key)}: {len(target.key)}"
            f" value{'s' * (len(target.key) != 1)}, not {len(texts)}",
            REFUSED,
        )
    types = dict(checked.output_columns)
    return {
        name: _typed(text, types[name], name) for name, text in zip(target.key, texts, strict=True)
    }


def find_origin(
    deployment: Deployment, index: str, values: Mapping[str, Any], *, with_line: bool
) -> Origin | None:
    """Where the stored row of this key comes from; None: there is none.

    Args:
        values: of the natural key, in its order.
        with_line: read the object again.
    """
    key = partition_key(index, list(values.values()))
    response = deployment.client("dynamodb").get_item(
        TableName=deployment.output("ProcessedDataTable"), Key={"pk": {"S": key}}
    )
    if "Item" not in response:
        return None
    item = plain_item(response["Item"])
    origin = _origin(deployment, key, item, values, with_line=with_line)
    ledger = LedgerView(deployment.client("dynamodb"), deployment.output("LedgerTable"))
    if ledger.run(item["run_id"]) is not None:
        return origin
    document = results_document(deployment, item["run_id"])
    return replace(origin, run_expired=True, results_url=document)


def _origin(
    deployment: Deployment, key: str, item: Item, values: Mapping[str, Any], *, with_line: bool
) -> Origin:
    """The same by the run's files, whatever the ledger holds."""
    entry = _entry(deployment, item["run_id"], item["unit_id"], place_in(item.get("version", "")))
    if entry is None:
        note = "the run's list of objects has expired"
        return Origin(key, item, None, ObjectState.UNKNOWN, Lines(note=note))
    snapshot = read_snapshot(deployment, item["run_id"])
    url = snapshot.input_url if entry.items is not None and snapshot.input_url else entry.url
    state = _state(deployment, entry)
    lines = Lines()
    if state is ObjectState.GONE:
        lines = Lines(note="the object is not there any more")
    elif with_line:
        lines = _lines(deployment, snapshot, entry, values)
    return Origin(key, item, url, state, lines)


def _typed(text: str, kind: str, column: str) -> Any:
    if kind == "string":
        return text
    try:
        if kind == "timestamp":
            return parse_timestamp(text).astimezone(UTC).replace(tzinfo=None)
        with connect() as connection:
            cast = f"SELECT CAST(? AS {column_type(kind)})"
            return connection.execute(cast, [text]).fetchall()[0][0]
    except (ValueError, duckdb.Error):
        raise CommandFailed(f"{column} is of type {kind}, and {text!r} is not", REFUSED) from None


def _entry(
    deployment: Deployment, run_id: str, unit_id: str, place: int | None
) -> ManifestEntry | None:
    """The object of a unit, as the run listed it; None where its list is gone.

    Args:
        place: in a unit that holds several.
    """
    shard, index = layout.split_unit_id(unit_id)
    try:
        found = _read_json(deployment, layout.manifest_summary_key(run_id))
        summary = ManifestSummary.from_json(found)
        part = summary.part(run_id, shard, lambda key: _read_json(deployment, key))
    except ClientError as error:
        if error.response["Error"]["Code"] in _GONE:
            return None
        raise
    entry = part.entries[index]
    if place is None or entry.objects is None:
        return entry
    return ObjectGroup.from_json(_read_json(deployment, entry.key)).entries[place]


def _read_json(deployment: Deployment, key: str) -> Any:
    response = deployment.client("s3").get_object(
        Bucket=deployment.output("DataBucketName"), Key=key
    )
    return json.loads(response["Body"].read())


def _state(deployment: Deployment, entry: ManifestEntry) -> ObjectState:
    try:
        found = deployment.client("s3").head_object(Bucket=entry.bucket, Key=entry.key)
    except ClientError as error:
        if error.response["Error"]["Code"] in _GONE:
            return ObjectState.GONE
        raise
    same = found["ETag"].strip('"') == entry.etag
    return ObjectState.SAME if same else ObjectState.CHANGED


def _lines(
    deployment: Deployment,
    snapshot: DatasetSnapshot,
    entry: ManifestEntry,
    values: Mapping[str, Any],
) -> Lines:
    dataset = snapshot.dataset
    made = [name for name in values if name not in dataset.column_types]
    if made:
        return Lines(note=f"{', '.join(made)} is made by the transform, so no line has it")
    given = texts_given(snapshot, entry, deployment.output("DataBucketName"))
    classifier = RowClassifier(_seeking(dataset, values), None, given)
    with workspace(_MEMORY) as space:
        copy = space.path("object")
        response = deployment.client("s3").get_object(Bucket=entry.bucket, Key=entry.key)
        with copy.open("wb") as file:
            shutil.copyfileobj(response["Body"], file)
        try:
            found = _split(space, dataset, entry, classifier)
        except InvalidData as error:
            return Lines(note=str(error))
        numbers = tuple(_sought(found))
    if entry.items is not None:
        first = layout.first_item(entry.key)
        return Lines(tuple(first + number for number in numbers), "items of the array, from 1")
    if not numbers:
        by_job = ", or a job of the run wrote it otherwise" if dataset.jobs else ""
        return Lines(note=f"no row of the object has this key{by_job}")
    return Lines(numbers, "rows" if isinstance(dataset.format, ParquetFormat) else None)


def _split(
    space: Workspace, dataset: Dataset, entry: ManifestEntry, classifier: RowClassifier
) -> SplitResult:
    copy = space.path("object")
    if isinstance(dataset.format, ParquetFormat):
        return split_parquet(space, [copy], classifier, entry.url)
    lines = SourceLines(space.path("source-lines"))
    with copy.open("rb") as file:
        text = fetch.text_in(file, entry.key, dataset.format, lines)
        return split_text(space, text, classifier, entry.url, lines=lines)


def _seeking(dataset: Dataset, values: Mapping[str, Any]) -> Dataset:
    """The contract, by which only rows with these values are rejected."""
    types = dataset.column_types
    same = " AND ".join(
        f"{sql_identifier(name)} = CAST({sql_literal(str(value))} AS {column_type(types[name])})"
        for name, value in values.items()
    )
    # Not validated: the text of a long key may be longer than a person's rule may be.
    rule = Rule.model_construct(name=_SOUGHT, check=f"NOT ({same})")
    columns = tuple(column.model_copy(update=_NO_CHECKS) for column in dataset.columns)
    return dataset.model_copy(update={"columns": columns, "rules": (rule,), "rows": None})


def _sought(found: SplitResult) -> list[int]:
    numbers = []
    for file in found.rejects:
        with file.open(encoding="utf-8") as rows:
            for row in map(json.loads, rows):
                if row["rule"] == _SOUGHT:
                    numbers.append(int(row["line"]))
    return sorted(numbers)
