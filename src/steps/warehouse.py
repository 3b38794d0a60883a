# ruff: noqa: S608 -- the Data API takes no parameters in a batch: identifier() and literal() quote
"""All SQL that goes to Redshift: the tables' DDL, one unit's load, one run's row.

Every list of statements is submitted as one BatchExecuteStatement, so as one transaction of at most
40 statements that cannot branch. It may be repeated at any time: a load that the load ledger
(`pipeline_loads`) knows already finds its staging table emptied, and changes nothing.

Two loads into one table must not miss each other's rows. A transaction's snapshot is taken at its
first CREATE TABLE, before any LOCK, and new clusters run under SNAPSHOT isolation, which lets
inserts of concurrent transactions pass. So each load updates the table's row in `pipeline_tables`:
of two that overlap, the later one fails with a conflict (1023) and is submitted again. The lock is
on that small table, so that readers of the target are never kept waiting.

Facts: c_serial_isolation, r_LOCK, copy-usage_notes-copy-from-columnar in the Amazon Redshift
Database Developer Guide.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Final

from contracts import layout
from contracts.dataset import RedshiftTarget
from contracts.run import RunResult

STATEMENTS_AT_MOST: Final = 40  # of one BatchExecuteStatement
_IDENTIFIER: Final = re.compile(r"^[a-z_][a-z0-9_]{0,126}$")
_DECIMAL: Final = re.compile(r"^decimal\((\d{1,2}),(\d{1,2})\)$")
_TYPES: Final = {
    "string": "VARCHAR(65535)",
    "integer": "BIGINT",
    "double": "DOUBLE PRECISION",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
}

CREATE_TABLES: Final = """\
CREATE TABLE IF NOT EXISTS "public"."pipeline_tables" (
  "table_name" VARCHAR(127) NOT NULL,
  "last_load_id" VARCHAR(127),
  "updated_at" TIMESTAMP,
  PRIMARY KEY ("table_name")
)"""
CREATE_LOADS: Final = """\
CREATE TABLE IF NOT EXISTS "public"."pipeline_loads" (
  "load_id" VARCHAR(127) NOT NULL,
  "table_name" VARCHAR(127) NOT NULL,
  "rows" BIGINT NOT NULL,
  "run_id" VARCHAR(40) NOT NULL,
  "loaded_at" TIMESTAMP NOT NULL,
  PRIMARY KEY ("load_id")
)"""
CREATE_RUNS: Final = """\
CREATE TABLE IF NOT EXISTS "public"."pipeline_runs" (
  "run_id" VARCHAR(40) NOT NULL,
  "dataset_name" VARCHAR(63) NOT NULL,
  "status" VARCHAR(16) NOT NULL,
  "run_attempt" INTEGER NOT NULL,
  "units_total" INTEGER NOT NULL,
  "units_stored" INTEGER NOT NULL,
  "units_failed" INTEGER NOT NULL,
  "rows_in" BIGINT NOT NULL,
  "rows_filtered" BIGINT NOT NULL,
  "rows_rejected" BIGINT NOT NULL,
  "rows_removed" BIGINT NOT NULL,
  "rows_stored" BIGINT NOT NULL,
  "started_at" TIMESTAMP NOT NULL,
  "ended_at" TIMESTAMP NOT NULL,
  "reason" VARCHAR(4096),
  PRIMARY KEY ("run_id")
)"""
_TRACE_COLUMNS: Final = (
    ("run_id", "VARCHAR(40) NOT NULL"),
    ("job_id", "VARCHAR(40)"),
    ("unit_id", "VARCHAR(16) NOT NULL"),
    ("loaded_at", "TIMESTAMP NOT NULL"),
)


def identifier(name: str) -> str:
    """A quoted identifier.

    Raises:
        ValueError: not lower-case snake case, which contracts have checked long before.
    """
    if not _IDENTIFIER.match(name):
        raise ValueError(f"not an identifier: {name!r}")
    return f'"{name}"'


def literal(value: str | int | None) -> str:
    """A SQL literal. A backslash is an escape in Redshift's text literals: doubled."""
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(value)
    if "\x00" in value:
        raise ValueError("a text literal cannot hold NUL")
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def column_type(contract_type: str) -> str:
    """The Redshift type of a contract type. Text takes the widest VARCHAR there is."""
    match = _DECIMAL.match(contract_type)
    if match:
        return f"DECIMAL({match[1]},{match[2]})"
    return _TYPES[contract_type]


def table_name(table: str) -> str:
    """`schema.table` of a target's `table`; the schema defaults to public."""
    return table if "." in table else f"public.{table}"


def load_id(run_id: str, unit_id: str) -> str:
    """What the load ledger knows a unit's load by."""
    return f"{run_id}/{unit_id}"


def load_statements(
    target: RedshiftTarget,
    columns: Sequence[tuple[str, str]],
    *,
    run_id: str,
    unit_id: str,
    job_id: str | None,
    source_url: str,
    rows: int,
    copy_role_arn: str = "",
) -> list[str]:
    """One unit's load as one transaction that may be repeated.

    Args:
        columns: name and contract type of each column of the Parquet files, in their order: COPY
            matches columnar files by position.
        source_url: the common prefix of the Parquet files.
        rows: how many rows they hold; with 0 only the load itself is recorded.
        copy_role_arn: empty: the cluster's default role.
    """
    name = table_name(target.table)
    table = ".".join(identifier(part) for part in name.split("."))
    this_load = load_id(run_id, unit_id)
    staging = identifier("load_" + hashlib.sha256(this_load.encode()).hexdigest()[:16])
    names = ", ".join(identifier(column) for column, _ in columns)
    trace = f"{literal(run_id)}, {literal(job_id)}, {literal(unit_id)}, GETDATE()"
    same_key = " AND ".join(
        f"{table}.{identifier(key)} = {staging}.{identifier(key)}" for key in target.key
    )
    known = f'SELECT 1 FROM "public"."pipeline_loads" WHERE "load_id" = {literal(this_load)}'
    statements = [
        CREATE_TABLES,
        CREATE_LOADS,
        _create_target(table, columns),
        *_announce(name, this_load),
        f"DROP TABLE IF EXISTS {staging}",
        f"CREATE TEMP TABLE {staging} ({_column_list(columns)})",
    ]
    if rows:
        statements.append(_copy(staging, source_url, copy_role_arn))
    return [
        *statements,
        f"DELETE FROM {staging} WHERE EXISTS ({known})",
        f"DELETE FROM {table} USING {staging} WHERE {same_key}",
        f'INSERT INTO {table} ({names}, "run_id", "job_id", "unit_id", "loaded_at")'
        f" SELECT {names}, {trace} FROM {staging}",
        'INSERT INTO "public"."pipeline_loads"'
        ' ("load_id", "table_name", "rows", "run_id", "loaded_at")'
        f" SELECT {literal(this_load)}, {literal(name)}, loaded.n, {literal(run_id)}, GETDATE()"
        f" FROM (SELECT COUNT(*) AS n FROM {staging}) AS loaded WHERE NOT EXISTS ({known})",
        f"DROP TABLE {staging}",
    ]


def run_row_statements(
    result: RunResult, *, run_attempt: int, started_at: str, ended_at: str
) -> list[str]:
    """The run's own row in `pipeline_runs`; a later attempt of the run replaces it.

    Args:
        started_at, ended_at: ISO 8601 texts in UTC; their `Z` is left out, as the columns carry no
            time zone.
    """
    values: dict[str, str | int | None] = {
        "run_id": result.run_id,
        "dataset_name": result.dataset_name,
        "status": result.status.value,
        "run_attempt": run_attempt,
        "units_total": result.units.total,
        "units_stored": result.units.stored,
        "units_failed": result.units.failed,
        "rows_in": result.rows.rows_in,
        "rows_filtered": result.rows.filtered,
        "rows_rejected": result.rows.rejected,
        "rows_removed": result.rows.removed,
        "rows_stored": result.rows.stored,
        "started_at": started_at.removesuffix("Z"),
        "ended_at": ended_at.removesuffix("Z"),
        "reason": None if result.reason is None else _told(result.reason),
    }
    names = ", ".join(identifier(name) for name in values)
    row = ", ".join(literal(value) for value in values.values())
    return [
        CREATE_RUNS,
        f'DELETE FROM "public"."pipeline_runs" WHERE "run_id" = {literal(result.run_id)}',
        f'INSERT INTO "public"."pipeline_runs" ({names}) VALUES ({row})',
    ]


def _column_list(columns: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{identifier(name)} {column_type(kind)}" for name, kind in columns)


def _create_target(table: str, columns: Sequence[tuple[str, str]]) -> str:
    trace = ", ".join(f"{identifier(name)} {kind}" for name, kind in _TRACE_COLUMNS)
    return f"CREATE TABLE IF NOT EXISTS {table} ({_column_list(columns)}, {trace})"


def _announce(name: str, this_load: str) -> list[str]:
    """Conflict with every other load into the table that this one does not see."""
    tables = '"public"."pipeline_tables"'
    mine = f'"table_name" = {literal(name)}'
    return [
        f"LOCK TABLE {tables}",
        f'INSERT INTO {tables} ("table_name") SELECT {literal(name)}'
        f" WHERE NOT EXISTS (SELECT 1 FROM {tables} WHERE {mine})",
        f'UPDATE {tables} SET "last_load_id" = {literal(this_load)}, "updated_at" = GETDATE()'
        f" WHERE {mine}",
    ]


def _told(reason: str) -> str:
    """What an error says, without the characters that Redshift's texts cannot hold."""
    return "".join(c if c.isprintable() else " " for c in reason)[:1000]  # bytes: up to 4 each


def _copy(staging: str, source_url: str, copy_role_arn: str) -> str:
    layout.split_s3_url(source_url)
    role = literal(copy_role_arn) if copy_role_arn else "default"
    # No column list: COPY fills the columns of a Parquet file by position, and these are all.
    return f"COPY {staging} FROM {literal(source_url)} IAM_ROLE {role} FORMAT AS PARQUET"
