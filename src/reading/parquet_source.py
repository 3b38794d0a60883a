"""Looks at Parquet files by DuckDB connections that see how their footers change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import duckdb

from contracts.errors import InvalidData
from reading_rules.header import HeaderError
from reading_rules.parquet.select import NoExactText, ParquetSelect, parquet_select
from tabular.workspace import connect


@contextmanager
def opened() -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection for `columns_of` and `shapes_of`: between them a file may change."""
    with connect() as connection:
        connection.execute("SET enable_external_file_cache = false")
        yield connection


def select_columns(
    path: Path, names: Mapping[str, str], source: str, *, raw: bool = False
) -> ParquetSelect:
    """See `parquet_select`.

    Args:
        source: how messages name the file.

    Raises:
        InvalidData: it lacks a column, or one cannot be read exactly.
        duckdb.Error: it is no Parquet file.
    """
    with opened() as connection:
        try:
            return parquet_select(connection, path, names, raw=raw)
        except HeaderError as error:
            raise InvalidData(f"{source}, line 1: {error}") from error
        except NoExactText as error:
            raise InvalidData(f"{source}: {error}") from error
