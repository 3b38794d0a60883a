"""What starts the long-running function, and what becomes of its runs' failures."""

from __future__ import annotations

from typing import Final

from contracts.base import Contract
from contracts.messages.run import RejectMessage
from contracts.run_request import RunRequest

# Before a run is tried again without a message: seconds; the last one from then on.
WAITS_BETWEEN_ATTEMPTS: Final = (60, 15 * 60, 60 * 60)
WOULD_FAIL_AGAIN: Final = (
    "the same message would fail in the same way: correct what the reason names, then process what"
    " is not stored with retryOf"
)
_NO_ATTEMPT_LEFT: Final = (
    "no further attempt begins by itself: once the cause is fixed, replay this letter"
)


def seconds_before_attempt(number: int) -> int:
    """How long to wait before a run is tried again for the so many-th time."""
    return WAITS_BETWEEN_ATTEMPTS[min(number, len(WAITS_BETWEEN_ATTEMPTS)) - 1]


class StartRun(Contract):
    """start_run: hand the run to the long-running function. Returns StartedRun."""

    request: RunRequest
    run_attempt: int
    execution_arn: str


class StartedRun(Contract):
    """Response of start_run: the long-running execution."""

    execution_arn: str
    execution_name: str


class HandedOver(Contract):
    """The event that starts the long-running function for one attempt of a run.

    Attributes:
        handed_over_by: the execution that holds the run until then: the one that claimed it, or,
            where the reaper begins the run's next attempt, the one that died.
        wait_seconds: until the attempt begins; absent: it begins at once.
    """

    request: RunRequest
    run_attempt: int
    handed_over_by: str
    wait_seconds: int | None = None


def letter_of(
    request: RunRequest, run_attempt: int, reason: str | None, *, permanent: bool = False
) -> RejectMessage:
    """The dead letter of a long run that failed: its message was acknowledged at its start.

    Its id is that of the attempt, so that whoever sends it sends the same one.
    """
    advice = WOULD_FAIL_AGAIN if permanent else _NO_ATTEMPT_LEFT
    return RejectMessage(
        message_id=f"{request.run_id}/{run_attempt}",
        body=request.canonical(),
        reason=f"{reason or 'the run failed'}; {advice}",
        run_id=request.run_id,
    )
