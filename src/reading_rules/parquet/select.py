"""A Parquet file's columns as texts, each row with what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from reading_rules.header import positions_of
from reading_rules.parquet.footer import restore_footer
from reading_rules.parquet.schema import MOST_DIGITS, columns_of, shapes_of
from reading_rules.parquet.texts import text_of
from reading_rules.sql import sql_literal

ROW_FAULT: Final = '"row-fault"'  # hyphens keep our columns apart from every contract column


class NoExactText(Exception):
    """Columns of a file have values that no text holds; the message goes on from "<file>: "."""


class ParquetSelect(NamedTuple):
    """What to select from a file.

    Attributes:
        relation: SQL for the file, its columns by the names `c0`, `c1` and so on.
        texts: SQL for each column's text, by the contract's names.
        fault: SQL, NULL for a row that can be read; otherwise the column and what is wrong with it,
            for `parted_fault`.
        ignored: columns of the file that the contract does not know.
    """

    relation: str
    texts: Mapping[str, str]
    fault: str
    ignored: Sequence[str] = ()


def parquet_select(
    connection: Any,
    path: Path,
    names: Mapping[str, str],
    *,
    raw: bool = False,
    reads_nanoseconds: bool = True,
) -> ParquetSelect:
    """Look at a file, and say how to read it; its footer may become another one.

    Args:
        connection: of DuckDB, which caches no files.
        path: a file of our own.
        names: what each column is called in the file, by its own name.
        raw: texts are read as bytes, as some may be none: slower, but DuckDB would fail the file.
        reads_nanoseconds: whether this DuckDB does, see `columns_of`.

    Raises:
        HeaderError: it lacks a column.
        NoExactText: one cannot be read exactly.
        duckdb.Error: it is no Parquet file.
    """
    restore_footer(path)
    columns = columns_of(connection, path, reads_nanoseconds=reads_nanoseconds)
    header = [column.name for column in columns]
    positions = positions_of(header, names)
    shapes = shapes_of(connection, path, columns, positions.values(), raw=raw)
    found = {}
    unknown = []
    for name, at in positions.items():
        shape = shapes[at]
        if shape:
            found[name] = text_of(f"c{at}", shape)
        else:
            unknown.append(columns[at].name)
    if unknown:
        raise NoExactText(
            f"there is no exact text of column {', '.join(unknown)[:400]}; write it as text, as a"
            f" number (decimals of up to {MOST_DIGITS} digits), a date or time, or as lists,"
            " structs and maps of these, or leave it out of the contract"
        )
    faults = "".join(
        f" WHEN {broken} THEN {sql_literal(f'{name}: {reason}')}"
        for name, one in found.items()
        for broken, reason in one.faults
    )
    # By other names, as a column may be called file_row_number itself.
    labels = ", ".join(f"c{number}" for number in range(len(header)))
    return ParquetSelect(
        relation=f"read_parquet({sql_literal(path)}) AS file({labels})",
        texts={name: f"nullif({one.sql}, '')" for name, one in found.items()},
        fault=f"CASE{faults} END" if faults else "CAST(NULL AS VARCHAR)",
        ignored=[name for at, name in enumerate(header) if at not in positions.values()],
    )


def has_bytes_for_texts(error: Exception) -> bool:
    """Whether a scan failed for texts in Parquet that are no UTF-8, or JSON that is none."""
    marks = ("Invalid string encoding found in Parquet", "Invalid JSON found in Parquet")
    return any(mark in str(error) for mark in marks)
