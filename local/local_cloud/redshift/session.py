"""Running Redshift statements in one DuckDB session, and its errors in Redshift's words."""

from __future__ import annotations

import contextlib
import re
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import duckdb

from local.local_cloud.redshift.copy import Copy, Unload
from local.local_cloud.redshift.database import (
    Database,
    locate,
    set_search_path,
    table_columns,
)
from local.local_cloud.redshift.ddl import CreateTable
from local.local_cloud.redshift.load import copy_into
from local.local_cloud.redshift.objects import Objects
from local.local_cloud.redshift.results import Result, fetch
from local.local_cloud.redshift.statement_kinds import (
    Change,
    Definition,
    Lock,
    NoEffect,
    Query,
    SetSearchPath,
    SetStatementTimeout,
    Statement,
    Truncate,
)
from local.local_cloud.redshift.tokens import SqlError, quote_name
from local.local_cloud.redshift.unload import unload


@dataclass(frozen=True)
class Outcome:
    """What one statement did: a result, or a number of rows (-1: neither)."""

    rows: int = -1
    result: Result | None = None


class Session:
    """A session of one transaction: temporary tables live as long as it does."""

    def __init__(self, database: Database, objects: Objects) -> None:
        self._cursor = database.session()
        self._objects = objects
        self._timeout_seconds = 0.0
        self._set_last_copy_count(0)

    def begin(self) -> None:
        self._cursor.execute("BEGIN TRANSACTION")

    def commit(self) -> None:
        """Keep what was done.

        Raises:
            SqlError: it could not be stored.
        """
        try:
            self._cursor.execute("COMMIT")
        except duckdb.Error as error:
            raise SqlError(redshift_message(error)) from error

    def rollback(self) -> None:
        """Undo the transaction, if one is open; closing the session would do so, too."""
        with contextlib.suppress(duckdb.Error):
            self._cursor.execute("ROLLBACK")

    def interrupt(self) -> None:
        """Break off what runs, from another thread."""
        self._cursor.interrupt()

    def close(self) -> None:
        self._cursor.close()

    def run(self, statement: Statement, *, in_batch: bool) -> Outcome:
        """Run one statement in the open transaction.

        Raises:
            SqlError: it failed; in Redshift's words where they are known.
        """
        try:
            with self._timeout():
                return self._run(statement, in_batch)
        except duckdb.InterruptException as error:
            raise SqlError("Query cancelled on user's request") from error
        except duckdb.Error as error:
            raise SqlError(redshift_message(error)) from error

    @contextlib.contextmanager
    def _timeout(self) -> Iterator[None]:
        """Break off what takes longer than statement_timeout."""
        if not self._timeout_seconds:
            yield
            return
        timer = threading.Timer(self._timeout_seconds, self.interrupt)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()

    def _run(self, statement: Statement, in_batch: bool) -> Outcome:
        match statement:
            case Query(sql, names):
                result = fetch(self._cursor, sql, names)
                return Outcome(len(result.records), result)
            case Change(sql):
                return Outcome(self._count(sql))
            case Copy() | Unload():
                return Outcome(self._transfer(statement))
            case NoEffect(what, alone):
                if alone and in_batch:
                    raise SqlError(f"{what} cannot run inside a transaction block")
            case Definition() | CreateTable():
                self._define(statement)
            case Truncate() | Lock() | SetSearchPath() | SetStatementTimeout():
                self._apply(statement)
        return Outcome()

    def _apply(self, statement: Truncate | Lock | SetSearchPath | SetStatementTimeout) -> None:
        match statement:
            case Truncate(table):
                locate(self._cursor, table)
                self._cursor.execute(f"TRUNCATE TABLE {quote_name(table)}")
                self.commit()
                self.begin()
            case Lock(tables):
                for table in tables:
                    locate(self._cursor, table)
            case SetSearchPath(schemas):
                set_search_path(self._cursor, schemas)
            case SetStatementTimeout(milliseconds):
                self._timeout_seconds = milliseconds / 1000

    def _define(self, statement: Definition | CreateTable) -> None:
        if isinstance(statement, CreateTable):
            self._create_table(statement)
            return
        for sql in statement.sql:
            self._cursor.execute(sql)

    def _count(self, sql: str) -> int:
        row = self._cursor.execute(sql).fetchone()
        return int(row[0]) if row else 0

    def _create_table(self, statement: CreateTable) -> None:
        if statement.if_not_exists:
            try:
                locate(self._cursor, statement.name)
            except SqlError:
                pass
            else:
                return
        if statement.like is not None:
            others = table_columns(self._cursor, statement.like)
            copied = tuple(other.as_column(statement.like_defaults) for other in others)
            statement = replace(statement, columns=(*copied, *statement.columns))
        for sql in statement.sql():
            self._cursor.execute(sql)

    def _transfer(self, command: Copy | Unload) -> int:
        with tempfile.TemporaryDirectory(prefix="redshift-") as directory:
            if isinstance(command, Unload):
                return unload(self._cursor, command, self._objects, Path(directory))
            rows = copy_into(self._cursor, command, self._objects, Path(directory))
        self._set_last_copy_count(rows)
        return rows

    def _set_last_copy_count(self, rows: int) -> None:
        self._cursor.execute(f"CREATE OR REPLACE TEMP MACRO pg_last_copy_count() AS {rows}")


_MESSAGES: Final = tuple(
    (re.compile(pattern, re.DOTALL), message)
    for pattern, message in (
        (r'Table with name "?([^"\s]+)"? does not exist', 'relation "{}" does not exist'),
        (r'(?:Table|View) with name "?([^"\s]+)"? already exists', 'Relation "{}" already exists'),
        (r"Division by zero", "division by zero"),
        (r'Schema with name "?([^"\s]+)"? does not exist', 'schema "{}" does not exist'),
        (r'Schema with name "?([^"\s]+)"? already exists', 'Schema "{}" already exists'),
        (
            r"(?:Scalar|Aggregate) Function with name (\S+) does not exist",
            "function {} does not exist",
        ),
        (r'Referenced column "([^"]+)" not found', 'column "{}" does not exist'),
        (r'does not have a column with name "([^"]+)"', 'column "{}" does not exist'),
        (r"NOT NULL constraint failed: .*?([^.\s]+)$", "Cannot insert a NULL value into column {}"),
        (
            r"CHECK constraint failed .*?strlen.*?<= (\d+)",
            "value too long for type character varying({})",
        ),
    )
)


def redshift_message(error: duckdb.Error) -> str:
    """A DuckDB error as Redshift would word it, or its own first line."""
    text = str(error)
    for pattern, message in _MESSAGES:
        match = pattern.search(text)
        if match:
            return message.format(*match.groups())
    return re.sub(r"^[A-Za-z ]+ Error: ", "", text.splitlines()[0]) if text else "unknown error"
