"""What a Redshift statement asks for, in DuckDB's SQL. What cannot be done is refused by name."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Final

from sqlglot import exp

from local.local_cloud.redshift import strict
from local.local_cloud.redshift.copy import Unload, parse_copy, parse_unload
from local.local_cloud.redshift.ddl import (
    CreateTable,
    parse_added_column,
    parse_create_table,
)
from local.local_cloud.redshift.expressions import column_names, not_emulated, parse, to_duckdb
from local.local_cloud.redshift.merge import check_merge
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
from local.local_cloud.redshift.tokens import (
    Kind,
    Reader,
    SqlError,
    quote_name,
    source_of,
    split_statements,
    tokenize,
)

Parameters = Mapping[str, str]


def translate(sql: str, parameters: Parameters | None = None) -> Statement:
    """Read one statement.

    Args:
        sql: one statement, a semicolon at its end allowed.
        parameters: values of its `:name` parameters.

    Raises:
        SqlError: it is empty, is more than one, has an error, or is not emulated.
    """
    return _translated(sql, frozenset((parameters or {}).items()))


# A statement is read when it is submitted and again when it runs, and loads repeat their texts.
@functools.lru_cache(maxsize=128)
def _translated(sql: str, parameters: frozenset[tuple[str, str]]) -> Statement:
    statements = split_statements(sql)
    if len(statements) != 1:
        problem = "more than one statement" if statements else "an empty statement"
        raise SqlError(f"syntax error: {problem} where one was expected")
    reader = Reader(statements[0])
    first = reader.peek()
    word = "SELECT" if first is None or first.is_symbol("(") else first.text.upper()
    if word in _DATA:
        return _data(statements[0], dict(parameters))
    if word in _REFUSED:
        raise not_emulated(word)
    if word not in _OTHERS:
        reader.fail()
    if parameter_names([sql]):
        raise SqlError(f"parameters cannot be used in {word}")
    reader.next()
    return _OTHERS[word](reader)


def parameter_names(statements: list[str]) -> set[str]:
    """The names of all `:name` parameters that statements use."""
    return {
        token.text[1:]
        for sql in statements
        for token in tokenize(sql)
        if token.kind is Kind.PARAMETER
    }


def reads_only(statement: Statement) -> bool:
    """Whether it leaves the database as it is."""
    return isinstance(statement, Query | Unload | NoEffect | SetSearchPath | SetStatementTimeout)


# Statements that Redshift knows. Those about transactions: a batch is one transaction already.
_REFUSED: Final = frozenset(
    {"BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "CALL", "EXPLAIN", "SHOW", "RESET"}
    | {"PREPARE", "EXECUTE", "DEALLOCATE", "DECLARE", "FETCH", "CLOSE", "CANCEL", "USE", "VALUES"}
)
_DATA: Final = frozenset({"SELECT", "WITH", "INSERT", "UPDATE", "DELETE", "MERGE"})


def _data(sql: str, parameters: Parameters) -> Statement:
    tokens = tokenize(sql)
    if tokens[0].is_word("DELETE") and len(tokens) > 1 and not tokens[1].is_word("FROM"):
        sql = " ".join(("DELETE FROM", sql[tokens[1].start :]))
    if tokens[0].is_word("MERGE") and any(token.is_word("DUPLICATES") for token in tokens):
        raise not_emulated("MERGE … REMOVE DUPLICATES")
    tree = parse(sql)
    strict.check(sql, tree)
    if isinstance(tree, exp.Query):
        if isinstance(tree, exp.Select) and tree.args.get("into"):
            return Definition((to_duckdb(tree, parameters),))
        names = column_names(tree)
        return Query(to_duckdb(tree, parameters), tuple(names) if names else None)
    if isinstance(tree, exp.Merge):
        check_merge(tree)
    if isinstance(tree, exp.Insert | exp.Update | exp.Delete | exp.Merge):
        return Change(to_duckdb(tree, parameters))
    raise not_emulated(tree.key.upper())


def _copy(reader: Reader) -> Statement:
    return parse_copy(reader)


def _unload(reader: Reader) -> Statement:
    command = parse_unload(reader)
    query = _data(command.query, {})
    if not isinstance(query, Query):
        raise SqlError("UNLOAD takes a SELECT")
    return command.with_query(query.sql, query.names)


def _create(reader: Reader) -> Statement:
    if reader.accept("SCHEMA"):
        return _create_schema(reader)
    if reader.accept("VIEW") or reader.accept("OR", "REPLACE", "VIEW"):
        return _create_view(reader.sql)
    token = reader.peek()
    if token is None or not token.is_word("TABLE", "TEMP", "TEMPORARY", "LOCAL"):
        raise not_emulated(f"CREATE {token.text.upper() if token else ''}".rstrip())
    made = parse_create_table(reader)
    if isinstance(made, CreateTable):
        return made
    query = _data(made.query, {})
    if not isinstance(query, Query):
        raise SqlError("syntax error: CREATE TABLE … AS takes a query")
    return Definition((made.sql(query.sql),))


def _create_schema(reader: Reader) -> Statement:
    missing = "IF NOT EXISTS " if reader.accept("IF", "NOT", "EXISTS") else ""
    name = quote_name(reader.name())
    if reader.accept("AUTHORIZATION"):
        reader.name()
    if not reader.done:
        reader.fail()
    return Definition((f"CREATE SCHEMA {missing}{name}",))


def _create_view(sql: str) -> Statement:
    tokens = tokenize(sql)
    if [token.text.upper() for token in tokens[-4:]] == ["WITH", "NO", "SCHEMA", "BINDING"]:
        tokens = tokens[:-4]
    text = source_of(sql, tokens)
    tree = parse(text)
    strict.check(text, tree)
    return Definition((to_duckdb(tree),))


def _drop(reader: Reader) -> Statement:
    token = reader.next()
    if not token.is_word("TABLE", "VIEW", "SCHEMA"):
        raise not_emulated(f"DROP {token.text.upper()}")
    kind = token.text.upper()
    missing = "IF EXISTS " if reader.accept("IF", "EXISTS") else ""
    names = [reader.name()]
    while reader.accept_symbol(","):
        names.append(reader.name())
    cascade = " CASCADE" if reader.accept("CASCADE") else ""
    reader.skip("RESTRICT")
    if not reader.done:
        reader.fail()
    return Definition(tuple(f"DROP {kind} {missing}{quote_name(n)}{cascade}" for n in names))


def _alter(reader: Reader) -> Statement:
    if not reader.accept("TABLE"):
        raise not_emulated(f"ALTER {reader.next().text.upper()}")
    table = f"ALTER TABLE {quote_name(reader.name())}"
    if reader.accept("ADD"):
        reader.skip("COLUMN")
        if reader.accept("IF"):
            raise SqlError('syntax error at or near "IF": ADD COLUMN has no IF NOT EXISTS')
        return Definition(tuple(parse_added_column(reader, table)))
    if reader.accept("DROP"):
        reader.skip("COLUMN")
        sql = f"{table} DROP COLUMN {quote_name(reader.name())}"
        reader.skip("CASCADE", "RESTRICT")
    elif reader.accept("RENAME", "TO"):
        sql = f"{table} RENAME TO {quote_name(reader.name())}"
    elif reader.accept("RENAME"):
        reader.skip("COLUMN")
        old = quote_name(reader.name())
        reader.expect("TO")
        sql = f"{table} RENAME COLUMN {old} TO {quote_name(reader.name())}"
    else:
        raise not_emulated(f"ALTER TABLE … {reader.next().text.upper()}")
    if not reader.done:
        reader.fail()
    return Definition((sql,))


def _truncate(reader: Reader) -> Statement:
    reader.skip("TABLE")
    table = reader.name()
    if not reader.done:
        reader.fail()
    return Truncate(table)


def _lock(reader: Reader) -> Statement:
    reader.skip("TABLE")
    tables = [reader.name()]
    while reader.accept_symbol(","):
        tables.append(reader.name())
    if not reader.done:
        reader.fail()
    return Lock(tuple(tables))


def _set(reader: Reader) -> Statement:
    timeout = reader.accept("STATEMENT_TIMEOUT")
    if not timeout and not reader.accept("SEARCH_PATH"):
        raise not_emulated(f"SET {reader.next().text}")
    if not reader.accept("TO"):
        reader.expect_symbol("=")
    if timeout:
        milliseconds = reader.next().value
        if not reader.done or not milliseconds.isdigit():
            reader.fail()
        return SetStatementTimeout(int(milliseconds))
    schemas = []
    while not reader.done:
        token = reader.next()
        if not token.is_symbol(","):
            schemas.append(token.value.lower())
    return SetSearchPath(tuple(name for name in schemas if name != "$user"))


def _comment(reader: Reader) -> Statement:
    return Definition((to_duckdb(parse(reader.sql)),))


_OTHERS: Final[dict[str, Callable[[Reader], Statement]]] = {
    "COPY": _copy,
    "UNLOAD": _unload,
    "CREATE": _create,
    "DROP": _drop,
    "ALTER": _alter,
    "TRUNCATE": _truncate,
    "LOCK": _lock,
    "SET": _set,
    "COMMENT": _comment,
    "ANALYZE": lambda _: NoEffect("ANALYZE"),
    "VACUUM": lambda _: NoEffect("VACUUM", alone=True),
    "GRANT": lambda _: NoEffect("GRANT"),
    "REVOKE": lambda _: NoEffect("REVOKE"),
}
