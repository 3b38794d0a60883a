"""The header of a file."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from contracts.dataset import CsvFormat
from contracts.errors import InvalidData
from steps.duck import MEGABYTE, connect

DECIMAL_DIGITS: Final = 38  # of DuckDB's widest decimal


def header_of(path: Path, form: CsvFormat, source: str) -> list[str] | None:
    """Column names of a text's first line, lower case; None when there is no line.

    Raises:
        InvalidData: it is no header.
    """
    with path.open("rb") as file:
        first = file.readline(MEGABYTE)
    if not first:
        return None
    try:
        line = first.replace(b"\r", b"\n").partition(b"\n")[0].decode("utf-8-sig")
    except UnicodeDecodeError as error:
        encoding = form.encoding.upper()
        raise InvalidData(f"{source}, line 1: the header is not {encoding}") from error
    reader = csv.reader([line], delimiter=form.delimiter, quotechar=form.quote)
    header = [field.strip().lower() for field in next(reader, [])]
    if not header:
        raise InvalidData(f"{source}, line 1: the header is expected here, but the line is empty")
    return header


@dataclass(frozen=True)
class ParquetColumn:
    """One column of a Parquet file.

    Attributes:
        name: as the file has it; DuckDB renames one that differs from another in case only.
        kind: its DuckDB type.
        digits: of the widest decimal in it, 0 if there is none.
    """

    name: str
    kind: str
    digits: int = 0


def parquet_header(path: Path) -> list[ParquetColumn]:
    """A Parquet file's columns, in order.

    Raises:
        duckdb.Error: it is no such file.
    """
    with connect() as connection:
        described = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(path)])
        kinds = [str(row[1]) for row in described.fetchall()]
        schema = connection.execute(
            "SELECT name, coalesce(num_children, 0), coalesce(precision, 0) FROM parquet_schema(?)",
            [str(path)],
        ).fetchall()
    columns = list(_columns(schema[1:]))  # the first is the root
    return [
        ParquetColumn(name, kind, digits)
        for (name, digits), kind in zip(columns, kinds, strict=True)
    ]


def _columns(schema: list[tuple[str, int, int]]) -> Iterator[tuple[str, int]]:
    """Names and digits of the outermost nodes of a schema that lists each before its children."""
    at = 0
    while at < len(schema):
        name, end, digits = schema[at][0], at + 1, 0
        while at < end:
            digits = max(digits, schema[at][2])
            end += schema[at][1]
            at += 1
        yield name, digits


def refuse_wide_decimals(columns: Iterable[ParquetColumn], source: str) -> None:
    """DuckDB reads decimals of more than 38 digits as doubles, which have other values.

    Args:
        columns: those that the contract asks for.
        source: how messages name the file.

    Raises:
        InvalidData: names every such column.
    """
    wide = [f"{one.name} ({one.digits} digits)" for one in columns if one.digits > DECIMAL_DIGITS]
    if wide:
        raise InvalidData(
            f"{source}: decimals of more than {DECIMAL_DIGITS} digits cannot be read exactly:"
            f" {', '.join(wide)}; write them with at most {DECIMAL_DIGITS}, or as text"
        )
