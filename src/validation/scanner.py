"""Splits one chunk of a source in one scan: valid rows as Parquet, rejected ones as JSON lines.

Every line of a chunk is accounted for, because DuckDB silently skips lines if a quote is not closed
or a record is larger than its buffer.
"""

from __future__ import annotations

import heapq
from array import array
from dataclasses import replace
from pathlib import Path

import duckdb

from contracts.dataset import CsvFormat, Dataset
from contracts.errors import InvalidData
from reading import malformed, short_rows
from reading.chunks import Chunk
from reading.line_numbers import LineNumbers, line_numbers
from reading.line_texts import LineTexts
from reading.malformed import Malformed
from reading.reader import Reader
from reading.short_rows import ShortRows
from reading_rules.malformed import first_line, has_mixed_line_ends, lines_lost
from reading_rules.parquet.select import has_bytes_for_texts
from reading_rules.source_lines import SourceLines
from tabular.failures import failed
from tabular.sql import PASSED_ON, sql_literal
from validation.chunk_report import ChunkReport
from validation.flagged_rows import FlaggedRow, FlaggedRows
from validation.record_size import too_much
from validation.row_classes import RowClassifier
from validation.scan_sql import FILTERED, ScanSource, scan_query
from validation.scanned import Scanned


class MixedLineEnds(Exception):
    """The chunk has line ends of more than one kind."""


class BytesForTexts(Exception):
    """A Parquet file has texts that are not UTF-8: they have to be read as bytes."""


class CutWithin(Exception):
    """A chunk ends within a record: the text has to be read as a whole. Says what is wrong."""


class _Unaccounted(Exception):
    """Lines of a chunk are part of no record, or of two; the message is for people.

    Attributes:
        near: where to look, for the end of a sentence.
    """

    def __init__(self, message: str, near: str) -> None:
        super().__init__(message)
        self.near = near


class Scanner:
    """Splits chunks, one at a time, with a connection of its own."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        reader: Reader,
        classifier: RowClassifier,
        url: str,
        source_lines: SourceLines,
    ) -> None:
        """The connection is one of `workspace.parallel_connections`.

        Args:
            url: how messages and the quarantine name the source.
            source_lines: of the object, by those of the text.
        """
        self._source_lines = source_lines
        self._connection, self._reader = connection, reader
        self._classifier, self._url = classifier, url
        self._logs_breaks = False  # of valid rows; costly, as every value is examined
        self._surplus = 0  # see `Chunk.surplus`; it grows
        self._flagged = FlaggedRows(connection, classifier.checks)
        self._report = ChunkReport(reader, classifier, url, source_lines)

    def scan(self, chunk: Chunk, directory: Path) -> Scanned:
        """Split a chunk; its files go into the directory.

        Raises:
            InvalidData: it is unreadable, or a rule or the query cannot be computed.
            MixedLineEnds, CutWithin: fix the text, then scan again.
            BytesForTexts: again, with a reader of raw texts.
        """
        try:
            return self._scan(chunk, directory)
        except _Unaccounted as lines:
            if not self._logs_breaks and chunk.quotes:
                self._logs_breaks = True  # nearly always, they are what is missing
                return self.scan(chunk, directory)
            if not chunk.is_last or chunk.number:
                raise CutWithin(f"{self._url}: a quote is not closed{lines.near}") from lines
            raise InvalidData(str(lines)) from lines

    def _scan(self, chunk: Chunk, directory: Path) -> Scanned:
        path = directory / f"valid-{chunk.number:05d}.parquet"
        found = Scanned(chunk, path, directory / f"rejected-{chunk.number:05d}.jsonl")
        shorts = self._write_valid(found)
        chunk = found.chunk
        flagged = self._flagged.read()
        header = self._reader.header if self._is_csv else ()
        unreadable_records = malformed.collect(self._connection, chunk, header, self._encoding)
        found.invalid = array("q", (row.number for row in flagged if row.is_invalid))
        if shorts:
            found.invalid = array("q", sorted([*found.invalid, *shorts.numbers]))  # two runs: fast
        found.filtered = sum(row.state == FILTERED for row in flagged)
        found.lines, shorts = self._line_numbers(found, flagged, unreadable_records, shorts)
        if flagged or unreadable_records or shorts:
            warned = self._flagged.warned()
            self._report.write(found, flagged, unreadable_records, shorts, warned)
        if self._classifier.checks.looks_at_sets:
            return found
        chunk.index.forget()
        return found.without_numbers()

    def _write_valid(self, found: Scanned) -> ShortRows:
        """Write the valid rows; returns the short ones, where they are filled up."""
        form = self._classifier.dataset.format
        if not isinstance(form, CsvFormat) or not self._reader.fills_up(found.chunk):
            found.valid = self._write(found.chunk, found.path)
            return ShortRows()
        with short_rows.ended(found.chunk, form):
            while True:
                found.chunk = replace(found.chunk, surplus=self._surplus)
                found.valid = self._write(found.chunk, found.path)
                columns = len(self._reader.header)
                surplus = short_rows.surplus_of(self._connection, form, columns)
                if surplus <= self._surplus:
                    return short_rows.read_short(self._connection, found.chunk)
                self._surplus = surplus

    def _write(self, chunk: Chunk, path: Path) -> int:
        malformed.forget(self._connection)
        self._flagged.forget()
        source = ScanSource.of(self._reader, chunk, logs_breaks=self._logs_breaks)
        select = scan_query(source, self._classifier.checks, self._classifier.query)
        try:
            row = self._connection.execute(
                f"COPY ({select}\n) TO {sql_literal(path)} {PASSED_ON}"
            ).fetchone()
        except duckdb.Error as error:
            if has_mixed_line_ends(error):
                raise MixedLineEnds(first_line(error)) from error
            if has_bytes_for_texts(error):
                raise BytesForTexts(first_line(error)) from error
            if isinstance(error, duckdb.OutOfMemoryException):
                names = [column.name for column in self._classifier.checks.columns]
                raise too_much(
                    error, self._connection, self._reader, chunk, names, self._url
                ) from error
            raise failed(
                error,
                f"{self._url}: cannot be read, or a rule or the query cannot be computed:"
                f" {first_line(error)}",
            ) from error
        return int(row[0]) if row else 0

    def _line_numbers(
        self,
        found: Scanned,
        flagged: list[FlaggedRow],
        unreadable_records: list[Malformed],
        shorts: ShortRows,
    ) -> tuple[LineNumbers, ShortRows]:
        """The lines of the rows; and the short ones without that of our own.

        Raises:
            _Unaccounted: lines of the chunk are missing among the records, or there twice.
            CutWithin: the chunk may end within a record.
        """
        chunk, reader = found.chunk, self._reader
        rows = found.valid + len(found.invalid)
        total = chunk.lines + bool(shorts)  # that of our own included
        heads = min(reader.heads, chunk.lines) if chunk.number == 0 else 0
        multiline = [(row.number, row.breaks) for row in flagged if row.breaks]
        multiline = list(heapq.merge(multiline, shorts.multiline()))
        gaps = [(record.line, record.line_count) for record in unreadable_records]
        lines = line_numbers(heads, multiline, gaps)
        # Empty lines can be distinguished from those within values only if all breaks are known.
        knows_breaks = self._logs_breaks or not chunk.quotes
        if rows + lines.extra != total and reader.passes_empty_lines and knows_breaks:
            lines = line_numbers(heads, multiline, gaps, chunk.path)
        lost = total - rows - lines.extra
        if shorts and not lost:
            shorts = shorts.part(0, len(shorts) - 1)
            found.invalid.pop()
        elif shorts and lost == 1 and _ends_too_long(chunk, unreadable_records):
            lost = 0  # ours is part of that record
        if not lost:
            self._refuse_open_end(chunk, unreadable_records)
            return lines, shorts
        near = self._near(chunk, unreadable_records, self._classifier.dataset)
        if shorts:  # ours is lost, too, and what is open may be there as a short row
            last = shorts.part(len(shorts) - 1, len(shorts))
            is_open = self._has_odd_quotes(chunk, lines.line_of(last.numbers[0]))
            lost = max(1, lost + (last.breaks[0] if is_open else -1))
        raise _Unaccounted(lines_lost(self._url, chunk.lines, lost, near), near)

    def _has_odd_quotes(self, chunk: Chunk, line: int) -> bool:
        form = self._classifier.dataset.format
        quote = form.quote.encode() if isinstance(form, CsvFormat) else b""
        with LineTexts(chunk) as texts:
            text = texts.take(chunk.first_line - 1 + line, 1)
        return bool(quote and text.count(quote) % 2)

    def _refuse_open_end(self, chunk: Chunk, unreadable_records: list[Malformed]) -> None:
        """An unreadable record at the end of a chunk may have been cut within.

        Raises:
            CutWithin: it may have been.
        """
        last = unreadable_records[-1] if unreadable_records and not chunk.is_last else None
        if last and last.is_open and last.line + last.line_count > chunk.lines:
            raise CutWithin(
                f"{self._url}: a quote is not closed{self._near(chunk, unreadable_records, None)}"
            )

    def _near(
        self, chunk: Chunk, unreadable_records: list[Malformed], dataset: Dataset | None
    ) -> str:
        """Where to look: the first record that a quote made unreadable, or half a pair's line."""
        line = next((record.line for record in unreadable_records if record.is_open), None)
        if line is None and dataset and isinstance(dataset.format, CsvFormat):
            quote = dataset.format.quote.encode()
            with chunk.path.open("rb") as file:
                odd = (number for number, found in enumerate(file, 1) if found.count(quote) % 2)
                line = next(odd, None)
        if not line:
            return ""
        return f", perhaps at line {self._source_lines.line_of(chunk.first_line - 1 + line):,}"

    @property
    def _is_csv(self) -> bool:
        return isinstance(self._classifier.dataset.format, CsvFormat)

    @property
    def _encoding(self) -> str:
        form = self._classifier.dataset.format
        return form.encoding if isinstance(form, CsvFormat) else "utf-8"


def _ends_too_long(chunk: Chunk, unreadable_records: list[Malformed]) -> bool:
    """Whether a record that is too long goes on to the end of the chunk."""
    last = unreadable_records[-1] if unreadable_records else None
    return bool(last and last.is_too_long and last.line + last.line_count > chunk.lines)
