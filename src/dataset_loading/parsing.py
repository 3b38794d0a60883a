"""SQL text as sqlglot parses it: one expression or query, or why it is none."""

from __future__ import annotations

import sqlglot
from sqlglot import TokenType, exp
from sqlglot.errors import ParseError, TokenError


class SqlError(Exception):
    """The SQL cannot be used; the message says why, for the person who wrote it."""


def parsed(sql: str, *, comments: bool) -> exp.Expr:
    """The only statement or expression of the text.

    Comments are refused where the text is put inside other SQL: one at its end would take along
    what follows.
    """
    if "\0" in sql:
        raise SqlError("must not hold a NUL character")
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


def shown(node: exp.Expr) -> str:
    return cut(node.sql(dialect="duckdb"))


def cut(value: str) -> str:
    return value if len(value) <= 200 else value[:200] + "…"
