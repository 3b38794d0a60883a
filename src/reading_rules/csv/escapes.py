"""CSV with backslashes, record by record, as plain CSV."""

from __future__ import annotations

import re
from typing import Final

from reading_rules.csv.rules import CsvRules
from reading_rules.scans import LONGEST_RECORD
from reading_rules.text_error import TextError

LINE_ENDS: Final = (b"\n", b"\r")


class OpenValues:
    """Follows where values begin and end.

    Attributes:
        are_open: the last line ended within one.
    """

    def __init__(self, rules: CsvRules) -> None:
        quote, delimiter = re.escape(rules.quote), re.escape(rules.delimiter)
        pair = _pair(rules) + b"|" if rules.escape else b""
        self._tokens = re.compile(b"%s(%s)|%s" % (pair, quote, delimiter), re.DOTALL)
        self._quote, self._escape = rules.quote, rules.escape
        self._plain = whole_record(rules)
        self.are_open = self._is_quoted = False

    def look_at(self, part: bytes) -> None:
        """Go on over a line, or a part of a long one."""
        has_escape = self._escape and self._escape in part
        if not (has_escape or self.are_open or self._quote in part):
            self.are_open = not part.endswith(LINE_ENDS)
            return
        if not self.are_open and self._plain and self._plain.fullmatch(part):
            return  # as nearly all lines are
        begins = -1 if self.are_open else 0  # where a field does
        end = 0  # of the last token
        for token in self._tokens.finditer(part):
            at, end = token.span()
            if token[1]:
                if self._is_quoted:
                    # The second one of a pair opens again: within the value, a quote is doubled.
                    self._is_quoted = False
                    begins = end if part.startswith(self._quote, end) else -1
                else:
                    self._is_quoted = at == begins
                    begins = -1
            elif part[at : at + 1] != self._escape and not self._is_quoted:
                begins = end
        # A line end behind a backslash is part of a value.
        has_end = part.endswith(LINE_ENDS) and end <= len(part.rstrip(b"\r\n"))
        self.are_open = self._is_quoted or not has_end


def whole_record(rules: CsvRules) -> re.Pattern[bytes] | None:
    """Of the records of one line and more that nothing is odd about; None: not distinguished.

    No text can be matched in two ways, so it takes linear time.
    """
    if len(rules.delimiter) > 1:
        return None
    field = b"(?:%s|%s)" % _fields(rules)
    return re.compile(b"%s(?:%s%s)*(?:\r\n|\n|\r)" % (field, re.escape(rules.delimiter), field))


def _fields(rules: CsvRules) -> tuple[bytes, bytes]:
    """Expressions of a quoted field, and of any other, without a quote."""
    quote, delimiter = re.escape(rules.quote), re.escape(rules.delimiter)
    if not rules.escape:
        within = b"[^%s]*(?:%s%s[^%s]*)*" % (quote, quote, quote, quote)
        return b"%s%s%s" % (quote, within, quote), rb"[^%s%s\r\n]*" % (quote, delimiter)
    plain = rb"[^%s\\]*" % quote
    within = rb"%s(?:(?:\\[\x00-\xff]|%s%s)%s)*" % (plain, quote, quote, plain)
    outside = rb"[^%s%s\\\r\n]*" % (quote, delimiter)
    return (
        b"%s%s%s" % (quote, within, quote),
        rb"%s(?:\\[^\r\n]%s)*" % (outside, outside),
    )


def _special(rules: CsvRules) -> bytes:
    return rb"\\|%s|%s|\r\n|\r|\n" % (re.escape(rules.quote), re.escape(rules.delimiter))


def _pair(rules: CsvRules) -> bytes:
    """A backslash with what stands behind it."""
    return rb"\\(?:%s|.)" % _special(rules)


class EscapedRecords:
    """Puts lines together to records, and those with backslashes into plain CSV."""

    def __init__(self, rules: CsvRules, values: OpenValues) -> None:
        quote, pair = re.escape(rules.quote), _pair(rules)
        self._rules, self._values = rules, values
        self._escaped = re.compile(rb"\\(%s)" % _special(rules), re.DOTALL)
        self._in_quotes = re.compile(rb"%s|%s%s|(%s)" % (pair, quote, quote, quote), re.DOTALL)
        delimiter = re.escape(rules.delimiter)
        self._unquoted = re.compile(rb"%s|(%s)" % (pair, delimiter), re.DOTALL)
        self._whole = whole_record(rules)
        # All before the next field with a backslash, and that field; or the last one.
        without = (rb"%s[^%s\\]*%s" % (quote, quote, quote), rb"[^%s%s\\]*" % (quote, delimiter))
        before = b"(?:(?:%s|%s)%s)*" % (*without, delimiter)
        self._fields = re.compile(b"(%s)(?:(%s)|%s)" % (before, *_fields(rules)))
        self._held: list[bytes] = []
        self._size, self._first = 0, 0

    def taken(self, part: bytes, line: int) -> bytes:
        """What is known to be a record by this part, which the values have been followed over.

        Raises:
            TextError: it is too long for one.
        """
        is_open = self._values.are_open
        if not self._held:
            self._first = line
            if not is_open:
                return self._plain(part) if b"\\" in part else part
        self._held.append(part)
        self._size += len(part)
        if self._size > LONGEST_RECORD:
            raise TextError(
                f"line {self._first}: the record is longer than {LONGEST_RECORD:,} bytes; is a"
                " quote not closed?"
            )
        return b"" if is_open else self.rest()

    def rest(self) -> bytes:
        record, self._held, self._size = b"".join(self._held), [], 0
        return self._plain(record) if b"\\" in record else record

    def _plain(self, record: bytes) -> bytes:
        if self._whole and self._whole.fullmatch(record):
            return self._fields.sub(self._plain_field, record)
        end = len(record)
        for line_end in (b"\r\n", b"\n", b"\r"):
            if record.endswith(line_end):
                end -= len(line_end)
                break
        text, ending = record[:end], record[end:]
        fields, at = [], 0
        while True:
            field, after = self._field(text, at)
            fields.append(field)
            if after < 0:
                return self._rules.delimiter.join(fields) + ending
            at = after

    def _field(self, text: bytes, at: int) -> tuple[bytes, int]:
        """The field that begins here as plain CSV, and where the next one does; -1: it is the last.

        What follows a closing quote stays, so that whoever reads the record rejects it.
        """
        quote = self._rules.quote
        within = b""
        if text.startswith(quote, at):
            closing = next(
                (found for found in self._in_quotes.finditer(text, at + 1) if found[1]), None
            )
            end = closing.start() if closing else len(text)
            within = quote + self._within(text[at + 1 : end])
            if closing is None:
                return within, -1
            within, at = within + quote, closing.end()
        delimiter = next((found for found in self._unquoted.finditer(text, at) if found[1]), None)
        end, after = (delimiter.start(), delimiter.end()) if delimiter else (len(text), -1)
        return within + self._outside(text[at:end], is_all=not within), after

    def _plain_field(self, found: re.Match[bytes]) -> bytes:
        before, quoted = found.groups()
        if quoted is None:
            return before + self._outside(found[0][len(before) :], is_all=True)
        quote = self._rules.quote
        return before + quote + self._within(quoted[1:-1]) + quote

    def _within(self, raw: bytes) -> bytes:
        return b"" if raw in self._rules.nulls else self._escaped.sub(self._unescaped, raw)

    def _outside(self, raw: bytes, *, is_all: bool) -> bytes:
        if b"\\" not in raw or not is_all:
            return raw
        if raw in self._rules.nulls:
            return b""
        value = self._escaped.sub(lambda found: found[1], raw)
        if value == self._escaped.sub(b"", raw):
            return value
        quote = self._rules.quote
        return quote + value.replace(quote, quote + quote) + quote

    def _unescaped(self, found: re.Match[bytes]) -> bytes:
        quote = self._rules.quote
        return quote + quote if found[1] == quote else found[1]
