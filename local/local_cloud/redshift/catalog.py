"""The Data API's operations on the catalog: databases, schemas, tables and columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import duckdb

from local.local_cloud.http.paging import page
from local.local_cloud.redshift.database import table_columns
from local.local_cloud.redshift.ddl import CATALOG_SCHEMA
from local.local_cloud.redshift.types import api_column

BAD_INPUT: Final = "ValidationException"
_LARGEST_PAGE: Final = 1000
_HIDDEN: Final = (CATALOG_SCHEMA, "main", "information_schema", "pg_catalog")
_KINDS: Final = {"BASE TABLE": "TABLE", "VIEW": "VIEW"}

Request = Mapping[str, Any]
Cursor = duckdb.DuckDBPyConnection


def list_schemas(cursor: Cursor, request: Request) -> dict[str, Any]:
    """ListSchemas: by SchemaPattern."""
    rows = cursor.execute(
        "SELECT DISTINCT schema_name FROM duckdb_schemas() WHERE database_name = current_database()"
        " AND schema_name LIKE $1 AND NOT list_contains($2, schema_name) ORDER BY 1",
        [request.get("SchemaPattern") or "%", list(_HIDDEN)],
    ).fetchall()
    names = [str(row[0]) for row in rows]
    shown, token = page(names, names, request, BAD_INPUT, _LARGEST_PAGE)
    return {"Schemas": list(shown), **token}


def list_tables(cursor: Cursor, request: Request) -> dict[str, Any]:
    """ListTables: by SchemaPattern and TablePattern."""
    rows = cursor.execute(
        "SELECT table_schema, table_name, table_type FROM information_schema.tables"
        " WHERE table_catalog = current_database() AND table_schema LIKE $1 AND table_name LIKE $2"
        " AND NOT list_contains($3, table_schema) ORDER BY 1, 2",
        [request.get("SchemaPattern") or "%", request.get("TablePattern") or "%", list(_HIDDEN)],
    ).fetchall()
    tables = [
        {"schema": schema, "name": name, "type": _KINDS.get(kind, str(kind))}
        for schema, name, kind in rows
    ]
    keys = [f"{table['schema']}.{table['name']}" for table in tables]
    shown, token = page(tables, keys, request, BAD_INPUT, _LARGEST_PAGE)
    return {"Tables": list(shown), **token}


def describe_table(cursor: Cursor, request: Request) -> dict[str, Any]:
    """DescribeTable, of one table by its name.

    Raises:
        SqlError: there is no such table.
    """
    name = str(request["Table"]).lower()
    schema = str(request.get("Schema") or "public").lower()
    columns = []
    for column in table_columns(cursor, (schema, name)):
        shown = api_column(column.name, column.kind, column.length)
        columns.append(
            {
                **{key: value for key, value in shown.items() if key != "label"},
                "nullable": 0 if column.not_null else 1,
                "schemaName": schema,
                "tableName": name,
                **({"columnDefault": column.default} if column.default else {}),
            }
        )
    keys = [str(column["name"]) for column in columns]
    shown_columns, token = page(columns, keys, request, BAD_INPUT, _LARGEST_PAGE)
    return {"TableName": name, "ColumnList": list(shown_columns), **token}
