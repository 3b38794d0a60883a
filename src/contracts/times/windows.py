"""A range of time in windows of one length. Pure.

Windows of days, weeks and months are those of the calendar in a zone, so the day of a clock change
has 23 or 25 hours. Every boundary is counted from the range's start, not from the boundary before:
windows of a month from 31 January begin on 31 January, 28 February and 31 March.
"""

from __future__ import annotations

import re
from datetime import datetime, tzinfo
from typing import Final, NamedTuple

from contracts.times.relative import later

WINDOWS_AT_MOST: Final = 10_000
WINDOW_PATTERN: Final = r"^[1-9][0-9]{0,4}(h|d|w|mo)$"
WINDOW_EXAMPLES: Final = "1h, 6h, 1d, 7d, 1w or 1mo"


class Window(NamedTuple):
    """From an instant (inclusive) to another one (exclusive), both UTC."""

    start: datetime
    end: datetime


def boundaries(start: datetime, end: datetime, length: str, zone: tzinfo) -> list[datetime]:
    """Where the windows of a range begin, and where the last one ends, in order of time.

    The last window may be shorter. One that would hold no time, as its day was left out of the
    zone's calendar, is left out.

    Args:
        length: fits WINDOW_PATTERN.

    Raises:
        ValueError: the range holds no time, or more than WINDOWS_AT_MOST windows.
    """
    if not re.fullmatch(WINDOW_PATTERN, length):
        raise ValueError(f"{length!r} is no length of a window: write {WINDOW_EXAMPLES}")
    if end <= start:
        raise ValueError("the range holds no time: its end must be after its start")
    number, unit = re.sub(r"\D", "", length), re.sub(r"\d", "", length)
    found = [start]
    count = 0
    while found[-1] < end:
        if len(found) > WINDOWS_AT_MOST:
            raise ValueError(
                f"the range holds more than {WINDOWS_AT_MOST:,} windows of {length}: take longer"
                " windows, or a shorter range"
            )
        count += 1
        following = _boundary(start, count * int(number), unit, zone, end)
        if following > found[-1]:
            found.append(following)
    return found


def _boundary(start: datetime, number: int, unit: str, zone: tzinfo, at_most: datetime) -> datetime:
    try:
        return min(later(start, number, unit, zone), at_most)
    except ValueError:  # behind the year 9999
        return at_most
