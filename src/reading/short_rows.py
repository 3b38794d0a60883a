"""Rows of CSV that lack columns, taken out of a chunk before DuckDB reads it.

DuckDB stores a record's text again for each field that it lacks: far slower than reading. So where
many fields are missing, what is certain without it is decided here: behind whole records, a line
without a quote is a record, and its delimiters say how many fields it has. An empty line stays in
its place, which DuckDB passes over, so that no line's number changes.
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
    whole = _whole_record(form.delimiter.encode(), quote)
    path = chunk.path.with_name(f"long-{chunk.path.name}")
    with chunk.path.open("rb") as source, path.open("wb") as rest:
        number = 1
        if not chunk.number:  # its first line may be a header, and begin with a byte order mark
            rest.write(source.readline())
            number = 2
        while lines := source.readlines(_BATCH_BYTES):
            left: list[bytes] = []
            if quote and any(quote in line for line in lines):
                end = _first_open(lines, whole, quote)
                lines, left = lines[:end], lines[end:]
            block = b"".join(lines)
            try:
                texts = block.decode().split("\n")
            except UnicodeDecodeError:
                texts = [line.decode("utf-8", "surrogateescape").rstrip("\n") for line in lines]
            if lines:
                texts = texts[: len(lines)]
                rest.write(_split(texts, number, form.delimiter, form.quote, columns, rows))
            number += len(lines)
            if left:  # from here on it takes a parser to know where rows begin
                rest.writelines(left)
                shutil.copyfileobj(source, rest, BLOCK_BYTES)
                break
    if not rows:
        path.unlink()
        return ShortRows(chunk)
    return ShortRows(replace(chunk, path=path, index=LineIndex()), rows)


def _whole_record(delimiter: bytes, quote: bytes) -> re.Pattern[bytes]:
    """What a line is that is one record, and whose quotes are all right."""
    q, d = re.escape(quote), re.escape(delimiter)
    value = rb"(?:%b(?:[^%b\r\n]|%b%b)*+%b|[^%b%b\r\n]*+)" % (q, q, q, q, q, q, d)
    return re.compile(rb"%b(?:%b%b)*+\r?\n?" % (value, d, value))


def _first_open(lines: list[bytes], whole: re.Pattern[bytes], quote: bytes) -> int:
    """The number of lines before one with quotes that is no record for certain."""
    wrong = (n for n, line in enumerate(lines) if quote in line and not whole.fullmatch(line))
    return next(wrong, len(lines))


def _split(
    lines: list[str], number: int, delimiter: str, quote: str, columns: int, rows: list[ShortRow]
) -> bytes:
    """Add the short ones of some lines to the rows; returns the others in their places."""
    short = [
        (n, line.count(delimiter) + 1, line.rstrip("\r"))
        for n, line in enumerate(lines, number)
        if line.count(delimiter) + 1 < columns
        and not (quote and quote in line)
        and _is_certain(line)
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
