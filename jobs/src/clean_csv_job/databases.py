"""Databases of the job, none of which draws a progress bar: it would go to standard output."""

from __future__ import annotations

from typing import Any

import duckdb


def opened(path: str = ":memory:", **config: Any) -> duckdb.DuckDBPyConnection:
    """A connection of its own.

    Args:
        path: where it lies.
        config: DuckDB's settings that only its start can change.
    """
    connection = duckdb.connect(path, config=config)
    connection.execute("SET enable_progress_bar = false")
    return connection
