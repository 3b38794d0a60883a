"""Makes the tables that a run needs, before its first load.

The pipeline's own tables come from `sql/` in the code bucket, the target's from the contract. Where
all is as it should be, which is nearly always, nothing is changed, so that the database user need
not own anything. It is done outside the loads, once per run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from contracts import layout
from contracts.dataset import DatasetSnapshot, RedshiftTarget
from contracts.errors import InvalidDataset, NotConfigured, Problem
from runtime import clients, s3
from runtime.handler import logger
from stores.redshift import schema as warehouse_schema
from stores.redshift.catalog import columns_of, keys_of, missing_schemas
from stores.redshift.client import StatementFailed, WarehouseClient
from stores.redshift.load import LOCKED, Load, load_statements
from stores.redshift.schema import Table
from stores.redshift.sql import STATEMENT_BYTES, STATEMENTS_AT_MOST, table_name

SQL_PREFIX: Final = "sql/"


def own_tables(code_bucket: str) -> list[Table]:
    """The tables of `sql/` in the code bucket.

    Raises:
        NotConfigured: there are none, or one is not written as it must be.
    """
    with clients.translated(f"listing s3://{code_bucket}/{SQL_PREFIX}"):
        response = clients.client("s3").list_objects_v2(Bucket=code_bucket, Prefix=SQL_PREFIX)
    keys = [item["Key"] for item in response.get("Contents", ()) if item["Key"].endswith(".sql")]
    if not keys:
        raise NotConfigured(
            f"there are no tables in s3://{code_bucket}/{SQL_PREFIX}; run: pipeline upload"
        )
    try:
        return [
            warehouse_schema.parse_table(s3.read_bytes(code_bucket, key).decode(), key)
            for key in sorted(keys)
        ]
    except ValueError as error:
        raise NotConfigured(f"s3://{code_bucket}/{error}") from error


def prepare_tables(
    client: WarehouseClient, snapshot: DatasetSnapshot, own: Sequence[Table]
) -> list[str]:
    """Make what is missing; may be repeated, and by several runs at once.

    Args:
        own: the pipeline's own tables.

    Returns:
        The statements that were run.

    Raises:
        InvalidDataset: the table is not what the contract says and cannot be made so without
            losing something; holds the DDL that a person may run.
        NotConfigured: the database user may not make what is missing.
        Conflict, TransientFailure: again soon.
    """
    refused: list[str] = []
    while statements := _wanted(client, own, snapshot):
        try:
            client.run(statements)
        except StatementFailed as error:
            if statements == refused:
                raise NotConfigured(
                    f"the warehouse refused to make the tables ({error}); run these as a user who"
                    f" may: {'; '.join(statements)}"
                ) from error
            refused = statements  # another run may have made the same just now: look again
        else:
            logger.info("warehouse prepared", extra={"statements": statements})
            break
    return statements


def _wanted(client: WarehouseClient, own: Sequence[Table], snapshot: DatasetSnapshot) -> list[str]:
    """The statements that are needed now.

    Raises:
        InvalidDataset: the tables differ in a way that no statement can fix.
        NotConfigured: the warehouse refuses to list its tables.
    """
    try:
        return _compared(client, own, snapshot)
    except StatementFailed as error:
        raise NotConfigured(f"the warehouse refuses to list its tables: {error}") from error


def _compared(
    client: WarehouseClient, own: Sequence[Table], snapshot: DatasetSnapshot
) -> list[str]:
    target = snapshot.dataset.targets.redshift
    tables = [*own]
    if target is not None:
        _refuse_too_wide(snapshot, target)
        tables.append(warehouse_schema.target_table(target, snapshot))
    found = columns_of(client, tables)
    statements, problems = missing_schemas(client, tables, found), []
    for table in tables:
        more, wrong = warehouse_schema.changes(table, found[table.name], ours=table in own)
        statements += more
        problems += wrong
    if target is not None:
        known = bool(found["public.pipeline_tables"])
        keys = keys_of(client, table_name(target.table)) if known else []
        wrong_key = warehouse_schema.key_problem(target, keys)
        problems += [wrong_key] if wrong_key else []
        if not keys:
            statements.append(warehouse_schema.register(target, snapshot.dataset.name))
            if known:  # of two first runs, the second sees what the first has registered
                statements.insert(0, f"LOCK TABLE {LOCKED}")
    _refuse(snapshot, problems, statements)
    return statements


def _refuse(
    snapshot: DatasetSnapshot, problems: Sequence[Problem], statements: Sequence[str]
) -> None:
    if problems:
        raise InvalidDataset(f"dataset {snapshot.dataset.name} and its warehouse table", problems)
    if len(statements) > STATEMENTS_AT_MOST:
        raise InvalidDataset(
            f"dataset {snapshot.dataset.name}",
            [
                Problem(
                    "columns",
                    f"{len(statements)} statements are needed, one transaction holds"
                    f" {STATEMENTS_AT_MOST}; run them yourself: {'; '.join(statements)}",
                )
            ],
        )


def _refuse_too_wide(snapshot: DatasetSnapshot, target: RedshiftTarget) -> None:
    """A load names each column several times in one statement."""
    load = Load(snapshot, target, layout.unit_id(0, 0), None, "s3://bucket/key", 1)
    size = max(len(statement.encode()) for statement in load_statements(load))
    if size > STATEMENT_BYTES:
        columns = len(snapshot.output_columns)
        problem = (
            f"a load of these {columns} columns has a statement of {size:,} bytes, the Data API"
            f" takes {STATEMENT_BYTES:,}; store fewer columns, or give them shorter names"
        )
        raise InvalidDataset(f"dataset {snapshot.dataset.name}", [Problem("transform", problem)])
