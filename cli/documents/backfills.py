"""`pipeline backfill ls`, `show`, `pause`, `resume` and `stop`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cli.client.backfill_actions import StoppedWindow
from cli.client.backfill_follow import BackfillSnapshot
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
from contracts.messages import ControlledBackfill, ControlOutcome, StopOutcome
from contracts.run import NextStep, RunStatus
from contracts.times.backfill import BackfillStatus, WindowState
from contracts.times.windows import Window


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


class ChangedWindow(Document):
    """A window that has begun or ended."""

    start_date_time: str
    end_date_time: str
    outcome: WindowOutcome
    run_id: str


class BackfillProgressDocument(Document):
    """A line of `pipeline backfill watch --json`: when something is new, or nothing was for some
    seconds.

    Attributes:
        seconds: since the following began.
        status, counts: null: its execution has not begun yet.
        changed: windows that have begun or ended since the line before.
        running: windows that run.
        over: nothing works on it any more; then this is the last line.
    """

    backfill_id: str
    seconds: float
    status: BackfillStatus | None
    pausing: bool
    stopping: bool
    counts: CountsDocument | None
    seconds_left: float | None
    changed: tuple[ChangedWindow, ...]
    running: tuple[ChangedWindow, ...]
    reason: str | None
    over: bool


class StoppedRunDocument(Document):
    """A run that `--runs` was to stop.

    Attributes:
        outcome: as of `pipeline stop`; UNKNOWN: it had not begun, so the command is to be repeated.
    """

    run_id: str
    outcome: StopOutcome


class ControlDocument(Document):
    """`pipeline backfill pause --json`, and `resume` and `stop`.

    Attributes:
        outcome: DONE; ALREADY: it was so before; ENDED: it has ended; NOTHING_LEFT: no window is
            left to be run.
        pausing, stopping: no more windows begin, but some still run.
        execution_arn: of the execution that works on it.
        runs: that `stop --runs` was to stop.
    """

    backfill_id: str
    outcome: ControlOutcome
    status: BackfillStatus | None
    counts: CountsDocument | None
    pausing: bool
    stopping: bool
    execution_arn: str | None
    runs: tuple[StoppedRunDocument, ...] = ()


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


def progress_document(
    snapshot: BackfillSnapshot, before: BackfillSnapshot | None, now: datetime
) -> BackfillProgressDocument:
    """Of one look."""
    item = snapshot.item
    running = item is not None and item.status is BackfillStatus.RUNNING
    return BackfillProgressDocument(
        backfill_id=snapshot.backfill_id,
        seconds=round(snapshot.seconds, 1),
        status=item.status if item else None,
        pausing=bool(running and item and item.paused_at),
        stopping=bool(running and item and item.stop_requested_at),
        counts=counts_document(item.counts) if item else None,
        seconds_left=seconds_left(item, now) if item else None,
        changed=_windows(snapshot, snapshot.changed_since(before)),
        running=_windows(snapshot, snapshot.running()),
        reason=item.reason if item else None,
        over=snapshot.over,
    )


def _windows(
    snapshot: BackfillSnapshot, found: list[tuple[int, Window, str]]
) -> tuple[ChangedWindow, ...]:
    states = snapshot.item.states if snapshot.item else ""
    return tuple(
        ChangedWindow(
            **window_times(window),
            outcome=WindowOutcome.of(WindowState(states[number])),
            run_id=run_id,
        )
        for number, window, run_id in found
    )


def control_document(
    controlled: ControlledBackfill, stopped: list[StoppedWindow]
) -> ControlDocument:
    """Of a decision."""
    return ControlDocument(
        backfill_id=controlled.backfill_id,
        outcome=controlled.outcome,
        status=controlled.status,
        counts=counts_document(controlled.counts) if controlled.counts else None,
        pausing=controlled.pausing,
        stopping=controlled.stopping,
        execution_arn=controlled.execution_arn,
        runs=tuple(StoppedRunDocument(run_id=o.run_id, outcome=o.outcome) for o in stopped),
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
