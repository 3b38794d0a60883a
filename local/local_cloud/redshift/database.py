"""One Redshift database as one DuckDB database: opening, sessions, and what its catalog holds."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from local.local_cloud.redshift.ddl import CATALOG_SCHEMA, Column
from local.local_cloud.redshift.tokens import SqlError, quote, quote_name

_VIEWS: Final = {
    "svv_tables": "SELECT table_catalog, table_schema, table_name, table_type, NULL AS remarks"
    " FROM information_schema.tables",
    "svv_columns": "SELECT table_catalog, table_schema, table_name, column_name, ordinal_position,"
    " column_default, is_nullable, CASE WHEN data_type LIKE 'DECIMAL%' THEN 'numeric'"
    " WHEN data_type = 'VARCHAR' THEN 'character varying' WHEN data_type = 'FLOAT' THEN 'real'"
    " WHEN data_type = 'DOUBLE' THEN 'double precision'"
    " WHEN data_type = 'TIMESTAMP' THEN 'timestamp without time zone'"
    " ELSE lower(data_type) END AS data_type,"
    " CASE WHEN data_type = 'VARCHAR' THEN coalesce((SELECT"
    " max(CAST(regexp_extract(k.constraint_text, '<= ([0-9]+)', 1) AS INTEGER))"
    " FROM duckdb_constraints() AS k WHERE k.constraint_text LIKE '%strlen(%'"
    " AND (k.database_name, k.schema_name, k.table_name) = (table_catalog, table_schema,"
    " c.table_name) AND k.constraint_column_names = [c.column_name]), 65535) END"
    " AS character_maximum_length, numeric_precision, numeric_scale"
    " FROM information_schema.columns AS c",
    "pg_table_def": "SELECT table_schema AS schemaname, table_name AS tablename,"
    ' column_name AS "column", lower(data_type) AS "type", \'none\' AS encoding,'
    " false AS distkey, 0 AS sortkey, is_nullable = 'NO' AS notnull"
    " FROM information_schema.columns",
}
_LOAD_ERRORS: Final = """\
CREATE TABLE IF NOT EXISTS {schema}.load_errors (
  user_id INTEGER, query_id BIGINT, transaction_id BIGINT, session_id INTEGER,
  database_name VARCHAR, table_id INTEGER, start_time TIMESTAMP, file_name VARCHAR,
  line_number BIGINT, column_name VARCHAR, column_type VARCHAR, column_length VARCHAR,
  "position" INTEGER, error_code INTEGER, error_message VARCHAR
)"""
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
            in parallel and fail on conflicts; here they wait, as behind Redshift's LOCK.
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
        self._connection.execute("SET enable_progress_bar = false")  # see tabular.workspace.connect
        self._connection.execute("CREATE SCHEMA IF NOT EXISTS public")
        self._connection.execute(f"CREATE SCHEMA IF NOT EXISTS {CATALOG_SCHEMA}")
        for name, sql in _VIEWS.items():
            self._connection.execute(
                f"CREATE OR REPLACE VIEW {CATALOG_SCHEMA}.{name} AS {sql}"
                f" WHERE table_schema <> '{CATALOG_SCHEMA}'"
            )

        self._connection.execute(_LOAD_ERRORS.format(schema=CATALOG_SCHEMA))
        self._connection.execute(
            f"CREATE OR REPLACE VIEW {CATALOG_SCHEMA}.sys_load_error_detail AS"
            f" FROM {CATALOG_SCHEMA}.load_errors"
        )

    def note_load_error(
        self, file: str, line: int, column: TableColumn | None, message: str
    ) -> None:
        """Keep what a COPY fell over, for `sys_load_error_detail`; `writing` is held."""
        with self._connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {CATALOG_SCHEMA}.load_errors SELECT 100, -1, -1, 0,"  # noqa: S608
                " current_database(), 0, now()::TIMESTAMP, $1, $2, $3, $4, $5, 0, 1204, $6",
                [
                    file,
                    line,
                    column.name if column else None,
                    column.kind.lower() if column else None,
                    str(column.length) if column and column.length is not None else None,
                    message[:512],
                ],
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
