"""The run request: the public message that starts one run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from contracts.base import Contract, canonical_json
from contracts.job import Priority
from contracts.source.group import OBJECTS_PER_UNIT_AT_MOST
from contracts.source.input_url import check_input_url
from contracts.source.only_new import OnlyNew, Scope
from contracts.times.relative import EXAMPLES, RelativeInstant, checked_zone, zone_named
from contracts.times.schedule import SCHEDULE_NAME_PATTERN

MAX_QUERY_CHARACTERS: Final = 4096
MAX_CONCURRENCY: Final = 1000
MAX_ITEMS_PER_BATCH: Final = 1000
DATASET_NAME_PATTERN: Final = r"^[a-z][a-z0-9_-]{0,62}$"
RUN_ID_PATTERN: Final = r"^[A-Za-z0-9_-]{1,40}$"
# Of an upload's run; a digest of bucket, key and what distinguishes this upload follows.
UPLOAD_RUN_ID: Final = "upload-"
AUTO_RUN_ID: Final = "auto"  # a run id to be drawn when the run is claimed
INDEX_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
ONLY_NEW_LISTS: Final = (
    "onlyNew goes with a range of time (startDateTime), whose objects it chooses from; inputUrl"
    " names its one object, new or not: leave one of them out"
)
_DATE_ONLY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def parse_timestamp(value: Any) -> datetime:
    """An ISO 8601 date or date and time as UTC; without an offset it is taken as UTC.

    Raises:
        PydanticCustomError: not such a text.
    """
    try:
        parsed = value if isinstance(value, datetime) else _parsed(value)
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):  # overflow: its UTC time lies outside the years 1 to 9999
        raise PydanticCustomError(
            "timestamp",
            "must be an ISO 8601 date or date and time, such as 2026-11-01 or 2026-11-01T06:30:00Z",
        ) from None


def _parsed(value: Any) -> datetime:
    if not isinstance(value, str):
        raise ValueError("not a text")
    if _DATE_ONLY.fullmatch(value):
        return datetime.combine(date.fromisoformat(value), time(), UTC)
    return datetime.fromisoformat(value)


def format_timestamp(value: datetime) -> str:
    """The one spelling of an instant in all our JSON: `2026-11-01T06:30:00Z`."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


Timestamp = Annotated[
    datetime, BeforeValidator(parse_timestamp), PlainSerializer(format_timestamp, return_type=str)
]


def parse_instant(value: Any) -> datetime | RelativeInstant:
    """An instant as `parse_timestamp` reads it, or the text of a relative one.

    Raises:
        PydanticCustomError: neither.
    """
    relative = RelativeInstant.parse(value)
    if relative is not None:
        return relative
    try:
        return parse_timestamp(value)
    except PydanticCustomError as error:
        raise PydanticCustomError(
            "timestamp", "{why}; or a relative one: " + EXAMPLES, {"why": error.message()}
        ) from None


def _written(value: datetime | RelativeInstant) -> str:
    return format_timestamp(value) if isinstance(value, datetime) else str(value)


Instant = Annotated[
    datetime | RelativeInstant,
    PlainValidator(parse_instant),
    PlainSerializer(_written, return_type=str),
    WithJsonSchema({"type": "string"}),
]
InputUrl = Annotated[StrictStr, Field(max_length=1100), AfterValidator(check_input_url)]


@dataclass(frozen=True)
class Defaults:
    """What a request that does not say it means.

    Attributes:
        concurrency: units side by side.
        tolerance: percentage of units (or of items) that may fail.
        fail_fast: whether no more units begin once more than that have failed.
    """

    concurrency: int
    tolerance: float
    fail_fast: bool


OF_OBJECTS: Final = Defaults(concurrency=1, tolerance=0, fail_fast=False)
OF_ITEMS: Final = Defaults(concurrency=10, tolerance=50, fail_fast=True)
ITEMS_PER_BATCH: Final = 25
# Of a run over objects: to say these is to say nothing. An earlier release wrote the first two into
# the ledger where nothing was said.
WHEN_NOT_SAID: Final[dict[str, Any]] = {
    "maxConcurrency": OF_OBJECTS.concurrency,
    "toleratedFailurePercentage": OF_OBJECTS.tolerance,
    "priority": Priority.NORMAL.value,
}


class RunRequest(Contract):
    """What to run.

    Attributes:
        dataset_name: the contract `datasets/<name>.yaml`.
        start_date_time: objects from this instant on (inclusive). Not needed with `input_url`. May
            be relative (`contracts.times.relative`) until the run is claimed.
        end_date_time: objects before this instant (exclusive), likewise; absent: the moment of the
            claim, or `as_of`, if that is there or the start is relative.
        zone: where relative instants are reckoned; absent: UTC.
        as_of: what relative instants are relative to; absent: when the queue first got the message,
            or the moment of a direct start.
        schedule: the contract's schedule that sent it, due at `as_of`.
        input_url: one S3 object to process instead of a listing, as it was sent: a full URL or a
            key (see `contracts.source.input_url`); of a JSON array, each item is a unit of the run
            (see `contracts.items`).
        query: boolean SQL expression over the contract's columns; rows that fail it are left out.
        index: the collection that results are stored under; absent: the dataset's name.
        run_id: names the run; absent in a message: the SQS message id; `auto`: claim_run draws one,
            a timestamp and a unique part, and everything after it has a request with that id.
        max_concurrency: units (of an array: batches of items) side by side, 1 (one after another)
            to 10; absent: see `concurrency`.
        tolerated_failure_percentage: 0 to 100; more failed units (or items) than this fail the run;
            absent: see `tolerance`.
        fail_fast: true: once more have failed than that, no more units begin; false: the next one
            follows, whatever became of the one before; absent: see `fails_fast`.
        detached: true: always in the long-running function; false: never; absent: by size.
        retry_of: a finished run whose units that were not stored are run again.
        items_per_batch: items of the array that go through the steps together; absent: 25.
        priority: how often the run's jobs get a turn where they wait with those of other runs;
            absent: `normal`, see `effective_priority`.
        only_new: of the objects that are listed, those that no unit has stored yet under this
            dataset, index and query; absent: all.
        max_cost: US dollars: a run that is estimated to cost more is refused, and once its units
            have cost more, no more of them begin; absent: any amount.
        objects_per_unit: as many objects of the listing make one unit, within the megabytes of the
            contract's `source.group`; 1: each is one; absent: as the contract says.
    """

    model_config = ConfigDict(extra="forbid")

    dataset_name: StrictStr = Field(pattern=DATASET_NAME_PATTERN)
    start_date_time: Instant | None = None
    end_date_time: Instant | None = None
    zone: StrictStr | None = Field(default=None, min_length=1, max_length=64)
    as_of: Timestamp | None = None
    schedule: StrictStr | None = Field(default=None, pattern=SCHEDULE_NAME_PATTERN)
    input_url: InputUrl | None = None
    query: StrictStr | None = Field(default=None, min_length=1, max_length=MAX_QUERY_CHARACTERS)
    index: StrictStr | None = Field(default=None, pattern=INDEX_PATTERN)
    run_id: StrictStr = Field(pattern=RUN_ID_PATTERN)
    max_concurrency: StrictInt | None = Field(default=None, ge=1, le=MAX_CONCURRENCY)
    tolerated_failure_percentage: StrictInt | StrictFloat | None = Field(default=None, ge=0, le=100)
    fail_fast: StrictBool | None = None
    detached: StrictBool | None = None
    retry_of: StrictStr | None = Field(default=None, pattern=RUN_ID_PATTERN)
    items_per_batch: StrictInt | None = Field(default=None, ge=1, le=MAX_ITEMS_PER_BATCH)
    priority: Priority | None = None
    only_new: OnlyNew | None = None
    max_cost: StrictInt | StrictFloat | None = Field(default=None, gt=0, allow_inf_nan=False)
    objects_per_unit: StrictInt | None = Field(default=None, ge=1, le=OBJECTS_PER_UNIT_AT_MOST)

    _is_a_zone = field_validator("zone")(checked_zone)

    @model_validator(mode="after")
    def _range_is_a_range(self) -> RunRequest:
        if self.start_date_time is None and self.input_url is None:
            raise PydanticCustomError(
                "missing_start", "startDateTime is required (or inputUrl, to name one object)"
            )
        if self.items_per_batch is not None and self.input_url is None:
            raise PydanticCustomError(
                "items_per_batch", "itemsPerBatch goes with inputUrl, which names a JSON array"
            )
        if self.objects_per_unit is not None and self.input_url is not None:
            raise PydanticCustomError(
                "objects_per_unit",
                "objectsPerUnit goes with a range of time (startDateTime), whose objects it groups;"
                " inputUrl names one object: leave one of them out",
            )
        if self.only_new is not None and self.input_url is not None:
            raise PydanticCustomError("only_new", ONLY_NEW_LISTS)
        if self.schedule is not None and self.as_of is None:
            raise PydanticCustomError(
                "schedule", "schedule goes with asOf, the time at which it was due"
            )
        if self.zone is not None and not self.is_relative:
            raise PydanticCustomError(
                "zone",
                "zone goes with relative instants; write the offset into an instant of its own,"
                " such as 2026-11-01T00:00:00+01:00",
            )
        if self.as_of is not None or not self.is_relative:
            self.range_at(self.as_of)
        return self

    @property
    def fixed_start(self) -> datetime | None:
        """Where the range begins, of a request whose run is claimed.

        Raises:
            TypeError: it is still relative.
        """
        if isinstance(self.start_date_time, RelativeInstant):
            raise TypeError(f"{self.start_date_time} is relative, and was not fixed by a claim")
        return self.start_date_time

    @property
    def is_relative(self) -> bool:
        """Whether its range depends on `as_of`."""
        ends = (self.start_date_time, self.end_date_time)
        return any(isinstance(end, RelativeInstant) for end in ends)

    def range_at(self, as_of: datetime | None) -> tuple[datetime | None, datetime | None]:
        """The range that is asked for; None where an end is open.

        Args:
            as_of: what relative instants are relative to; needed where there are any.

        Raises:
            PydanticCustomError: it holds no time.
        """
        zone = zone_named(self.zone)

        def fixed(instant: datetime | RelativeInstant | None) -> datetime | None:
            if not isinstance(instant, RelativeInstant):
                return instant
            if as_of is None:
                raise TypeError(f"{instant} is relative, and to nothing")
            try:
                return instant.at(as_of, zone)
            except ValueError as error:
                raise PydanticCustomError("range", "{why}", {"why": str(error)}) from None

        start, end = fixed(self.start_date_time), fixed(self.end_date_time)
        if end is None and (self.is_relative or self.as_of is not None):
            end = as_of if start is not None else None
        if start is not None and end is not None and end <= start:
            raise PydanticCustomError(
                "range",
                "endDateTime must be after startDateTime: {end} is not after {start}",
                {"end": format_timestamp(end), "start": format_timestamp(start)},
            )
        return start, end

    def with_range(self, start: datetime | None, end: datetime | None) -> RunRequest:
        """The same request over a range that is fixed; ends that it does not name stay open."""
        if not self.is_relative:
            return self
        last = end if self.end_date_time is not None else None
        fixed = dict(start_date_time=start, end_date_time=last, zone=None)
        return self.model_copy(update=fixed)

    @property
    def id_is_drawn(self) -> bool:
        """Whether claim_run has still to draw the run id."""
        return self.run_id == AUTO_RUN_ID

    @property
    def of_upload(self) -> bool:
        """Whether an event of S3 asked for this object, no person and no program by its name."""
        pattern = rf"{UPLOAD_RUN_ID}[0-9a-f]{{32}}"
        return self.input_url is not None and re.fullmatch(pattern, self.run_id) is not None

    @property
    def collection(self) -> str:
        """The index, or its default."""
        return self.index or self.dataset_name

    @property
    def scope(self) -> Scope:
        """What its objects are stored under."""
        return Scope(dataset_name=self.dataset_name, index=self.collection, query=self.query)

    def concurrency(self, *, of_items: bool = False) -> int:
        """Units side by side, as asked for or by default."""
        default = OF_ITEMS if of_items else OF_OBJECTS
        return default.concurrency if self.max_concurrency is None else self.max_concurrency

    def tolerance(self, *, of_items: bool = False) -> float:
        """The percentage of units or items that may fail, as asked for or by default."""
        asked = self.tolerated_failure_percentage
        return (OF_ITEMS if of_items else OF_OBJECTS).tolerance if asked is None else asked

    @property
    def effective_priority(self) -> Priority:
        """The priority, or its default."""
        return Priority.NORMAL if self.priority is None else self.priority

    def fails_fast(self, *, of_items: bool = False) -> bool:
        """Whether failures keep further units from beginning, as asked for or by default."""
        default = OF_ITEMS if of_items else OF_OBJECTS
        return default.fail_fast if self.fail_fast is None else self.fail_fast

    def canonical(self) -> str:
        """The run's input as text: equal requests give equal bytes."""
        return canonical_json(self.to_json())
