"""A person's decision to stop a run: recorded in its RUN item, where every step looks for it.

The decision comes before everything that follows from it. While it stands, steps begin nothing more
of the run (RunStopped), the reaper cancels its jobs, and whoever ends the run ends it as STOPPED.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from contracts.errors import Conflict, RunStopped
from contracts.ledger_items import ACTIVE_RUN, UNANNOUNCED, RunItem, stopped_because
from contracts.messages import StopOutcome, StopRun
from contracts.run import RunStatus
from ledger.conditions import RUN
from ledger.runs import change_run, find_run, stop_unchanged
from ledger.table import Ledger

TRIES: Final = 5


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
        if run is None:
            return StopOutcome.UNKNOWN, None
        if run.status is RunStatus.STOPPED:
            return StopOutcome.STOPPED, run
        if run.status.ended and not run.status.may_be_taken_over:
            return StopOutcome.ENDED, run
        if run.stopping and not run.status.ended:
            return StopOutcome.STOPPING, run
        as_read = RUN.status.eq(run.status) & RUN.run_attempt.eq(run.run_attempt)
        changes = {**_decision(message, now), **(_end(message, now) if run.status.ended else {})}
        _, run = change_run(ledger, message.run_id, as_read & stop_unchanged(run), **changes)
    raise Conflict(
        f"run {message.run_id} changed again and again while its stop was being recorded"
    )


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
