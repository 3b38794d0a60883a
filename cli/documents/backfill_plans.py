"""`pipeline backfill start`: what a backfill is asked to do, its windows, and what it would do."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from cli.client.backfill_actions import Started
from cli.client.backfills import Plan, PlannedWindow
from cli.documents.base import Document
from contracts.ledger_items import BackfillItem
from contracts.run_request import format_timestamp
from contracts.times.backfill import (
    BackfillCounts,
    BackfillRequest,
    BackfillStatus,
    Only,
    WindowState,
)
from contracts.times.windows import Window


class WindowOutcome(StrEnum):
    """What became of a window, or what would.

    LEFT: it is to be run. EMPTY: its run found no objects. STORED_BEFORE: other runs have stored
    it. NOT_CHOSEN: it is not what --only asks for.
    """

    LEFT = "LEFT"
    RUNNING = "RUNNING"
    STORED = "STORED"
    EMPTY = "EMPTY"
    FAILED = "FAILED"
    STOPPED = "STOPPED"
    STORED_BEFORE = "STORED_BEFORE"
    NOT_CHOSEN = "NOT_CHOSEN"

    @classmethod
    def of(cls, state: WindowState) -> WindowOutcome:
        """Of a window's state in the ledger."""
        return cls[state.name]


class CountsDocument(Document):
    """Windows by what became of them: `total` is done + failed + running + left + passedOver.

    Attributes:
        done: their runs have SUCCEEDED, or were SKIPPED (`empty` of these).
        failed: their runs have FAILED or were STOPPED.
        passed_over: not run: stored before, or not what --only asks for.
    """

    total: int
    done: int
    empty: int
    failed: int
    running: int
    left: int
    passed_over: int


class AskedDocument(Document):
    """What a backfill was asked to do; see docs/backfill.md.

    Attributes:
        zone: null: UTC.
        max_failures: null: any number.
    """

    dataset: str
    start_date_time: str
    end_date_time: str
    window: str
    zone: str | None
    only: Only
    at_once: int
    newest_first: bool
    max_failures: int | None
    query: str | None
    index: str | None
    priority: str | None
    max_concurrency: int | None


class PlannedWindowDocument(Document):
    """One window of a plan.

    Attributes:
        run_id: of its run.
        objects, bytes: that its run would find now; null where the source was not listed.
    """

    start_date_time: str
    end_date_time: str
    outcome: WindowOutcome
    run_id: str
    objects: int | None
    bytes: int | None


class PlanDocument(Document):
    """What a backfill would do now.

    Attributes:
        chosen: windows that would be run.
        objects, bytes: of these; null where the source could not be listed, as `unlisted` says.
        stored_objects, stored_bytes: of the windows that would be passed over, likewise.
        estimated_usd: what the chosen windows are expected to cost, by the dataset's past runs;
            null where none of them has said what it used, or the objects are not known.
        estimated_by: how many runs say so.
    """

    chosen: int
    passed_over: int
    objects: int | None
    bytes: int | None
    stored_objects: int | None
    stored_bytes: int | None
    unlisted: str | None
    estimated_usd: float | None = None
    estimated_by: int = 0
    windows: tuple[PlannedWindowDocument, ...]


class StartBackfillDocument(Document):
    """`pipeline backfill start --json`.

    Attributes:
        outcome: STARTED; EXISTS: it was started before, nothing was done; PLANNED: --dry-run.
        status, counts: of the backfill that was started before, or as it stood after --wait; else
            null.
        execution_arn: of the execution that was started; else null.
        died_before: how the execution ended that was started for it before and never began with
            it; null: there was none such.
        plan: with --dry-run; else null.
        known_from: runs that ended before it may not be known, so that windows they stored look
            missing; null: the range has none such.
    """

    outcome: str
    backfill_id: str
    asked: AskedDocument
    status: BackfillStatus | None = None
    counts: CountsDocument | None = None
    execution_arn: str | None = None
    plan: PlanDocument | None = None
    known_from: str | None = None
    died_before: str | None = None


def planned(plan: Plan, known: datetime | None) -> StartBackfillDocument:
    """Of a dry run."""
    existing = plan.existing
    chosen = plan.chosen
    passed = [each for each in plan.windows if each.state is not WindowState.LEFT]
    return StartBackfillDocument(
        outcome="PLANNED",
        backfill_id=plan.request.backfill_id,
        asked=asked_document(plan.request),
        status=existing.status if existing else None,
        counts=counts_document(existing.counts) if existing else None,
        plan=PlanDocument(
            chosen=len(chosen),
            passed_over=len(passed),
            objects=total_objects(chosen),
            bytes=total_bytes(chosen),
            stored_objects=total_objects(passed),
            stored_bytes=total_bytes(passed),
            unlisted=plan.unlisted,
            estimated_usd=plan.estimate.usd if plan.estimate else None,
            estimated_by=plan.estimate.runs if plan.estimate else 0,
            windows=tuple(map(_planned_window, plan.windows)),
        ),
        known_from=format_timestamp(known) if known else None,
    )


def started_document(
    started: Started, known: datetime | None, followed: BackfillItem | None = None
) -> StartBackfillDocument:
    """Of a start.

    Args:
        followed: with --wait, the backfill as it stood then.
    """
    existing = followed or started.existing
    return StartBackfillDocument(
        outcome=started.outcome,
        backfill_id=started.request.backfill_id,
        asked=asked_document(started.request),
        status=existing.status if existing else None,
        counts=counts_document(existing.counts) if existing else None,
        execution_arn=started.execution_arn,
        died_before=started.died_before,
        known_from=format_timestamp(known) if known else None,
    )


def counts_document(counts: BackfillCounts) -> CountsDocument:
    return CountsDocument(**counts.model_dump())


def asked_document(request: BackfillRequest) -> AskedDocument:
    return AskedDocument(
        dataset=request.dataset_name,
        start_date_time=format_timestamp(request.start_date_time),
        end_date_time=format_timestamp(request.end_date_time),
        window=request.window,
        zone=request.zone,
        only=request.only,
        at_once=request.at_once,
        newest_first=request.newest_first,
        max_failures=request.max_failures,
        query=request.query,
        index=request.index,
        priority=request.priority,
        max_concurrency=request.max_concurrency,
    )


def total_objects(windows: list[PlannedWindow]) -> int | None:
    """Of these windows together; None where the source was not listed."""
    if any(each.objects is None for each in windows):
        return None
    return sum(each.objects.objects for each in windows if each.objects)


def total_bytes(windows: list[PlannedWindow]) -> int | None:
    """Likewise."""
    if any(each.objects is None for each in windows):
        return None
    return sum(each.objects.bytes for each in windows if each.objects)


def _planned_window(each: PlannedWindow) -> PlannedWindowDocument:
    return PlannedWindowDocument(
        **window_times(each.window),
        outcome=WindowOutcome.of(each.state),
        run_id=each.run_id,
        objects=each.objects.objects if each.objects else None,
        bytes=each.objects.bytes if each.objects else None,
    )


def window_times(window: Window) -> dict[str, Any]:
    """Where a window begins and ends, as fields of a document."""
    return dict(
        start_date_time=format_timestamp(window.start),
        end_date_time=format_timestamp(window.end),
    )
