"""A DuckDB for tests to write and read files with: one for the whole process.

To open a database costs 13 ms of processor time, which is more than most of what tests ask of it.
"""

from __future__ import annotations

import atexit
import functools

import duckdb

from tabular import workspace


def connect() -> duckdb.DuckDBPyConnection:
    """A connection of its own, temporary tables too; make no others, as the database is shared."""
    return _database().cursor()


@functools.cache
def _database() -> duckdb.DuckDBPyConnection:
    database = workspace.connect()
    database.execute("SET enable_external_file_cache = false")  # tests write a path more than once
    atexit.register(_close)  # DuckDB's binding complains of what is left when Python ends
    return database


def _close() -> None:
    _database().close()
    _database.cache_clear()
