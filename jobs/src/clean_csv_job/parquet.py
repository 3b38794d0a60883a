"""The columns of a Parquet file that this job can read exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import duckdb

from clean_csv_job.options import InvalidData
from reading_rules.sql import sql_literal
from reading_rules.values.moments import moment_text
from reading_rules.visible import visible

DECIMAL_DIGITS = 38  # of DuckDB's widest decimal; wider ones it reads as doubles


class ParquetColumn(NamedTuple):
    """An outermost column of the file.

    Attributes:
        name: as the file has it; DuckDB renames columns that differ in case only.
        trouble: why its texts are not its values; absent where they are.
        is_bytes: whether its texts are bytes without a type.
        kind: DuckDB's type of it.
    """

    name: str
    trouble: str | None
    is_bytes: bool
    kind: str


def parquet_columns(
    connection: duckdb.DuckDBPyConnection, path: str, *, reads_nanoseconds: bool
) -> list[ParquetColumn]:
    """The file's outermost columns, in order."""
    schema = connection.execute(
        "SELECT name, coalesce(num_children, 0), coalesce(precision, 0), coalesce(type, ''),"
        " coalesce(converted_type, ''), coalesce(logical_type, '')"
        f" FROM parquet_schema({sql_literal(path)})"
    ).fetchall()[1:]
    kinds = connection.sql(f"FROM read_parquet({sql_literal(path)})").types
    columns: list[ParquetColumn] = []
    at = 0
    while at < len(schema):
        name, children, digits, kind, converted, logical = schema[at]
        trouble = None
        if children:
            trouble = "nested"
        elif kind == "INT96":
            trouble = "INT96"
        elif digits > DECIMAL_DIGITS:
            trouble = f"{digits} digits"
        elif "NANOS=NanoSeconds" in logical and not reads_nanoseconds:
            trouble = "nanoseconds"
        is_bytes = "BYTE_ARRAY" in kind and not converted + logical
        columns.append(ParquetColumn(name, trouble, is_bytes, str(kinds[len(columns)])))
        end = at + 1 + children
        at += 1
        while at < end:  # each is listed before its children
            end += schema[at][1]
            at += 1
    return columns


def readable_columns(
    columns: Sequence[ParquetColumn], positions: Mapping[str, int], source: str
) -> dict[str, str]:
    """SQL for the text of each of the contract's columns; the file's are named `c0`, `c1` …"""
    bent = [
        f"{columns[at].name} ({columns[at].trouble})"
        for at in positions.values()
        if columns[at].trouble
    ]
    if bent:
        raise InvalidData(
            f"{source}: this job cannot read exactly: {', '.join(bent)}; give the dataset no such"
            " job, as the validate step can, or write decimals of at most"
            f" {DECIMAL_DIGITS} digits, timestamps of microseconds, and nested values as JSON text"
        )
    return {
        name: _bytes_as_text(at, columns[at].name)
        if columns[at].is_bytes
        else moment_text(f"c{at}", columns[at].kind)
        for name, at in positions.items()
    }


def _bytes_as_text(at: int, name: str) -> str:
    """SQL that fails for bytes that are no text: to reject their rows is left to validate."""
    text = f"TRY(decode(c{at}))"
    problem = (
        f"column {visible(name)} holds bytes that are no text (UTF-8): write it as text, leave it"
        " out of the contract, or give the dataset no such job, as the validate step rejects such"
        " rows alone"
    )
    is_text = f"NOT contains({text}, chr(0))"
    return (
        f"CASE WHEN c{at} IS NULL THEN NULL WHEN {is_text} THEN {text}"
        f" ELSE error({sql_literal(problem)}) END"
    )
