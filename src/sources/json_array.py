"""Reads the items of one large JSON array, one after another, in bounded memory."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from typing import Final, NoReturn

from contracts.errors import InvalidData

ITEM_CHARACTERS: Final = 1024 * 1024  # DynamoDB takes 400 KB, and a line of JSON has to be read
_SPACE: Final = re.compile(r"[ \t\r\n]*")
_LINE_ENDS: Final = str.maketrans("\r\n", "  ")  # within JSON they are only ever between tokens


def array_items(blocks: Iterable[bytes], source: str) -> Iterator[str]:
    """The JSON text of each item, as it is written, on one line.

    Bytes that are no UTF-8 become lone surrogates (`surrogateescape`).

    Args:
        blocks: the array, UTF-8, cut anywhere.
        source: how messages name it.

    Raises:
        InvalidData: it is not a JSON array, or is cut off; names the line and the item.
    """
    return _Scanner(blocks, source).items()


class _Scanner:
    """A window over the text, which moves forward item by item."""

    def __init__(self, blocks: Iterable[bytes], source: str) -> None:
        self._blocks = iter(blocks)
        self._source = source
        # Bytes that are not UTF-8 fail their own item only.
        self._decode = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape").decode
        # Numbers stay text: only where an item ends is wanted, and no digit may get lost.
        self._parser = json.JSONDecoder(
            parse_int=str, parse_float=str, parse_constant=_refuse_constant
        )
        self._window = ""
        self._at = 0
        self._line = 1  # of the window's beginning
        self._ended = False
        self._count = 0

    def items(self) -> Iterator[str]:
        opening = self._next_character()
        if opening != "[":
            found = repr(opening) if opening else "nothing"
            self._fail(
                f"is not a JSON array: it begins with {found} instead of '[' (JSON lines need a"
                " contract of format jsonl)"
            )
        self._at += 1
        if self._next_character() == "]":
            self._at += 1
        else:
            yield from self._separated_items()
        if self._next_character():
            self._fail("has something behind the array's end")

    def _separated_items(self) -> Iterator[str]:
        while True:
            yield self._item()
            self._count += 1
            separator = self._next_character()
            self._at += 1
            if separator == "]":
                return
            if separator != ",":
                found = repr(separator) if separator else "the end of the object"
                self._fail(f"has {found} where ',' or ']' belongs")

    def _item(self) -> str:
        self._next_character()
        while True:
            try:
                _, end = self._parser.raw_decode(self._window, self._at)
            except RecursionError:
                self._fail("is nested too deeply")
            except json.JSONDecodeError as error:
                if self._is_final(error) or not self._more():
                    self._explain(error)
            except ValueError as error:
                self._fail(str(error))
            else:
                # A number near the window's edge may go on behind it: 12e+ is read as 12, so far.
                if end + 2 < len(self._window) or not self._more():
                    return self._taken(end)

    def _taken(self, end: int) -> str:
        if end - self._at > ITEM_CHARACTERS:
            self._fail(f"is larger than {ITEM_CHARACTERS:,} characters")
        item = self._window[self._at : end].translate(_LINE_ENDS)
        self._at = end
        return item

    def _more(self) -> bool:
        """Read on; False at the end, or where an item is too large already."""
        if self._ended or len(self._window) - self._at > ITEM_CHARACTERS:
            return False
        block = next(self._blocks, b"")
        self._ended = not block
        text = self._decode(block, self._ended)
        self._line += self._window.count("\n", 0, self._at)
        self._window = self._window[self._at :] + text
        self._at = 0
        return True

    def _next_character(self) -> str:
        """The next character that is no white space, where the window then stands; empty at the
        end."""
        while True:
            match = _SPACE.match(self._window, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._window):
                return self._window[self._at]
            if not self._more():
                return ""

    def _is_final(self, error: json.JSONDecodeError) -> bool:
        """The parser stopped well before the window's edge: more text would not help."""
        return not error.msg.startswith("Unterminated") and error.pos + 20 < len(self._window)

    def _explain(self, error: json.JSONDecodeError) -> NoReturn:
        unfinished = error.pos >= len(self._window) or error.msg.startswith("Unterminated")
        if not self._ended and not self._is_final(error):
            self._fail(f"is larger than {ITEM_CHARACTERS:,} characters")
        self._at = min(error.pos, len(self._window))
        self._fail("is cut off" if unfinished else f"is not JSON: {error.msg}")

    def _fail(self, problem: str) -> NoReturn:
        line = self._line + self._window.count("\n", 0, self._at)
        raise InvalidData(f"{self._source}, line {line}, item {self._count}: {problem}")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"is not JSON: {name} is no number")
