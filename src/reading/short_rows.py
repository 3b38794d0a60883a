"""Rows of CSV that lack columns, taken out of a chunk before DuckDB reads it.

DuckDB stores a record's text again for each field that it lacks: far slower than reading.
So where many fields are missing, what is certain without it is decided here: a line before which no
quote stands, and without one, is a record, and its delimiters say how many fields it has. An empty
line stays in its place, which DuckDB passes over, so that no line's number changes.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from contracts.dataset import CsvFormat, Format
from reading.chunks import Chunk
from reading.line_index import LineIndex
from reading_rules.scans import LONGEST_RECORD
from tabular.workspace import BLOCK_BYTES

WORTHWHILE: Final = 1_000  # missing fields of a chunk; of fewer, DuckDB says it all
_BATCH_BYTES: Final = 256 * 1024
_UNDECODED: Final = re.compile("[\udc80-\udcff]")


# A row of too few columns: its line in the chunk, from 1, how many it has, and its text.
ShortRow = tuple[int, int, str]


@dataclass(frozen=True)
class ShortRows:
    """The short rows that were found, in order, and the chunk without them."""

    chunk: Chunk
    rows: Sequence[ShortRow] = ()

    def gaps(self) -> Iterator[tuple[int, int]]:
        """Line and number of lines of each run of them."""
        first = count = 0
        for line, _, _ in self.rows:
            if line == first + count:
                count += 1
                continue
            if count:
                yield first, count
            first, count = line, 1
        if count:
            yield first, count


def without_short_rows(chunk: Chunk, form: Format, columns: int) -> ShortRows:
    """Take out the rows that certainly lack columns, where that is worthwhile.

    Args:
        columns: how many a row has.
    """
    if not isinstance(form, CsvFormat) or chunk.missing < WORTHWHILE or columns < 2:
        return ShortRows(chunk)
    quote = form.quote.encode()
    if form.pad_short_rows or len(form.delimiter) != 1:
        return ShortRows(chunk)
    rows: list[ShortRow] = []
    path = chunk.path.with_name(f"long-{chunk.path.name}")
    with chunk.path.open("rb") as source, path.open("wb") as rest:
        number = 1
        if not chunk.number:  # its first line may be a header, and begin with a byte order mark
            rest.write(source.readline())
            number = 2
        while lines := source.readlines(_BATCH_BYTES):
            block = b"".join(lines)
            if quote and quote in block:
                rest.write(block)  # from here on it takes a parser to know where rows begin
                shutil.copyfileobj(source, rest, BLOCK_BYTES)
                break
            try:
                texts = block.decode().split("\n")
            except UnicodeDecodeError:
                texts = [line.decode("utf-8", "surrogateescape").rstrip("\n") for line in lines]
            rest.write(_split(texts[: len(lines)], number, form.delimiter, columns, rows))
            number += len(lines)
    if not rows:
        path.unlink()
        return ShortRows(chunk)
    return ShortRows(replace(chunk, path=path, index=LineIndex()), rows)


def _split(
    lines: list[str], number: int, delimiter: str, columns: int, rows: list[ShortRow]
) -> bytes:
    """Add the short ones of some lines to the rows; returns the others in their places."""
    short = [
        (n, line.count(delimiter) + 1, line.rstrip("\r"))
        for n, line in enumerate(lines, number)
        if line.count(delimiter) + 1 < columns and _is_certain(line)
    ]
    rows += short
    for n, _, raw in short:
        lines[n - number] = lines[n - number][len(raw) :]
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")


def _is_certain(line: str) -> bool:
    """Whether a line has a text, is valid UTF-8 and not too long for DuckDB."""
    if len(line) > LONGEST_RECORD // 4 or line in ("", "\r"):
        return False
    return line.isascii() or not _UNDECODED.search(line)
