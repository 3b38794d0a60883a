"""Records that DuckDB could not read: their lines and what is wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from reading.chunks import Chunk
from reading_rules.malformed import (
    FORGET_REJECTS,
    REJECTED_RECORDS,
    REJECTS_EXIST,
    TOO_LONG,
    reason_of,
    with_lines,
)


@dataclass(frozen=True)
class Malformed:
    """A record that could not be read.

    Attributes:
        line: where it starts in its chunk, from 1.
        line_count: how many lines it takes.
        is_open: whether a quote may not have been closed.
        is_too_long: whether it is longer than a record may be.
    """

    line: int
    line_count: int
    reason: str
    column: str | None = None
    is_open: bool = False
    is_too_long: bool = False


def collect(
    connection: duckdb.DuckDBPyConnection, chunk: Chunk, header: Sequence[str], encoding: str
) -> list[Malformed]:
    """The records that a scan of this chunk has left, in its order.

    Of a record's errors the most specific one is used.

    Args:
        header: the names of the fields; none where these are not what DuckDB reads.
    """
    if connection.execute(REJECTS_EXIST).fetchone() != (1,):
        return []
    rows = connection.execute(REJECTED_RECORDS).fetchall()
    with chunk.path.open("rb") as file:
        return [
            Malformed(
                record.line,
                min(record.line_count, chunk.lines - record.line + 1),  # it may end behind: `ended`
                reason_of(record.kind, record.message, encoding),
                record.column(header),
                record.may_have_open_quote,
                record.kind == TOO_LONG,
            )
            for record in with_lines(rows, file, chunk.index.before_byte)
        ]


def forget(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop the records of the previous scan."""
    for statement in FORGET_REJECTS:
        connection.execute(statement)
