"""The records that are no rows, and whether every line of the file is accounted for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from json.encoder import encode_basestring
from typing import Any

import duckdb

from clean_csv_job.fetching import Fetched
from clean_csv_job.options import InvalidData
from clean_csv_job.short_rows import Rejected, rejected_lines
from clean_csv_job.sources import Source
from reading_rules.json.reasons import why_no_object
from reading_rules.json.records import JSON_LINE, parted_fault
from reading_rules.malformed import (
    REJECTED_RECORDS,
    REJECTS_EXIST,
    RejectedRecord,
    lines_lost,
    reason_of,
    with_lines,
)

_BATCH_ROWS = 1000


def unreadable_records(
    connection: duckdb.DuckDBPyConnection, file: Fetched
) -> list[RejectedRecord]:
    """What the first scan could not read, in the file's order."""
    row = connection.execute(REJECTS_EXIST).fetchone()
    if row is None or not row[0]:
        return []
    rows = connection.execute(REJECTED_RECORDS).fetchall()
    if file.compression == "zstd":  # there, the line is the number among the records
        return [RejectedRecord(*row) for row in rows]
    with open(file.path, "rb") as opened:
        return list(with_lines(rows, opened))


def write_rejects(
    connection: duckdb.DuckDBPyConnection,
    path: str,
    source: Source,
    unreadable: Sequence[RejectedRecord],
    *,
    read: Fetched,
    rows: int,
    url: str,
    encoding: str,
) -> int:
    """Write the malformed rows with their lines; returns how many.

    Args:
        read: the file that the rows come from.
        rows: how many it has that are no malformed ones.
        url: how the rejects name the object.
        encoding: of the original.

    Raises:
        NotFilledUp: read the file again without filling up its short rows.
    """
    count, text_of = 0, encode_basestring
    head = f'{{"source": {text_of(url)}, "line": '
    malformed = ', "rule": "malformed", "reason": '

    def in_column(name: str) -> str:
        return f', "rule": "malformed", "column": {text_of(name)}, "reason": '

    with open(path, "w", encoding="utf-8") as file:
        every = iter(_rejected(connection, read, source, unreadable, rows, encoding))
        for batch in iter(lambda: list(islice(every, _BATCH_ROWS)), []):
            numbers = read.lines.lines_of(0, [found[0] for found in batch])
            file.writelines(
                f"{head}{line}{malformed if column is None else in_column(column)}"
                f'{text_of(reason)}, "raw": {text_of(raw)}}}\n'
                for line, (_, column, reason, raw) in zip(numbers, batch)
            )
            count += len(batch)
    return count


def check_lines(
    connection: duckdb.DuckDBPyConnection,
    file: Fetched,
    form: Mapping[str, Any],
    source: Source,
    unreadable: Sequence[RejectedRecord],
    *,
    rows: int,
    url: str,
) -> None:
    """Compare the records with the file's lines, which DuckDB may pass over without a word.

    Args:
        rows: every record that is not `unreadable`, rejected or not.
    """
    if source.fills_up or form["type"] == "parquet":
        return  # of what is filled up, `rejected_lines` has accounted for every line
    if file.looked:
        lines, empty = file.looked.lines, file.looked.empty
    else:
        nothing = b"\r\n" if form["type"] == "csv" else b" \t\r\n"
        lines, empty = _count_lines(file.path, nothing)
    lines = max(0, lines - (1 if form["type"] == "csv" and form["header"] else 0))
    least = rows + len(unreadable)
    if source.breaks:
        least += sum(record.line_count - 1 for record in unreadable)
        if least != lines:
            query = f"SELECT coalesce(sum({source.breaks}), 0) FROM {source.again}"
            row = connection.execute(query).fetchone()
            least += int(row[0]) if row else 0
    if not least <= lines <= least + empty:
        lost = lines - least if least > lines else lines - least - empty
        raise InvalidData(lines_lost(url, lines, lost))


def _count_lines(path: str, nothing: bytes) -> tuple[int, int]:
    """All lines, and those that hold no more than some of these bytes."""
    lines = empty = 0
    with open(path, "rb") as file:
        for line in file:
            lines += 1
            empty += not line.strip(nothing)
    return lines, empty


def _rejected(
    connection: duckdb.DuckDBPyConnection,
    file: Fetched,
    source: Source,
    unreadable: Sequence[RejectedRecord],
    rows: int,
    encoding: str,
) -> Iterator[Rejected]:
    found = [_unreadable(record, source.header, encoding) for record in unreadable]
    if source.fills_up:
        pairs = list(zip(unreadable, found))
        heads = int(source.has_header)
        yield from rejected_lines(connection, file, source, pairs, heads=heads, rows=rows)
        return
    yield from found
    yield from _no_objects(connection, source, [record.line for record in unreadable])


def _unreadable(record: RejectedRecord, header: Sequence[str], encoding: str) -> Rejected:
    reason = reason_of(record.kind, record.message, encoding)
    return record.line, record.column(header), reason, record.raw


def _no_objects(
    connection: duckdb.DuckDBPyConnection, source: Source, unreadable_lines: Sequence[int]
) -> Iterator[Rejected]:
    """JSON that is no object; lines that could not be read lie between these."""
    if not source.malformed:
        return
    rows = connection.cursor().execute(
        f"SELECT number, {JSON_LINE}, {source.fault} FROM (SELECT *, row_number() OVER () AS number"
        f" FROM {source.again}) WHERE {source.malformed}"
    )
    between = 0
    while True:
        batch = rows.fetchmany(1000)
        if not batch:
            return
        for number, raw, fault in batch:
            while between < len(unreadable_lines) and unreadable_lines[between] <= number + between:
                between += 1
            column, reason = parted_fault(fault) if fault else (None, why_no_object(raw))
            yield number + between, column, reason, raw
