"""Rows of CSV that lack columns, where a chunk has many of them.

For each field that a record lacks DuckDB's reject handling stores the record again, which is far
slower than reading. So where many fields are missing, such records are read filled up: a field is
NULL then only if it is missing, and the record is logged (`validation.scan_sql`) by three numbers.

Fields behind the last column do not matter to DuckDB if they are empty, and empty is what NULL
stands for; here it would reject them. A chunk that has some is read again with so many columns more
(`Chunk.surplus`), of which only those that are not empty make a record too long.

Filled up is also what a quote opens that is never closed, where without filling up DuckDB passes
over it, so that its lines are missing. Such a chunk therefore ends with a short row of our own: it
comes out as the last one, or a quote is open.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import duckdb

from contracts.dataset import CsvFormat, Format
from reading.chunks import Chunk
from reading_rules.malformed import REJECTS_EXIST
from reading_rules.scans import REJECTS, field_labels, line_breaks
from reading_rules.sql import any_of, sql_identifier, sql_literal

WORTHWHILE: Final = 1_000  # missing fields of a chunk; of fewer, DuckDB's reject handling will do
FOUND: Final = '"fields-found"'  # column: how many fields a short row has; NULL for all others
SURPLUS: Final = 20_000  # empty fields at most; spreadsheets have up to 16,384 columns
LOG: Final = "short"  # the type of what is logged


@dataclass(frozen=True)
class ShortRows:
    """Rows of too few columns, or too many, in order.

    Attributes:
        numbers: of the rows in their chunk, from 1.
        fields: how many each has.
        breaks: line breaks in its values.
    """

    numbers: Sequence[int] = ()
    fields: Sequence[int] = ()
    breaks: Sequence[int] = ()

    def __len__(self) -> int:
        return len(self.numbers)

    def part(self, first: int, end: int) -> ShortRows:
        """Those from one position up to another."""
        parts = (each[first:end] for each in (self.numbers, self.fields, self.breaks))
        return ShortRows(*parts)

    def multiline(self) -> list[tuple[int, int]]:
        """Number and line breaks of those that have some."""
        return [(number, n) for number, n in zip(self.numbers, self.breaks, strict=True) if n]


def has_many(chunk: Chunk, form: Format, columns: int) -> bool:
    """Whether a chunk's short rows are to be read filled up.

    Args:
        columns: how many a row has.
    """
    if not isinstance(form, CsvFormat) or form.pad_short_rows or columns < 2:
        return False
    return chunk.missing >= WORTHWHILE


def with_fields_found(rows: str, fields: Sequence[str], surplus: Sequence[str]) -> str:
    """Records that are filled up, with the column `FOUND`, and NULL for what is empty.

    Args:
        surplus: the fields behind the last column.
    """
    texts = ", ".join(f"nullif({name}, '') AS {name}" for name in fields)
    every = list(enumerate([*fields, *surplus], start=1))
    count = " ".join(f"WHEN {name} IS NOT NULL THEN {n}" for n, name in reversed(every))
    is_wrong = any_of([f"{fields[-1]} IS NULL", *(f"{name} <> ''" for name in surplus)])
    return (
        f"(\n      SELECT\n        * REPLACE ({texts}),\n"
        f"        CASE WHEN {is_wrong} THEN CASE {count} ELSE 0 END END AS {FOUND}\n"
        f"      FROM {rows}\n    )"
    )


def logged_short(number: str, columns: int, chunk: Chunk) -> str:
    """SQL that logs a short row, and is NULL.

    Args:
        number: SQL of the row's number.
        columns: how many a row has.
    """
    every = [sql_identifier(label) for label in field_labels(columns + chunk.surplus)]
    breaks = line_breaks(every) if chunk.quotes else "0"
    numbers = f"{number}, {FOUND}, coalesce({breaks}, 0)"
    return f"write_log(concat_ws(' ', {numbers}), log_type := '{LOG}')"


def read_short(connection: duckdb.DuckDBPyConnection) -> ShortRows:
    """The short rows that the last scan has logged, in order, that of our own included."""
    row = connection.execute(
        f"SELECT string_agg(message, ' ') FROM duckdb_logs WHERE type = '{LOG}'"
    ).fetchone()
    numbers = array("q", map(int, row[0].split() if row and row[0] else ()))
    rows = ShortRows(numbers[::3], numbers[1::3], numbers[2::3])
    order = sorted(range(len(rows)), key=rows.numbers.__getitem__)
    if order == list(range(len(rows))):  # they are logged in order, but nothing promises it
        return rows
    parts = (rows.numbers, rows.fields, rows.breaks)
    return ShortRows(*(array("q", (part[n] for n in order)) for part in parts))


def surplus_of(connection: duckdb.DuckDBPyConnection, form: CsvFormat, columns: int) -> int:
    """How many empty fields more than columns the records have that the last scan rejected.

    Args:
        columns: how many a row has.
    """
    if connection.execute(REJECTS_EXIST).fetchone() != (1,):
        return 0
    line = "rtrim(csv_line, chr(10) || chr(13))"
    ends = any_of(f"ends_with({line}, {sql_literal(e)})" for e in (form.delimiter, 2 * form.quote))
    row = connection.execute(
        f"SELECT max(CAST(regexp_extract(error_message, 'Found: ([0-9]+)', 1) AS BIGINT))"
        f" FROM {REJECTS} WHERE error_type = 'TOO MANY COLUMNS' AND ({ends})"
    ).fetchone()
    return min(SURPLUS, int(row[0]) - columns) if row and row[0] else 0


@contextmanager
def ended(chunk: Chunk, form: CsvFormat) -> Iterator[None]:
    """Let a chunk end with a short row of our own meanwhile."""
    size = chunk.path.stat().st_size
    letter = next(one for one in "abcd" if one not in form.delimiter + form.quote)
    line_end = b"\r\n" if chunk.returns else b"\n"
    with chunk.path.open("r+b") as file:
        file.seek(max(0, size - 1))
        is_ended = file.read(1) == b"\n"
        file.write((b"" if is_ended else line_end) + letter.encode() + line_end)
    try:
        yield
    finally:
        with chunk.path.open("r+b") as file:
            file.truncate(size)
