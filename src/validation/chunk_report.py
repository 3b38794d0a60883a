"""The rejected rows of a chunk, written to its quarantine file in order, and what they break."""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from operator import itemgetter

from reading.line_texts import LineTexts, as_text
from reading.malformed import Malformed
from reading.reader import Reader
from reading.short_rows import ShortRows
from reading_rules.json.reasons import why_no_object
from reading_rules.json.records import parted_fault
from reading_rules.source_lines import SourceLines
from validation.flagged_rows import FlaggedRow, WarnedRows
from validation.quarantine import Quarantine
from validation.row_classes import RowClassifier
from validation.scan_sql import BLANK, FILTERED, MALFORMED
from validation.scanned import Scanned


class ChunkReport:
    """Writes the rejected rows of chunks of one source."""

    def __init__(
        self, reader: Reader, classifier: RowClassifier, url: str, source_lines: SourceLines
    ) -> None:
        """Arguments as of `Scanner`."""
        self._reader, self._url, self._source_lines = reader, url, source_lines
        self._rules = classifier.checks.every

    def write(
        self,
        found: Scanned,
        flagged: list[FlaggedRow],
        unreadable_records: list[Malformed],
        shorts: ShortRows,
        warned: WarnedRows,
    ) -> None:
        """Write the rejected rows in the chunk's order, and count what is broken."""
        with ExitStack() as stack:
            file = stack.enter_context(found.rejects.open("w", encoding="utf-8"))
            texts = stack.enter_context(LineTexts(found.chunk)) if self._reader.is_text else None
            columns = self._reader.columns
            quarantine = Quarantine(
                file,
                self._url,
                self._rules,
                columns,
                found.rules,
                self._source_lines,
            )
            before, taken = found.chunk.first_line - 1, 0
            places = found.lines.lines_of(shorts.numbers)
            for line, entry in _in_order(found, flagged, unreadable_records):
                upto = bisect_left(places, line - before, taken)
                if upto > taken:
                    lines = [before + place for place in places[taken:upto]]
                    self._write_short(quarantine, texts, lines, shorts.part(taken, upto))
                    taken = upto
                if isinstance(entry, Malformed):
                    raw = texts.take(line, entry.line_count) if texts else None
                    quarantine.take_malformed(line, entry.reason, entry.column, raw)
                    found.malformed += 1
                elif entry.is_invalid:
                    raw = texts.take(line, 1 + entry.breaks) if texts else None
                    if entry.state == MALFORMED:
                        _take_malformed(quarantine, line, entry.fields, raw)
                        found.malformed += 1
                    else:
                        quarantine.take_rejected(line, entry.codes, entry.fields, raw)
                else:
                    quarantine.show_warned(line, entry.codes, entry.fields)
            quarantine.count_warned(warned.broken)
            found.warned = warned.rows
            lines = [before + place for place in places[taken:]]
            self._write_short(quarantine, texts, lines, shorts.part(taken, len(shorts)))
            found.malformed += len(shorts)
            found.rejected = quarantine.count

    def _write_short(
        self,
        quarantine: Quarantine,
        texts: LineTexts | None,
        lines: Sequence[int],
        rows: ShortRows,
    ) -> None:
        if rows and texts:
            raws = texts.take_each(lines, rows.breaks)
            quarantine.take_short(rows, lines, raws, len(self._reader.header))


def _take_malformed(
    quarantine: Quarantine, line: int, fields: Sequence[str | None], raw: bytes | None
) -> None:
    """Report a malformed row by what its last field says, see `Reader.fields`."""
    if not fields:
        quarantine.take_malformed(line, why_no_object(as_text(raw or b"")[0]), None, raw)
        return
    column, reason = parted_fault(fields[-1] or "")
    if raw is None:
        quarantine.take_faulty(line, column, reason, fields)
    else:
        quarantine.take_malformed(line, reason, column, raw)


def _in_order(
    found: Scanned, flagged: list[FlaggedRow], unreadable_records: list[Malformed]
) -> Iterator[tuple[int, Malformed | FlaggedRow]]:
    """The records and rows to report, each with its line in the source."""
    before = found.chunk.first_line - 1
    records = ((before + record.line, record) for record in unreadable_records)
    rows = (
        (before + found.lines.line_of(row.number), row)
        for row in flagged
        if row.state not in (None, BLANK, FILTERED)
    )
    return heapq.merge(records, rows, key=itemgetter(0))
