"""An execution of a backfill ends: the backfill has ended with it, or the next one goes on."""

from __future__ import annotations

from typing import Any

from contracts.ledger_items import ENDED_BACKFILL, BackfillItem
from contracts.messages import EndBackfill, EndedBackfill
from contracts.times.backfill import BackfillStatus
from ledger.table import Ledger
from runs.backfills.announcing import BackfillEnds
from runs.backfills.executions import BackfillExecutions, next_generation
from runs.backfills.records import change_backfill
from runtime.handler import Clock

NONE_BEGAN = "no window could begin in an execution of its own"


def end_backfill(
    message: EndBackfill,
    ledger: Ledger,
    executions: BackfillExecutions,
    ends: BackfillEnds,
    clock: Clock,
) -> EndedBackfill:
    """End the execution; a repeat goes on where the one before broke off.

    Raises:
        NotFound: there is no such backfill.
        RunConflict, NotConfigured: the next execution could not be started.
    """

    def decide(item: BackfillItem) -> dict[str, Any] | None:
        if item.generation != message.generation or item.status is not BackfillStatus.RUNNING:
            return None
        return _what_follows(item, clock)

    item = change_backfill(ledger, message.backfill_id, decide, clock())
    if item.generation == message.generation + 1 and item.starting:
        item = executions.start(item)
    ends.announce(item)
    following = item.execution_arn if item.generation > message.generation else None
    return EndedBackfill(
        backfill_id=item.backfill_id,
        status=item.status,
        counts=item.counts,
        next_execution=following,
        reason=item.reason,
    )


def _what_follows(item: BackfillItem, clock: Clock) -> dict[str, Any]:
    if item.holding:
        return held(item, clock)
    counts = item.counts
    if not (counts.left or counts.running):
        if not counts.failed:
            return ended(BackfillStatus.SUCCEEDED, None, clock)
        why = f"{counts.failed:,} of {counts.total:,} windows failed"
        return ended(BackfillStatus.FAILED, why, clock)
    if item.failed_too_often:
        most = item.requested.max_failures
        why = f"{item.failures:,} windows failed, more than {most:,}; no more begin"
        return ended(BackfillStatus.FAILED, why, clock)
    if not item.begun:
        return ended(BackfillStatus.FAILED, NONE_BEGAN, clock)
    return next_generation(item)


def held(item: BackfillItem, clock: Clock) -> dict[str, Any]:
    """What a person has decided comes true: nothing works on the backfill any more."""
    if item.stop_requested_at is not None:
        why = item.stop_reason
        reason = f"it was stopped on request: {why}" if why else "it was stopped on request"
        return ended(BackfillStatus.STOPPED, reason, clock)
    return dict(status=BackfillStatus.PAUSED, active=None)


def ended(status: BackfillStatus, reason: str | None, clock: Clock) -> dict[str, Any]:
    """What changes of a backfill when it ends; that is still to be announced."""
    return dict(status=status, reason=reason, ended_at=clock(), active=ENDED_BACKFILL)
