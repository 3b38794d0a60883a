"""Which lines of an object the lines of a text are that was made of it.

Where lines are left out, or records take more or less than a line each, the text that is read has
other line numbers than the object. What is stored are the places where the numbers do not go
on as before: in a file, as there may be as many as records.
"""

from __future__ import annotations

import threading
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final

_RUN: Final = 3  # numbers of each entry
_BLOCK_ENTRIES: Final = 4096  # entries that are in memory at most
_ITEM: Final = 8  # bytes of a number


class SourceLines:
    """Line numbers of an object by those of the text, both from 1; without entries, they are equal.

    One thread adds, any may ask for what was added.
    """

    def __init__(self, path: Path | str | None = None) -> None:
        """`path`: of the file, which is made when it is needed."""
        self._path = path
        self._file: BinaryIO | None = None
        self._blocks = array("q")  # the first line of each block of entries in the file
        # Entries: from which line of the text on, its line in the object, and the step from there.
        self._last = array("q")
        self._is_open = False  # the step of the last entry is not known yet
        self._line = 0
        self._lock = threading.Lock()
        self.size = 0  # bytes of the file

    def begin(self, line: int, source_line: int) -> None:
        """From this line of the text on, lines are those of the object from that line on."""
        with self._lock:
            self._enter(line, source_line, 1)

    def add(self, source_line: int) -> None:
        """The text's next line is a record that begins at this line of the object."""
        with self._lock:
            self._line += 1
            last = self._last
            if self._is_open:
                last[-1] = source_line - last[-2]
                self._is_open = False
            elif not last or last[-2] + (self._line - last[-3]) * last[-1] != source_line:
                self._enter(self._line, source_line, 0)
                self._is_open = True

    def line_of(self, line: int) -> int:
        """The object's line of a line of the text."""
        with self._lock:
            entries = self._entries_for(line)
            at = bisect_right(entries[::_RUN], line) - 1
            if at < 0:
                return line
            first, source_line, step = entries[at * _RUN : at * _RUN + _RUN]
            return source_line + (line - first) * step

    def lines_of(self, before: int, lines: Sequence[int]) -> Sequence[int]:
        """The object's lines of many of the text's, each `before` lines further on."""
        with self._lock:
            are_equal = not self._last and self._file is None
        if are_equal:
            return [before + line for line in lines] if before else lines
        return [self.line_of(before + line) for line in lines]

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _enter(self, line: int, source_line: int, step: int) -> None:
        if len(self._last) >= _BLOCK_ENTRIES * _RUN and self._path is not None:
            self._write()
        self._last.extend((line, source_line, step))

    def _write(self) -> None:
        if self._file is None:
            self._file = open(str(self._path), "w+b")  # noqa: PTH123, SIM115 - closed by close()
        self._file.seek(0, 2)
        self._file.write(self._last.tobytes())
        self._blocks.append(self._last[0])
        self.size += len(self._last) * _ITEM
        self._last = array("q")

    def _entries_for(self, line: int) -> array[int]:
        if self._file is None or (self._last and self._last[0] <= line):
            return self._last
        block = bisect_right(self._blocks, line) - 1
        found = array("q")
        if block >= 0:
            length = _BLOCK_ENTRIES * _RUN * _ITEM
            self._file.seek(block * length)
            found.frombytes(self._file.read(length))
        return found
