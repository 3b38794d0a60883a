"""Instants relative to another one: `yesterday`, `today-1d`, `-P1D`. Pure.

A name, and what is added to it or taken away: `now`; `today`, `yesterday`, `tomorrow` (midnight);
`hour`, `week`, `month`, `year` (when the present one began; weeks begin on Monday). Amounts are
whole numbers of `min`, `h`, `d`, `w`, `mo` or `y`. Or an ISO 8601 duration with its sign, which is
counted from now.

Days and longer units are those of the calendar in the request's zone, so the day of a clock change
has 23 or 25 hours; hours and minutes are as long as anywhere.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from pydantic_core import PydanticCustomError

_NAMES: Final = ("now", "today", "yesterday", "tomorrow", "hour", "week", "month", "year")
_AMOUNT: Final = re.compile(r"([+-])([0-9]{1,5})(min|h|d|w|mo|y)")
_RELATIVE: Final = re.compile(rf"({'|'.join(_NAMES)})((?:{_AMOUNT.pattern})*)")
_DURATION: Final = re.compile(
    r"([+-])P(?:(?P<y>[0-9]{1,5})Y)?(?:(?P<mo>[0-9]{1,5})M)?(?:(?P<w>[0-9]{1,5})W)?"
    r"(?:(?P<d>[0-9]{1,5})D)?(?:T(?:(?P<h>[0-9]{1,5})H)?(?:(?P<min>[0-9]{1,5})M)?)?"
)
_MONTHS: Final = {"mo": 1, "y": 12}
_DAYS: Final = {"d": 1, "w": 7}
_ELAPSED: Final = {"h": timedelta(hours=1), "min": timedelta(minutes=1)}
EXAMPLES: Final = "yesterday, today-1d, now-6h or -P1D"


class RelativeInstant(str):
    """The text of an instant that is relative to another one."""

    __slots__ = ()

    @classmethod
    def parse(cls, value: object) -> RelativeInstant | None:
        """The text, if it is one of a relative instant."""
        if not isinstance(value, str):
            return None
        if _RELATIVE.fullmatch(value):
            return cls(value)
        duration = _DURATION.fullmatch(value)
        return cls(value) if duration and any(duration.groupdict().values()) else None

    def at(self, as_of: datetime, zone: tzinfo) -> datetime:
        """The instant that it is, seen from another one (UTC).

        Raises:
            ValueError: it lies outside the years 1 to 9999.
        """
        try:
            local = as_of.astimezone(zone).replace(tzinfo=None)
            named = _RELATIVE.fullmatch(self)
            begun = _begun(named[1], local) if named else local
            exactly = as_of if begun == local else None
            return _moved(begun, exactly, list(_amounts(self)), zone)
        except (OverflowError, ValueError) as error:
            raise ValueError(f"{self} lies outside the years 1 to 9999") from error


def later(instant: datetime, number: int, unit: str, zone: tzinfo) -> datetime:
    """The instant so many units after another one (UTC), by the calendar of the zone.

    Args:
        unit: `min`, `h`, `d`, `w`, `mo` or `y`.

    Raises:
        ValueError: it lies outside the years 1 to 9999.
    """
    try:
        local = instant.astimezone(zone).replace(tzinfo=None)
        return _moved(local, instant, [(unit, number)], zone)
    except (OverflowError, ValueError) as error:
        raise ValueError("lies outside the years 1 to 9999") from error


def zone_named(name: str | None) -> tzinfo:
    """A zone of the IANA time zone database; UTC where none is named.

    Raises:
        ValueError: there is no such zone.
    """
    if name is None or name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:  # a name of a folder; with a NUL
        raise ValueError(f"{name} is no time zone") from error


def checked_zone(value: str | None) -> str | None:
    """The name of a zone, for fields of contracts.

    Raises:
        PydanticCustomError: there is no such zone.
    """
    try:
        zone_named(value)
    except ValueError as error:
        raise PydanticCustomError(
            "zone", "{why}; write it as Europe/Berlin", {"why": str(error)}
        ) from None
    return value


def _begun(name: str, local: datetime) -> datetime:
    if name == "now":
        return local
    if name == "hour":
        return local.replace(minute=0, second=0, microsecond=0)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if name in ("yesterday", "tomorrow"):
        return midnight + timedelta(days=1 if name == "tomorrow" else -1)
    if name == "week":
        return midnight - timedelta(days=midnight.weekday())
    if name == "month":
        return midnight.replace(day=1)
    return midnight.replace(month=1, day=1) if name == "year" else midnight


def _amounts(text: str) -> Iterator[tuple[str, int]]:
    """Units and signed numbers, in order."""
    duration = _DURATION.fullmatch(text)
    if duration:
        sign = -1 if duration[1] == "-" else 1
        for unit, number in duration.groupdict().items():
            if number:
                yield unit, sign * int(number)
        return
    for sign_, number, unit in _AMOUNT.findall(text):
        yield unit, -int(number) if sign_ == "-" else int(number)


def _moved(
    local: datetime, exactly: datetime | None, amounts: list[tuple[str, int]], zone: tzinfo
) -> datetime:
    """Calendar units first, in local time; then those that elapse.

    Args:
        exactly: the instant that the local time was of: an hour that comes twice is known then.
    """
    moved = local
    for unit, number in amounts:
        if unit in _MONTHS:
            moved = _months_later(moved, number * _MONTHS[unit])
        elif unit in _DAYS:
            moved += timedelta(days=number * _DAYS[unit])
    instant = exactly if exactly is not None and moved == local else _utc(moved, zone)
    for unit, number in amounts:
        if unit in _ELAPSED:
            instant += number * _ELAPSED[unit]
    return instant.astimezone(UTC)


def _utc(local: datetime, zone: tzinfo) -> datetime:
    """A local time as an instant; one that falls into a gap lies behind it."""
    return local.replace(tzinfo=zone).astimezone(UTC)


def _months_later(local: datetime, months: int) -> datetime:
    """The same day of another month, or its last one."""
    year, month = divmod(local.year * 12 + local.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        raise ValueError(f"year {year}")
    day = min(local.day, calendar.monthrange(year, month + 1)[1])
    return local.replace(year=year, month=month + 1, day=day, fold=0)
