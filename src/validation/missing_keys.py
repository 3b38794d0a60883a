"""Columns whose key no JSON record of an object has, where there is one that is nearly the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from contracts.columns import source_names
from contracts.dataset import Dataset, JsonFormat, JsonLinesFormat
from reading import malformed
from reading.reader import Reader
from reading_rules.json.near_keys import has_key_query, keys_query, near_keys
from tabular.sql import sql_literal
from tabular.workspace import Workspace
from validation.scanned import Scanned


def find_missing_keys(
    space: Workspace, reader: Reader, dataset: Dataset, scans: Sequence[Scanned]
) -> dict[str, str]:
    """The nearest key of each such column.

    An object is only read again for columns without any value among its valid rows.
    """
    read = [scan for scan in scans if scan.chunk.lines]
    if not read or not isinstance(dataset.format, (JsonFormat, JsonLinesFormat)):
        return {}
    names = source_names(column for column in dataset.columns if not column.from_)
    empty = _without_values(space, names, read)
    if not empty:
        return {}
    keys = _rows(space, keys_query(reader.relation(read[0].chunk)))
    ignores_case = dataset.format.case_insensitive is True
    near = near_keys(names, [str(key) for (key,) in keys], ignores_case=ignores_case)
    return {
        name: key
        for name, key in near.items()
        if name in empty
        and not any(
            _rows(space, has_key_query(reader.relation(scan.chunk), name, names[name]))
            for scan in read
        )
    }


def _without_values(
    space: Workspace, names: Mapping[str, str], scans: Sequence[Scanned]
) -> set[str]:
    files = ", ".join(sql_literal(scan.path) for scan in scans if scan.valid)
    if not files:
        return set(names)
    rows = _rows(
        space,
        f"SELECT path_in_schema FROM parquet_metadata([{files}]) GROUP BY path_in_schema"
        " HAVING sum(stats_null_count) = sum(num_values)",
    )
    return {str(name) for (name,) in rows}


def _rows(space: Workspace, query: str) -> list[tuple[object, ...]]:
    malformed.forget(space.connection)
    found: list[tuple[object, ...]] = space.connection.execute(query).fetchall()
    return found
