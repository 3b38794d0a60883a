"""The line at which a row of a text file stands.

DuckDB numbers neither the rows it reads nor their lines. But it keeps their order, so a row's line
follows from how many rows are before it, how many lines those take, and what lies between them:
records that could not be read, and empty lines.
"""

from __future__ import annotations

import heapq
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from pathlib import Path


class LineNumbers:
    """Lines of rows, once everything between the rows is added in the file's order."""

    def __init__(self) -> None:
        self._places = array("q")  # before which line, were there nothing between the rows
        self._totals = array("q")  # lines between the rows up to there
        self.between = 0

    def add(self, line: int, height: int) -> None:
        """Lines from this one on are no row's; never less than the one added before."""
        self._places.append(line - self.between)
        self.between += height
        self._totals.append(self.between)

    def line_of(self, dense: int) -> int:
        """The line of a row.

        Args:
            dense: what it would be if there were nothing between the rows.
        """
        found = bisect_right(self._places, dense)
        return dense + (self._totals[found - 1] if found else 0)


def with_malformed(malformed: Iterable[tuple[int, int]]) -> LineNumbers:
    """Of a file without empty lines; takes line and height of each unread record."""
    lines = LineNumbers()
    for line, height in malformed:
        lines.add(line, height)
    return lines


def with_blanks(
    malformed: Iterable[tuple[int, int]], tall: Iterable[tuple[int, int]], path: Path
) -> LineNumbers:
    """Of a file that also has empty lines, which DuckDB passes over.

    Args:
        malformed: line and height of each unread record.
        tall: of each row with line breaks in its values: its line, were there nothing between the
            rows, and how many breaks.
    """
    lines = LineNumbers()
    rows = iter(tall)
    row, breaks = next(rows, (0, 0))
    end = 0  # of the last unread record
    events = heapq.merge(malformed, ((line, 0) for line in _empty_lines(path)))
    for line, height in events:
        if height:
            lines.add(line, height)
            end = line + height
            continue
        dense = line - lines.between
        while breaks and row + breaks < dense:
            row, breaks = next(rows, (0, 0))
        within = line < end or (breaks and row < dense)
        if not within:
            lines.add(line, 1)
    return lines


def _empty_lines(path: Path) -> Iterator[int]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line in (b"\n", b"\r\n"):
                yield number
