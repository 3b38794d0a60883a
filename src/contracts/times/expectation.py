"""By when a day's data has to be stored: `expect` in a contract. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from contracts.source.strict import StrictContract
from contracts.times.relative import checked_zone, zone_named

_DAY: Final = timedelta(days=1)
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LOOKED_BACK: Final = 9  # days: a week, and those that the calendar is ahead
_SUMMER_AND_WINTER: Final = (date(2026, 1, 15), date(2026, 7, 15))
TIME_PATTERN: Final = "^([01][0-9]|2[0-3]):[0-5][0-9]$"


class Expectation(StrictContract):
    """By when the data of a day has to be stored, or there is a notification and an alarm.

    Attributes:
        by: time of day, such as "06:00".
        zone: in which it is reckoned, by its IANA name; absent: UTC.
        day: whose data it is: of the day before, or of the same day as far as it has passed.
        weekdays: days that have data, such as [mon, tue]; absent: every day.
    """

    by: str = Field(pattern=TIME_PATTERN)
    zone: str | None = Field(default=None, min_length=1, max_length=64)
    day: Literal["yesterday", "today"] = "yesterday"
    weekdays: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...] | None = Field(
        default=None, min_length=1, max_length=7, json_schema_extra={"uniqueItems": True}
    )

    @field_validator("by", mode="before")
    @classmethod
    def _is_a_time(cls, value: Any) -> Any:
        if isinstance(value, int):  # YAML 1.1 reads 16:00 as sixteen times sixty
            raise PydanticCustomError("by", 'must be a time of day in quotes, such as "16:00"')
        return value

    _is_a_zone = field_validator("zone")(checked_zone)

    @field_validator("weekdays")
    @classmethod
    def _are_different(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value is not None and len(set(value)) < len(value):
            raise PydanticCustomError("weekdays", "names a day twice")
        return value

    @model_validator(mode="after")
    def _day_has_begun(self) -> Self:
        self.refuse_before_its_day(in_utc=False)
        return self

    def refuse_before_its_day(self, *, in_utc: bool) -> None:
        """Raise for a time at which nothing of the day can be there.

        Args:
            in_utc: its day is a partition's, which begins at midnight UTC.

        Raises:
            PydanticCustomError: it comes before the day begins.
        """
        for day in _SUMMER_AND_WINTER:
            begin, end = self.span(day, in_utc=in_utc)
            if begin >= end:
                raise PydanticCustomError(
                    "by",
                    "{by} {zone} comes before that day's data can begin{utc}; say a later time, or"
                    " day: yesterday",
                    {
                        "by": self.by,
                        "zone": self.zone or "UTC",
                        "utc": " (dates of partitions are days in UTC)" if in_utc else "",
                    },
                )

    @property
    def words(self) -> str:
        """`06:00 Europe/Berlin`."""
        return f"{self.by} {self.zone or 'UTC'}"

    def due(self, day: date) -> datetime:
        """When the data of a day has to be stored.

        A time that a clock change skips is the instant behind the gap; of one that comes twice the
        first counts.
        """
        on = day if self.day == "today" else day + _DAY
        local = datetime.combine(on, time.fromisoformat(self.by), zone_named(self.zone))
        return local.astimezone(UTC)

    def last_due(self, now: datetime, within: timedelta) -> date | None:
        """The day whose data had to be stored most recently, and not before that time."""
        today = now.astimezone(zone_named(self.zone)).date()
        for back in range(_LOOKED_BACK):
            day = today - back * _DAY
            if self.weekdays is not None and _DAYS[day.weekday()] not in self.weekdays:
                continue
            if self.due(day) <= now:
                return day if now - self.due(day) < within else None
        return None

    def span(self, day: date, *, in_utc: bool) -> tuple[datetime, datetime]:
        """The instants that the day holds, as far as it has passed when it is due.

        Args:
            in_utc: it is the day of a partition, whose date is in UTC, whatever the zone.
        """
        zone = UTC if in_utc else zone_named(self.zone)
        midnights = (datetime.combine(each, time(), zone) for each in (day, day + _DAY))
        begin, end = (each.astimezone(UTC) for each in midnights)
        return begin, min(end, self.due(day))
