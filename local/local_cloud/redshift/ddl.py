"""CREATE TABLE as Redshift writes it, for DuckDB.

Encodings, distribution and sort keys say how rows are stored and change no result: they are read
and left out. So are PRIMARY KEY, UNIQUE and FOREIGN KEY, which Redshift keeps without enforcing
them. The length of VARCHAR(n), which Redshift enforces in bytes, becomes a CHECK.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from local.local_cloud.redshift.expressions import not_emulated, parse, to_duckdb
from local.local_cloud.redshift.tokens import (
    Reader,
    SqlError,
    Token,
    quote_name,
    source_of,
    split_commas,
)
from local.local_cloud.redshift.types import column_type

CATALOG_SCHEMA: Final = "redshift_catalog"  # holds what tables of Redshift do not show
_CONSTRAINTS: Final = ("PRIMARY", "UNIQUE", "FOREIGN", "CONSTRAINT")


@dataclass(frozen=True)
class Column:
    """One column of a table to make; `kind` and `default` are DuckDB's SQL.

    Attributes:
        length: most bytes of a text, None for other types.
        identity: seed and step, of IDENTITY columns.
    """

    name: str
    kind: str
    length: int | None = None
    not_null: bool = False
    default: str | None = None
    identity: tuple[int, int] | None = None


@dataclass(frozen=True)
class CreateTable:
    """A table to make.

    Attributes:
        name: one or two parts.
        like: the table whose columns come first, None if none.
        like_defaults: INCLUDING DEFAULTS.
    """

    name: tuple[str, ...]
    temporary: bool
    if_not_exists: bool
    columns: tuple[Column, ...] = ()
    like: tuple[str, ...] | None = None
    like_defaults: bool = False

    def sql(self) -> list[str]:
        """DuckDB's statements, sequences of identity columns first; `like` must be resolved."""
        sequences: list[str] = []
        parts: list[str] = []
        for column in self.columns:
            default = column.default
            if column.identity is not None:
                sequence = f"{CATALOG_SCHEMA}.identity_{uuid.uuid4().hex}"
                seed, step = column.identity
                sequences.append(
                    f"CREATE SEQUENCE {sequence} START {seed} INCREMENT {step}"
                    f" MINVALUE {min(seed, 1)}"
                )
                default = f"nextval('{sequence}')"
            parts.append(_column_sql(column, default))
        temporary = "TEMP " if self.temporary else ""
        missing = "IF NOT EXISTS " if self.if_not_exists else ""
        table = quote_name(self.name)
        return [*sequences, f"CREATE {temporary}TABLE {missing}{table} ({', '.join(parts)})"]


@dataclass(frozen=True)
class CreateTableAs:
    """A table to make of a query's rows; `query` is Redshift's SQL."""

    name: tuple[str, ...]
    temporary: bool
    if_not_exists: bool
    columns: str | None
    query: str

    def sql(self, query: str) -> str:
        """DuckDB's statement around its query."""
        temporary = "TEMP " if self.temporary else ""
        missing = "IF NOT EXISTS " if self.if_not_exists else ""
        columns = f" ({self.columns})" if self.columns else ""
        return f"CREATE {temporary}TABLE {missing}{quote_name(self.name)}{columns} AS {query}"


def parse_create_table(reader: Reader) -> CreateTable | CreateTableAs:
    """Read a CREATE TABLE; the reader is positioned after CREATE.

    Raises:
        SqlError: it is wrong, or has a part that is not emulated.
    """
    reader.skip("LOCAL")
    temporary = reader.accept("TEMPORARY") or reader.accept("TEMP")
    reader.expect("TABLE")
    missing = reader.accept("IF", "NOT", "EXISTS")
    name = reader.name()
    if name[-1].startswith("#"):  # Redshift's other way to say TEMP
        temporary = True
    token = reader.peek()
    body = reader.group() if token is not None and token.is_symbol("(") else None
    while not reader.done:
        if reader.accept("AS"):
            names = None if body is None else source_of(reader.sql, body)
            return CreateTableAs(name, temporary, missing, names, reader.rest())
        _table_attribute(reader)
    if not body:
        raise SqlError("syntax error: CREATE TABLE without columns")
    return _with_columns(reader.sql, body, CreateTable(name, temporary, missing))


def parse_added_column(reader: Reader, alter_table: str) -> list[str]:
    """Read `name type attributes` of ALTER TABLE … ADD; returns DuckDB's statements.

    The length of a text is not enforced in a column that is added: DuckDB adds no CHECK.
    """
    tokens: list[Token] = []
    while not reader.done:
        tokens.append(reader.next())
    if not tokens:
        raise SqlError("syntax error at end of input")
    column = _column(reader.sql, tokens)
    if column.identity is not None:
        raise not_emulated("ALTER TABLE … ADD … IDENTITY")
    name = quote_name(column.name)
    default = f" DEFAULT {column.default}" if column.default is not None else ""
    statements = [f"{alter_table} ADD COLUMN {name} {column.kind}{default}"]
    if column.not_null:
        statements.append(f"{alter_table} ALTER COLUMN {name} SET NOT NULL")
    return statements


def _with_columns(sql: str, body: Sequence[Token], table: CreateTable) -> CreateTable:
    columns: list[Column] = []
    for part in split_commas(body):
        if part[0].is_word("LIKE"):
            like, defaults = _like(Reader(sql, part[1:]))
            table = replace(table, like=like, like_defaults=defaults)
        elif not part[0].is_word(*_CONSTRAINTS):
            columns.append(_column(sql, part))
    return replace(table, columns=tuple(columns))


def _table_attribute(reader: Reader) -> None:
    """Skip one attribute of a table."""
    if reader.accept("BACKUP") or reader.accept("DISTSTYLE"):
        reader.next()
    elif reader.accept("DISTKEY"):
        reader.names()
    elif reader.accept("ENCODE", "AUTO"):
        pass
    else:
        reader.skip("COMPOUND", "INTERLEAVED")
        reader.expect("SORTKEY")
        if not reader.accept("AUTO"):
            reader.names()


def _like(reader: Reader) -> tuple[tuple[str, ...], bool]:
    other = reader.name()
    including = reader.accept("INCLUDING", "DEFAULTS")
    reader.accept("EXCLUDING", "DEFAULTS")
    if not reader.done:
        reader.fail()
    return other, including


@dataclass
class _Attributes:
    not_null: bool = False
    default: str | None = None
    identity: tuple[int, int] | None = None


def _column(sql: str, tokens: Sequence[Token]) -> Column:
    reader = Reader(sql, tokens)
    name = reader.name()[0]
    kind, length = column_type(_take_type(reader))
    found = _Attributes()
    while not reader.done:
        _column_attribute(reader, found)
    return Column(name, kind, length, found.not_null, found.default, found.identity)


def _take_type(reader: Reader) -> list[Token]:
    """The tokens of a type: a name of one or more words, and a length."""
    tokens = [reader.next()]
    while (token := reader.peek()) is not None:
        if token.is_symbol("("):
            tokens += reader.group()
        elif token.is_word("VARYING", "PRECISION", "WITHOUT", "WITH", "TIME", "ZONE"):
            tokens.append(reader.next())
        else:
            break
    return tokens


def _column_attribute(reader: Reader, found: _Attributes) -> None:
    if reader.accept("NOT", "NULL"):
        found.not_null = True
    elif reader.accept("DEFAULT"):
        text = source_of(reader.sql, _take_expression(reader))
        found.default = to_duckdb(parse(text))
    elif reader.accept("IDENTITY") or reader.accept("GENERATED", "BY", "DEFAULT", "AS", "IDENTITY"):
        seed, step = (int(part[-1].text) for part in split_commas(reader.group()))
        found.identity = (seed, step)
    elif reader.accept("ENCODE") or reader.accept("COLLATE"):
        reader.next()
    elif reader.accept("REFERENCES"):
        reader.name()
        following = reader.peek()
        if following is not None and following.is_symbol("("):
            reader.names()
    elif not any(map(reader.accept, ("NULL", "DISTKEY", "SORTKEY", "UNIQUE"))) and not (
        reader.accept("PRIMARY", "KEY")
    ):
        reader.fail()


_EXPRESSION_ENDS: Final = (
    *("NOT", "IDENTITY", "GENERATED", "ENCODE", "DISTKEY", "SORTKEY", "UNIQUE"),
    *("PRIMARY", "REFERENCES", "COLLATE"),
)


def _take_expression(reader: Reader) -> list[Token]:
    """The tokens up to the next attribute."""
    tokens: list[Token] = []
    depth = 0
    while (token := reader.peek()) is not None:
        if depth == 0 and tokens and token.is_word(*_EXPRESSION_ENDS):
            break
        depth += token.is_symbol("(") - token.is_symbol(")")
        tokens.append(reader.next())
    return tokens


def _column_sql(column: Column, default: str | None) -> str:
    parts = [quote_name(column.name), column.kind]
    if default is not None:
        parts.append(f"DEFAULT {default}")
    if column.not_null:
        parts.append("NOT NULL")
    if column.length is not None:
        parts.append(f"CHECK (strlen({quote_name(column.name)}) <= {column.length})")
    return " ".join(parts)
