"""The notification that a day's data was not stored by the time that the contract expects."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Final

from contracts.ledger_items import ExpectedDayItem
from runs.topic import EventName

OVERDUE: Final = "OVERDUE"  # its status


@dataclass(frozen=True, kw_only=True)
class DayNews(ABC):
    """One notification about a day, the same whenever it is made of the same record.

    Attributes:
        at: when it is published.
        stack: for the command in its text; None on a local cloud.
    """

    record: ExpectedDayItem
    at: str
    name: EventName
    status: str
    stack: str | None = None
    outcome: str | None = None

    @property
    def event_id(self) -> str:
        """Stable across repeats, so consumers can deduplicate on it."""
        return f"{self.record.dataset_name}/{self.record.day}/{self.name}"

    @property
    def dataset_name(self) -> str:
        return self.record.dataset_name

    @property
    @abstractmethod
    def text(self) -> str:
        """For people; its first line stands alone: it is the subject, too."""

    @property
    @abstractmethod
    def about(self) -> dict[str, Any]:
        """What it says of the run or runs, by field."""

    def to_json(self) -> dict[str, Any]:
        return {
            "eventId": self.event_id,
            "event": self.name.value,
            "datasetName": self.record.dataset_name,
            "day": self.record.day,
            "due": self.record.due,
            "status": self.status,
            **self.about,
            "text": self.text,
            "time": self.at,
        }


@dataclass(frozen=True, kw_only=True)
class DayOverdue(DayNews):
    """The day is overdue.

    Attributes:
        words: the time of day and its zone, as in the contract.
        asked_for: start and end of a run over the day.
    """

    words: str
    asked_for: tuple[str, str]
    name: EventName = EventName.DAY_OVERDUE
    status: str = OVERDUE

    @property
    def text(self) -> str:
        first = overdue_sentence(self.record.dataset_name, self.record.day, self.words)
        commands = next_commands(self.record.dataset_name, *self.asked_for)
        on = f" --stack {self.stack}" if self.stack else ""
        lines = [first, f"Due: {self.record.due}", f"Runs: {self.record.reason}"]
        todo = ["What to do next:", *(f"   {command}{on}" for command in commands)]
        return "\n".join([*lines, *todo])

    @property
    def about(self) -> dict[str, Any]:
        return {"reason": self.record.reason}


def overdue_sentence(dataset_name: str, day: str, words: str) -> str:
    """`The data of 2026-11-29 of orders is not stored by 06:00 Europe/Berlin`."""
    return f"The data of {day} of {dataset_name} is not stored by {words}"


def next_commands(dataset_name: str, start: str, end: str) -> tuple[str, str]:
    """Look at its runs; run the day."""
    return (
        f"pipeline ls --dataset {dataset_name} --since 48h",
        f"pipeline run --dataset {dataset_name} --start {start} --end {end} --wait",
    )
