"""SQL from contracts and messages, checked before it is used: parsed, then bound to typed columns.

A contract's checks and a request's query are single boolean expressions over the columns; a
transform is one query over the relation `valid` and the contract's lookups. Both are parsed by
sqlglot, which shows what they contain, and then bound by DuckDB to empty relations, which gives
their types and finds what only the engine knows. The engine cannot reach files or the network, here
as in the steps. What could change when a step is repeated (the time, chance) is refused, by
the engine's own catalogue (dataset_loading.catalogue).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import duckdb
from sqlglot import exp

from contracts.dataset import VALID_RELATION
from dataset_loading import catalogue
from dataset_loading.constants import (
    TOO_LARGE,
    BoundExceeded,
    ConstantsEngine,
    EngineError,
    constant_calls,
    multiplies_columns,
)
from dataset_loading.date_texts import refuse_moments
from dataset_loading.job_engine import refuse_for_job
from dataset_loading.parsing import SqlError, parsed, shown
from dataset_loading.wording import unknown
from tabular.sql import column_type, sql_identifier, sql_literal
from tabular.workspace import connect

RELATION: Final = VALID_RELATION
COLUMNS_AT_MOST: Final = 1_600  # of a table (Amazon Redshift, CREATE TABLE)
_SEALED: Final[dict[str, str | bool | int | float | list[str]]] = {
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
    "threads": 1,
    "memory_limit": "256MiB",
}
_UNKNOWN_COLUMN: Final = re.compile(
    r'(?:Referenced column|column named|Column) "([^"]+)"(?: not found| in \w+ list not found'
    r"| does not exist|$)",
    re.MULTILINE,
)
_CANDIDATES: Final = re.compile(r"^Candidate bindings: :? ?(.*)$", re.MULTILINE)
_LINE: Final = re.compile(r"^LINE (\d+): ", re.MULTILINE)
_NOT_IN_EXPRESSIONS: Final = (exp.Query, exp.Exists, exp.Star, exp.Placeholder, exp.Parameter)


Columns = Mapping[str, str]  # contract types by name


class Binder:
    """An empty DuckDB database with the contract's columns in `valid`, and its empty lookups."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        tables: Mapping[str, Columns],
        sources: Mapping[str, str],
        constants: ConstantsEngine,
    ) -> None:
        self._constants = constants
        self._connection, self._tables = connection, tables
        self._columns, self._sources = tables[RELATION], sources
        self._allowed: dict[str, catalogue.Node] = {}  # trees by query: some are asked for twice

    def check_expression(self, sql: str) -> None:
        """One boolean expression over the columns of a single row.

        Raises:
            SqlError: it is not.
        """
        tree = parsed(sql, comments=False)
        if not isinstance(tree, exp.Condition):
            raise SqlError("must be one boolean expression, not a statement")
        for node in tree.find_all(*_NOT_IN_EXPRESSIONS):
            raise SqlError(f"must use the row's columns only, not {shown(node)}")
        calls = self._refuse_calls(f"SELECT ({sql}\n)")
        if any(node.get("class") == "STAR" for node in catalogue.nodes_of(calls)):
            raise SqlError("must use the row's columns only, not COLUMNS")
        self._check_columns(tree)
        # The line break ends what sqlglot might have taken for harmless at the end of the text.
        # A WHERE refuses aggregates and window functions; a SELECT says the type.
        run = self._runner(calls)
        run(f"DESCRIBE SELECT 1 FROM {RELATION} WHERE ({sql}\n)")
        found = run(f"DESCRIBE SELECT ({sql}\n) AS result FROM {RELATION}")[0][1]
        if found != "BOOLEAN":
            raise SqlError(f"must be true or false, but is of type {found}")
        refuse_moments(calls, f"SELECT ({sql}\n) AS result FROM {RELATION}", run)

    def check_for_job(self, sql: str) -> None:
        """An expression that passed, once more, as a Glue job is to compute it.

        Raises:
            SqlError: the job's engine would compute something else, or not compute it.
        """
        refuse_for_job(self._refuse_calls(f"SELECT ({sql}\n)"), sql)

    def output_of(self, transform: str | None) -> list[tuple[str, str]]:
        """Names and DuckDB types of the result's columns, in order.

        Raises:
            SqlError: not one query over `valid` and the lookups, or its result could change
                when it is repeated.
        """
        run: Callable[[str], list[tuple[object, ...]]] = self._run
        if transform is not None:
            tree = parsed(transform, comments=True)
            if not isinstance(tree, exp.Query):
                raise SqlError(f"must be one SELECT over {RELATION}")
            calls = self._refuse_calls(transform)
            run = self._runner(calls)
            if tree.find(exp.TableSample):
                raise SqlError("must not take samples: a repeat of the run would take other rows")
            self._refuse_other_relations(tree)
        rows = run(f"DESCRIBE {transform or f'SELECT * FROM {RELATION}'}")
        if len(rows) > COLUMNS_AT_MOST:
            raise SqlError(f"has {len(rows):,} columns; a result has at most {COLUMNS_AT_MOST:,}")
        if transform is not None:
            refuse_moments(calls, transform, run)
        return [(str(row[0]), str(row[1])) for row in rows]

    def unused_lookups(self, transform: str | None) -> list[str]:
        """The lookups that a transform, itself right, does not read."""
        tree = parsed(transform, comments=True) if transform else exp.Select()
        read = {table.name.lower() for table in tree.find_all(exp.Table)}
        return [name for name in self._tables if name != RELATION and name not in read]

    def check_value(self, value: object, contract_type: str) -> None:
        """The text or number can be read as the type.

        Raises:
            SqlError: it cannot.
        """
        kind = column_type(contract_type)
        self._run(f"SELECT CAST({sql_literal(value)} AS {kind})")

    def values_not_of(self, values: Sequence[str], contract_type: str) -> list[str]:
        """Those of the values that cannot be read as the type, in one statement however many."""
        kind = column_type(contract_type)
        wrong = self._run(
            "SELECT value FROM (SELECT unnest(?::VARCHAR[]) AS value)"
            f" WHERE TRY_CAST(value AS {kind}) IS NULL",
            [list(values)],
        )
        return [str(value) for (value,) in wrong]

    def check_range(self, minimum: object, maximum: object, contract_type: str) -> None:
        """Two values of the type, the first not above the second.

        Raises:
            SqlError: it is.
        """
        kind = column_type(contract_type)
        lowest, highest = (f"CAST({sql_literal(v)} AS {kind})" for v in (minimum, maximum))
        asked = f"SELECT {lowest} > {highest}"
        if self._run(asked)[0][0]:
            raise SqlError("is larger than the maximum")

    def knows_zone(self, zone: str) -> bool:
        """Whether the engine knows the time zone, by exactly this name."""
        return zone in self._zones()

    def zones_like(self, zone: str) -> str | None:
        """A time zone of nearly this name."""
        names = {name.lower(): name for name in self._zones()}
        near = difflib.get_close_matches(zone.lower(), list(names), n=1)
        return names[near[0]] if near else None

    def _zones(self) -> list[str]:
        return [str(name) for (name,) in self._run("SELECT name FROM pg_timezone_names()")]

    def check_pattern(self, pattern: str) -> None:
        """A regular expression as the engine takes them (RE2).

        Raises:
            SqlError: it is none.
        """
        self._run(f"SELECT regexp_full_match('', {sql_literal(pattern)})")

    def _refuse_calls(self, query: str) -> catalogue.Node:
        """The query's syntax tree, if all that it calls computes the same again."""
        if query in self._allowed:
            return self._allowed[query]
        tree = catalogue.syntax_tree(self._connection, query)
        if isinstance(tree, str):
            raise SqlError(tree)
        columns = {
            name: kind for columns in self._tables.values() for name, kind in columns.items()
        }
        found = catalogue.complaint(tree, columns)
        if found:
            raise SqlError(found)
        self._allowed[query] = tree
        return tree

    def _check_columns(self, tree: exp.Expr) -> None:
        problems = []
        for column in tree.find_all(exp.Column):
            if column.table:
                problems.append(f"write columns by their bare names, not {shown(column)}")
            elif column.name.lower() not in self._columns:
                hint = "; text goes in single quotes" if column.this.quoted else ""
                reported = unknown("column", column.name, self._columns, self._sources)
                problems.append(reported + hint)
        if problems:
            raise SqlError("; ".join(dict.fromkeys(problems)))

    def _refuse_other_relations(self, tree: exp.Expr) -> None:
        ours = list(self._tables)
        known = {*ours, *(cte.alias_or_name.lower() for cte in tree.find_all(exp.CTE))}
        for table in tree.find_all(exp.Table):
            if isinstance(table.this, exp.GenerateSeries):
                continue
            if table.db or table.name.lower() not in known:
                allowed = f"{RELATION} only" if len(ours) == 1 else f"{', '.join(ours)} only"
                raise SqlError(f"must read from {allowed}, not from {shown(table)}")

    def _runner(self, tree: catalogue.Node) -> Callable[[str], list[tuple[object, ...]]]:
        """What binds the SQL of this tree: a process of its own where that computes constants."""
        calls = constant_calls(tree)
        try:
            for call in calls:
                self._constants.compute(call)
        except BoundExceeded as error:
            raise SqlError(str(error)) from error
        return self._run_bounded if calls or multiplies_columns(tree) else self._run

    def _run_bounded(self, sql: str) -> list[tuple[object, ...]]:
        try:
            return self._constants.run(sql)
        except BoundExceeded as error:
            raise SqlError(TOO_LARGE) from error
        except EngineError as error:
            raise SqlError(self._explained(str(error))) from error

    def _run(self, sql: str, values: list[object] | None = None) -> list[tuple[object, ...]]:
        try:
            return self._connection.execute(sql, values).fetchall()
        except duckdb.Error as error:
            raise SqlError(self._explained(str(error))) from error

    def _explained(self, message: str) -> str:
        """The engine's message without what points into our wrapping of the SQL."""
        column = _UNKNOWN_COLUMN.search(message)
        if column is None:
            reported = message.partition("\n\n")[0].partition("\n\tCandidate functions")[0]
            return " ".join(reported.split())
        found = _CANDIDATES.search(message)
        bindings = re.findall(r'"([^"]+)"', found[1]) if found else []
        every = [name for columns in self._tables.values() for name in columns]
        line = _LINE.search(message)
        place = f" (line {line[1]} of the SQL)" if line and line[1] != "1" else ""
        known = list(dict.fromkeys(bindings or every))
        return unknown("column", column[1], known, self._sources) + place


@contextmanager
def binder(
    columns: Columns,
    lookups: Mapping[str, Columns] | None = None,
    sources: Mapping[str, str] | None = None,
) -> Iterator[Binder]:
    """A Binder for columns of these names and contract types, and for lookups by their names.

    Args:
        sources: what columns are called in the file, by their own names; for messages.
    """
    tables = {RELATION: columns, **(lookups or {})}
    statements = list(_setup(tables))
    constants = ConstantsEngine(_SEALED, statements)
    connection = connect(config=_SEALED)
    try:
        for statement in statements:
            connection.execute(statement)
        yield Binder(connection, tables, sources or {}, constants)
    finally:
        constants.close()
        connection.close()


def _setup(tables: Mapping[str, Columns]) -> Iterator[str]:
    yield "SET TimeZone = 'UTC'"
    # What is computed from other relations' constants is a matter of runs, not of the check.
    yield "PRAGMA disable_optimizer"
    yield "SET lock_configuration = true"
    for table, columns in tables.items():
        definitions = ", ".join(
            f"{sql_identifier(name)} {column_type(kind)}" for name, kind in columns.items()
        )
        yield f"CREATE TABLE {sql_identifier(table)} ({definitions})"
