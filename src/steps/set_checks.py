# ruff: noqa: S608 -- names are quoted by steps.duck
"""Checks that need the other rows: `unique` and `references`.

They are made over the rows that pass every other check, which lie in the valid Parquet file by
then: reading two columns of it is cheap, and mostly finds nothing. Only where it does are the
file written anew and the source scanned for the rows in question.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from steps.duck import Workspace, quoted, text
from steps.reading import Source
from steps.splitting import NOTES, Split

_NUMBER: Final = '"row-number"'
_BREAKS: Final = '"row-breaks"'


def find(space: Workspace, source: Source, split: Split, valid: Path) -> list[int]:
    """Look for values that occur twice, or refer to nothing; answers the codes of broken checks.

    Leaves a table `values-<code>` of them for each.

    Args:
        valid: the rows that pass all other checks.
    """
    found = []
    rows = f"read_parquet({text(valid)})"
    for code, check in enumerate(split.every):
        if check.broken is not None or check.column is None:
            continue
        column, table = quoted(check.column), _table(code)
        if check.references is None:
            values = f"SELECT {column} AS value FROM {rows} WHERE {column} IS NOT NULL"
            values += " GROUP BY ALL HAVING count(*) > 1"
        else:
            other = quoted(check.references)
            values = (
                f"SELECT DISTINCT {column} AS value FROM {rows} AS one WHERE {column} IS NOT NULL"
                f" AND NOT EXISTS (FROM {rows} AS other WHERE other.{other} = one.{column})"
            )
        space.connection.execute(f"CREATE OR REPLACE TABLE {table} AS {values}")
        if check.references is not None and _has_rows(space, table):
            # Perhaps in a row that is itself rejected.
            present = f"SELECT {other} FROM {split.typed(source.passing)}"
            space.connection.execute(f"DELETE FROM {table} WHERE value IN ({present})")
        if _has_rows(space, table):
            found.append(code)
    return found


def drop_breaching(
    space: Workspace, split: Split, breaches: Sequence[int], valid: Path, path: Path
) -> int | None:
    """Write the valid rows anew without those that break one of these checks.

    Answers how many are left; None if all of the checks only warn, and nothing was written.
    """
    rejecting = [code for code in breaches if split.every[code].rejects]
    if not rejecting:
        return None
    values = ", ".join(
        f"CAST({quoted(str(split.every[code].column))} AS VARCHAR) AS {quoted(f'value-{code}')}"
        for code in rejecting
    )
    numbered = (
        f"SELECT *, file_row_number AS {_NUMBER}, {values}"
        f" FROM read_parquet({text(valid)}, file_row_number = true)"
    )
    some = " OR ".join(_breaks(split, code, _NUMBER) for code in rejecting)
    return space.number(
        f"COPY (SELECT {split.names} FROM (SELECT *, {some} AS {_BREAKS} FROM ({numbered}))"
        f" WHERE {_BREAKS} IS NOT TRUE ORDER BY {_NUMBER})"
        f" TO {text(path)} (FORMAT parquet, COMPRESSION snappy)"
    )


def add_to_notes(space: Workspace, split: Split, breaches: Sequence[int]) -> None:
    """Add to the view `notes` which rows break these checks."""
    if not breaches:
        return
    codes = ", ".join(
        f"CASE WHEN {_breaks(split, code, 'ordinal')} THEN '{code}' END" for code in breaches
    )
    some = " OR ".join(
        f"{quoted(f'value-{code}')} IN (SELECT CAST(value AS VARCHAR) FROM {_table(code)})"
        for code in breaches
    )
    space.connection.execute(
        "CREATE OR REPLACE TABLE breaching AS"
        f" SELECT ordinal, concat_ws(',', NULL, {codes}) AS codes FROM {NOTES} WHERE {some}"
    )
    space.connection.execute(f"ALTER VIEW {NOTES} RENAME TO {NOTES}_before")
    space.connection.execute(
        f"CREATE VIEW {NOTES} AS SELECT ordinal,"
        " nullif(concat_ws(',', state, nullif(codes, '')), '') AS state,"
        f" fields, record, breaks FROM {NOTES}_before LEFT JOIN breaching USING (ordinal)"
    )


def _breaks(split: Split, code: int, order: str) -> str:
    """True for a row that breaks the check: of equal values, for all but the first one."""
    value = quoted(f"value-{code}")
    among = f"{value} IN (SELECT CAST(value AS VARCHAR) FROM {_table(code)})"
    if split.every[code].references is not None:
        return f"({among})"
    number = f"row_number() OVER (PARTITION BY {value} ORDER BY {order})"
    return f"({value} IS NOT NULL AND {number} > 1)"


def _table(code: int) -> str:
    return quoted(f"values-{code}")


def _has_rows(space: Workspace, table: str) -> bool:
    return space.number(f"SELECT count(*) FROM {table}") > 0
