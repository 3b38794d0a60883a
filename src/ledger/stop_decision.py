"""A person's decision to stop a run: recorded in its RUN item, where every step looks for it.

The decision comes before everything that follows from it. While it stands, steps begin nothing more
of the run (RunStopped), the reaper cancels its jobs, and whoever ends the run ends it as STOPPED.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from boto3.dynamodb.conditions import Attr, ConditionBase

from contracts.errors import Conflict, RunStopped
from contracts.messages import StopOutcome, StopRun
from contracts.run import RunStatus
from contracts.run_request import format_timestamp
from ledger.table import ACTIVE_RUN, RUN, Item, Ledger

REQUESTED_AT: Final = "stop_requested_at"
REASON: Final = "stop_reason"
MARKED: Final = "marked"  # a run whose end the reaper has still to announce
TRIES: Final = 5


def is_stopping(run: Item | None) -> bool:
    """Whether the decision to stop this run stands in its RUN item."""
    return run is not None and REQUESTED_AT in run


def reason_of(run: Item) -> str:
    """One sentence: why the run ends as STOPPED."""
    reason = run.get(REASON)
    return f"it was stopped on request: {reason}" if reason else "it was stopped on request"


def unchanged(run: Item) -> ConditionBase:
    """No decision has come since the RUN item was read."""
    if is_stopping(run):
        return Attr(REQUESTED_AT).eq(run[REQUESTED_AT])
    return Attr(REQUESTED_AT).not_exists()


def refuse_stopped(ledger: Ledger, run_id: str) -> None:
    """Begin nothing more of a run that is to stop.

    Raises:
        RunStopped: it is.
    """
    run = ledger.get_item(run_id, RUN)
    if run is not None and is_stopping(run):
        raise RunStopped(f"run {run_id}: {reason_of(run)}")


def record_decision(message: StopRun, ledger: Ledger, now: datetime) -> tuple[StopOutcome, Item]:
    """Record the decision, unless the run has come to a final end; the first one stands.

    A FAILED run, whose message would start it again, ends as STOPPED at once; the reaper has still
    to announce that.

    Returns:
        What became of it, and the RUN item as it is then (empty: there is none).

    Raises:
        Conflict: the run keeps changing; the same call decides anew.
    """
    for _ in range(TRIES):
        run = ledger.get_item(message.run_id, RUN)
        if run is None:
            return StopOutcome.UNKNOWN, {}
        status = RunStatus(run["status"])
        if status is RunStatus.STOPPED:
            return StopOutcome.STOPPED, run
        if status.ended and not status.may_be_taken_over:
            return StopOutcome.ENDED, run
        if is_stopping(run) and not status.ended:
            return StopOutcome.STOPPING, run
        changes = _decision(message, now)
        if status.ended:
            changes |= _end(message, now)
        as_read = Attr("status").eq(run["status"]) & Attr("run_attempt").eq(run["run_attempt"])
        ledger.update(message.run_id, RUN, changes, condition=as_read & unchanged(run))
    raise Conflict(f"run {message.run_id} kept changing while its stop was being recorded")


def _decision(message: StopRun, now: datetime) -> dict[str, Any]:
    reason = {REASON: message.reason} if message.reason else {}
    return {REQUESTED_AT: format_timestamp(now), **reason}


def _end(message: StopRun, now: datetime) -> dict[str, Any]:
    """Of a run that has failed: what the reaper writes when it ends one."""
    return {
        "status": RunStatus.STOPPED.value,
        "reason": reason_of({REASON: message.reason}),
        "reaped": MARKED,
        "active": ACTIVE_RUN,
        "submitted_at": format_timestamp(now),
    }
