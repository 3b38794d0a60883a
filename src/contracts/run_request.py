"""The run request: the public message that starts one run."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Final

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    model_validator,
)
from pydantic_core import PydanticCustomError

from contracts.base import Contract, canonical_json

MAX_QUERY_CHARACTERS: Final = 4096
MAX_CONCURRENCY: Final = 10
DATASET_NAME_PATTERN: Final = r"^[a-z][a-z0-9_-]{0,62}$"
RUN_ID_PATTERN: Final = r"^[A-Za-z0-9_-]{1,40}$"
INDEX_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
_DATE_ONLY = re.compile(r"^\d{4}-\d{2}-\d{2}$")


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
    if _DATE_ONLY.match(value):
        return datetime.combine(date.fromisoformat(value), time(), UTC)
    return datetime.fromisoformat(value)


def format_timestamp(value: datetime) -> str:
    """The one spelling of an instant in all our JSON: `2026-11-01T06:30:00Z`."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


Timestamp = Annotated[
    datetime, BeforeValidator(parse_timestamp), PlainSerializer(format_timestamp, return_type=str)
]


class RunRequest(Contract):
    """What to run.

    Attributes:
        dataset_name: the contract `datasets/<name>.yaml`.
        start_date_time: objects from this instant on (inclusive). Not needed with `input_url`.
        end_date_time: objects before this instant (exclusive); absent: the moment of the claim.
        input_url: one S3 object to process instead of a listing.
        query: boolean SQL expression over the contract's columns; rows that fail it are left out.
        index: the collection that results are stored under; absent: the dataset's name.
        run_id: names the run; absent in a message: the SQS message id.
        max_concurrency: units side by side, 1 (one after another) to 10.
        tolerated_failure_percentage: 0 to 100; more failed units than this fail the run.
        detached: true: always in the long-running function; false: never; absent: by size.
        retry_of: a finished run whose units that were not stored are run again.
    """

    model_config = ConfigDict(extra="forbid")

    dataset_name: StrictStr = Field(pattern=DATASET_NAME_PATTERN)
    start_date_time: Timestamp | None = None
    end_date_time: Timestamp | None = None
    input_url: StrictStr | None = Field(default=None, pattern=r"^s3://[^/]+/.+$", max_length=1100)
    query: StrictStr | None = Field(default=None, min_length=1, max_length=MAX_QUERY_CHARACTERS)
    index: StrictStr | None = Field(default=None, pattern=INDEX_PATTERN)
    run_id: StrictStr = Field(pattern=RUN_ID_PATTERN)
    max_concurrency: StrictInt = Field(default=1, ge=1, le=MAX_CONCURRENCY)
    tolerated_failure_percentage: StrictInt | StrictFloat = Field(default=0, ge=0, le=100)
    detached: StrictBool | None = None
    retry_of: StrictStr | None = Field(default=None, pattern=RUN_ID_PATTERN)

    @model_validator(mode="after")
    def _range_is_a_range(self) -> RunRequest:
        if self.start_date_time is None and self.input_url is None:
            raise PydanticCustomError(
                "missing_start", "startDateTime is required (or inputUrl, to name one object)"
            )
        if (
            self.start_date_time is not None
            and self.end_date_time is not None
            and self.end_date_time <= self.start_date_time
        ):
            raise PydanticCustomError(
                "range",
                "endDateTime must be after startDateTime: {end} is not after {start}",
                {
                    "end": format_timestamp(self.end_date_time),
                    "start": format_timestamp(self.start_date_time),
                },
            )
        return self

    @property
    def collection(self) -> str:
        """The index, or its default."""
        return self.index or self.dataset_name

    def canonical(self) -> str:
        """The run's input as text: equal requests give equal bytes."""
        return canonical_json(self.to_json())
