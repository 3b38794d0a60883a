"""The rejected records of CSV whose short rows are read filled up: `reading_rules.csv.short_rows`.

A second scan finds them by their numbers, and going over the file's lines gives their texts. So
nothing of them is held in memory, however many there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import chain, islice
from typing import Any, Optional

import duckdb

from clean_csv_job.fetching import Fetched
from clean_csv_job.sources import Source
from reading_rules.csv.short_rows import FIELD_BITS, FOUND, ended_short, surplus_query
from reading_rules.malformed import REJECTS_EXIST, RejectedRecord, columns_instead_of

_BATCH = 1000  # rows
_NOT_SHORT = (1 << FIELD_BITS) - 1
_NO_RECORDS = (b"\n", b"\r\n")


class NotFilledUp(Exception):
    """The records do not account for every line, so the short ones cannot be read filled up."""


class MoreSurplus(Exception):
    """Records have more empty fields behind the last column; the argument says how many."""


# A record that is no row: its line in the file, the column, the reason, the text.
Rejected = tuple[int, Optional[str], str, str]


def ended(file: Fetched, form: Mapping[str, Any]) -> AbstractContextManager[None]:
    """Let a file end with a short row of our own meanwhile."""
    with open(file.path, "rb") as lines:
        returns = lines.readline().endswith(b"\r\n")
    return ended_short(file.path, form["delimiter"], form["quote"], returns=returns)


def refuse_more_surplus(
    connection: duckdb.DuckDBPyConnection, file: Fetched, delimiter: str, quote: str, columns: int
) -> None:
    """Raises MoreSurplus where the first scan rejected records for fields that are empty."""
    if connection.execute(REJECTS_EXIST).fetchone() == (1,):
        row = connection.execute(surplus_query(delimiter, quote, columns)).fetchone()
        if row and row[0] > file.surplus:
            raise MoreSurplus(int(row[0]))


def rejected_lines(
    connection: duckdb.DuckDBPyConnection,
    file: Fetched,
    source: Source,
    unreadable: Sequence[tuple[RejectedRecord, Rejected]],
    *,
    heads: int,
    rows: int,
) -> Iterator[Rejected]:
    """Every record that is no row, in the file's order; the one of our own at its end is left out.

    Args:
        unreadable: what the first scan could not read, and what is written of it.
        heads: lines before the first record.
        rows: records that are rows.

    Raises:
        NotFilledUp: when all were gone through, and lines are missing among them, or there twice.
    """
    reasons = _Reasons(len(source.header))
    gaps, marked = iter(unreadable), _marked(connection, source)
    gap, gap_line = _next_gap(gaps)
    place, breaks = next(marked)
    last: Rejected | None = None
    at = number = shorts = 0
    with open(file.path, "rb") as lines:
        for text in lines:
            at += 1
            if at <= heads or text in _NO_RECORDS:
                continue
            if at == gap_line and gap is not None:
                at += sum(1 for _ in islice(lines, gap[0].line_count - 1))
                if last is not None:
                    yield last
                    last = None
                yield gap[1]
                gap, gap_line = _next_gap(gaps)
                continue
            number += 1
            if number != place >> FIELD_BITS:
                continue
            begin = at
            if breaks:
                text += b"".join(islice(lines, breaks))
                at += breaks
            fields = place & _NOT_SHORT
            if fields != _NOT_SHORT:
                shorts += 1
                if last is not None:
                    yield last
                raw = text.rstrip(b"\r\n").decode("utf-8", "replace")
                last = (begin, None, reasons[fields], raw if begin > 1 else raw.lstrip("\ufeff"))
            place, breaks = next(marked)
    is_ours = last is not None and last[0] == at
    if not is_ours or gap is not None or place or number != rows + shorts:
        raise NotFilledUp


class _Reasons(dict[int, str]):
    """Why a row of so many fields is rejected: a few texts for many rows."""

    def __init__(self, columns: int) -> None:
        super().__init__()
        self._columns = columns

    def __missing__(self, fields: int) -> str:
        self[fields] = reason = columns_instead_of(fields, self._columns)
        return reason


def _next_gap(
    gaps: Iterator[tuple[RejectedRecord, Rejected]],
) -> tuple[tuple[RejectedRecord, Rejected] | None, int]:
    """The next record that could not be read, if there is one, and its line."""
    gap = next(gaps, None)
    return gap, gap[0].line if gap else 0


def _marked(
    connection: duckdb.DuckDBPyConnection, source: Source
) -> Iterator[tuple[int, int | None]]:
    """Records that have too few or too many fields, or take several lines; 0 after the last one.

    Of each: its number among those that are read, from 1, with the number of its fields in the last
    bits, as of millions each value counts; and how many lines more than one it takes.
    """
    breaks = source.breaks if source.spans_lines else "NULL"
    found = connection.cursor().execute(
        f"SELECT number * {1 << FIELD_BITS} + coalesce({FOUND}, {_NOT_SHORT}), breaks"
        f" FROM (SELECT row_number() OVER () AS number, {FOUND}, {breaks} AS breaks"
        f" FROM {source.again}) WHERE {FOUND} IS NOT NULL OR breaks IS NOT NULL"
    )
    return chain(chain.from_iterable(iter(lambda: found.fetchmany(_BATCH), [])), [(0, 0)])
