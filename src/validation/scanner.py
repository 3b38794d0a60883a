"""One piece of a source, split in one scan: valid rows as Parquet, rejected ones as JSON lines.

Every line of a piece is held against what came of it: DuckDB passes over lines without a word where
a quote is not closed, or a record is larger than its buffer.
"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from operator import itemgetter
from pathlib import Path

import duckdb

from contracts.dataset import CsvFormat, Dataset
from contracts.errors import InvalidData
from reading import malformed
from reading.chunks import Piece
from reading.line_numbers import LineNumbers, line_numbers
from reading.line_texts import LineTexts
from reading.malformed import Malformed
from reading.parquet_source import parted
from reading.reader import Reader, has_bytes_for_texts
from reading_rules.json_records import NO_OBJECT
from reading_rules.malformed import first_line, has_mixed_line_ends, lines_lost
from tabular.sql import PASSED_ON, sql_literal
from validation.flagged_rows import Aside, Asides
from validation.quarantine import Quarantine
from validation.row_classes import BLANK, FILTERED, MALFORMED, Split
from validation.violations import BrokenRules


class MixedLineEnds(Exception):
    """The scan came to a line end unlike the others before it."""


class BytesForTexts(Exception):
    """Texts in a Parquet file are no UTF-8: its texts have to be read as bytes."""


class CutWithin(Exception):
    """A piece ends within a record: the text has to be read as a whole. Says what is wrong."""


class _Unaccounted(Exception):
    """Lines of a piece are part of no record, or of two; the message is for people.

    Attributes:
        near: where to look, for the end of a sentence.
    """

    def __init__(self, message: str, near: str) -> None:
        super().__init__(message)
        self.near = near


@dataclass
class Scanned:
    """What came of a piece.

    Attributes:
        valid: rows in the file `path`.
        rejected: rows in the file `rejects`, malformed ones included; it is there if there are any.
        rules: what rejected and warned rows break.
        unfit: the numbers of the rows that are not valid.
        warned_numbers: of those that are, and that a rule warns of.
        lines: of its rows.
    """

    piece: Piece
    path: Path
    rejects: Path
    valid: int = 0
    malformed: int = 0
    rejected: int = 0
    filtered: int = 0
    warned: int = 0
    rules: BrokenRules = field(default_factory=BrokenRules)
    unfit: array[int] = field(default_factory=lambda: array("q"))
    warned_numbers: array[int] = field(default_factory=lambda: array("q"))
    lines: LineNumbers = field(default_factory=LineNumbers)

    def without_numbers(self) -> Scanned:
        """What only checks of sets need, a source of much dirt has too much of to be kept."""
        return replace(self, unfit=array("q"), warned_numbers=array("q"), lines=LineNumbers())


class Scanner:
    """Splits pieces, one at a time, with a connection of its own."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, reader: Reader, split: Split, url: str
    ) -> None:
        """The connection is one of `duck.side_by_side`.

        Args:
            url: how messages and the quarantine name the source.
        """
        self._connection, self._reader, self._split, self._url = connection, reader, split, url
        self._notes_breaks = False  # of valid rows; it takes a look at every value
        self._asides = Asides(connection, reader, split)

    def scan(self, piece: Piece, directory: Path) -> Scanned:
        """Split a piece; its files go into the directory.

        Raises:
            InvalidData: it is unreadable, or a rule or the query cannot be computed.
            MixedLineEnds, CutWithin: mend the text, then again.
            BytesForTexts: again, with a reader of raw texts.
        """
        try:
            return self._scan(piece, directory)
        except _Unaccounted as lines:
            if not self._notes_breaks and piece.quotes:
                self._notes_breaks = True  # nearly always, they are what is missing
                return self.scan(piece, directory)
            if not piece.is_last or piece.number:
                raise CutWithin(f"{self._url}: a quote is not closed{lines.near}") from lines
            raise InvalidData(str(lines)) from lines

    def _scan(self, piece: Piece, directory: Path) -> Scanned:
        path = directory / f"valid-{piece.number:05d}.parquet"
        found = Scanned(piece, path, directory / f"rejected-{piece.number:05d}.jsonl")
        found.valid = self._write_valid(piece, path)
        asides = self._asides.read()
        header = self._reader.header if self._is_csv else ()
        unread = malformed.collect(self._connection, piece.path, header, self._encoding)
        found.unfit = array("q", (aside.number for aside in asides if aside.is_unfit))
        found.filtered = sum(aside.state == FILTERED for aside in asides)
        found.lines = self._line_numbers(found, asides, unread)
        if asides or unread:
            self._tell(found, asides, unread)
        return found if self._split.looks_at_sets else found.without_numbers()

    def _write_valid(self, piece: Piece, path: Path) -> int:
        malformed.forget(self._connection)
        self._asides.forget()
        rows = self._split.typed(self._reader.relation(piece))
        kept = self._asides.kept(breaks=piece.quotes, all_breaks=self._notes_breaks)
        select = f"SELECT {self._split.names} FROM {rows} WHERE {kept}"
        try:
            row = self._connection.execute(
                f"COPY ({select}) TO {sql_literal(path)} {PASSED_ON}"
            ).fetchone()
        except duckdb.Error as error:
            if has_mixed_line_ends(error):
                raise MixedLineEnds(first_line(error)) from error
            if has_bytes_for_texts(error):
                raise BytesForTexts(first_line(error)) from error
            raise InvalidData(
                f"{self._url}: cannot be read, or a rule or the query cannot be computed:"
                f" {first_line(error)}"
            ) from error
        return int(row[0]) if row else 0

    def _line_numbers(
        self, found: Scanned, asides: list[Aside], unread: list[Malformed]
    ) -> LineNumbers:
        """The lines of the rows.

        Raises:
            _Unaccounted: lines of the piece are missing among the records, or there twice.
            CutWithin: the piece may end within a record.
        """
        piece, reader = found.piece, self._reader
        rows = found.valid + len(found.unfit)
        heads = min(reader.heads, piece.lines) if piece.number == 0 else 0
        tall = [(aside.number, aside.breaks) for aside in asides if aside.breaks]
        gaps = [(record.line, record.height) for record in unread]
        lines = line_numbers(heads, tall, gaps)
        # Empty lines can be told from those within values only if all breaks are known.
        knows_breaks = self._notes_breaks or not piece.quotes
        if rows + lines.extra != piece.lines and reader.passes_empty_lines and knows_breaks:
            lines = line_numbers(heads, tall, gaps, piece.path)
        lost = piece.lines - rows - lines.extra
        if not lost:
            self._refuse_open_end(piece, unread)
            return lines
        near = _near(piece, unread, self._split.dataset)
        raise _Unaccounted(lines_lost(self._url, piece.lines, lost, near), near)

    def _refuse_open_end(self, piece: Piece, unread: list[Malformed]) -> None:
        """A record that cannot be read and goes to a cut may have been cut itself.

        Raises:
            CutWithin: so it is.
        """
        last = unread[-1] if unread and not piece.is_last else None
        if last and last.is_open and last.line + last.height > piece.lines:
            raise CutWithin(f"{self._url}: a quote is not closed{_near(piece, unread, None)}")

    def _tell(self, found: Scanned, asides: list[Aside], unread: list[Malformed]) -> None:
        """Write the rejected rows in the piece's order, and count what is broken."""
        with ExitStack() as stack:
            file = stack.enter_context(found.rejects.open("w", encoding="utf-8"))
            texts = stack.enter_context(LineTexts(found.piece)) if self._reader.is_text else None
            columns = self._reader.columns
            quarantine = Quarantine(file, self._url, self._split.every, columns, found.rules)
            for line, told in _in_order(found, asides, unread):
                if isinstance(told, Malformed):
                    raw = texts.take(line, told.height) if texts else None
                    quarantine.take_malformed(line, told.reason, told.column, raw)
                    found.malformed += 1
                elif told.is_unfit:
                    raw = texts.take(line, 1 + told.breaks) if texts else None
                    if told.state == MALFORMED and raw is None:
                        quarantine.take_faulty(line, *parted(told.fields[-1] or ""), told.fields)
                        found.malformed += 1
                    elif told.state == MALFORMED:
                        quarantine.take_malformed(line, NO_OBJECT, None, raw)
                        found.malformed += 1
                    else:
                        quarantine.take_rejected(line, told.codes, told.fields, raw)
                else:
                    quarantine.note_warned(line, told.codes, told.fields)
                    found.warned += 1
                    found.warned_numbers.append(told.number)
            found.rejected = quarantine.count

    @property
    def _is_csv(self) -> bool:
        return isinstance(self._split.dataset.format, CsvFormat)

    @property
    def _encoding(self) -> str:
        form = self._split.dataset.format
        return form.encoding if isinstance(form, CsvFormat) else "utf-8"


def _in_order(
    found: Scanned, asides: list[Aside], unread: list[Malformed]
) -> Iterator[tuple[int, Malformed | Aside]]:
    """What there is to tell, each with its line in the source."""
    before = found.piece.first_line - 1
    records = ((before + record.line, record) for record in unread)
    rows = (
        (before + found.lines.line_of(aside.number), aside)
        for aside in asides
        if aside.state not in (None, BLANK, FILTERED)
    )
    return heapq.merge(records, rows, key=itemgetter(0))


def _near(piece: Piece, unread: list[Malformed], dataset: Dataset | None) -> str:
    """Where to look: the first record that a quote made unreadable, or a line with half a pair."""
    line = next((record.line for record in unread if record.is_open), None)
    if line is None and dataset and isinstance(dataset.format, CsvFormat):
        quote = dataset.format.quote.encode()
        with piece.path.open("rb") as file:
            odd = (number for number, found in enumerate(file, 1) if found.count(quote) % 2)
            line = next(odd, None)
    return f", perhaps at line {piece.first_line - 1 + line:,}" if line else ""
