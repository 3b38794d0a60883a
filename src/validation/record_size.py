"""What is wrong with records that memory does not hold: their length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import duckdb

from contracts.errors import InvalidData, PipelineError
from reading.chunks import Chunk
from reading.reader import NUMBER, Reader
from reading_rules.malformed import too_long
from reading_rules.scans import LONGEST_RECORD
from reading_rules.sql import text_column
from tabular.failures import failed

_VECTOR_ROWS: Final = 2048  # of DuckDB


def too_much(
    error: duckdb.Error,
    connection: duckdb.DuckDBPyConnection,
    reader: Reader,
    chunk: Chunk,
    names: Sequence[str],
    url: str,
) -> PipelineError:
    """Why memory does not hold a chunk: InvalidData for one long record, else OutOfMemory.

    Args:
        names: of the contract's columns.
        url: how messages name the source.
    """
    unit = "line" if reader.is_text else "row"
    number = _too_long_row(connection, reader, chunk, names)
    if number is not None:
        return InvalidData(too_long(f"{url}, {unit} {chunk.first_line - 1 + number:,}"))
    last = chunk.first_line + chunk.lines - 1
    reason = (
        f"{url}, {unit}s {chunk.first_line:,} to {last:,}: records of these take more memory than"
        f" there is. A record may have {LONGEST_RECORD:,} bytes, but {_VECTOR_ROWS:,} of them are"
        " read at a time: make long values shorter, store them as objects of their own, or give the"
        " dataset a Spark job (docs/jobs.md)"
    )
    # Of a text little is read at a time; of Parquet that many rows, which will not become less.
    return failed(error, reason) if reader.is_text else InvalidData(reason)


def _too_long_row(
    connection: duckdb.DuckDBPyConnection, reader: Reader, chunk: Chunk, names: Sequence[str]
) -> int | None:
    """The number of a row that is longer than a record may be; None if none is found."""
    size = " + ".join(f"coalesce(strlen({text_column(name)}), 0)" for name in names)
    try:
        row = connection.execute(
            f"SELECT {NUMBER} FROM {reader.relation(chunk)} WHERE {size} > {LONGEST_RECORD} LIMIT 1"
        ).fetchone()
    except duckdb.Error:  # memory does not hold them for this, either
        return None
    return int(row[0]) if row else None
