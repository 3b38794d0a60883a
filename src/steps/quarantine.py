"""Rejected rows as JSON lines, each with where it stood and why.

One line of a quarantine object:
    source: URL of the object that was read; behind a job, of the job's output.
    line: where the row begins in it, from 1 (decompressed); of Parquet and JSON arrays, its number.
    rule, column: the first check it breaks; `malformed` if it could not be read.
    value: what the column holds, up to 500 characters; absent for a missing one.
    reason: for people.
    broken: all the checks, where it breaks more than one.
    raw: the text of the row: of CSV and JSON as in the object, of Parquet as JSON.
    row: of a row that could be read: the text of each contract column, null for a missing one.
Rows that a job could not read come first, as the job wrote them.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, TextIO

from contracts.dataset import CsvFormat, Format
from steps.broken_rules import EXAMPLES, MALFORMED, VALUE_CHARACTERS, BrokenRule, BrokenRules
from steps.checks import Check
from steps.malformed import Malformed
from steps.notes import Note, Tally, codes_of
from steps.reading import Source

_ENCODER: Final = json.JSONEncoder(ensure_ascii=False)


class Quarantine:
    """Writes the rejected rows of one object, and counts what they broke."""

    def __init__(
        self, file: TextIO, url: str, every: Sequence[Check], source: Source, form: Format
    ) -> None:
        self.count = 0
        self.rules = BrokenRules()
        self._rules: dict[int, BrokenRule] = {}  # the same by code, for speed
        self._file, self._url, self._every, self._source = file, url, every, source
        self._raw = raw_text(source, form)

    def take_from_job(self, rejects: Path) -> None:
        """The malformed rows of the jobs' own source."""
        with rejects.open(encoding="utf-8") as lines:
            for line in filter(str.strip, lines):
                reject = json.loads(line)
                column = reject.get("column")
                found = self.rules.malformed(None if column is None else str(column))
                found.rows += 1
                found.add_example(reject.get("line"), reject.get("raw"))
                self._write(reject)

    def take_malformed(self, rows: Iterable[Malformed]) -> None:
        for row in rows:
            found = self.rules.malformed(row.column)
            found.rows += 1
            found.add_example(row.line, row.raw)
            about: dict[str, Any] = {"source": self._url, "line": row.line, "rule": MALFORMED}
            if row.column is not None:
                about["column"] = row.column
            self._write({**about, "reason": row.reason, "raw": row.raw})

    def take_rejected(self, rows: Iterable[Note]) -> None:
        for note in rows:
            about: dict[str, Any] = {"source": self._url, "line": note.line}
            if note.fields is None:
                found = self.rules.malformed()
                found.rows += 1
                found.add_example(note.line, note.record)
                why = {"rule": MALFORMED, "reason": "not a JSON object", "raw": note.record}
                self._write({**about, **why})
                continue
            row = {name: note.fields[at] for name, at in self._source.columns.items()}
            broken = [self._every[code] for code in note.codes]
            for code, check in zip(note.codes, broken, strict=True):
                found = self._rule(code)
                found.rows += 1
                if len(found.examples) < EXAMPLES:
                    found.add_example(note.line, row[check.column] if check.column else None)
            raw = note.record if note.record is not None else self._raw(note.fields)
            self._write({**about, **_why(broken, row), "raw": raw, "row": row})

    def note_warned(self, others: Tally, first_rows: Callable[[int], Iterable[Note]]) -> None:
        """Count the rules that valid rows break, without writing these rows.

        Args:
            first_rows: answers the first rows that break a check, given its code.
        """
        counts: Counter[int] = Counter()
        for state, rows in others.warning.items():
            counts.update({code: rows for code in codes_of(state)})
        for code, rows in counts.items():
            check = self._every[code]
            found = self._rule(code)
            found.rows += rows
            for note in first_rows(code):
                fields = note.fields or ()
                at = self._source.columns[check.column] if check.column else None
                found.add_example(note.line, None if at is None else fields[at])

    def _rule(self, code: int) -> BrokenRule:
        if code not in self._rules:
            self._rules[code] = self.rules.of(self._every[code])
        return self._rules[code]

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


class _Echo:
    """Hands a csv writer's text back."""

    def write(self, line: str) -> str:
        return line


def raw_text(source: Source, form: Format) -> Callable[[Sequence[str | None]], str]:
    """A record's text from its fields."""
    if isinstance(form, CsvFormat):
        writer = csv.writer(_Echo(), delimiter=form.delimiter, quotechar=form.quote)
        return lambda fields: str(writer.writerow(fields)).removesuffix("\r\n")
    names = list(source.columns)
    return lambda fields: _ENCODER.encode(dict(zip(names, fields, strict=True)))
