"""Reads the values of one large JSON text, one after another, in bounded memory.

They are the items of an array, those of an array within an object, or values that follow one
another with or without line ends.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NoReturn

from reading_rules.text_error import TextError

ITEM_CHARACTERS: Final = 1024 * 1024  # DynamoDB takes 400 KB, and a line of JSON has to be read
_SPACE: Final = re.compile(r"[ \t\r\n]*")


def array_items(blocks: Iterable[bytes]) -> Iterator[str]:
    """The JSON text of each item, as it is written, on one line.

    Bytes that are no UTF-8 become lone surrogates (`surrogateescape`).

    Args:
        blocks: the array, UTF-8, cut anywhere.

    Raises:
        TextError: it is not a JSON array, or is cut off; names the line and the item.
    """
    return _Scanner(blocks, "item").items()


def enveloped_items(blocks: Iterable[bytes], keys: Sequence[str]) -> Iterator[str]:
    """As `array_items`, of an array within an object, or in each of several objects in a row.

    Args:
        keys: from the outermost object to the array.

    Raises:
        TextError: it is not there, is there twice, or any of it is not JSON.
    """
    return _Scanner(blocks, "item").enveloped(keys)


def concatenated_values(
    blocks: Iterable[bytes], begins: Callable[[int], None] | None = None
) -> Iterator[str]:
    """As `array_items`, of values that follow one another, each in any number of lines.

    Args:
        begins: is called with the line of each value, from 1, before it is yielded.

    Raises:
        TextError: one is not JSON; names the line and the record.
    """
    return _Scanner(blocks, "record").concatenated(begins)


class _Scanner:
    """A window over the text, which moves forward value by value."""

    def __init__(self, blocks: Iterable[bytes], noun: str) -> None:
        self._blocks = iter(blocks)
        self._noun = noun
        # Bytes that are not UTF-8 fail their own item only.
        self._decode = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape").decode
        # Numbers stay text: only where an item ends is wanted, and no digit may get lost.
        self._parser = json.JSONDecoder(
            parse_int=str, parse_float=str, parse_constant=_refuse_constant
        )
        self._window = ""
        self._at = 0
        self._line, self._counted = 1, 0  # the line at this place of the window
        self._ended = False
        self._count = 0

    def items(self) -> Iterator[str]:
        opening = self._next_character()
        if opening != "[":
            found = repr(opening) if opening else "nothing"
            line = self._here()
            advice = self._advice() if opening == "{" else ""
            raise TextError(
                f"line {line}, item 0: is not a JSON array: it begins with {found} instead of"
                f" '['{advice}"
            )
        yield from self._array()
        if self._next_character():
            self._fail("has something behind the array's end")

    def _advice(self) -> str:
        """Of an object where an array is due: whether it is a line of many."""
        try:
            self._value()
            is_one = not self._next_character()
        except TextError:  # larger than an item may be, or no JSON
            is_one = True
        if is_one:
            return " (an array within an object needs format.records, such as $.Records)"
        return " (JSON lines need a contract of format jsonl)"

    def enveloped(self, keys: Sequence[str]) -> Iterator[str]:
        opening = self._next_character()
        while opening:
            if opening != "{":
                self._fail(f"has {opening!r} where the object around the array begins with '{{'")
            yield from self._within(keys, 0)
            opening = self._next_character()

    def concatenated(self, begins: Callable[[int], None] | None) -> Iterator[str]:
        while self._next_character():
            line = self._here()
            value = self._value()
            if begins:
                begins(line)
            yield value
            self._count += 1

    def _array(self) -> Iterator[str]:
        self._at += 1
        if self._next_character() == "]":
            self._at += 1
            return
        while True:
            yield self._value()
            self._count += 1
            if self._passes_separator("]"):
                return

    def _within(self, keys: Sequence[str], depth: int) -> Iterator[str]:
        """The items, where the object that begins here is passed on the way to the array."""
        path = "$." + ".".join(keys[: depth + 1])
        others: list[str] = []
        is_found = False
        self._at += 1
        ended = self._next_character() == "}"
        self._at += ended
        while not ended:
            key = self._key()
            if key != keys[depth]:
                others.append(key)
                self._value()
            elif is_found:
                self._fail(f"has {path} twice")
            else:
                is_found = True
                is_last = depth + 1 == len(keys)
                wanted, what = ("[", "array") if is_last else ("{", "object")
                opening = self._next_character()
                if opening != wanted:
                    self._fail(f"has no {what} at {path} (format.records): it begins {opening!r}")
                yield from self._array() if is_last else self._within(keys, depth + 1)
            ended = self._passes_separator("}")
        if not is_found:
            known = ", ".join(others)[:200] or "none"
            self._fail(f"has no {path} (format.records); its keys there are: {known}")

    def _key(self) -> str:
        if self._next_character() != '"':
            self._fail(f"has {self._shown()} where a key in quotes belongs")
        key: str = json.loads(self._value())
        if self._next_character() != ":":
            self._fail(f"has {self._shown()} where ':' belongs")
        self._at += 1
        return key

    def _passes_separator(self, closing: str) -> bool:
        """Whether it is the closing one."""
        separator = self._next_character()
        if separator not in (",", closing) or not separator:
            self._fail(f"has {self._shown()} where ',' or {closing!r} belongs")
        self._at += 1
        return separator == closing

    def _shown(self) -> str:
        character = self._window[self._at : self._at + 1]
        return repr(character) if character else "the end of the object"

    def _value(self) -> str:
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
        item = self._window[self._at : end]
        self._at = end
        if "\n" in item or "\r" in item:  # within JSON they are only ever between tokens
            return item.replace("\n", " ").replace("\r", " ")
        return item

    def _more(self) -> bool:
        """Read on; False at the end, or where a value is too large already."""
        if self._ended or len(self._window) - self._at > ITEM_CHARACTERS:
            return False
        block = next(self._blocks, b"")
        self._ended = not block
        text = self._decode(block, self._ended)
        self._here()
        self._window = self._window[self._at :] + text
        self._at = self._counted = 0
        return True

    def _next_character(self) -> str:
        """The next character that is no white space, where the window then stands; empty at the
        end."""
        at = self._at
        if at < len(self._window) and self._window[at] not in " \t\r\n":
            return self._window[at]
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

    def _here(self) -> int:
        """The line, which is counted on from where it was asked for before."""
        self._line += self._window.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def _fail(self, problem: str) -> NoReturn:
        raise TextError(f"line {self._here()}, {self._noun} {self._count}: {problem}")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"is not JSON: {name} is no number")
