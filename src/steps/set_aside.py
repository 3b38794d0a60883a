# ruff: noqa: S608 -- names and texts are quoted by steps.duck
"""Rejected rows of a CSV file from the first scan itself, so that no second one is needed.

A query has one result only, and that of the first scan are the valid rows. The others leave it by
`write_log`, DuckDB's one function that keeps something beside a result: called for broken rows
only, it costs next to nothing. What it cannot tell is where they stood, so they are then looked up
in the file, record by record, which is also an independent count of the records.

This is a short cut: where there are very many such rows, or the count does not agree (as with a
quote that is never closed), the answer is None and the second scan does it all.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import compress
from itertools import count as count_from
from typing import Final

from contracts.dataset import Format
from steps.duck import MEGABYTE, Workspace, text
from steps.fetching import Fetched
from steps.notes import Note, codes_of
from steps.quarantine import raw_text
from steps.reading import Source

CHARACTERS_AT_MOST: Final = 64 * MEGABYTE  # of set-aside rows; they are held in memory
PIECE: Final = 128 * 1024  # bytes; few enough for the lines of one to stay in the processor's cache
OPEN_AT_MOST: Final = 16 * MEGABYTE  # bytes between two quotes; no record is as long


@dataclass(frozen=True)
class SetAside:
    """Rejected rows, in the file's order.

    Attributes:
        states: how many rows there are of each state, see `splitting.note_others`.
        found: line and message of each.
    """

    states: dict[str, int]
    found: list[tuple[int, str]]

    @property
    def rows(self) -> int:
        return len(self.found)

    def notes(self) -> Iterator[Note]:
        for line, message in self.found:
            state, *fields = json.loads(message)
            yield Note(line, codes_of(state), fields, None)


def call(fetched: Fetched, codes: str, fields: str) -> str:
    """SQL that sets a row aside, and is false.

    Args:
        codes, fields: SQL of the row's state and its texts.
    """
    message = f"CAST(to_json(list_prepend({codes}, {fields})) AS VARCHAR)"
    return f"write_log({message}, log_type := {text(_log_type(fetched))}) IS NOT NULL"


def count(space: Workspace, fetched: Fetched) -> int:
    """How many rows the first scan has set aside."""
    return space.number(f"SELECT count(*) {_logged(fetched)}")


def locate(
    space: Workspace, fetched: Fetched, source: Source, form: Format, others: int
) -> SetAside | None:
    """Find the lines of the rows that the first scan set aside.

    Args:
        others: how many records were valid or could not be read.

    Answers None where the short cut does not lead there.
    """
    logged = _logged(fetched)
    if space.number(f"SELECT coalesce(sum(strlen(message)), 0) {logged}") > CHARACTERS_AT_MOST:
        return None
    messages = space.connection.execute(f"SELECT message {logged}").fetchall()
    wanted: dict[bytes, list[str]] = {}
    states: Counter[str] = Counter()
    raw, end = raw_text(source, form), _carriage_return(fetched)
    for (message,) in messages:
        state, *fields = json.loads(message)
        states[state] += 1
        wanted.setdefault(raw(fields).encode() + end, []).append(message)
    looked_up = _look_up(fetched, source, wanted)
    if looked_up is None:
        return None
    records, found = looked_up
    if records != others + len(messages) or len(found) != len(messages):
        return None
    return SetAside(dict(states), found)


def _look_up(
    fetched: Fetched, source: Source, wanted: dict[bytes, list[str]]
) -> tuple[int, list[tuple[int, str]]] | None:
    """How many records the file has, and line and message of those that are wanted.

    None if a quote is open for too long.
    """
    found: list[tuple[int, str]] = []
    records, first, rest = 0, 1, b""
    with fetched.path.open("rb") as file:
        while piece := file.read(PIECE):
            piece = rest + piece
            if len(piece) > OPEN_AT_MOST:
                return None
            block, rest = _whole_records(piece, source.quote.encode())
            records += _take(block, first, source, wanted, found)
            first += len(block.lines)
    if rest:
        block, rest = _whole_records(rest + b"\n", source.quote.encode())
        records += _take(block, first, source, wanted, found)
    return (records, found) if not rest else None


@dataclass(frozen=True)
class _Block:
    """Some lines of a file.

    Attributes:
        tall: first and last of the lines that are one record together.
        has_empty: whether there may be empty lines.
    """

    lines: list[bytes]
    tall: list[tuple[int, int]]
    has_empty: bool


def _whole_records(piece: bytes, quote: bytes) -> tuple[_Block, bytes]:
    """The records that end in a piece, and what is left of it."""
    lines = piece.split(b"\n")
    rest = lines.pop()
    odd = [number for number in _odd_lines(piece, quote) if number < len(lines)]
    if len(odd) % 2:  # a record goes on behind the piece
        rest = b"\n".join([*lines[odd[-1] :], rest])
        del lines[odd.pop() :]
    has_empty = piece[:1] in b"\r\n" or b"\n\n" in piece or b"\n\r\n" in piece
    return _Block(lines, list(zip(odd[::2], odd[1::2], strict=True)), has_empty), rest


def _odd_lines(piece: bytes, quote: bytes) -> Iterator[int]:
    """The lines with an odd number of quotes, at which a record of several begins or ends."""
    if quote not in piece:
        return
    marks = piece.translate(None, bytes(set(range(256)) - {*quote, *b"\n"}))
    marks = marks.replace(quote + quote, b"")
    line = at = 0
    while (found := marks.find(quote, at)) >= 0:
        line += marks.count(b"\n", at, found)
        at = found + 1
        yield line


def _take(
    block: _Block,
    first: int,
    source: Source,
    wanted: dict[bytes, list[str]],
    found: list[tuple[int, str]],
) -> int:
    """Add a block's wanted records to those found; answers how many records it has."""
    lines = block.lines
    hits = list(compress(count_from(), map(wanted.__contains__, lines)))
    within: set[int] = set()
    for begin, end in block.tall:
        within.update(range(begin, end + 1))
        record = b"\n".join(lines[begin : end + 1])
        if record in wanted:
            lines[begin] = record
            hits.append(begin)
            within.discard(begin)
    for number in sorted(hits):
        messages = wanted[lines[number]]
        if messages and number not in within and first + number >= source.first_line:
            found.append((first + number, messages.pop()))
    heads = max(0, min(len(lines), source.first_line - first))
    blanks = 0
    if block.has_empty and len(source.header) > 1:  # of a single column, it is a record
        empty = (number for number, line in enumerate(lines) if line in (b"", b"\r"))
        blanks = sum(1 for number in empty if number not in within and number >= heads)
    return len(lines) - heads - blanks - sum(end - begin for begin, end in block.tall)


def _carriage_return(fetched: Fetched) -> bytes:
    """What stands before the line feeds of this file."""
    with fetched.path.open("rb") as file:
        return b"\r" if file.readline().endswith(b"\r\n") else b""


def _logged(fetched: Fetched) -> str:
    return f"FROM duckdb_logs WHERE type = {text(_log_type(fetched))}"


def _log_type(fetched: Fetched) -> str:
    return f"set-aside-{fetched.path.name}"
