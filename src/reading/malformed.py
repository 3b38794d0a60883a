"""Records that DuckDB could not read: which they were, where they stand and what is wrong."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from reading.reader import LONGEST_RECORD, REJECTS
from tabular.workspace import MEGABYTE

_COLUMN_COUNT: Final = re.compile(r"Expected Number of Columns: (\d+) Found: (\d+)")
_OPEN: Final = ("UNQUOTED VALUE", "LINE SIZE OVER MAXIMUM")


@dataclass(frozen=True)
class Malformed:
    """A record that could not be read.

    Attributes:
        line: where it starts in its chunk, from 1.
        height: how many lines it takes.
        is_open: whether a quote may not have been closed.
    """

    line: int
    line_count: int
    reason: str
    column: str | None = None
    is_open: bool = False


def collect(
    connection: duckdb.DuckDBPyConnection, path: Path, header: Sequence[str], encoding: str
) -> list[Malformed]:
    """The records that a scan of this file has left, in its order.

    Of a record's several errors the one that tells most is kept.

    Args:
        header: the names of the fields; none where these are not what DuckDB reads.
    """
    there = f"SELECT count(*) FROM duckdb_tables() WHERE table_name = '{REJECTS}'"
    if connection.execute(there).fetchone() != (1,):
        return []
    # The position counts from 1 and may stand on the line break before the record. Of a record with
    # too many columns the last error has the true number, of any other the first error is told.
    rows = connection.execute(
        "SELECT line_byte_position - 1 + strlen(told) - strlen(ltrim(told, chr(10) || chr(13)))"
        " AS position, 1 + strlen(raw) - strlen(replace(raw, chr(10), '')), kind, message, number"
        " FROM (SELECT *, trim(told, chr(10) || chr(13)) AS raw FROM ("
        "SELECT line_byte_position, any_value(csv_line) AS told,"
        " arg_min(error_type, byte_position) AS kind,"
        " CASE WHEN bool_or(error_type = 'TOO MANY COLUMNS')"
        " THEN arg_max(error_message, byte_position)"
        " ELSE arg_min(error_message, byte_position) END AS message,"
        " CASE WHEN NOT bool_or(error_type LIKE '%COLUMNS')"
        " THEN arg_min(column_idx, byte_position) END AS number"
        f" FROM {REJECTS} GROUP BY line_byte_position)) ORDER BY position"
    ).fetchall()
    found: list[Malformed] = []
    with path.open("rb") as file:
        at, line = 0, 1
        for position, line_count, kind, message, number in rows:
            while at < position and (block := file.read(min(MEGABYTE, position - at))):
                at += len(block)
                line += block.count(b"\n")
            column = header[number - 1] if number and number <= len(header) else None
            reason = _reason(kind, message, encoding)
            found.append(Malformed(line, line_count, reason, column, kind in _OPEN))
    return found


def forget(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop what the scan before has left."""
    connection.execute(f"DROP TABLE IF EXISTS {REJECTS}")
    connection.execute(f"DROP TABLE IF EXISTS {REJECTS}_scan")


def _reason(kind: str, message: str, encoding: str) -> str:
    count = _COLUMN_COUNT.search(message)
    if count:
        return f"{count[2]} columns instead of {count[1]}"
    if kind == "UNQUOTED VALUE":
        return "a quote is not closed, or text follows a closing quote"
    if kind == "INVALID ENCODING":
        return f"not {encoding.upper()}"
    if kind == "LINE SIZE OVER MAXIMUM":
        return f"longer than {LONGEST_RECORD:,} bytes; is a quote not closed?"
    return message
