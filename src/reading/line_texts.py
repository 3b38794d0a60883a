"""Reads the raw text of some of a file's lines."""

from __future__ import annotations

import base64
from codecs import BOM_UTF8
from itertools import islice
from types import TracebackType
from typing import Self

from reading.chunks import Chunk


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


def as_text(raw: bytes) -> tuple[str, str | None]:
    """Bytes for JSON: their text; and where they are none, themselves in base64."""
    try:
        return raw.decode(), None
    except UnicodeDecodeError:
        return raw.decode(errors="replace"), base64.b64encode(raw).decode()
