"""Writes rejected rows as JSON lines, each with its place and the reason.

One line of a quarantine object:
    object: of a unit of several objects, behind a job: URL of the source object.
    source: URL of the object that was read; behind a job, of the job's output.
    line: where the row begins in it, from 1 (decompressed); of Parquet and JSON arrays, its number.
    rule, column: the first check it breaks; `malformed` if it could not be read.
    value: what the column holds, up to 500 characters; absent for a missing one.
    reason: for people.
    broken: all the checks, where it breaks more than one.
    raw: the text of the row: of CSV and JSON as in the object, but for backslashes that escape; of
        Parquet as JSON.
    rawBase64: its bytes, where they are no text of the object's encoding.
    row: of a row that could be read: the text of each contract column, null for a missing one.
Rows that a job could not read come first, as the job wrote them; those that break `unique` or
`references` come last; all others as they stand in the object.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any, Final, TextIO

from reading.line_texts import as_text, escaped
from reading.short_rows import ShortRows
from reading_rules.malformed import VALUE_CHARACTERS, columns_instead_of
from reading_rules.source_lines import SourceLines
from validation.checks import Check
from validation.violations import EXAMPLES, MALFORMED, BrokenRule, BrokenRules

_ENCODER: Final = json.JSONEncoder(ensure_ascii=False)


class Quarantine:
    """Writes the rejected rows of one object and counts the rules that they broke."""

    def __init__(
        self,
        file: TextIO,
        url: str,
        every: Sequence[Check],
        columns: Mapping[str, int],
        rules: BrokenRules,
        lines: SourceLines | None = None,
    ) -> None:
        """Rows go into the file, what they broke into `rules`.

        Args:
            url: how the object is named.
            columns: for each contract column, its position among a row's fields.
            lines: of the object, where those that rows come with are others.
        """
        self._lines = lines or SourceLines()
        self.count = 0
        self._rules = rules
        self._known: dict[int, BrokenRule] = {}  # the same by code, for speed
        self._file, self._url, self._every, self._columns = file, url, every, columns

    def take_from_job(self, rejects: Path) -> None:
        """The malformed rows of the jobs' own source."""
        with rejects.open(encoding="utf-8") as lines:
            for line in filter(str.strip, lines):
                reject = json.loads(line)
                column = reject.get("column")
                found = self._rules.malformed(None if column is None else str(column))
                found.rows += 1
                found.add_example(reject.get("line"), reject.get("raw"))
                self._write(reject)

    def take_malformed(self, line: int, reason: str, column: str | None, raw: bytes | None) -> None:
        """A record that could not be read."""
        line = self._lines.line_of(line)
        shown, exact = as_text(raw or b"")
        found = self._rules.malformed(column)
        found.rows += 1
        found.add_example(line, shown)
        about: dict[str, Any] = {"source": self._url, "line": line, "rule": MALFORMED}
        if column is not None:
            about["column"] = column
        about |= {"reason": reason, "raw": shown}
        self._write(about if exact is None else {**about, "rawBase64": exact})

    def take_short(
        self, rows: ShortRows, lines: Sequence[int], raws: Sequence[bytes], columns: int
    ) -> None:
        """Rows of too few columns, or too many, many at a time, as there may be millions.

        Args:
            lines: where they begin.
            raws: their texts.
            columns: how many a row should have.
        """
        if not rows:
            return
        found = self._rules.malformed()
        found.rows += len(rows)
        for line, raw in zip(lines[:EXAMPLES], raws, strict=False):
            found.add_example(self._lines.line_of(line), as_text(raw)[0])
        head = f'{{"source": {encode_basestring(self._url)}, "line": '
        why = {
            count: f', "rule": "{MALFORMED}", "reason": {encode_basestring(reason)}, "raw": "'
            for count in set(rows.fields)
            for reason in [columns_instead_of(count, columns)]
        }
        # Of each row four pieces, the first of which ends the row before.
        end = '"}\n'
        pieces = [end + head] * (4 * len(rows))
        pieces[0] = head
        pieces[1::4] = map(str, self._lines.lines_of(0, lines))
        pieces[2::4] = map(why.__getitem__, rows.fields)
        pieces[3::4] = escaped(raws)
        self._file.write("".join(pieces) + end)
        self.count += len(rows)

    def take_faulty(
        self, line: int, column: str, reason: str, fields: Sequence[str | None]
    ) -> None:
        """A row with a value that could not be read.

        Args:
            fields: what can be shown of the row.
        """
        line = self._lines.line_of(line)
        row = {name: fields[at] for name, at in self._columns.items()}
        value = (row[column] or "")[:VALUE_CHARACTERS]
        found = self._rules.malformed(column)
        found.rows += 1
        found.add_example(line, value)
        about = {"source": self._url, "line": line, "rule": MALFORMED, "column": column}
        self._write({**about, "value": value, "reason": reason, "raw": _ENCODER.encode(row)})

    def take_rejected(
        self, line: int, codes: Sequence[int], fields: Sequence[str | None], raw: bytes | None
    ) -> None:
        """A row that breaks checks.

        Args:
            codes: of the checks.
            raw: absent: the row has no text of its own.
        """
        line = self._lines.line_of(line)
        row = {name: fields[at] for name, at in self._columns.items()}
        broken = [self._every[code] for code in codes]
        for code, check in zip(codes, broken, strict=True):
            found = self._rule(code)
            found.rows += 1
            if len(found.examples) < EXAMPLES:
                found.add_example(line, row[check.column] if check.column else None)
        shown = _ENCODER.encode(row) if raw is None else as_text(raw)[0]
        about = {"source": self._url, "line": line}
        self._write({**about, **_why(broken, row), "raw": shown, "row": row})

    def count_warned(self, broken: Mapping[int, int]) -> None:
        """Add so many valid rows to the rules that they break, by their checks' codes."""
        for code, rows in broken.items():
            self._rule(code).rows += rows

    def show_warned(self, line: int, codes: Sequence[int], fields: Sequence[str | None]) -> None:
        """Take a valid row for an example of the rules that it breaks, without counting it."""
        line = self._lines.line_of(line)
        for code in codes:
            column = self._every[code].column
            found = self._rule(code)
            if len(found.examples) < EXAMPLES:
                found.add_example(line, fields[self._columns[column]] if column else None)

    def _rule(self, code: int) -> BrokenRule:
        if code not in self._known:
            self._known[code] = self._rules.of(self._every[code])
        return self._known[code]

    def _write(self, reject: dict[str, Any]) -> None:
        self._file.write(_ENCODER.encode(reject) + "\n")
        self.count += 1


def _why(broken: Sequence[Check], row: dict[str, str | None]) -> dict[str, Any]:
    rejecting = [check for check in broken if check.rejects]
    first = rejecting[0]
    if first.column is None:
        why: dict[str, Any] = {"rule": first.rule, "reason": first.reason}
    else:
        why = {"rule": first.rule, "column": first.column}
        value = row[first.column]
        if value is not None:
            why["value"] = value[:VALUE_CHARACTERS]
        why["reason"] = first.reason.format(value="" if value is None else repr(value[:80]))
    if len(broken) > 1:
        why["broken"] = [f"{c.rule} {c.column}" if c.column else c.rule for c in broken]
    return why
