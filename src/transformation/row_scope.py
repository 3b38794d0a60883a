"""What a transform reads to compute a row: that row alone, other tables too, or all rows.

A transform of single rows can be computed chunk by chunk, in the rows' order, on every processor.
One that combines rows runs on one processor, as only then a repeat sees the rows in the same order:
sums of floating-point numbers, ties and `first` depend on it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Final

from contracts.dataset import VALID_RELATION
from tabular.sql import column_type, sql_identifier
from tabular.workspace import connect

_SEALED: Final[dict[str, str | bool | int | float | list[str]]] = {
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
    "threads": 1,
}
_BY_ROW: Final = frozenset({"PROJECTION", "FILTER", "SEQ_SCAN", "CTE", "CTE_SCAN"})
_JOINS: Final = frozenset(
    {
        "HASH_JOIN",
        "NESTED_LOOP_JOIN",
        "BLOCKWISE_NL_JOIN",
        "PIECEWISE_MERGE_JOIN",
        "IE_JOIN",
        "CROSS_PRODUCT",
    }
)


class RowScope(StrEnum):
    """ROWS: each row by itself. TABLES: joins, which need no order. TOGETHER: anything else."""

    ROWS = "rows"
    TABLES = "tables"
    TOGETHER = "together"


def row_scope_of(sql: str, tables: Mapping[str, Mapping[str, str]]) -> RowScope:
    """The scope of a query.

    Args:
        sql: one query over `valid` and the lookups.
        tables: contract types of their columns, by table and column.

    Raises:
        duckdb.Error: the query does not fit the tables.
    """
    with connect(config=_SEALED) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        # Optimized, a LIMIT can hide within a scan, and empty tables need no joins.
        connection.execute("PRAGMA disable_optimizer")
        for table, columns in tables.items():
            kinds = (
                f"{sql_identifier(name)} {column_type(kind)}" for name, kind in columns.items()
            )
            connection.execute(f"CREATE TABLE {sql_identifier(table)} ({', '.join(kinds)})")
        row = connection.execute(f"EXPLAIN (FORMAT json) {sql}").fetchone()
    operators = list(_operators(json.loads(row[1]) if row else []))
    names = {str(operator["name"]).strip() for operator in operators}
    scans = [_table(operator) for operator in operators if _table(operator)]
    if names <= _BY_ROW and scans == [VALID_RELATION]:
        return RowScope.ROWS
    return RowScope.TABLES if names <= _BY_ROW | _JOINS else RowScope.TOGETHER


def _operators(plan: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for operator in plan:
        yield operator
        yield from _operators(operator.get("children", []))


def _table(operator: dict[str, Any]) -> str:
    """The table that an operator scans; empty when it scans none."""
    if str(operator["name"]).strip() != "SEQ_SCAN":
        return ""
    return str(operator["extra_info"]["Table"]).rpartition(".")[2].strip('"')
