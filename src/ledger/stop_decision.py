"""A person's decision to stop a run: recorded in its RUN item, where every step looks for it.

The decision comes before everything that follows from it. While it stands, steps begin nothing more
of the run (RunStopped), the reaper cancels its jobs, and whoever ends the run ends it as STOPPED.
Once it has ended so, a person may take the decision back: the run's message then starts it again.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from contracts.errors import Conflict, RunStopped
from contracts.ledger_items import ACTIVE_RUN, UNANNOUNCED, RunItem, stopped_because
from contracts.messages import ResumeOutcome, StopOutcome, StopRun
from contracts.run import RunStatus
from ledger.conditions import RUN
from ledger.runs import change_run, find_run, held_as, stop_unchanged
from ledger.table import Ledger

TRIES: Final = 5
_RESUMED: Final = "its message starts its next attempt; if none does, resume it once more"


def refuse_stopped(ledger: Ledger, run_id: str) -> None:
    """Raise if the run is to stop.

    Raises:
        RunStopped: it is.
    """
    run = find_run(ledger, run_id)
    if run is not None:
        refuse_if_stopping(run)


def refuse_if_stopping(run: RunItem) -> None:
    """The same, for a run that was just read.

    Raises:
        RunStopped: it is to stop.
    """
    if run.stopping:
        raise RunStopped(f"run {run.run_id}: {run.why_stopped}")
    if run.status is RunStatus.STOPPED:  # its execution was; a shard of it may go on
        raise RunStopped(f"run {run.run_id} has ended as {run.status}: {run.reason}")


def record_decision(
    message: StopRun, ledger: Ledger, now: datetime
) -> tuple[StopOutcome, RunItem | None]:
    """Record the decision, unless the run has come to a final end; the first one stands.

    A FAILED run, whose message would start it again, ends as STOPPED at once; the reaper has still
    to announce that.

    Returns:
        The outcome, and the RUN item as it is then (None: there is none).

    Raises:
        Conflict: the run keeps changing; the same call decides anew.
    """
    run = find_run(ledger, message.run_id)
    for _ in range(TRIES):
        if run is None or run.expired_at is not None:
            return StopOutcome.UNKNOWN, None
        if run.status is RunStatus.STOPPED:
            return StopOutcome.STOPPED, run
        if run.status.ended and not run.may_be_taken_over:
            return StopOutcome.ENDED, run
        if run.stopping and not run.status.ended:
            return StopOutcome.STOPPING, run
        as_read = RUN.status.eq(run.status) & RUN.run_attempt.eq(run.run_attempt)
        as_read &= RUN.expired_at.not_exists()
        changes = {**_decision(message, now), **(_end(message, now) if run.status.ended else {})}
        _, run = change_run(ledger, message.run_id, as_read & stop_unchanged(run), **changes)
    raise Conflict(
        f"run {message.run_id} changed again and again while its stop was being recorded"
    )


def take_back_decision(
    run_id: str, ledger: Ledger, now: datetime
) -> tuple[ResumeOutcome, RunItem | None]:
    """Make a STOPPED run one that its message starts again, at its next attempt.

    It becomes FAILED, as a run is whose message starts it again, whatever the release that reads
    it. Who calls has then to send the message; a repeat finds that out from `resumed_attempt`.

    Returns:
        The outcome, and the RUN item as it is then (None: there is none).

    Raises:
        Conflict: the run keeps changing; the same call decides anew.
    """
    run = find_run(ledger, run_id)
    for _ in range(TRIES):
        if run is None or run.expired_at is not None:
            return ResumeOutcome.UNKNOWN, None
        if run.superseded_by is not None:
            return ResumeOutcome.SUPERSEDED, run
        if run.awaits_resumption:
            return ResumeOutcome.RESUMED, run
        if not run.status.ended:
            resumed = run.resumed_attempt is not None and not run.stopping
            return (ResumeOutcome.RUNNING if resumed else ResumeOutcome.ACTIVE), run
        if run.status is not RunStatus.STOPPED:
            return ResumeOutcome.ENDED, run
        as_read = (
            held_as(run)
            & RUN.status.eq(run.status)
            & RUN.superseded_by.not_exists()
            & RUN.expired_at.not_exists()
            & stop_unchanged(run)
        )
        over: dict[str, Any] = dict.fromkeys((*RunItem.OF_AN_END, *RunItem.OF_A_DECISION))
        changes = dict(
            status=RunStatus.FAILED,
            reason=f"it was stopped and then resumed: {_RESUMED}",
            resumed_attempt=run.run_attempt,
            active=None,
            updated_at=now,
        )
        _, run = change_run(ledger, run_id, as_read, **{**over, **changes})
    raise Conflict(f"run {run_id} changed again and again while it was being resumed")


def _decision(message: StopRun, now: datetime) -> dict[str, Any]:
    if not message.reason:
        return dict(stop_requested_at=now)
    return dict(stop_requested_at=now, stop_reason=message.reason)


def _end(message: StopRun, now: datetime) -> dict[str, Any]:
    """Of a run that has failed: what the reaper writes when it ends one."""
    return dict(
        status=RunStatus.STOPPED,
        reason=stopped_because(message.reason),
        reaped=UNANNOUNCED,
        active=ACTIVE_RUN,
        submitted_at=now,
    )
