"""Lines of a delimited text that stand before its table: titles, `sep=;`, comments. Pure."""

from __future__ import annotations

import csv
import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from cli.proposal.footer import is_sum, total_of

_LINES: Final = 200  # of the beginning are examined
_CHARACTERS: Final = 1024 * 1024  # at most
_LINE: Final = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+")
_DELIMITERS: Final = (",", ";", "\t", "|", "\x01")
_LONG_DELIMITERS: Final = ("||", "|~|", "~|~", "::", "~~", ";;")
_SEPARATOR_LINE: Final = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
_COMMENT: Final = "#"
_NUMBER: Final = re.compile(r"[+-]?[\d.,]+")
_ROWS_IN_COLUMNS: Final = 3
_SHOWN: Final = 60  # characters of a line in a note


@dataclass(frozen=True)
class Preamble:
    """What stands before a table, as the contract's `format` describes it.

    Attributes:
        lines: how many to skip.
        comment: the mark of lines that are comments, if there are any.
        delimiter: where it is known: a line `sep=` names it, or it is an unusual one.
        footer: how many lines stand below the table: a last one that is the sum of its rows.
        notes: what a person should look at.
    """

    lines: int = 0
    comment: str | None = None
    delimiter: str | None = None
    notes: tuple[str, ...] = ()
    footer: int = 0

    @property
    def fields(self) -> dict[str, object]:
        """Fields of the contract's `format`."""
        found = {
            "skipLines": self.lines or None,
            "footerLines": self.footer or None,
            "comment": self.comment,
        }
        return {name: value for name, value in found.items() if value is not None}

    def without(self, text: str) -> str:
        """The text from its header on, without comments."""
        skipped = list(itertools.islice(_LINE.finditer(text), self.lines))
        table = text[skipped[-1].end() :] if skipped else text
        if self.comment is None:
            return table
        lines = (line[0] for line in _LINE.finditer(table))
        return "".join(line for line in lines if not line.startswith(self.comment))


def preamble_of(text: str, *, whole: bool = True) -> Preamble:
    """What stands before the table of a text, and below it.

    Args:
        whole: the text has its last line.
    """
    beginnings = itertools.islice(_LINE.finditer(text[:_CHARACTERS]), _LINES)
    lines = [line[0].rstrip("\r\n") for line in beginnings]
    separator = _SEPARATOR_LINE.fullmatch(lines[0]) if lines else None
    if _is_in_columns(lines):
        return Preamble(delimiter=" ")
    if separator:
        note = "the first line names the delimiter, for spreadsheets"
        return Preamble(1, delimiter=separator[1], notes=(note,))
    marked = _marked_at_the_top(lines)
    comment = _COMMENT if marked and not _has_marked_rows(text, lines, marked) else None
    # What is skipped is counted in lines of the file, comments among them.
    delimiter = _delimiter([line for line in lines[marked:] if not _is_comment(line, comment)])
    skipped = max(_skipped(lines, delimiter, comment), 0 if comment else marked)
    if comment and all(_is_comment(line, comment) for line in lines[:skipped]):
        skipped = 0
    known = _long_delimiter(lines[skipped:]) or (delimiter if delimiter == "\x01" else None)
    notes = []
    if skipped:
        shown = ", ".join(_shown(line) for line in lines[:skipped] if line.strip(delimiter + " "))
        notes.append(f"lines before the table are skipped: {shown or 'empty ones'}")
    if comment:
        notes.append("lines that begin with # are taken for comments")
    found = Preamble(skipped, comment, known)
    total = total_of(text, delimiter) if whole else None
    is_footer = total is not None and is_sum(found.without(text), delimiter)
    if total is not None and is_footer:
        notes.append(f"the last line is the total of the rows, so it is left out: {_shown(total)};")
        notes.append("an object without a total would lose its last row")
    elif total is not None:
        notes.append(f"the last line may be no row but a total: {_shown(total)}; footerLines: 1")
    return replace(found, notes=tuple(notes), footer=int(is_footer))


def _marked_at_the_top(lines: Sequence[str]) -> int:
    """How many lines begin with the mark before the header, which may begin with it, too."""
    marked = list(itertools.takewhile(lambda line: line.startswith(_COMMENT), lines))
    others = lines[len(marked) :]
    if not marked or not others:
        return 0
    delimiter, fields = _shape(others)
    return len(marked) - (fields > 1 and _count(marked[-1], delimiter) == fields)


def _has_marked_rows(text: str, lines: Sequence[str], marked: int) -> bool:
    """Below the top, lines that begin with the mark look like rows: a comment would lose them."""
    delimiter, fields = _shape(lines[marked:])
    below = (
        line[0].rstrip("\r\n") for line in itertools.islice(_LINE.finditer(text), marked, None)
    )
    return any(
        fields == 1 or _count(line, delimiter) == fields
        for line in below
        if line.startswith(_COMMENT)
    )


def _shape(lines: Sequence[str]) -> tuple[str, int]:
    """The delimiter, and how many fields lines have as a rule."""
    rows = [line for line in lines if line]
    delimiter = _delimiter(rows)
    return delimiter, _usual([_count(line, delimiter) for line in rows])


def _is_in_columns(lines: Sequence[str]) -> bool:
    """Numbers with one space between them: a text of prose has other marks, and other counts."""
    rows = [line.split(" ") for line in lines if line]
    widths = {len(row) for row in rows}
    if len(rows) < _ROWS_IN_COLUMNS or len(widths) != 1 or widths <= {1, 2}:
        return False
    return all(_NUMBER.fullmatch(row[0]) and _NUMBER.fullmatch(row[-1]) for row in rows[1:])


def _is_comment(line: str, mark: str | None) -> bool:
    return mark is not None and line.startswith(mark)


def _delimiter(lines: Sequence[str]) -> str:
    """The one by which the most lines have as many fields as each other."""

    def agreement(delimiter: str) -> tuple[float, int]:
        counts = [_count(line, delimiter) for line in lines]
        usual = _usual(counts)
        return (0 if usual < 2 else counts.count(usual)), usual

    return max(_DELIMITERS, key=agreement)


def _long_delimiter(lines: Sequence[str]) -> str | None:
    """One of several characters, which every line has as often, and its characters nowhere else."""
    rows = [line for line in lines if line]
    for delimiter in _LONG_DELIMITERS if len(rows) > 1 else ():
        counts = {line.count(delimiter) for line in rows}
        alone = any(mark in line.replace(delimiter, "") for line in rows for mark in delimiter)
        # An empty value between two delimiters of one character looks the same: not everywhere.
        if len(counts) == 1 and counts != {0} and not alone:
            return delimiter
    return None


def _count(line: str, delimiter: str) -> int:
    return len(_fields(line, delimiter))


def _fields(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:  # a field of more than its limit
        return line.split(delimiter)


def _usual(counts: Sequence[int]) -> int:
    """The most frequent number of fields."""
    return Counter(counts).most_common(1)[0][0] if counts else 0


def _skipped(lines: Sequence[str], delimiter: str, comment: str | None) -> int:
    """How many lines stand before the first that may be the header."""
    rows = [
        (at, _fields(line, delimiter))
        for at, line in enumerate(lines)
        if not _is_comment(line, comment)
    ]
    usual = _usual([len(fields) for _, fields in rows if any(fields)])
    # A line with nearly as many fields as the table is one of its rows, or its header.
    title = max(1, usual // 2)
    table = [
        (at, fields)
        for at, fields in rows
        if len(fields) >= usual or sum(map(bool, fields)) > title
    ]
    if not table or _is_name(lines[: table[0][0]]):
        return 0
    first, header = table[0]
    if _is_padded(header):
        # A title with delimiters behind it; or a row, if there is no header.
        after = next(((at, row) for at, row in table if not _is_padded(row)), (first, header))
        first = after[0] if _is_header(after[1]) else first
    return first


def _is_name(lines: Sequence[str]) -> bool:
    """A single word is the header of one column, rather than a title."""
    return len(lines) == 1 and re.fullmatch(r'"?\w+"?', lines[0]) is not None


def _is_padded(fields: Sequence[str]) -> bool:
    return len(fields) > 1 and not any(field.strip() for field in fields[1:])


def _is_header(fields: Sequence[str]) -> bool:
    """Names: none is empty, twice there, or a number."""
    names = [field.strip().lower() for field in fields]
    return all(names) and len(set(names)) == len(names) and not any(map(_NUMBER.fullmatch, names))


def _shown(line: str) -> str:
    shown = line.strip()
    return repr(shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 3]}...")
