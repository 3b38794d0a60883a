"""Rows of CSV that lack columns, where a chunk has many of them: `reading_rules.csv.short_rows`.

Such a record is logged by numbers (`validation.scan_sql`).
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

import duckdb

from contracts.dataset import CsvFormat, Format
from reading.chunks import Chunk
from reading_rules.csv.short_rows import (
    FOUND,
    WORTHWHILE,
    ended_short,
    surplus_query,
)
from reading_rules.malformed import REJECTS_EXIST
from reading_rules.scans import field_labels, line_breaks
from reading_rules.sql import sql_identifier

LOG: Final = "short"  # the type of what is logged
LOG_OF_LINES: Final = "short-lines"  # the same of rows that take several lines
# A row's number and how many fields it has are logged as one number, to which `_TOP` is added, so
# that all are 16 hexadecimal digits long: 4 bits, then 20 for the fields, and 40 for the number.
_TOP: Final = 1 << 60
_NUMBER_BITS: Final = 40
_WIDTH: Final = 8  # bytes
_WITHOUT_TOP: Final = bytes(byte & 15 for byte in range(256))


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
    packed = f"hex({number} + {FOUND} * {1 << _NUMBER_BITS} + {_TOP})"
    alone = f"write_log({packed}, log_type := '{LOG}')"
    if not chunk.quotes:
        return alone
    breaks = line_breaks([sql_identifier(one) for one in field_labels(columns + chunk.surplus)])
    together = f"write_log({packed} || hex(({breaks}) + {_TOP}), log_type := '{LOG_OF_LINES}')"
    return f"CASE WHEN ({breaks}) IS NULL THEN {alone} ELSE {together} END"


def read_short(connection: duckdb.DuckDBPyConnection, chunk: Chunk) -> ShortRows:
    """The short rows that the last scan has logged, in order, that of our own included."""
    packed, more = _logged(connection, LOG), b""
    if chunk.quotes:
        both = _logged(connection, LOG_OF_LINES)
        every = bytearray(len(both) // 2), bytearray(len(both) // 2)
        for at in range(2 * _WIDTH):
            every[at // _WIDTH][at % _WIDTH :: _WIDTH] = both[at :: 2 * _WIDTH]
        packed, more = packed + every[0], bytes(every[1])
    numbers = _numbers(packed, _WIDTH - _NUMBER_BITS // 8)
    breaks = array("q", bytes(len(packed) - len(more))) + _numbers(more, 1)
    found = [numbers, _fields(packed), breaks]
    listed = numbers.tolist()
    if sorted(listed) != listed:  # those of several lines come last
        order = sorted(range(len(listed)), key=listed.__getitem__)
        found = [array("q", (part[n] for n in order)) for part in found]
    return ShortRows(*found)


def _logged(connection: duckdb.DuckDBPyConnection, kind: str) -> bytes:
    """What was logged under this type; of each number its bytes, the highest first."""
    # The function: the view of this name joins each message with what it was logged for.
    row = connection.execute(
        f"SELECT string_agg(message, '') FROM duckdb_logs() WHERE type = '{kind}'"
    ).fetchone()
    return bytes.fromhex(row[0]) if row and row[0] else b""


def _numbers(logged: bytes, without: int) -> array[int]:
    """Numbers of what was logged, by slices, as there may be millions.

    Args:
        without: so many bytes of each, the highest ones, are none of the number.
    """
    digits = bytearray(logged)
    for at in range(without):
        digits[at::_WIDTH] = bytes(len(digits) // _WIDTH)
    return _array(digits)


def _fields(logged: bytes) -> array[int]:
    digits = bytearray(len(logged))
    behind = _WIDTH - _NUMBER_BITS // 8  # bytes, of which the first has `_TOP` in it
    for at in range(behind):
        part = logged[at::_WIDTH]
        digits[_WIDTH - behind + at :: _WIDTH] = part if at else part.translate(_WITHOUT_TOP)
    return _array(digits)


def _array(digits: bytearray) -> array[int]:
    numbers = array("q")
    numbers.frombytes(digits)
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers


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
