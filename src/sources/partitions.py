"""The partitions of a range of time, by the contract's `source.partition`. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from contracts.errors import InvalidRequest, Problem

PARTITIONS_AT_MOST: Final = 1_000_000


def partitions(pattern: str, start: datetime, end: datetime) -> list[str]:
    """The names of the partitions that begin in the range, in order of time.

    Raises:
        InvalidRequest: more than a million.
    """
    first, step = _first_partition(pattern, start)
    count = -((first - end) // step)
    if count > PARTITIONS_AT_MOST:
        problem = f"the range holds {count} partitions, at most {PARTITIONS_AT_MOST}"
        raise InvalidRequest("range", [Problem("startDateTime", problem, start.isoformat())])
    return list(dict.fromkeys((first + step * n).strftime(pattern) for n in range(count)))


def whole_partitions(pattern: str, start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """The range that a listing of these partitions takes: from the beginning of the first one to
    the end of the last."""
    first, step = _first_partition(pattern, start)
    return first, first + step * -((first - end) // step)


def _first_partition(pattern: str, start: datetime) -> tuple[datetime, timedelta]:
    """When the partition of an instant begins, and how long partitions are."""
    if "%M" in pattern:
        return start.replace(second=0, microsecond=0), timedelta(minutes=1)
    if "%H" in pattern:
        return start.replace(minute=0, second=0, microsecond=0), timedelta(hours=1)
    return start.replace(hour=0, minute=0, second=0, microsecond=0), timedelta(days=1)
