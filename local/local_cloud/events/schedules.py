"""Schedule expressions: `rate(…)`, `cron(…)` and `at(…)`, and when they are due."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

NextTime = Callable[[datetime], datetime | None]

_RATE: Final = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_CRON: Final = re.compile(r"cron\(([^)]*)\)")
_AT: Final = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
_MONTHS: Final = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()  # noqa: SIM905
_DAYS: Final = "SUN MON TUE WED THU FRI SAT".split()  # noqa: SIM905
_SEARCH_DAYS: Final = 366 * 5


class ScheduleError(ValueError):
    """An expression is wrong, or says something that is not emulated."""


@dataclass(frozen=True)
class _Cron:
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int] | None
    months: frozenset[int]
    weekdays: frozenset[int] | None
    years: frozenset[int]

    def day_fits(self, day: datetime) -> bool:
        """Whether anything is due on that day."""
        return (
            day.month in self.months
            and day.year in self.years
            and (self.days is None or day.day in self.days)
            and (self.weekdays is None or day.isoweekday() % 7 + 1 in self.weekdays)
        )


def parse_schedule(expression: str) -> NextTime:
    """Parse a schedule into a function: the next due time after a given time (UTC).

    It returns None when that is never. A rate counts from the time that is given, so its first
    call gives the end of the first interval.

    Raises:
        ScheduleError: not an expression, or `L`, `W` or `#` in a cron expression.
    """
    if match := _RATE.fullmatch(expression):
        interval = timedelta(**{f"{match[2]}s": int(match[1])})
        if not interval:
            raise ScheduleError(f"{expression}: the value must be positive")
        return lambda after: after + interval
    if match := _CRON.fullmatch(expression):
        cron = _parse_cron(match[1], expression)
        return lambda after: _next_of(cron, after)
    if match := _AT.fullmatch(expression):
        moment = datetime.fromisoformat(match[1]).replace(tzinfo=UTC)
        return lambda after: moment if moment > after else None
    raise ScheduleError(f"{expression!r} is not rate(…), cron(…) or at(…)")


def _next_of(cron: _Cron, after: datetime) -> datetime | None:
    start = after.replace(second=0, microsecond=0) + timedelta(minutes=1)
    midnight = start.replace(hour=0, minute=0)
    for offset in range(_SEARCH_DAYS):
        day = midnight + timedelta(days=offset)
        if not cron.day_fits(day):
            continue
        for hour in sorted(cron.hours):
            for minute in sorted(cron.minutes):
                moment = day.replace(hour=hour, minute=minute)
                if moment >= start:
                    return moment
    return None


def _parse_cron(text: str, expression: str) -> _Cron:
    fields = text.split()
    if len(fields) != 6:
        raise ScheduleError(f"{expression}: six fields are wanted, not {len(fields)}")
    minutes, hours, days, months, weekdays, years = fields
    if (days == "?") == (weekdays == "?"):
        raise ScheduleError(f"{expression}: exactly one of the two day fields must be ?")
    names = {name: index for index, name in enumerate(_MONTHS, 1)}
    day_names = {name: index for index, name in enumerate(_DAYS, 1)}
    try:
        return _Cron(
            minutes=_values(minutes, 0, 59, {}),
            hours=_values(hours, 0, 23, {}),
            days=None if days == "?" else _values(days, 1, 31, {}),
            months=_values(months, 1, 12, names),
            weekdays=None if weekdays == "?" else _values(weekdays, 1, 7, day_names),
            years=_values(years, 1970, 2199, {}),
        )
    except ValueError as error:
        raise ScheduleError(f"{expression}: {error}") from error


def _values(field: str, low: int, high: int, names: Mapping[str, int]) -> frozenset[int]:
    """The numbers that one field of a cron expression matches."""

    def number(text: str) -> int:
        value = names[text.upper()] if text.upper() in names else _whole(text)
        if not low <= value <= high:
            raise ValueError(f"{text} is not between {low} and {high}")
        return value

    values: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if span == "*":
            start, end = low, high
        elif last:
            start, end = number(first), number(last)
        else:
            start = number(first)
            end = high if step else start
        if start > end:
            raise ValueError(f"{part} runs backwards")
        values.update(range(start, end + 1, _whole(step) if step else 1))
    return frozenset(values)


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"{text!r} is not emulated")
    return int(text)
