"""Schedules of a dataset: a part of its contract.

`pipeline schedules apply` makes each a schedule of Amazon EventBridge Scheduler, which sends the
run request with its own name and the time that it was due.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Final, NamedTuple

from pydantic import AfterValidator, Field, field_validator
from pydantic_core import PydanticCustomError

from contracts.ids import dated_run_id
from contracts.job import Priority
from contracts.source.only_new import OnlyNew
from contracts.source.strict import Integer, StrictContract
from contracts.times.relative import EXAMPLES, RelativeInstant, checked_zone

SCHEDULE_NAME_PATTERN: Final = r"^[a-z][a-z0-9-]{0,30}$"
SCHEDULE_NAME_CHARACTERS: Final = 64  # of EventBridge Scheduler (API Reference, CreateSchedule)
_ITS_OWN: Final = ("name", "cron")  # what no message has
_EXAMPLE: Final = "15 2 * * 1-5 (02:15 from Monday to Friday)"
_MONTHS: Final = "jan feb mar apr may jun jul aug sep oct nov dec".split()  # noqa: SIM905
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


class _Part(NamedTuple):
    """One field of a cron expression: its name, its least and largest number, names of numbers."""

    name: str
    least: int
    most: int
    names: Mapping[str, int] = MappingProxyType({})


_PARTS: Final = (
    _Part("minute", 0, 59),
    _Part("hour", 0, 23),
    _Part("day of month", 1, 31),
    _Part("month", 1, 12, MappingProxyType({name: n for n, name in enumerate(_MONTHS, 1)})),
    _Part("day of week", 0, 7, MappingProxyType({name: n for n, name in enumerate(_DAYS)})),
)


def _is_relative(value: str) -> str:
    if RelativeInstant.parse(value) is None:
        raise PydanticCustomError(
            "relative", "must be relative to the time that a run is due: {ex}", {"ex": EXAMPLES}
        )
    return value


_Relative = Annotated[str, AfterValidator(_is_relative)]


class Schedule(StrictContract):
    """When runs of the dataset are started, and over which range.

    Attributes:
        name: unique within the dataset.
        cron: five fields, as crontab has them: minute, hour, day of month, month, day of week.
        zone: in which cron and the range are reckoned, by its IANA name; absent: UTC.
        start_date_time, end_date_time: the range, relative to the time that a run is due.
        query, index, priority, max_concurrency, only_new: as in a run request.
    """

    name: str = Field(pattern=SCHEDULE_NAME_PATTERN)
    cron: str = Field(max_length=200)
    zone: str | None = Field(default=None, min_length=1, max_length=64)
    start_date_time: _Relative = "yesterday"
    end_date_time: _Relative = "today"
    query: str | None = Field(default=None, min_length=1, max_length=4096)
    index: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")
    priority: Priority | None = None
    max_concurrency: Integer | None = Field(default=None, ge=1, le=1000)
    only_new: OnlyNew | None = None

    @field_validator("cron")
    @classmethod
    def _is_cron(cls, value: str) -> str:
        try:
            aws_cron(value)
        except ValueError as error:
            raise PydanticCustomError("cron", "{why}", {"why": str(error)}) from None
        return value

    _is_a_zone = field_validator("zone")(checked_zone)

    def message(self, dataset_name: str, due: str) -> dict[str, object]:
        """The run request that is sent.

        Args:
            due: the time that a run is due, or what stands for it until then.
        """
        asked = {name: value for name, value in self.to_json().items() if name not in _ITS_OWN}
        return {"datasetName": dataset_name, "schedule": self.name, "asOf": due, **asked}


def schedule_name(dataset_name: str, schedule: str) -> str:
    """What the schedule is called at EventBridge Scheduler; names of datasets have no dots."""
    return f"{dataset_name}.{schedule}"


def scheduled_run_id(dataset_name: str, schedule: str, due: datetime) -> str:
    """The id of the run that a schedule starts at a time: the same however often it fires."""
    return dated_run_id(f"{dataset_name}-{schedule}", due)


def aws_cron(text: str) -> str:
    """A five-field cron expression as EventBridge Scheduler's, `cron(…)` with six.

    Every step and range is written out as a list, so nothing depends on how a service reads them.
    EventBridge Scheduler User Guide, "Schedule types": one of the two day fields is `?`, days of
    the week are 1 (Sunday) to 7.

    Raises:
        ValueError: it is none; says what is wrong.
    """
    fields = text.split()
    if len(fields) != len(_PARTS):
        raise ValueError(
            "needs five fields: minute, hour, day of month, month, day of week, such as"
            f" {_EXAMPLE}; this has {len(fields)}, and there are no seconds or years"
        )
    lists = [_numbers(field, part) for field, part in zip(fields, _PARTS, strict=True)]
    minute, hour, day, month, weekday = lists
    if day is not None and weekday is not None:
        raise ValueError(
            "names both a day of month and a day of week, which cron takes for one or the other;"
            " make one of them *, and the other days a schedule of their own"
        )
    if day is not None and month is not None and not _exists(day, month):
        raise ValueError("is never due: no such month has such a day")
    of_week = None if weekday is None else sorted({n % 7 + 1 for n in weekday})
    days = (_list(day), "?") if weekday is None else ("?", _list(of_week))
    return f"cron({_list(minute)} {_list(hour)} {days[0]} {_list(month)} {days[1]} *)"


def _exists(days: list[int], months: list[int]) -> bool:
    longest = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
    return any(min(days) <= longest.get(month, 31) for month in months)


def _list(numbers: list[int] | None) -> str:
    return "*" if numbers is None else ",".join(map(str, numbers))


def _numbers(field: str, part: _Part) -> list[int] | None:
    """The numbers that a field names; None: all of them."""
    found: set[int] = set()
    for item in field.split(","):
        span, slash, step_text = item.partition("/")
        first, dash, last = span.partition("-")
        if span == "*":
            low, high = part.least, part.most
        else:
            low = _number(first, part)
            high = _number(last, part) if dash else (part.most if slash else low)
        step = 1
        if slash:
            if not re.fullmatch("[1-9][0-9]{0,2}", step_text):
                raise ValueError(f"has the step {step_text!r} in {item}, which is no whole number")
            step = int(step_text)
        if low > high:
            raise ValueError(f"has the {part.name} {span}, which runs backwards")
        found.update(range(low, high + 1, step))
    every = set(range(part.least, part.most + 1))
    if part.name == "day of week":
        found, every = {number % 7 for number in found}, set(range(7))
    return None if found == every else sorted(found)


def _number(text: str, part: _Part) -> int:
    number = part.names.get(text.lower())
    if number is None and re.fullmatch("[0-9]{1,4}", text):
        number = int(text)
    if number is None or not part.least <= number <= part.most:
        raise ValueError(
            f"has the {part.name} {text!r}; it is {part.least} to {part.most}, * or a list, a range"
            f" or a step of these, such as {_EXAMPLE}"
        )
    return number
