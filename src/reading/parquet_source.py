"""A Parquet file's columns as texts, each row with what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from contracts.errors import InvalidData
from reading import parquet_footer
from reading.header import positions_of
from reading.parquet_schema import MOST_DIGITS, columns_of, opened, shapes_of
from reading.parquet_texts import text_of
from tabular.sql import sql_literal

FAULT: Final = '"row-fault"'  # hyphens keep our columns apart from every contract column


@dataclass(frozen=True)
class ParquetSelect:
    """What to select from a file.

    Attributes:
        relation: SQL for the file, its columns by the names `c0`, `c1` and so on.
        texts: SQL for each column's text, by the contract's names.
        fault: SQL, NULL for a row that can be read; otherwise the column and what is wrong with it,
            for `parted_fault`.
    """

    relation: str
    texts: Mapping[str, str]
    fault: str


def select_columns(
    path: Path, names: Mapping[str, str], source: str, *, raw: bool = False
) -> ParquetSelect:
    """Look at a file, and say how to read it; its footer may become another one.

    Args:
        path: a file of our own.
        names: what each column is called in the file, by its own name.
        source: how messages name the file.
        raw: texts are read as bytes, as some may be none: slower, but DuckDB would fail the file.

    Raises:
        InvalidData: it lacks a column, or one cannot be read exactly.
        duckdb.Error: it is no Parquet file.
    """
    parquet_footer.restore(path)
    with opened() as connection:
        columns = columns_of(connection, path)
        header = [column.name for column in columns]
        positions = positions_of(header, names, source)
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
        raise InvalidData(
            f"{source}: there is no exact text of column {', '.join(unknown)[:400]}; write it as"
            f" text, as a number (decimals of up to {MOST_DIGITS} digits), a date or time, or as"
            " lists, structs and maps of these, or leave it out of the contract"
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
    )
