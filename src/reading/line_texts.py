"""Reads the raw text of some of a file's lines."""

from __future__ import annotations

import base64
from codecs import BOM_UTF8
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from json.encoder import encode_basestring
from types import TracebackType
from typing import Final, Self

from reading.chunks import Chunk

_BATCH: Final = 1000  # lines that are read at once
_APART: Final = "\x7f"  # JSON does not escape it, and hardly any text has it
_BETWEEN: Final = 4  # where of so many lines one is asked for, all are read


class LineTexts:
    """Goes over a chunk once, from the first asked line to the last; lines are the source's."""

    def __init__(self, chunk: Chunk) -> None:
        self._file = chunk.path.open("rb")
        self._line = chunk.first_line
        self._before = chunk.first_line - 1
        self._index = chunk.index

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def take(self, line: int, line_count: int) -> bytes:
        """So many lines from this one on, without the last one's end.

        Args:
            line: in the source, from 1; behind all that were taken before.
        """
        if line == self._line > 1 and line_count == 1:  # the next one
            self._line += 1
            return self._file.readline().rstrip(b"\r\n")
        place, ended = self._index.before_line(line - self._before)
        if self._before + ended + 1 > self._line:  # ahead: what is left of a line begins there
            self._file.seek(place)
            self._line = self._before + ended + 1
        first = line - self._line
        found = b"".join(islice(self._file, first, first + line_count))
        self._line = line + line_count
        return (found if line > 1 else found.removeprefix(BOM_UTF8)).rstrip(b"\r\n")

    def take_each(self, lines: Sequence[int], breaks: Sequence[int]) -> list[bytes]:
        """The same of many, of each with so many lines more.

        Args:
            lines: in the source, growing.
        """
        found: list[bytes] = []
        for at in range(0, len(lines), _BATCH):
            found += self._take_near(lines[at : at + _BATCH], breaks[at : at + _BATCH])
        return found

    def _take_near(self, lines: Sequence[int], breaks: Sequence[int]) -> list[bytes]:
        """Those of some, with what is between them read, too, where that is little."""
        if any(breaks) or lines[-1] - lines[0] > _BETWEEN * len(lines):
            return [self.take(line, 1 + more) for line, more in zip(lines, breaks, strict=True)]
        found = [self.take(lines[0], 1)]
        first, self._line = self._line, lines[-1] + 1
        texts = list(islice(self._file, lines[-1] - lines[0]))
        if len(texts) > len(lines) - 1:
            texts = [texts[line - first] for line in lines[1:]]
        together = b"".join(texts)
        if b"\r" in together:
            return found + [text.rstrip(b"\r\n") for text in texts]
        return found + together.removesuffix(b"\n").split(b"\n")[: len(texts)]


def escaped(raws: Sequence[bytes]) -> list[str]:
    """`as_text` of many, without what is none, as JSON has them between quotes.

    All at once, as one at a time takes longer.
    """
    together = _APART.encode().join(raws)
    with suppress(UnicodeDecodeError):
        texts = encode_basestring(together.decode())[1:-1].split(_APART)
        if len(texts) == len(raws):  # it is part of none
            return texts
    return [encode_basestring(as_text(raw)[0])[1:-1] for raw in raws]


def as_text(raw: bytes) -> tuple[str, str | None]:
    """Bytes for JSON: their text; and where they are none, themselves in base64."""
    try:
        return raw.decode(), None
    except UnicodeDecodeError:
        return raw.decode(errors="replace"), base64.b64encode(raw).decode()
