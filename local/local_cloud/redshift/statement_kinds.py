"""What kinds of statements there are, as `sql.translate` reads them."""

from __future__ import annotations

from dataclasses import dataclass

from local.local_cloud.redshift.copy import Copy, Unload
from local.local_cloud.redshift.ddl import CreateTable


@dataclass(frozen=True)
class Query:
    """Returns rows. `names` of its columns, None: as DuckDB names them."""

    sql: str
    names: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Change:
    """Changes rows and returns how many."""

    sql: str


@dataclass(frozen=True)
class Definition:
    """Changes the schema; returns nothing."""

    sql: tuple[str, ...]


@dataclass(frozen=True)
class Truncate:
    """Empties a table, and commits the transaction that it is in."""

    table: tuple[str, ...]


@dataclass(frozen=True)
class Lock:
    """LOCK: writers wait for each other anyhow; the tables must exist."""

    tables: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class SetSearchPath:
    """SET search_path, for the session."""

    schemas: tuple[str, ...]


@dataclass(frozen=True)
class SetStatementTimeout:
    """SET statement_timeout, for the session; 0: none."""

    milliseconds: int


@dataclass(frozen=True)
class NoEffect:
    """Without effect on any result (ANALYZE, VACUUM, GRANT, …).

    Attributes:
        alone: it cannot be part of a transaction.
    """

    what: str
    alone: bool = False


Statement = (
    Query | Change | Definition | CreateTable | Truncate | Lock | SetSearchPath | NoEffect | Copy
) | (Unload | SetStatementTimeout)
