"""One Redshift database as one DuckDB database: opening, sessions, and what its catalog holds."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from local.local_cloud.redshift_ddl import CATALOG_SCHEMA, Column
from local.local_cloud.redshift_tokens import SqlError, quote, quote_name

_VIEWS: Final = {
    "svv_tables": "SELECT table_catalog, table_schema, table_name, table_type, NULL AS remarks"
    " FROM information_schema.tables",
    "svv_columns": "SELECT table_catalog, table_schema, table_name, column_name, ordinal_position,"
    " column_default, is_nullable, data_type, character_maximum_length, numeric_precision,"
    " numeric_scale FROM information_schema.columns",
    "pg_table_def": "SELECT table_schema AS schemaname, table_name AS tablename,"
    ' column_name AS "column", lower(data_type) AS "type", \'none\' AS encoding,'
    " false AS distkey, 0 AS sortkey, is_nullable = 'NO' AS notnull"
    " FROM information_schema.columns",
}
_LENGTH_CHECK: Final = re.compile(r'strlen\("?(.+?)"?\)+ <= (\d+)')


@dataclass(frozen=True)
class TableColumn:
    """A column as the catalog has it; `kind` and `default` in DuckDB's terms.

    Attributes:
        length: most bytes of a text, where they are limited.
    """

    name: str
    kind: str
    not_null: bool
    default: str | None
    length: int | None

    @property
    def is_identity(self) -> bool:
        return (self.default or "").startswith(f"nextval('{CATALOG_SCHEMA}.")

    def as_column(self, with_default: bool) -> Column:
        """The same for a table LIKE this one."""
        default = self.default if with_default and not self.is_identity else None
        return Column(self.name, self.kind, self.length, self.not_null, default)


class Database:
    """A database file; every session is a connection of its own, with temporary tables of its own.

    Attributes:
        writing: held by whoever changes it, from begin to commit. DuckDB's transactions would run
            side by side and fail on conflicts; here they wait, as behind Redshift's LOCK.
    """

    def __init__(self, path: Path) -> None:
        """Open, or create.

        Args:
            path: of the file, named as the database: DuckDB names its catalog so.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self.writing = threading.Lock()
        self._connection = duckdb.connect(
            str(path),
            config={
                "memory_limit": "1GiB",
                "threads": 2,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "python_enable_replacements": False,
            },
        )
        self._connection.execute("CREATE SCHEMA IF NOT EXISTS public")
        self._connection.execute(f"CREATE SCHEMA IF NOT EXISTS {CATALOG_SCHEMA}")
        for name, sql in _VIEWS.items():
            self._connection.execute(
                f"CREATE OR REPLACE VIEW {CATALOG_SCHEMA}.{name} AS {sql}"
                f" WHERE table_schema <> '{CATALOG_SCHEMA}'"
            )

    def session(self) -> duckdb.DuckDBPyConnection:
        """A connection with Redshift's settings; the caller closes it."""
        cursor = self._connection.cursor()
        cursor.execute("SET TimeZone = 'UTC'")
        cursor.execute("SET integer_division = true")
        set_search_path(cursor, ("public",))
        return cursor

    def close(self) -> None:
        self._connection.close()


def set_search_path(cursor: duckdb.DuckDBPyConnection, schemas: tuple[str, ...]) -> None:
    """Where unqualified names are looked for; the system views stay found."""
    path = ",".join(quote_name(name) for name in (*(schemas or ("public",)), CATALOG_SCHEMA))
    cursor.execute(f"SET search_path = {quote(path)}")


def locate(cursor: duckdb.DuckDBPyConnection, table: tuple[str, ...]) -> tuple[str, str, str]:
    """Catalog, schema and name of the table that a name means; temporary ones come first.

    Raises:
        SqlError: there is none.
    """
    *qualifier, name = table
    schema = qualifier[-1] if qualifier else None
    found = cursor.execute(
        "SELECT database_name, schema_name FROM duckdb_tables() WHERE table_name = $1"
        " AND CASE WHEN $2 IS NULL THEN temporary OR list_contains(current_schemas(false),"
        " schema_name) ELSE schema_name = $2 AND NOT temporary END"
        " ORDER BY temporary DESC, list_position(current_schemas(false), schema_name) LIMIT 1",
        [name, schema],
    ).fetchone()
    if found is None:
        raise SqlError(f'relation "{".".join(table)}" does not exist')
    return str(found[0]), str(found[1]), name


def table_columns(cursor: duckdb.DuckDBPyConnection, table: tuple[str, ...]) -> list[TableColumn]:
    """The columns of a table, in their order.

    Raises:
        SqlError: there is no such table.
    """
    where = list(locate(cursor, table))
    checks = cursor.execute(
        "SELECT constraint_text FROM duckdb_constraints() WHERE constraint_type = 'CHECK'"
        " AND database_name = $1 AND schema_name = $2 AND table_name = $3",
        where,
    ).fetchall()
    matches = (_LENGTH_CHECK.search(str(check[0])) for check in checks)
    lengths = {match[1]: int(match[2]) for match in matches if match}
    rows = cursor.execute(
        "SELECT column_name, data_type, is_nullable, column_default FROM duckdb_columns()"
        " WHERE database_name = $1 AND schema_name = $2 AND table_name = $3"
        " ORDER BY column_index",
        where,
    ).fetchall()
    return [
        TableColumn(name, kind, not nullable, default, lengths.get(name))
        for name, kind, nullable, default in rows
    ]
