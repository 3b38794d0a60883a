"""Where in a text which line is, every few kilobytes; made while the text is cut into chunks.

Rows that are reported stand anywhere in a chunk. From the nearest place on, a few lines are read to
find one; without places, the whole chunk would be, once for each kind of report.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import Final

STEP_BYTES: Final = 4096


@dataclass(frozen=True)
class LineIndex:
    """Places of one chunk: the byte, and how many lines end before it; both grow.

    A chunk that has none is read from its beginning: the results are the same.
    """

    _places: array[int] = field(default_factory=lambda: array("q"))
    _ended: array[int] = field(default_factory=lambda: array("q"))

    def add(self, block: bytes, begin: int, ended: int) -> int:
        """Note the places of the next block, and return how many lines end in it.

        Args:
            begin: where it begins in the chunk.
            ended: how many lines end before it.
        """
        found = 0
        for at in range(0, len(block), STEP_BYTES):
            self._places.append(begin + at)
            self._ended.append(ended + found)
            found += block.count(b"\n", at, at + STEP_BYTES)
        return found

    def before_byte(self, position: int) -> tuple[int, int]:
        """The last place up to this byte: where it is, and how many lines end before it."""
        at = bisect_right(self._places, position) - 1
        return (self._places[at], self._ended[at]) if at >= 0 else (0, 0)

    def before_line(self, line: int) -> tuple[int, int]:
        """The last place that is before the line (from 1) or where it begins, in the same way."""
        at = bisect_left(self._ended, line - 1) - 1
        return (self._places[at], self._ended[at]) if at >= 0 else (0, 0)

    def forget(self) -> None:
        """Free the memory, when no more lines are looked for."""
        del self._places[:], self._ended[:]
