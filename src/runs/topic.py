"""Notifications: one SNS message per event, with an id that is stable across repeats."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Protocol

from contracts.run_request import format_timestamp
from runtime import clients

SUBJECT_CHARACTERS: Final = 99  # SNS takes fewer than 100, ASCII only


class EventName(StrEnum):
    """Names of the events."""

    RUN_STARTED = "run-started"
    RUN_ENDED = "run-ended"
    UNIT_STARTED = "unit-started"
    UNIT_ENDED = "unit-ended"
    DAY_OVERDUE = "day-overdue"
    DAY_STORED = "day-stored"
    BACKFILL_ENDED = "backfill-ended"

    @property
    def has_run(self) -> bool:
        """Whether it is about one run."""
        return self not in (self.DAY_OVERDUE, self.DAY_STORED, self.BACKFILL_ENDED)


class Notification(Protocol):
    """What is published."""

    @property
    def name(self) -> EventName: ...
    @property
    def event_id(self) -> str: ...
    @property
    def dataset_name(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def outcome(self) -> str | None: ...
    @property
    def text(self) -> str: ...
    def to_json(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Event:
    """A notification about a run or a unit.

    Attributes:
        status: the unit's or run's; also a message attribute, to filter subscriptions by.
        text: for people; its first line is the subject too, as far as it fits.
        outcome: of a run that has ended (`RunOutcome`); also a message attribute.
        details: further JSON fields, such as `result`.
    """

    name: EventName
    run_id: str
    run_attempt: int
    dataset_name: str
    status: str
    text: str
    time: datetime
    unit_id: str | None = None
    outcome: str | None = None
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def event_id(self) -> str:
        """Stable across repeats, so consumers can deduplicate on it."""
        unit = f"/{self.unit_id}" if self.unit_id else ""
        return f"{self.run_id}{unit}/{self.name}/{self.run_attempt}"

    def to_json(self) -> dict[str, Any]:
        unit = {"unitId": self.unit_id} if self.unit_id else {}
        outcome = {"outcome": self.outcome} if self.outcome else {}
        return {
            "eventId": self.event_id,
            "event": self.name.value,
            "runId": self.run_id,
            "runAttempt": self.run_attempt,
            "datasetName": self.dataset_name,
            **unit,
            "status": self.status,
            **outcome,
            "text": self.text,
            "time": format_timestamp(self.time),
            **self.details,
        }


def publish(topic_arn: str, event: Notification) -> None:
    """Publish the event to the topic: as JSON, but to mail addresses as the text alone.

    Raises:
        NotFound: no such topic.
        Throttled, TransientFailure: publish it again; the event id stays the same.
    """
    attributes = {
        "event": event.name.value,
        "status": event.status,
        "datasetName": event.dataset_name,
        **({"outcome": event.outcome} if event.outcome else {}),
    }
    body = json.dumps(event.to_json(), indent=1, ensure_ascii=False)
    with clients.translated(f"publishing {event.event_id}"):
        clients.client("sns").publish(
            TopicArn=topic_arn,
            Subject=_subject(event.text),
            Message=json.dumps({"default": body, "email": event.text}, ensure_ascii=False),
            MessageStructure="json",
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value}
                for name, value in attributes.items()
            },
        )


def _subject(text: str) -> str:
    """The first line, ASCII without control characters, as SNS demands."""
    first, _, _ = text.partition("\n")
    plain = "".join(c if " " <= c <= "~" else "?" for c in " ".join(first.split()))
    return plain if len(plain) <= SUBJECT_CHARACTERS else plain[: SUBJECT_CHARACTERS - 3] + "..."
