"""The notification that a run has started or ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contracts.errors import InvalidInput, Problem
from contracts.messages import Notify
from contracts.run import RunOutcome, RunStatus
from runs.outcome_text import end_text
from runs.topic import Event, EventName


@dataclass(frozen=True, kw_only=True)
class StackSettings:
    """`aws_endpoint_url` is set on a local cloud only."""

    stack_name: str = ""
    aws_endpoint_url: str = ""

    @property
    def stack(self) -> str | None:
        """What `pipeline` gets with `--stack`; None on a local cloud, which it finds itself."""
        return None if self.aws_endpoint_url else self.stack_name or None


def run_event(message: Notify, now: datetime, stack: str | None = None) -> Event:
    """The notification that the message asks for.

    Args:
        stack: for the commands in its text.

    Raises:
        InvalidInput: neither of the two events, or an end without its result.
    """
    details: dict[str, Any] = {}
    outcome: RunOutcome | None = None
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
        status, outcome = message.result.status, message.result.outcome
        text = end_text(message.result, stack)
        details["result"] = message.result.to_json()
    return Event(
        name=EventName(message.event),
        run_id=message.run_id,
        run_attempt=message.run_attempt,
        dataset_name=message.dataset_name,
        status=status.value,
        text=text,
        time=now,
        outcome=outcome.value if outcome else None,
        details=details,
    )
