"""When a schedule of ours is due next, by the expression that EventBridge Scheduler has of it."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

from contracts.times.relative import zone_named

# As `contracts.times.schedule.aws_cron` writes it: lists of numbers, `*`, and a day field of `?`.
_CRON: Final = re.compile(r"cron\(([\d,*]+) ([\d,*]+) ([\d,*?]+) ([\d,*]+) ([\d,*?]+) \*\)")
_DAYS: Final = 8 * 366 + 1  # 29 February comes after eight years, around 2100


def next_firing(expression: str, zone: str, after: datetime) -> datetime | None:
    """The next instant that it is due; None: there is none, or it is no expression of ours.

    A time that a clock change skips is left out; of one that comes twice the first counts.
    """
    found = _CRON.fullmatch(expression)
    if found is None:
        return None
    minutes, hours, days, months, weekdays = found.groups()
    at = zone_named(zone)
    first = after.astimezone(at).date()
    for offset in range(_DAYS):
        day = first + timedelta(days=offset)
        if not (_has(months, day.month) and _has(days, day.day) and _has(weekdays, _number(day))):
            continue
        for hour in _numbers(hours, 24):
            for minute in _numbers(minutes, 60):
                local = datetime(day.year, day.month, day.day, hour, minute, tzinfo=at)
                instant = local.astimezone(UTC)
                is_there = instant.astimezone(at).replace(tzinfo=None) == local.replace(tzinfo=None)
                if is_there and instant > after:
                    return instant
    return None


def _number(day: date) -> int:
    """Of the weekday: 1 is Sunday."""
    return day.isoweekday() % 7 + 1


def _has(field: str, number: int) -> bool:
    return field in ("*", "?") or str(number) in field.split(",")


def _numbers(field: str, most: int) -> list[int]:
    return list(range(most)) if field == "*" else [int(each) for each in field.split(",")]
