"""notify: tell that a run has started or ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contracts.errors import InvalidInput, Problem
from contracts.messages import Notify
from contracts.run import RunResult, RunStatus
from steps.runtime import settings_from_environment, step_handler, utc_now
from steps.topic import Event, EventName, publish


@dataclass(frozen=True)
class Settings:
    topic_arn: str


@step_handler(Notify)
def handler(message: Notify) -> None:
    publish(settings_from_environment(Settings).topic_arn, run_event(message, utc_now()))


def run_event(message: Notify, now: datetime) -> Event:
    """The notification that the message asks for.

    Raises:
        InvalidInput: neither of the two events, or an end without its result.
    """
    details: dict[str, Any] = {}
    if message.event == EventName.RUN_STARTED:
        status = RunStatus.RUNNING
        again = f" (attempt {message.run_attempt})" if message.run_attempt > 1 else ""
        text = f"Run {message.run_id} of {message.dataset_name} has started{again}"
    elif message.event != EventName.RUN_ENDED:
        raise InvalidInput(
            "notify", [Problem("event", "must be run-started or run-ended", message.event)]
        )
    elif message.result is None:
        raise InvalidInput("notify", [Problem("result", "is required with run-ended")])
    else:
        status = message.result.status
        text = _end_text(message.result)
        details["result"] = message.result.to_json()
    return Event(
        name=EventName(message.event),
        run_id=message.run_id,
        run_attempt=message.run_attempt,
        dataset_name=message.dataset_name,
        status=status.value,
        text=text,
        time=now,
        details=details,
    )


def _end_text(result: RunResult) -> str:
    """`Run r1 of orders SUCCEEDED: 3 of 3 units, 120 rows stored, 4 rejected`."""
    head = f"Run {result.run_id} of {result.dataset_name} {result.status.value}"
    counts = (
        f"{result.units.stored} of {result.units.total} units,"
        f" {result.rows.stored} rows stored, {result.rows.rejected} rejected"
    )
    parts = ([counts] if result.units.total else []) + ([result.reason] if result.reason else [])
    return f"{head}: {'. '.join(parts)}" if parts else head
