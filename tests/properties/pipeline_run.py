"""A run's data stages, driven as the orchestrator drives them, on drawn objects."""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aws_cloud import DATA_BUCKET, PROCESSED_DATA_TABLE
from column_texts import LAST_MODIFIED
from drawn import Dialect, Drawn
from hypothesis import settings
from manifests import put_manifest
from scratch_duckdb import connect

from contracts import layout
from contracts.dataset import Dataset, DatasetSnapshot, Group
from contracts.manifest import ManifestEntry
from contracts.messages import (
    StoredRows,
    StoreDynamodb,
    Transform,
    Transformed,
    Validate,
    Validated,
)
from contracts.source.object_outcomes import ObjectOutcome
from dataset_loading.check import CheckedDataset, check_dataset
from sources.groups.stored import read_outcomes
from sources.groups.writing import grouped_objects
from sources.objects.columns import Objects
from stores.dynamodb.slices import store_slice
from tabular.capacity import Capacity
from transformation.transformer import transform_unit
from validation.validator import validate_unit

# Of the rows with one key the last one stays: keys are unique in an object.
LAST_OF_EACH_KEY: Final = (
    "SELECT * FROM valid QUALIFY row_number() OVER (PARTITION BY k ORDER BY n DESC) = 1"
)
BY_LETTER: Final = {
    "transform": LAST_OF_EACH_KEY,
    "targets": {"dynamodb": {"key": ["k"]}},
}
_OF_THE_RUN: Final = {
    "pk", "index", "run_id", "unit_id", "version",
    "source_key", "execution_id", "processed_at", "stored_at",
}  # fmt: skip
_NUMBERS: Final = itertools.count(1)


def fewer(divisor: int) -> Any:
    """Fewer examples than the profile says: for properties of several runs, which take longer."""
    return settings(max_examples=settings.default.max_examples // divisor)


def contract(drawn: Drawn, dialect: Dialect, **changes: Any) -> CheckedDataset:
    """The drawn contract, through the check that every contract goes through."""
    value = {
        "name": "drawn",
        "source": {"prefix": "landing/drawn/"},
        "format": dialect.format,
        "columns": drawn.columns,
        "rules": drawn.rules,
        "targets": {"dynamodb": {"key": ["n"]}},
        "limits": {"rejectedPercentage": 100},
        **changes,
    }
    return check_dataset(json.dumps(value), "drawn")  # JSON is YAML


@dataclass
class PipelineRun:
    """One run over some objects: each stage may be called as often as wanted.

    Attributes:
        drawn: one for each object; with a `body`, that is the object's instead.
        resent: whether the object is one of rows that are sent again, by its key.
        group: how objects are grouped into units; absent: each is one.
        units: how many there are.
    """

    cloud: Any
    checked: CheckedDataset
    dialect: Dialect
    drawn: Sequence[Drawn]
    body: bytes | None = None
    resent: bool = False
    started_at: str = "2026-11-20T08:00:00Z"
    index: str = ""
    group: Group | None = None
    units: int = 0
    run_id: str = field(default_factory=lambda: f"run-{next(_NUMBERS)}")

    def __post_init__(self) -> None:
        self.index = self.index or self.run_id
        entries = []
        for number, drawn in enumerate(self.drawn):
            folder = f"landing/drawn/{self.run_id}/{drawn.folders}"
            key = f"{folder}{number}{self.dialect.ending}"
            if self.resent:
                key = layout.resent_key(self.run_id, str(number), self.dialect.ending)
            body = self.dialect.write(drawn) if self.body is None else self.body
            self.cloud.put(key, body)
            etag = self.cloud.client("s3").head_object(Bucket=DATA_BUCKET, Key=key)["ETag"]
            entries.append(
                {
                    "bucket": DATA_BUCKET,
                    "key": key,
                    "size": len(body),
                    "etag": etag.strip('"'),
                    "lastModified": LAST_MODIFIED,
                }
            )
        frozen = tuple(ManifestEntry.from_json(entry) for entry in entries)
        snapshot = DatasetSnapshot(
            dataset=self.dataset,
            version=self.checked.version,
            query=self.drawn[0].query,
            index=self.index,
            run_id=self.run_id,
            run_started_at=self.started_at,
            output_columns=self.checked.output_columns,
            group=self.group,
        )
        units = tuple(
            entry
            for some in grouped_objects(Objects.of(frozen), snapshot, 1, DATA_BUCKET, 10240)
            for entry in some.entries()
        )
        put_manifest(self.cloud.put, self.run_id, units)
        self.units = len(units)
        self.cloud.put(layout.dataset_snapshot_key(self.run_id), json.dumps(snapshot.to_json()))

    @property
    def dataset(self) -> Dataset:
        return self.checked.dataset

    def validate(self, unit: int = 0) -> Validated:
        message = Validate(run_id=self.run_id, unit_id=layout.unit_id(0, unit))
        return validate_unit(message, DATA_BUCKET, Capacity(1024, 10240))

    def transform(self, unit: int = 0) -> Transformed:
        message = Transform(run_id=self.run_id, unit_id=layout.unit_id(0, unit))
        return transform_unit(message, DATA_BUCKET, Capacity(1024, 512))

    def store(self, unit: int = 0, slices_of: int | None = None) -> list[StoredRows]:
        """All slices; with `slices_of`, the function's time is up after so many looks at it."""
        responses: list[StoredRows] = []
        first: int | None = 0
        while first is not None:
            message = StoreDynamodb(
                run_id=self.run_id, unit_id=layout.unit_id(0, unit), first_row=first
            )
            looks = itertools.count()
            responses.append(
                store_slice(
                    message,
                    DATA_BUCKET,
                    PROCESSED_DATA_TABLE,
                    1024,
                    remaining=lambda: 0.0 if slices_of and next(looks) >= slices_of else 900.0,  # noqa: B023
                    pause=lambda _seconds: None,
                )
            )
            first = responses[-1].next_row
        return responses

    def through(self, unit: int = 0) -> None:
        self.validate(unit)
        self.transform(unit)
        self.store(unit)

    def valid(self, unit: int = 0) -> list[dict[str, Any]]:
        return self._parquet(
            layout.valid_prefix(self.run_id, layout.unit_id(0, unit)) + "part-00000.parquet"
        )

    def output(self, unit: int = 0) -> list[dict[str, Any]]:
        prefix = layout.output_prefix(self.run_id, layout.unit_id(0, unit))
        return [row for key in self.cloud.keys(prefix) for row in self._parquet(key)]

    def outcomes(self, unit: int = 0) -> tuple[ObjectOutcome, ...]:
        """What transform made of each object of a unit that holds several."""
        return read_outcomes(DATA_BUCKET, self.run_id, layout.unit_id(0, unit))

    def rejects(self, unit: int = 0) -> list[dict[str, Any]]:
        key = layout.quarantine_key("drawn", self.run_id, layout.unit_id(0, unit))
        if not self.cloud.keys(key):
            return []
        return [json.loads(line) for line in self._object(key).decode().splitlines()]

    def objects(self) -> dict[str, bytes]:
        """Everything that the run has written."""
        prefixes = (f"runs/{self.run_id}/", f"quarantine/drawn/{self.run_id}/")
        keys = [key for prefix in prefixes for key in self.cloud.keys(prefix)]
        return {key: self._object(key) for key in keys}

    def items(self) -> dict[str, dict[str, Any]]:
        """What is stored under the run's index, by key."""
        pages = (
            self.cloud.client("dynamodb")
            .get_paginator("scan")
            .paginate(TableName=PROCESSED_DATA_TABLE)
        )
        found = [item for page in pages for item in page["Items"]]
        mine = (item for item in found if item["index"]["S"] == self.index)
        return {item["pk"]["S"].partition("#")[2]: item for item in mine}

    def rows(self) -> dict[str, dict[str, Any]]:
        """The items without what names their run."""
        return {
            key: {name: value for name, value in item.items() if name not in _OF_THE_RUN}
            for key, item in self.items().items()
        }

    def _object(self, key: str) -> bytes:
        body: bytes = self.cloud.client("s3").get_object(Bucket=DATA_BUCKET, Key=key)["Body"].read()
        return body

    def _parquet(self, key: str) -> list[dict[str, Any]]:
        with tempfile.TemporaryDirectory() as folder, connect() as reader:
            path = Path(folder) / "found.parquet"
            path.write_bytes(self._object(key))
            found = reader.execute("SELECT * FROM read_parquet(?)", [str(path)])
            names = [column[0] for column in found.description or ()]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
