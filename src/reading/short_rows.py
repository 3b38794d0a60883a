"""Rows of CSV that lack columns, where a chunk has many of them: `reading_rules.csv.short_rows`.

Such a record is logged by numbers (`validation.scan_sql`).
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

import duckdb

from contracts.dataset import CsvFormat, Format
from reading.chunks import Chunk
from reading_rules.csv.short_rows import (
    FIELD_BITS,
    FOUND,
    WORTHWHILE,
    ended_short,
    surplus_query,
)
from reading_rules.malformed import REJECTS_EXIST
from reading_rules.scans import field_labels, line_breaks
from reading_rules.sql import sql_identifier

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


def logged_short(number: str, columns: int, chunk: Chunk) -> str:
    """SQL that logs a short row, and is NULL.

    Args:
        number: SQL of the row's number.
        columns: how many a row has.
    """
    packed = f"CAST({number} * {1 << FIELD_BITS} + {FOUND} AS VARCHAR)"
    if not chunk.quotes:
        return f"write_log({packed}, log_type := '{LOG}')"
    every = [sql_identifier(label) for label in field_labels(columns + chunk.surplus)]
    numbers = f"{packed}, coalesce({line_breaks(every)}, 0)"
    return f"write_log(concat_ws(' ', {numbers}), log_type := '{LOG}')"


def read_short(connection: duckdb.DuckDBPyConnection, chunk: Chunk) -> ShortRows:
    """The short rows that the last scan has logged, in order, that of our own included."""
    row = connection.execute(
        f"SELECT string_agg(message, ' ') FROM duckdb_logs WHERE type = '{LOG}'"
    ).fetchone()
    packed = breaks = array("q", map(int, row[0].split() if row and row[0] else ()))
    if chunk.quotes:
        packed, breaks = packed[::2], packed[1::2]
    else:
        breaks = array("q", bytes(packed.itemsize * len(packed)))
    order = sorted(range(len(packed)), key=packed.__getitem__)
    if order != list(range(len(packed))):  # they are logged in order, but nothing promises it
        packed, breaks = (array("q", (part[n] for n in order)) for part in (packed, breaks))
    most = (1 << FIELD_BITS) - 1
    numbers, fields = [each >> FIELD_BITS for each in packed], [each & most for each in packed]
    return ShortRows(array("q", numbers), array("q", fields), breaks)


def surplus_of(connection: duckdb.DuckDBPyConnection, form: CsvFormat, columns: int) -> int:
    """How many empty fields more than columns the records have that the last scan rejected.

    Args:
        columns: how many a row has.
    """
    if connection.execute(REJECTS_EXIST).fetchone() != (1,):
        return 0
    row = connection.execute(surplus_query(form.delimiter, form.quote, columns)).fetchone()
    return int(row[0]) if row else 0


def ended(chunk: Chunk, form: CsvFormat) -> AbstractContextManager[None]:
    """Let a chunk end with a short row of our own meanwhile."""
    return ended_short(str(chunk.path), form.delimiter, form.quote, returns=chunk.returns)
