"""A CSV text as plain CSV: without lines around the table and comments, quotes always doubled.

Blocks of UTF-8 in, blocks of UTF-8 out, in bounded memory. Lines keep their ends, and those that
stay are in their order: `SourceLines` knows which ones of the object they are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from reading_rules.csv.escapes import LINE_ENDS, EscapedRecords, OpenValues
from reading_rules.csv.rules import CsvRules
from reading_rules.scans import LONGEST_RECORD
from reading_rules.source_lines import SourceLines
from reading_rules.text_error import TextError

_FOOTER_BYTES: Final = 16 * 1024 * 1024
_MARK: Final = b"\xef\xbb\xbf"


def plain_csv(blocks: Iterable[bytes], rules: CsvRules, lines: SourceLines) -> Iterator[bytes]:
    """The text as plain CSV.

    Raises:
        TextError: it is not as the rules say.
    """
    parts = _parts(blocks)
    if rules.footer:
        parts = _without_last(parts, rules.footer)
    plain = _Plain(rules, lines)
    for some in parts:
        text = plain.taken(some)
        if text:
            yield text
    yield plain.rest()


def _parts(blocks: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The lines with their ends; of a line that is longer than any record, parts of it."""
    rest, is_first = b"", True
    for block in blocks:
        text = rest + block
        if is_first and len(text) < len(_MARK):
            rest = text
            continue
        if is_first:
            text, is_first = text[text.startswith(_MARK) and len(_MARK) :], False
        parts = text.splitlines(keepends=True)
        rest = b""
        if parts and not parts[-1].endswith(b"\n") and len(parts[-1]) <= LONGEST_RECORD:
            rest = parts.pop()  # perhaps with the first half of CR LF at its end
        yield parts
    if rest:
        yield rest.splitlines(keepends=True)


def _without_last(parts: Iterable[list[bytes]], count: int) -> Iterator[list[bytes]]:
    """All but so many lines at the end.

    Raises:
        TextError: these are too long to be held back.
    """
    held: deque[bytes] = deque()
    whole, size = 0, 0  # lines in `held` that end there, bytes
    for some in parts:
        free = []
        for part in some:
            held.append(part)
            size += len(part)
            whole += part.endswith(LINE_ENDS)
            # The line that goes on, or may begin, is one of the last.
            while whole > count or (whole == count and not held[-1].endswith(LINE_ENDS)):
                free.append(held.popleft())
                size -= len(free[-1])
                whole -= free[-1].endswith(LINE_ENDS)
            if size > _FOOTER_BYTES:
                raise TextError(
                    f"{count} lines in a row hold more than {_FOOTER_BYTES:,} bytes, which are too"
                    " many for footerLines"
                )
        yield free


class _Plain:
    """Takes line after line; knows whether one begins within a value."""

    def __init__(self, rules: CsvRules, lines: SourceLines) -> None:
        self._rules, self._lines = rules, lines
        self._left = rules.skipped
        self._begins = True  # a line, with the next part
        self._drops = False  # the line that the part is of
        self._line = self._source_line = 1  # of the next part
        self._shift = 0  # how many lines are known to be left out
        self._values = OpenValues(rules)
        self._records = EscapedRecords(rules, self._values) if rules.escape else None

    def taken(self, parts: Sequence[bytes]) -> bytes:
        if not (self._left or self._rules.comment or self._records) and self._begins:
            self._note_shift()
            return b"".join(parts)  # nothing is left out any more
        return b"".join(self._remaining(part) for part in parts if not self._is_dropped(part))

    def _is_dropped(self, part: bytes) -> bool:
        ends = part.endswith(LINE_ENDS)
        if self._begins and not self._values.are_open:
            comment = self._rules.comment
            self._drops = self._left > 0 or (comment != b"" and part.startswith(comment))
            self._left = max(0, self._left - 1)
        self._begins = ends
        self._source_line += self._drops and ends
        return self._drops

    def _remaining(self, part: bytes) -> bytes:
        self._note_shift()
        self._values.look_at(part)
        text = self._records.taken(part, self._source_line) if self._records else part
        # Within a value, a CR alone is no line end.
        if part.endswith(b"\n") or (part.endswith(b"\r") and not self._values.are_open):
            self._line += 1
            self._source_line += 1
        return text

    def _note_shift(self) -> None:
        if self._source_line - self._line != self._shift:
            self._shift = self._source_line - self._line
            self._lines.begin(self._line, self._source_line)

    def rest(self) -> bytes:
        return self._records.rest() if self._records else b""
