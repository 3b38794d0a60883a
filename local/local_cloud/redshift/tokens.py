"""Redshift SQL as tokens, for the statements that no SQL library reads: COPY, UNLOAD, LOCK, DDL."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final


class SqlError(Exception):
    """A statement failed; the message is what follows `ERROR: ` in the Data API's response."""


class Kind(Enum):
    """What a token is."""

    WORD = auto()
    QUOTED = auto()
    STRING = auto()
    NUMBER = auto()
    PARAMETER = auto()
    SYMBOL = auto()


_PATTERN: Final = re.compile(
    r"""
      (?P<skip>\s+|--[^\n]*|/\*.*?\*/)
    | (?P<STRING>'(?:[^'\\]|\\.|'')*'|\$\$.*?\$\$)
    | (?P<QUOTED>"(?:[^"]|"")*")
    | (?P<NUMBER>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)
    | (?P<WORD>[^\W\d][\w$]*|\#\w+)
    | (?P<PARAMETER>(?<!:):[A-Za-z0-9_]+)
    | (?P<SYMBOL>::|<>|<=|>=|!=|\|\||.)
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


@dataclass(frozen=True)
class Token:
    """One token and its position in the text it was read from."""

    kind: Kind
    text: str
    start: int
    end: int

    def is_word(self, *words: str) -> bool:
        """Whether it is one of these keywords (upper case)."""
        return self.kind is Kind.WORD and self.text.upper() in words

    def is_symbol(self, symbol: str) -> bool:
        return self.kind is Kind.SYMBOL and self.text == symbol

    @property
    def value(self) -> str:
        """A string or an identifier without its quotes; identifiers fold to lower case."""
        if self.kind is Kind.STRING:
            return unquote(self.text)
        if self.kind is Kind.QUOTED:
            return self.text[1:-1].replace('""', '"').lower()
        return self.text.lower() if self.kind is Kind.WORD else self.text


def tokenize(sql: str) -> list[Token]:
    """All tokens; comments and white space are left out."""
    tokens = []
    for match in _PATTERN.finditer(sql):
        name = match.lastgroup
        if name and name != "skip":
            tokens.append(Token(Kind[name], match.group(), match.start(), match.end()))
    return tokens


def split_statements(sql: str) -> list[str]:
    """The statements between semicolons, empty ones left out."""
    statements, begin = [], 0
    tokens = tokenize(sql)
    ends = [(token.start, token.end) for token in tokens if token.is_symbol(";")]
    for start, end in [*ends, (len(sql), len(sql))]:
        part = sql[begin:start]
        if tokenize(part):
            statements.append(part.strip())
        begin = end
    return statements


def unquote(text: str) -> str:
    """The value of a string literal; a backslash escapes, as Redshift has it."""
    if text.startswith("$$"):
        return text[2:-2]

    def replace(match: re.Match[str]) -> str:
        if match.group() == "''":
            return "'"
        return _ESCAPES.get(match[1], match[1])

    return re.sub(r"''|\\(.)", replace, text[1:-1], flags=re.DOTALL)


def quote(value: str) -> str:
    """A string literal in DuckDB's SQL."""
    return "'" + value.replace("'", "''") + "'"


def quote_name(name: str | Sequence[str]) -> str:
    """An identifier, or several joined by dots, in DuckDB's SQL."""
    parts = [name] if isinstance(name, str) else name
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


class Reader:
    """Walks over the tokens of one statement."""

    def __init__(self, sql: str, tokens: Iterable[Token] | None = None) -> None:
        self.sql = sql
        self._tokens = list(tokenize(sql) if tokens is None else tokens)
        self._at = 0

    @property
    def done(self) -> bool:
        return self._at >= len(self._tokens)

    def peek(self, ahead: int = 0) -> Token | None:
        index = self._at + ahead
        return self._tokens[index] if index < len(self._tokens) else None

    def next(self) -> Token:
        """Take the next token.

        Raises:
            SqlError: there is none.
        """
        token = self.peek()
        if token is None:
            raise SqlError("syntax error at end of input")
        self._at += 1
        return token

    def accept(self, *words: str) -> bool:
        """Take these keywords if they all come next, in this order."""
        for ahead, word in enumerate(words):
            token = self.peek(ahead)
            if token is None or not token.is_word(word):
                return False
        self._at += len(words)
        return True

    def skip(self, *words: str) -> None:
        """Take the next token if it is one of these keywords."""
        token = self.peek()
        if token is not None and token.is_word(*words):
            self._at += 1

    def accept_symbol(self, symbol: str) -> bool:
        token = self.peek()
        if token is None or not token.is_symbol(symbol):
            return False
        self._at += 1
        return True

    def expect(self, *words: str) -> None:
        if not self.accept(*words):
            self.fail()

    def expect_symbol(self, symbol: str) -> None:
        if not self.accept_symbol(symbol):
            self.fail()

    def fail(self) -> None:
        """Raise the syntax error at the next token."""
        raise SqlError(f'syntax error at or near "{self.next().text}"')

    def string(self) -> str:
        token = self.next()
        if token.kind is not Kind.STRING:
            raise SqlError(f'syntax error at or near "{token.text}": a string was expected')
        return token.value

    def integer(self) -> int:
        token = self.next()
        text = token.value
        if token.kind not in (Kind.NUMBER, Kind.STRING) or not text.isdigit():
            raise SqlError(f'syntax error at or near "{token.text}": a number was expected')
        return int(text)

    def name(self) -> tuple[str, ...]:
        """`table` or `schema.table`, folded to lower case."""
        parts = [self._identifier()]
        while self.accept_symbol("."):
            parts.append(self._identifier())
        return tuple(parts)

    def names(self) -> tuple[str, ...]:
        """`(a, b, …)`: simple names."""
        self.expect_symbol("(")
        found = [self._identifier()]
        while self.accept_symbol(","):
            found.append(self._identifier())
        self.expect_symbol(")")
        return tuple(found)

    def group(self) -> list[Token]:
        """The tokens between the parenthesis that comes next and its partner."""
        self.expect_symbol("(")
        depth = 1
        found: list[Token] = []
        while True:
            token = self.next()
            depth += token.is_symbol("(") - token.is_symbol(")")
            if depth == 0:
                return found
            found.append(token)

    def rest(self) -> str:
        """The rest of the text; moves the reader to the end."""
        token = self.peek()
        self._at = len(self._tokens)
        return "" if token is None else self.sql[token.start :]

    def _identifier(self) -> str:
        token = self.next()
        if token.kind not in (Kind.WORD, Kind.QUOTED):
            raise SqlError(f'syntax error at or near "{token.text}"')
        return token.value


def split_commas(tokens: Iterable[Token]) -> list[list[Token]]:
    """Split at the commas outside parentheses."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += token.is_symbol("(") - token.is_symbol(")")
        if depth == 0 and token.is_symbol(","):
            parts.append([])
        else:
            parts[-1].append(token)
    return [part for part in parts if part]


def source_of(sql: str, tokens: Sequence[Token]) -> str:
    """The text that tokens were read from."""
    return sql[tokens[0].start : tokens[-1].end] if tokens else ""
