"""explain_load: which file, row, column and value a failed load fell over.

Three witnesses: the warehouse's error, its view of load errors, and the files themselves. Of
columnar files the warehouse often knows no row, and never the value, so the files are looked
through for values that the table's column cannot hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from contracts import layout
from contracts.dataset import DatasetSnapshot
from contracts.errors import NotConfigured, PipelineError
from contracts.messages import ExplainLoad, LoadExplanation
from runtime.handler import logger, settings_from_environment, step_handler
from sources import frozen
from stores.redshift.client import WarehouseClient, WarehouseSettings
from stores.redshift.sql import LONGEST_TEXT, literal, table_name
from tabular import workspace
from tabular.parts import Part, output_parts
from tabular.sql import sql_identifier, sql_literal
from tabular.workspace import Workspace

FINDINGS: Final = 3
VALUE_CHARACTERS: Final = 100
MESSAGE_CHARACTERS: Final = 1900  # of a recorded failure's 2,000


@dataclass(frozen=True, kw_only=True)
class Settings(WarehouseSettings):
    data_bucket: str
    aws_lambda_function_memory_size: str = "1024"  # MB; Lambda sets it


@dataclass(frozen=True)
class LoadError:
    """What the warehouse keeps of a load error. `row` counts from 1, where it is known."""

    file: str
    row: int | None
    column: str
    message: str


@step_handler(ExplainLoad)
def handler(message: ExplainLoad) -> LoadExplanation:
    settings = settings_from_environment(Settings)
    return explain_load(message, settings, WarehouseClient.of(settings, "explain-load"))


def explain_load(
    message: ExplainLoad, settings: Settings, client: WarehouseClient
) -> LoadExplanation:
    """Look into a load that has failed; changes nothing.

    Raises:
        NotConfigured: the contract has no warehouse target.
        NotFound: the unit's files are not there.
    """
    bucket, run_id, unit_id = settings.data_bucket, message.run_id, message.unit_id
    snapshot = frozen.read_snapshot(bucket, run_id)
    if snapshot.dataset.targets.redshift is None:
        raise NotConfigured(f"dataset {snapshot.dataset.name} has no target redshift")
    prefix = layout.s3_url(bucket, layout.output_prefix(run_id, unit_id))
    errors, lengths = _asked(client, snapshot, prefix)
    parts = output_parts(bucket, run_id, unit_id, message.files)
    lines = [message.error]
    with workspace.workspace(int(settings.aws_lambda_function_memory_size)) as space:
        search = _Search(space, bucket, parts, snapshot)
        lines += [search.told(error) for error in errors]
        if not any(error.row for error in errors):
            lines += search.too_long(lengths)
    return LoadExplanation(message="; ".join(lines)[:MESSAGE_CHARACTERS])


def _asked(
    client: WarehouseClient, snapshot: DatasetSnapshot, prefix: str
) -> tuple[list[LoadError], dict[str, int]]:
    """Load errors of the unit's files, and how many bytes the target's texts may have.

    A warehouse that does not answer leaves the files to be looked at.
    """
    lengths = {name: LONGEST_TEXT for name, kind in snapshot.output_columns if kind == "string"}
    try:
        return _load_errors(client, prefix), lengths | _lengths(client, snapshot)
    except PipelineError as error:
        logger.warning("the warehouse does not explain", extra={"error": repr(error)})
        return [], lengths


def _load_errors(client: WarehouseClient, prefix: str) -> list[LoadError]:
    # The underscore of a run id is no placeholder here: compared by its beginning, without LIKE.
    rows = client.rows(
        "SELECT TRIM(file_name) AS file_name, line_number, TRIM(column_name) AS column_name,"
        " TRIM(error_message) AS error_message FROM sys_load_error_detail"
        f" WHERE LEFT(file_name, {len(prefix)}) = {literal(prefix)}"
        f" ORDER BY start_time DESC LIMIT {FINDINGS}"
    )
    found = []
    for row in rows:
        line = int(row["line_number"] or 0)
        known = line if line > 0 else None  # -1 and 0: of columnar files it is not known
        found.append(
            LoadError(row["file_name"], known, row["column_name"] or "", row["error_message"])
        )
    return list(dict.fromkeys(found))


def _lengths(client: WarehouseClient, snapshot: DatasetSnapshot) -> dict[str, int]:
    target = snapshot.dataset.targets.redshift
    if target is None:
        return {}
    schema, _, name = table_name(target.table).partition(".")
    rows = client.rows(
        "SELECT column_name, character_maximum_length AS most FROM svv_columns"
        f" WHERE table_schema = {literal(schema)} AND table_name = {literal(name)}"
    )
    return {row["column_name"]: int(row["most"]) for row in rows if row["most"] is not None}


class _Search:
    """Looks into the unit's files, each fetched when it is needed."""

    def __init__(
        self, space: Workspace, bucket: str, parts: Sequence[Part], snapshot: DatasetSnapshot
    ) -> None:
        self._space, self._bucket, self._parts = space, bucket, parts
        self._texts = [name for name, kind in snapshot.output_columns if kind == "string"]
        self._columns = [name for name, _ in snapshot.output_columns]
        target = snapshot.dataset.targets.redshift
        self._key = target.key if target else ()

    def told(self, error: LoadError) -> str:
        """A load error in words, with the value if its row and column are known."""
        where = [error.file]
        where += [f"row {error.row}"] if error.row else []
        where += [f"column {error.column}"] if error.column else []
        value = ""
        parts = [part for part in self._parts if error.file.endswith(part.key)]
        if parts and error.row and error.column in self._columns:
            found = self._query(
                parts[0],
                f"SELECT {sql_identifier(error.column)} FROM {{file}} WHERE file_row_number + 1"
                f" = {error.row}",
            )
            value = f" (value {_shown(found[0][0])})" if found else ""
        return f"{', '.join(where)}: {error.message}{value}"

    def too_long(self, lengths: dict[str, int]) -> list[str]:
        """Texts over the length of their column, in the files' order; up to three."""
        limited = {name: lengths[name] for name in self._texts if name in lengths}
        if not limited:
            return []
        lines: list[str] = []
        for part in self._parts:
            lines += self._too_long_in(part, limited, FINDINGS - len(lines))
            if len(lines) >= FINDINGS:
                break
        return lines

    def _too_long_in(self, part: Part, limited: dict[str, int], most: int) -> Iterator[str]:
        over = " OR ".join(
            f"strlen({sql_identifier(name)}) > {length}" for name, length in limited.items()
        )
        names = ", ".join(sql_identifier(name) for name in (*limited, *self._key))
        rows = self._query(
            part,
            f"SELECT file_row_number + 1, {names} FROM {{file}} WHERE {over}"
            f" ORDER BY file_row_number LIMIT {most}",
        )
        for number, *values in rows:
            key = "|".join(str(value) for value in values[len(limited) :])
            for (name, length), value in zip(limited.items(), values, strict=False):
                size = len((value or "").encode())
                if size > length:
                    yield (
                        f"{layout.s3_url(self._bucket, part.key)}, row {number} (key {key}), column"
                        f" {name}: the text has {size} bytes, the column holds {length}"
                        f" (value {_shown(value)})"
                    )

    def _query(self, part: Part, sql: str) -> list[tuple[Any, ...]]:
        path = self._space.path(part.name)
        if not path.exists():
            workspace.download(self._bucket, part.key, path)
        file = f"read_parquet({sql_literal(path)}, file_row_number = true)"
        return self._space.connection.execute(sql.format(file=file)).fetchall()


def _shown(value: object) -> str:
    shown = repr(value) if isinstance(value, str) else str(value)
    return shown if len(shown) <= VALUE_CHARACTERS else shown[:VALUE_CHARACTERS] + "…"
