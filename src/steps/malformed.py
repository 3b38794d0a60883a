# ruff: noqa: S608 -- names and texts are quoted by steps.duck
"""Records that DuckDB could not read: which they were, where they stand and what is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from steps.duck import MEGABYTE, Workspace, text
from steps.fetching import Fetched
from steps.reading import LONGEST_RECORD, REJECTS

_COLUMN_COUNT: Final = re.compile(r"Expected Number of Columns: (\d+) Found: (\d+)")


@dataclass(frozen=True)
class Malformed:
    """A record that could not be read.

    Attributes:
        line: where it starts, from 1, in the decompressed file (in a zstd file: its number among
            the records).
        raw: its text, up to 2 MB.
        height: how many lines it takes.
    """

    line: int
    reason: str
    raw: str
    column: str | None = None

    @property
    def height(self) -> int:
        return 1 + self.raw.count("\n")


def collect(space: Workspace, header: Sequence[str]) -> int:
    """Make the table `malformed`, one row per record, of what a scan has left; answers how many.

    Of a record's several errors the one that tells most is kept.

    Args:
        header: the names of the fields.
    """
    names = "[" + ", ".join(text(name) for name in header) + "]::VARCHAR[]"
    space.connection.execute(
        "CREATE OR REPLACE TABLE malformed (position BIGINT, line BIGINT, kind VARCHAR,"
        " message VARCHAR, column_name VARCHAR, raw VARCHAR)"
    )
    found = f"SELECT count(*) FROM duckdb_tables() WHERE table_name = '{REJECTS}'"
    if not space.number(found):
        return 0
    # The position counts from 1 and may stand on the line break before the record. Of a record with
    # too many columns the last error has the true number, of any other the first error is told.
    space.connection.execute(
        "INSERT INTO malformed SELECT line_byte_position - 1 + strlen(any_value(csv_line))"
        " - strlen(ltrim(any_value(csv_line), chr(10) || chr(13))), min(line),"
        " arg_min(error_type, byte_position), CASE WHEN bool_or(error_type = 'TOO MANY COLUMNS')"
        " THEN arg_max(error_message, byte_position)"
        " ELSE arg_min(error_message, byte_position) END,"
        " CASE WHEN NOT bool_or(error_type LIKE '%COLUMNS')"
        f" THEN ({names})[arg_min(column_idx, byte_position)::BIGINT] END, any_value(csv_line)"
        f" FROM {REJECTS} GROUP BY line_byte_position"
    )
    space.connection.execute(f"DROP TABLE {REJECTS}")
    return space.number("SELECT count(*) FROM malformed")


def forget(space: Workspace) -> None:
    """Drop what an unfinished scan has left."""
    for table in (REJECTS, f"{REJECTS}_again"):
        space.connection.execute(f"DROP TABLE IF EXISTS {table}")
        space.connection.execute(f"DROP TABLE IF EXISTS {table}_scan")


def malformed_rows(space: Workspace, fetched: Fetched, encoding: str) -> Iterator[Malformed]:
    """The records of the table `malformed`, in the file's order."""
    rows = space.connection.cursor().execute(
        "SELECT position, line, kind, message, column_name, raw FROM malformed"
        " ORDER BY position, line"
    )
    by_number = fetched.compression != "none"  # its bytes cannot be counted here
    with _LineCounter(fetched.path) as counter:
        while batch := rows.fetchmany(1000):
            for position, line, kind, message, column, raw in batch:
                if not by_number:
                    line = counter.line_at(position)
                yield Malformed(line, _reason(kind, message, encoding), raw.strip("\r\n"), column)


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


class _LineCounter:
    """Lines of byte positions that only grow, in one pass over the file."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._position = 0
        self._line = 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def line_at(self, position: int) -> int:
        while self._position < position:
            piece = self._file.read(min(MEGABYTE, position - self._position))
            if not piece:
                break
            self._position += len(piece)
            self._line += piece.count(b"\n")
        return self._line
