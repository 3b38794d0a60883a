"""`pipeline backfill ls`, `show`, `pause`, `resume` and `stop`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cli.client.backfill_view import BackfillView, WindowRow, next_steps, seconds_left
from cli.documents.backfill_plans import (
    AskedDocument,
    CountsDocument,
    WindowOutcome,
    asked_document,
    counts_document,
    window_times,
)
from cli.documents.base import Document
from contracts.ledger_items import BackfillItem
from contracts.messages import ControlledBackfill, ControlOutcome
from contracts.run import NextStep, RunStatus
from contracts.times.backfill import BackfillStatus


class WindowDocument(Document):
    """A window of a backfill, and its run.

    Attributes:
        status: of the run; null: there is none (yet).
    """

    start_date_time: str
    end_date_time: str
    outcome: WindowOutcome
    run_id: str
    status: RunStatus | None
    reason: str | None


class BackfillSummary(Document):
    """One backfill.

    Attributes:
        pausing, stopping: no more windows begin, but some still run.
        reason: one sentence for FAILED and STOPPED.
        executions: that have worked on it so far.
    """

    backfill_id: str
    status: BackfillStatus
    pausing: bool
    stopping: bool
    counts: CountsDocument
    asked: AskedDocument
    created_at: str | None
    ended_at: str | None
    reason: str | None
    executions: int
    execution_arn: str


class BackfillDocument(BackfillSummary):
    """`pipeline backfill show --json`.

    Attributes:
        seconds_left: if windows go on to take as long as those before; null: not known.
        failed: the first 20 windows that have failed.
        running: those that run.
    """

    seconds_left: float | None
    failed: tuple[WindowDocument, ...]
    running: tuple[WindowDocument, ...]
    next_steps: tuple[NextStep, ...]


class BackfillsDocument(Document):
    """`pipeline backfill ls --json`: the newest first."""

    backfills: tuple[BackfillSummary, ...]


class ControlDocument(Document):
    """`pipeline backfill pause --json`, and `resume` and `stop`.

    Attributes:
        outcome: DONE; ALREADY: it was so before; ENDED: it has ended; NOTHING_LEFT: no window is
            left to be run.
        pausing, stopping: no more windows begin, but some still run.
        execution_arn: of the execution that works on it.
    """

    backfill_id: str
    outcome: ControlOutcome
    status: BackfillStatus | None
    counts: CountsDocument | None
    pausing: bool
    stopping: bool
    execution_arn: str | None


def summary(item: BackfillItem) -> BackfillSummary:
    """One of a list."""
    return BackfillSummary(**_summary(item))


def backfill_document(view: BackfillView, now: datetime) -> BackfillDocument:
    """One with its windows."""
    return BackfillDocument(
        **_summary(view.item),
        seconds_left=seconds_left(view.item, now),
        failed=tuple(map(_window, view.failed)),
        running=tuple(map(_window, view.running)),
        next_steps=next_steps(view),
    )


def control_document(controlled: ControlledBackfill) -> ControlDocument:
    """Of a decision."""
    return ControlDocument(
        backfill_id=controlled.backfill_id,
        outcome=controlled.outcome,
        status=controlled.status,
        counts=counts_document(controlled.counts) if controlled.counts else None,
        pausing=controlled.pausing,
        stopping=controlled.stopping,
        execution_arn=controlled.execution_arn,
    )


def _summary(item: BackfillItem) -> dict[str, Any]:
    running = item.status is BackfillStatus.RUNNING
    return dict(
        backfill_id=item.backfill_id,
        status=item.status,
        pausing=running and item.paused_at is not None,
        stopping=running and item.stop_requested_at is not None,
        counts=counts_document(item.counts),
        asked=asked_document(item.requested),
        created_at=item.created_at,
        ended_at=item.ended_at,
        reason=item.reason,
        executions=item.generation,
        execution_arn=item.execution_arn,
    )


def _window(row: WindowRow) -> WindowDocument:
    return WindowDocument(
        **window_times(row.window),
        outcome=WindowOutcome.of(row.state),
        run_id=row.run_id,
        status=row.status,
        reason=row.reason,
    )
