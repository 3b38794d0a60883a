"""Reads the warehouse's catalog: columns of tables, schemas, and keys of target tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from stores.redshift.client import WarehouseClient
from stores.redshift.schema import FoundColumn, Table
from stores.redshift.sql import identifier, literal

_CATALOG: Final = (
    "table_schema, table_name, column_name, data_type, character_maximum_length,"
    " numeric_precision, numeric_scale, is_nullable, column_default"
)


def columns_of(client: WarehouseClient, tables: Sequence[Table]) -> dict[str, list[FoundColumn]]:
    """The columns that are there, by table."""
    by_schema: dict[str, list[str]] = defaultdict(list)
    for table in tables:
        schema, _, name = table.name.partition(".")
        by_schema[schema].append(literal(name))
    where = " OR ".join(
        f"(table_schema = {literal(schema)} AND table_name IN ({', '.join(names)}))"
        for schema, names in by_schema.items()
    )
    found: dict[str, list[FoundColumn]] = {table.name: [] for table in tables}
    for row in client.rows(f"SELECT {_CATALOG} FROM svv_columns WHERE {where}"):
        found[f"{row['table_schema']}.{row['table_name']}"].append(FoundColumn.of(row))
    return found


def missing_schemas(
    client: WarehouseClient, tables: Sequence[Table], found: dict[str, list[FoundColumn]]
) -> list[str]:
    """Statements for the schemas that tables are to be made in and that are not there."""
    needed = sorted(
        {table.name.partition(".")[0] for table in tables if not found[table.name]} - {"public"}
    )
    if not needed:
        return []
    names = ", ".join(literal(name) for name in needed)
    there = client.rows(f"SELECT nspname FROM pg_namespace WHERE nspname IN ({names})")
    known = {row["nspname"] for row in there}
    return [
        f"CREATE SCHEMA IF NOT EXISTS {identifier(name)}" for name in needed if name not in known
    ]


def keys_of(client: WarehouseClient, name: str) -> list[str]:
    """The keys that a target table is registered with; one, unless two runs were first."""
    rows = client.rows(
        'SELECT DISTINCT key_columns FROM "public"."pipeline_tables"'
        f" WHERE table_name = {literal(name)} ORDER BY 1"
    )
    return [str(row["key_columns"]) for row in rows]
