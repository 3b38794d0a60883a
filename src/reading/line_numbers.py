"""The lines at which the rows of a text stand.

DuckDB does not report them. But it preserves the rows' order, so a row's line number follows from
how many rows come before it, how many extra lines those take, and what lies between them: records
that could not be read, and empty lines.
"""

from __future__ import annotations

import heapq
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path


class LineNumbers:
    """Lines of rows by their numbers, both from 1.

    Attributes:
        extra: lines that are not the first one of a row.
    """

    def __init__(self, heads: int = 0) -> None:
        """`heads`: how many lines come before the first record."""
        self._places = array("q")  # from which row on
        self._totals = array("q")  # so many lines are extra
        self.extra = heads
        self._add(0, 0)

    def line_of(self, number: int) -> int:
        found = bisect_right(self._places, number)
        return number + self._totals[found - 1]

    def lines_of(self, numbers: Sequence[int]) -> array[int]:
        """Those of many rows, whose numbers grow."""
        places, totals = self._places, self._totals
        lines, taken, at = array("q"), 0, 0
        while taken < len(numbers):
            at = bisect_right(places, numbers[taken], at)
            extra = totals[at - 1]
            end = len(numbers)
            if at < len(places):
                end = bisect_left(numbers, places[at], taken)
            lines.extend([number + extra for number in numbers[taken:end]])
            taken = end
        return lines

    def add_multiline(self, number: int, breaks: int) -> None:
        """A row with so many line breaks in its values."""
        self._add(number + 1, breaks)

    def add_gap(self, line: int, line_count: int) -> None:
        """From this line on, so many are no row's."""
        self._add(line - self.extra, line_count)

    def _add(self, place: int, lines: int) -> None:
        self.extra += lines
        self._places.append(place)
        self._totals.append(self.extra)


def line_numbers(
    heads: int,
    multiline: Sequence[tuple[int, int]],
    gaps: Iterable[tuple[int, int]],
    path: Path | None = None,
) -> LineNumbers:
    """The lines of a text's rows.

    Args:
        heads: how many lines come before the first record.
        multiline: number and line breaks of each row that has some in its values.
        gaps: line and number of lines of each record that could not be read.
        path: of the text, if its empty lines are to be taken for no record's.
    """
    lines = LineNumbers(heads)
    empty = ((line, 0) for line in _empty_lines(path)) if path else ()
    waiting = iter(multiline)
    number, breaks = next(waiting, (0, 0))
    end = heads  # of the last record of several lines
    for line, line_count in heapq.merge(gaps, empty):
        while breaks and lines.line_of(number) < line:
            end = lines.line_of(number) + breaks
            lines.add_multiline(number, breaks)
            number, breaks = next(waiting, (0, 0))
        if line_count:
            end = line + line_count - 1
        if line_count or line > end:
            lines.add_gap(line, line_count or 1)
    while breaks:
        lines.add_multiline(number, breaks)
        number, breaks = next(waiting, (0, 0))
    return lines


def _empty_lines(path: Path) -> Iterator[int]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line in (b"\n", b"\r\n"):
                yield number
