"""Cuts a text into chunks of whole records, which are then read in parallel.

DuckDB can read one file with several threads, but if a value holds line breaks and a quote
elsewhere is wrong, it takes quoted text for rows. So the cutting is done here, and one thread reads
each chunk from beginning to end. A cut is made only after an even number of quotes. If the quotes
of a text are wrong, this may still be within a value: the chunk before the cut then ends with an
open quote, `validation.scanner` notices, and the text is read again as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from contracts.dataset import CsvFormat, Format
from reading.line_index import LineIndex
from reading_rules.csv.short_rows import MissingFields
from reading_rules.line_ends import LineEnds
from reading_rules.scans import LONGEST_HELD
from tabular.workspace import BLOCK_BYTES, MEGABYTE

CHUNK_BYTES: Final = 8 * MEGABYTE
PORTION_BYTES: Final = 1024  # at least
SHORT_ROWS: Final = 100_000  # of a chunk, about; of these each is in memory (`reading.short_rows`)
# What is not cut has to be small: nothing of it but its valid rows leaves memory before its end.
WHOLE_BYTES: Final = 128 * MEGABYTE
SHORT_AS_A_WHOLE: Final = 5 * SHORT_ROWS
_ODD_BYTES: Final = 2 * CHUNK_BYTES  # with so much behind the last cut, the quotes must be wrong


class TooLongRecord(Exception):
    """A record is too long to be rejected by itself; the message is its line."""


class TooLargeAWhole(Exception):
    """A text that cannot be cut exceeds a limit; the message names it."""


@dataclass(frozen=True)
class Chunk:
    """A run of whole records.

    Attributes:
        number: from 0.
        path: of a text: the chunk itself; of Parquet: all of the file.
        first_line: which line of the source its first one is, from 1; of Parquet: which row.
        lines: how many it has, the last one with or without an end; of Parquet: rows.
        quotes: whether quotes occur at all.
        returns: whether its lines end in CR LF, by the first one that does not end in a value.
        is_mixed: whether CR LF, CR and LF all or partly occur, be it in values.
        is_last: whether the source ends with it.
        missing: of CSV, about how many fields its rows lack.
        surplus: so many empty fields more than columns a row may have (`reading.short_rows`).
        first_row: of Parquet, where it begins in the file, from 0.
        index: of a text, places where lines can be looked for.
    """

    number: int
    path: Path
    first_line: int
    lines: int
    quotes: bool = False
    returns: bool = False
    is_mixed: bool = False
    is_last: bool = True
    missing: int = 0
    surplus: int = 0
    first_row: int = 0
    index: LineIndex = field(default_factory=LineIndex, compare=False, repr=False)


class Cutter:
    """Cuts one text.

    Attributes:
        made: the chunks so far.
    """

    def __init__(
        self, directory: Path, form: Format, name: str, chunk_bytes: int | None = CHUNK_BYTES
    ) -> None:
        """Chunks go into the directory.

        Args:
            name: what the files' names begin with.
            chunk_bytes: about how large they become; None: all of the text is one.
        """
        self.made: list[Chunk] = []
        self._directory, self._name = directory, name
        self._limit = chunk_bytes
        csv = form if isinstance(form, CsvFormat) else None
        self._quote = csv.quote.encode() if csv else b""
        # Where short rows are filled up, nothing is stored of what they lack.
        missing = csv.delimiter.encode() if csv and not csv.pad_short_rows else b""
        self._missing_fields = MissingFields(missing)
        self._line = 1
        self._start()

    def cut(self, blocks: Iterable[bytes]) -> Iterator[Chunk]:
        """The chunks of a text, each when it is whole; at least one, which may be empty."""
        try:
            for block in (portion for whole in blocks for portion in self._portions(whole)):
                end = self._end(block)
                if end < 0:
                    self._write(block)
                    continue
                self._write(block[: end + 1])
                yield self._finish(is_last=False)
                self._start()
                self._write(block[end + 1 :])
            yield self._finish(is_last=True)
        finally:
            self._file.close()

    def _portions(self, block: bytes) -> Iterator[bytes]:
        self._missing_fields.begin(block)
        size = len(block)
        lacking = self._missing_fields.of(block)
        if lacking > SHORT_ROWS and (lacking := min(lacking, block.count(b"\n"))) > SHORT_ROWS:
            size = max(PORTION_BYTES, size * SHORT_ROWS // lacking)
        for first in range(0, len(block), size or 1):
            yield block[first : first + size]

    def _start(self) -> None:
        self._path = self._directory / f"{self._name}-{len(self.made):05d}.txt"
        self._file: BinaryIO = self._path.open("wb")
        self._size = self._quotes = self._missing = 0
        self._line_ends = LineEnds()
        self._index = LineIndex()
        self._tail = b""
        self._returns: bool | None = None

    def _write(self, block: bytes) -> None:
        self._file.write(block)
        if self._returns is None:
            self._returns = self._line_end(block)
        line_feeds = self._index.add(block, self._size, self._line_ends.line_feeds)
        self._size += len(block)
        self._line_ends.add(block, line_feeds)
        if self._line_ends.unended > LONGEST_HELD:
            raise TooLongRecord(f"{self._line + self._line_ends.line_feeds:,}")
        if self._quote and self._quote in block:  # looking for one is faster than counting
            self._quotes += block.count(self._quote)
        self._missing += self._missing_fields.of(block)
        self._tail = block[-1:] or self._tail

    def _line_end(self, block: bytes) -> bool | None:
        """Whether the first line to end here ends in CR LF; None where none does."""
        before, end, quotes = 0, block.find(b"\n"), self._quotes
        while end >= 0:
            quotes += block.count(self._quote, before, end) if self._quote else 0
            if quotes % 2 == 0:
                return (block[end - 1 : end] if end else self._tail) == b"\r"
            before, end = end, block.find(b"\n", end + 1)
        return None

    def _end(self, block: bytes) -> int:
        """Where in this block the chunk should end: at a line feed, or nowhere (-1)."""
        if self._limit is None:
            return -1
        if self._size + len(block) < self._limit and self._short_rows < SHORT_ROWS:
            return -1
        end = block.rfind(b"\n")
        if not self._quote or end < 0:
            return end
        gives_up = self._size > _ODD_BYTES
        odd = (self._quotes + block.count(self._quote, 0, end)) % 2
        paired = -1
        while end >= 0:
            before = block.rfind(b"\n", 0, end)
            quotes = block.count(self._quote, before + 1, end)
            if not quotes and before >= 0 and (gives_up or not odd):
                return end  # after a line without quotes: most likely a whole record
            if paired < 0 and not odd:
                paired = end
            odd = (odd + quotes) % 2
            end = before
        return paired

    @property
    def _short_rows(self) -> int:
        """How many of the chunk's rows lack fields, at most."""
        return min(self._missing, self._line_ends.line_feeds)

    def _finish(self, *, is_last: bool) -> Chunk:
        self._file.close()
        if self._limit is None and self._short_rows > SHORT_AS_A_WHOLE:
            raise TooLargeAWhole(f"about {self._missing:,} fields are missing in its rows")
        chunk = Chunk(
            number=len(self.made),
            path=self._path,
            first_line=self._line,
            lines=self._line_ends.line_feeds + (self._tail not in (b"", b"\n")),
            quotes=self._quotes > 0,
            returns=self._returns is True,
            is_mixed=self._line_ends.are_mixed,
            is_last=is_last,
            missing=self._missing,
            index=self._index,
        )
        self._line += self._line_ends.line_feeds
        self.made.append(chunk)
        return chunk


def blocks_of(chunks: Iterable[Chunk]) -> Iterator[bytes]:
    """The text that chunks were cut from; each goes when it has been read."""
    for chunk in chunks:
        with chunk.path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                yield block
        chunk.path.unlink()
