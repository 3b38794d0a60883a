"""Rows of CSV that lack columns, where a text has many of them.

For each field that a record lacks DuckDB's reject handling stores the record again, which is far
slower than reading. So where many fields are missing, such records are read filled up: a field is
NULL then only if it is missing (`csv_scan`, `marks_missing`).

Fields behind the last column do not matter to DuckDB if they are empty, and empty is what NULL
stands for; here it would reject them. A text that has some is read again with so many columns more,
its surplus, of which only those that are not empty make a record too long.

Filled up is also what a quote opens that is never closed, where without filling up DuckDB passes
over it, so that its lines are missing. Such a text therefore ends with a short row of our own: it
comes out as the last one, or a quote is open.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from reading_rules.scans import REJECTS
from reading_rules.sql import any_of, sql_literal

WORTHWHILE: Final = 1_000  # missing fields of a text; of fewer, DuckDB's reject handling will do
FOUND: Final = '"fields-found"'  # column: how many fields a short row has; NULL for all others
SURPLUS: Final = 20_000  # empty fields at most; spreadsheets have up to 16,384 columns
FIELD_BITS: Final = 20  # enough for every number of fields: a row's number stands above them
SAMPLE_BYTES: Final = 32 * 1024


class MissingFields:
    """Estimates how many fields the rows of a text lack, by the beginnings of its blocks."""

    def __init__(self, delimiter: bytes) -> None:
        self._delimiter = delimiter
        self._fields: int | None = None  # delimiters of the first line

    def begin(self, block: bytes) -> None:
        """Take how many a row should have from the text's first line."""
        if self._fields is None and self._delimiter:
            self._fields = block.partition(b"\n")[0].count(self._delimiter)

    def of(self, block: bytes) -> int:
        """About how many are missing in a block; rows with line breaks in values count, too."""
        if not self._fields:
            return 0
        sample = block[:SAMPLE_BYTES]
        lacking = sample.count(b"\n") * self._fields - sample.count(self._delimiter)
        return max(0, lacking) * len(block) // max(1, len(sample))


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


def surplus_query(delimiter: str, quote: str, columns: int) -> str:
    """SQL: how many empty fields more than columns the records have that the last scan rejected.

    Args:
        columns: how many a row has.
    """
    line = "rtrim(csv_line, chr(10) || chr(13))"
    ends = any_of(f"ends_with({line}, {sql_literal(end)})" for end in (delimiter, 2 * quote))
    most = "max(CAST(regexp_extract(error_message, 'Found: ([0-9]+)', 1) AS BIGINT))"
    return (
        f"SELECT least({SURPLUS}, coalesce({most} - {columns}, 0)) FROM {REJECTS}"
        f" WHERE error_type = 'TOO MANY COLUMNS' AND ({ends})"
    )


@contextmanager
def ended_short(path: str, delimiter: str, quote: str, *, returns: bool) -> Iterator[None]:
    """Let a text end with a short row of our own meanwhile.

    Args:
        returns: whether its lines end in CR LF.
    """
    size = os.stat(path).st_size  # noqa: PTH116 - as a job has it
    letter = next(one for one in "abcd" if one not in delimiter + quote)
    line_end = b"\r\n" if returns else b"\n"
    with open(path, "r+b") as file:  # noqa: PTH123
        file.seek(max(0, size - 1))
        is_ended = file.read(1) == b"\n"
        file.write((b"" if is_ended else line_end) + letter.encode() + line_end)
    try:
        yield
    finally:
        with open(path, "r+b") as file:  # noqa: PTH123
            file.truncate(size)
