"""SQL from contracts and messages, checked before it is used: parsed, then bound to typed columns.

A contract's checks and a request's query are single boolean expressions over the columns; a
transform is one query over the relation `valid`. Both are parsed by sqlglot, which tells what they
contain, and then bound by DuckDB to an empty relation, which tells their types and all that only
the engine knows. The engine has no way to files or the network, here as in the steps.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import duckdb
import sqlglot
from sqlglot import TokenType, exp
from sqlglot.errors import ParseError, TokenError

from contracts.errors import Problem
from steps.duck import column_type, quoted, text

RELATION: Final = "valid"
NAMES_SHOWN: Final = 20
_SEALED: Final[dict[str, str | bool | int | float | list[str]]] = {
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
    "threads": 1,
}
# What reaches beyond the rows: files, other relations by name, the engine's own state.
_FORBIDDEN: Final = re.compile(
    r"^(read_.*|.*_scan|glob|sniff_csv|parquet_.*|query|query_table|getenv|getvariable"
    r"|current_setting|nextval|currval|pragma_.*|duckdb_.*|which_secret)$"
)
_NOT_IN_EXPRESSIONS: Final = (exp.Query, exp.Exists, exp.Star, exp.Placeholder, exp.Parameter)


class SqlError(Exception):
    """The SQL cannot be used; the message says why, for the person who wrote it."""


class Binder:
    """An empty DuckDB database whose relation `valid` has the contract's columns."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, columns: Mapping[str, str]) -> None:
        self._connection, self._columns = connection, columns

    def check_expression(self, sql: str) -> None:
        """One boolean expression over the columns of a single row.

        Raises:
            SqlError: it is not.
        """
        tree = _parsed(sql, comments=False)
        if not isinstance(tree, exp.Condition):
            raise SqlError("must be one boolean expression, not a statement")
        for node in tree.find_all(*_NOT_IN_EXPRESSIONS):
            raise SqlError(f"must use the row's columns only, not {_shown(node)}")
        _refuse_functions(tree)
        self._check_columns(tree)
        # The line break ends what sqlglot might have taken for harmless at the end of the text.
        # A WHERE refuses aggregates and window functions; a SELECT tells the type.
        self._run(f"SELECT 1 FROM {RELATION} WHERE ({sql}\n)")  # noqa: S608
        found = self._run(f"DESCRIBE SELECT ({sql}\n) AS result FROM {RELATION}")[0][1]  # noqa: S608
        if found != "BOOLEAN":
            raise SqlError(f"must be true or false, but is of type {found}")

    def output_of(self, transform: str | None) -> list[tuple[str, str]]:
        """Names and DuckDB types of the result's columns, in order.

        Raises:
            SqlError: not one query over `valid`.
        """
        if transform is not None:
            tree = _parsed(transform, comments=True)
            if not isinstance(tree, exp.Query):
                raise SqlError(f"must be one SELECT over {RELATION}")
            _refuse_functions(tree)
            _refuse_other_relations(tree)
        rows = self._run(f"DESCRIBE {transform or f'SELECT * FROM {RELATION}'}")  # noqa: S608
        return [(str(row[0]), str(row[1])) for row in rows]

    def check_value(self, value: object, contract_type: str) -> None:
        """The text or number can be read as the type.

        Raises:
            SqlError: it cannot.
        """
        kind = column_type(contract_type)
        self._run(f"SELECT CAST({text(value)} AS {kind})")  # noqa: S608

    def check_pattern(self, pattern: str) -> None:
        """A regular expression as the engine takes them (RE2).

        Raises:
            SqlError: it is none.
        """
        self._run(f"SELECT regexp_full_match('', {text(pattern)})")  # noqa: S608

    def _check_columns(self, tree: exp.Expr) -> None:
        problems = []
        for column in tree.find_all(exp.Column):
            if column.table:
                problems.append(f"write columns by their bare names, not {_shown(column)}")
            elif column.name.lower() not in self._columns:
                hint = "; text goes in single quotes" if column.this.quoted else ""
                problems.append(unknown("column", column.name, self._columns) + hint)
        if problems:
            raise SqlError("; ".join(dict.fromkeys(problems)))

    def _run(self, sql: str) -> list[tuple[object, ...]]:
        try:
            return self._connection.execute(sql).fetchall()
        except duckdb.Error as error:
            # What follows the empty line points into our wrapping of the SQL.
            told = " ".join(str(error).partition("\n\n")[0].split())
            raise SqlError(told) from error


@contextmanager
def binder(columns: Mapping[str, str]) -> Iterator[Binder]:
    """A Binder for columns of these names and contract types."""
    connection = duckdb.connect(":memory:", config=_SEALED)
    try:
        definitions = ", ".join(
            f"{quoted(name)} {column_type(kind)}" for name, kind in columns.items()
        )
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"CREATE TABLE {RELATION} ({definitions})")
        connection.execute("SET lock_configuration = true")
        yield Binder(connection, columns)
    finally:
        connection.close()


def unknown(what: str, name: str, known: Mapping[str, object] | list[str]) -> str:
    """`unknown column "amont"; did you mean "amount"?`, or the known ones when none is near."""
    near = difflib.get_close_matches(name.lower(), list(known), n=1)
    if near:
        return f'unknown {what} "{name}"; did you mean "{near[0]}"?'
    names = list(known)
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return f'unknown {what} "{name}"; there are {", ".join(names[:NAMES_SHOWN])}{more}'


def problem(path: str, error: SqlError, sql: object) -> Problem:
    return Problem(path, str(error), _cut(str(sql)))


def _parsed(sql: str, *, comments: bool) -> exp.Expr:
    """The only statement or expression of the text.

    Comments are refused where the text is put inside other SQL: one at its end would take along
    what follows.
    """
    try:
        words = sqlglot.tokenize(sql, dialect="duckdb")
        trees = sqlglot.parse(sql, dialect="duckdb")
    except ParseError as error:
        first = error.errors[0] if error.errors else {}
        where = f" at line {first.get('line')}, column {first.get('col')}"
        raise SqlError(f"is not SQL: {first.get('description', error)}{where}") from error
    except TokenError as error:
        raise SqlError(f"is not SQL: {error}") from error
    except RecursionError as error:
        raise SqlError("is nested too deeply") from error
    if len(trees) != 1 or any(word.token_type is TokenType.SEMICOLON for word in words):
        raise SqlError("must be a single expression or query, without semicolons")
    if trees[0] is None:
        raise SqlError("is empty")
    if not comments and any(word.comments for word in words):
        raise SqlError("must not hold comments")
    return trees[0]


def _refuse_functions(tree: exp.Expr) -> None:
    for node in tree.find_all(exp.Func):
        name = node.name if isinstance(node, exp.Anonymous) else node.sql_name()
        if _FORBIDDEN.match(name.lower()):
            raise SqlError(f"function {name.lower()} is not allowed: it reaches beyond the rows")


def _refuse_other_relations(tree: exp.Expr) -> None:
    known = {RELATION, *(cte.alias_or_name.lower() for cte in tree.find_all(exp.CTE))}
    for table in tree.find_all(exp.Table):
        if isinstance(table.this, exp.GenerateSeries):
            continue
        if table.db or table.name.lower() not in known:
            raise SqlError(f"must read from {RELATION} only, not from {_shown(table)}")


def _shown(node: exp.Expr) -> str:
    return _cut(node.sql(dialect="duckdb"))


def _cut(value: str) -> str:
    return value if len(value) <= 200 else value[:200] + "…"
