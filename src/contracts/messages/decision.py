"""Messages about what a person decides: to stop a run, to resume it."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from pydantic import Field

from contracts.base import Contract
from contracts.job import JobState
from contracts.run import RunStatus
from contracts.run_request import Timestamp

STOP_REASON_CHARACTERS: Final = 500


class StopRun(Contract):
    """A request to stop one run, as `pipeline stop` sends it to the reaper. Returns StoppedRun.

    Attributes:
        reason: one sentence of the person who decided; absent: none was given.
    """

    run_id: str
    reason: str | None = Field(default=None, max_length=STOP_REASON_CHARACTERS)


class StopOutcome(StrEnum):
    """STOPPING: the decision is recorded; the run begins nothing more and comes to its end.
    STOPPED: the run has ended as STOPPED, by this request or before it.
    ENDED: the run has succeeded, or was skipped or superseded; nothing was changed.
    UNKNOWN: there is no such run in the ledger."""

    STOPPING = "STOPPING"
    STOPPED = "STOPPED"
    ENDED = "ENDED"
    UNKNOWN = "UNKNOWN"


class StoppedRun(Contract):
    """What came of a StopRun.

    Attributes:
        status: the run's status in the ledger; absent where the run is unknown.
        superseded_by: the run that took its place.
        requested_at: when the decision was recorded first; absent where there is none.
        reason: of the decision that was recorded first.
        jobs_cancelled: ids of jobs that have ended by now because of it.
        jobs_ended_before: states of jobs that ended by themselves before they could be cancelled.
        jobs_going_on: ids of jobs that are being cancelled, each with what its engine says.
    """

    run_id: str
    outcome: StopOutcome
    status: RunStatus | None = None
    superseded_by: str | None = None
    requested_at: Timestamp | None = None
    reason: str | None = None
    jobs_cancelled: tuple[str, ...] = ()
    jobs_ended_before: dict[str, JobState] = {}
    jobs_going_on: dict[str, str] = {}


class ResumeRun(Contract):
    """A request to resume a stopped run, as `pipeline resume` sends it to the reaper.

    Returns ResumedRun.
    """

    run_id: str


class ResumeOutcome(StrEnum):
    """RESUMED: its message starts it, at its next attempt; send that message.
    RUNNING: it was resumed before, and is running; send nothing.
    ACTIVE: it has not ended, so there is nothing to resume (yet).
    ENDED: it has ended, but was not stopped.
    SUPERSEDED: another run took its place.
    UNKNOWN: there is no such run in the ledger.
    Only RESUMED changes anything."""

    RESUMED = "RESUMED"
    RUNNING = "RUNNING"
    ACTIVE = "ACTIVE"
    ENDED = "ENDED"
    SUPERSEDED = "SUPERSEDED"
    UNKNOWN = "UNKNOWN"


class ResumedRun(Contract):
    """What came of a ResumeRun.

    Attributes:
        status: the run's status in the ledger; absent where the run is unknown.
        run_attempt: its latest; that which its message starts is the next one.
        stopping: a person has decided to stop it, and it has not ended yet.
        superseded_by: the run that took its place.
        request: the message that starts it, as canonical JSON; there with RESUMED.
    """

    run_id: str
    outcome: ResumeOutcome
    status: RunStatus | None = None
    run_attempt: int | None = None
    stopping: bool = False
    superseded_by: str | None = None
    request: str | None = None
