"""Finds the file, row, column and value that made a load fail.

Three witnesses: the warehouse's error, its view of load errors, and the files themselves. Of
columnar files the warehouse often knows no row, and never the value, so the files are searched for
values that the table's column cannot hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from contracts import layout
from contracts.dataset import DatasetSnapshot
from contracts.errors import NotConfigured
from contracts.messages import ExplainLoad, LoadExplanation
from sources import frozen
from stores.redshift.client import WarehouseClient
from stores.redshift.load_errors import FINDINGS, LoadError, ask_warehouse
from tabular import workspace
from tabular.parts import Part, output_parts
from tabular.sql import sql_identifier, sql_literal
from tabular.workspace import Workspace

VALUE_CHARACTERS: Final = 100
MESSAGE_CHARACTERS: Final = 1900  # of a recorded failure's 2,000


def explain_load(
    message: ExplainLoad, data_bucket: str, memory: int, client: WarehouseClient
) -> LoadExplanation:
    """Explain a failed load; changes nothing.

    Args:
        memory: of the function, in MB.

    Raises:
        NotConfigured: the contract has no warehouse target.
        NotFound: the unit's files are not there.
    """
    bucket, run_id, unit_id = data_bucket, message.run_id, message.unit_id
    snapshot = frozen.read_snapshot(bucket, run_id)
    if snapshot.dataset.targets.redshift is None:
        raise NotConfigured(f"dataset {snapshot.dataset.name} has no target redshift")
    if not snapshot.dataset.examples:  # an explanation is the value
        return LoadExplanation(message=message.error)
    prefix = layout.s3_url(bucket, layout.output_prefix(run_id, unit_id))
    errors, lengths = ask_warehouse(client, snapshot, prefix)
    parts = output_parts(bucket, run_id, unit_id, message.files)
    lines = [message.error]
    with workspace.workspace(memory) as space:
        search = FileSearch(space, bucket, parts, snapshot)
        lines += [search.explain(error) for error in errors]
        if not any(error.row for error in errors):
            lines += search.too_long(lengths)
    return LoadExplanation(message="; ".join(lines)[:MESSAGE_CHARACTERS])


class FileSearch:
    """Looks into the unit's files, each fetched when it is needed."""

    def __init__(
        self, space: Workspace, bucket: str, parts: Sequence[Part], snapshot: DatasetSnapshot
    ) -> None:
        self._space, self._bucket, self._parts = space, bucket, parts
        self._texts = [name for name, kind in snapshot.output_columns if kind == "string"]
        self._columns = [name for name, _ in snapshot.output_columns]
        target = snapshot.dataset.targets.redshift
        self._key = target.key if target else ()

    def explain(self, error: LoadError) -> str:
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
