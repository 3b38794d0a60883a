"""Runs, units and jobs as the ledger holds them: `pipeline units --json`, `pipeline jobs --json`,
and parts of other documents."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import ConfigDict

from cli.client.ledger import JobRow, Run, UnitRow
from cli.documents.base import Document
from contracts.costs.figures import RunCost
from contracts.run import (
    Finding,
    ItemTotals,
    NextStep,
    RowCounts,
    RunOutcome,
    RunStatus,
    StageFailure,
    UnitState,
    UnitTotals,
    seconds_between,
)
from contracts.run_request import RunRequest, format_timestamp
from contracts.source.object_totals import FailedObject, ObjectTotals


class RequestDocument(RunRequest):
    """What was asked for, as the ledger keeps it; fields that the request left open are null. All
    of it is null where a later release wrote what this one cannot read."""

    # A later release's request may have fields that this one does not know.
    model_config = ConfigDict(extra="ignore")


class RunDocument(Document):
    """One run.

    Attributes:
        outcome: its status once it has ended, but for SUCCEEDED_WITH_LOSSES and SUPERSEDED.
        run_attempt: 1, and one more each time that another execution takes the run over, or that
            its own one runs failed units again.
        execution_arn: the durable execution that holds it.
        dataset_version: content hash of the contract that it read.
        start_date_time: where a relative range begins; null of any other (`request` has it).
        end_date_time: the end of its range, frozen at the first claim.
        as_of: what a relative range is relative to.
        stop_requested_at, stop_reason: a person's decision to stop it.
        waits_until, waiting_units: when units that failed for what may pass run again, and how many
            they are; without a number: when the attempt begins, as the execution before it died;
            null once the run has ended.
        waiting_for: the markers of partitions that the run waits for (`source.ready`).
        waiting_since, waiting_until: when it first looked, and when it gives up.
        resumed_attempt: the attempt that was stopped and then resumed.
        superseded_by, superseded_at: the run that retries it and took its place.
        units, rows, items, objects: totals; until the run has ended only how many there are,
            but with `pipeline ls` what is stored so far of the newest 20.
        already_stored: objects of the range that were left out as already stored; null: the run
            takes all (`onlyNew`), or its objects are not listed yet.
        findings: the rules that most rows broke.
        warehouse_error: why the warehouse lacks the rows about the run itself.
        cost: what it used, at list prices; null: it has not ended, or is of an earlier release.
    """

    run_id: str
    dataset_name: str
    status: RunStatus
    outcome: RunOutcome | None = None
    reason: str | None = None
    run_attempt: int
    execution_arn: str
    request: RequestDocument | None = None
    dataset_version: str | None = None
    start_date_time: str | None = None
    end_date_time: str | None = None
    as_of: str | None = None
    started_at: str | None = None
    updated_at: str | None = None
    ended_at: str | None = None
    stop_requested_at: str | None = None
    stop_reason: str | None = None
    waits_until: str | None = None
    waiting_units: int | None = None
    waiting_for: str | None = None
    waiting_since: str | None = None
    waiting_until: str | None = None
    resumed_attempt: int | None = None
    superseded_by: str | None = None
    superseded_at: str | None = None
    units: UnitTotals
    rows: RowCounts
    items: ItemTotals | None = None
    objects: ObjectTotals | None = None
    already_stored: int | None = None
    findings: tuple[Finding, ...] = ()
    next_steps: tuple[NextStep, ...] = ()
    results_url: str | None = None
    warehouse_error: str | None = None
    cost: RunCost | None = None


class UnitDocument(Document):
    """One unit: a source object, several, or a batch of an array's items.

    Attributes:
        run_attempt: the run's attempt that began it last.
        source_bytes: size of the source object.
        job_ids: its jobs, in the order of the chain; loads last.
        failure: why it failed.
        findings: the rules that its rows broke.
        items: of a batch, by outcome.
        objects: where it holds several, by outcome; `source_url` is then that of their list.
        failed_objects: the first that were left out of it.
        objects_url: of the document that says what became of each.
        seconds: from its latest start to its end.
    """

    unit_id: str
    status: UnitState
    run_attempt: int | None = None
    source_url: str | None = None
    source_bytes: int | None = None
    rows: RowCounts
    job_ids: tuple[str, ...] = ()
    failure: StageFailure | None = None
    findings: tuple[Finding, ...] = ()
    items: ItemTotals | None = None
    objects: ObjectTotals | None = None
    failed_objects: tuple[FailedObject, ...] = ()
    objects_url: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    seconds: float | None = None


class UnitsDocument(Document):
    """The units of a run.

    Attributes:
        rows: of the stored units together.
    """

    run_id: str
    rows: RowCounts
    units: tuple[UnitDocument, ...]


class JobDocument(Document):
    """One remote job.

    Attributes:
        service_id: its id at the service that runs it; null until it is submitted.
        target: what the engine runs it on.
        state: SUBMITTED, RUNNING, SUCCEEDED, FAILED, CANCELLED or TIMED_OUT.
        seconds: from its submission to its end.
        deadline: when it is cancelled as overdue.
        cancel_reason: why it is being cancelled for good.
        execution_arn: the execution that waits for it.
        log_tail: the last lines of its log.
    """

    job_id: str
    unit_id: str
    stage: str
    attempt: int
    engine: str
    state: str
    target: str | None = None
    service_id: str | None = None
    submitted_at: str | None = None
    ended_at: str | None = None
    seconds: float | None = None
    deadline: str | None = None
    timeout_seconds: int | None = None
    input_url: str | None = None
    output_url: str | None = None
    error: str | None = None
    cancel_reason: str | None = None
    execution_arn: str | None = None
    log_url: str | None = None
    console_url: str | None = None
    log_tail: str | None = None


class JobsDocument(Document):
    """The remote jobs of a run, loads into the warehouse included."""

    run_id: str
    jobs: tuple[JobDocument, ...]


def run_document(run: Run) -> RunDocument:
    """The document of a RUN record."""
    return RunDocument(**run_fields(run))


def run_fields(run: Run) -> dict[str, Any]:
    """The fields of the document, by their names in Python."""
    item = run.item
    return _same(RunDocument, item) | dict(
        outcome=run.outcome,
        next_steps=run.next_steps,
        execution_arn=item.holder,
        request=_request(item.request),
        started_at=item.claimed_at,
        units=run.units,
        rows=run.rows,
    )


def unit_document(unit: UnitRow) -> UnitDocument:
    """The document of a UNIT record."""
    item = unit.item
    seconds = seconds_between(item.started_at, item.ended_at)
    return UnitDocument(
        **_same(UnitDocument, item) | dict(status=unit.status, rows=unit.rows, seconds=seconds)
    )


def units_document(run_id: str, units: Sequence[UnitRow]) -> UnitsDocument:
    """The document of all units of a run."""
    stored = (unit.rows for unit in units if unit.status is UnitState.STORED)
    documents = tuple(unit_document(unit) for unit in units)
    return UnitsDocument(run_id=run_id, rows=sum(stored, RowCounts()), units=documents)


def job_document(job: JobRow) -> JobDocument:
    """The document of a JOB record."""
    return JobDocument(
        **_same(JobDocument, job)
        | dict(
            seconds=job.seconds,
            deadline=_instant(job.deadline),
            cancel_reason=job.cancelling,
            execution_arn=job.execution,
        )
    )


def jobs_document(run_id: str, jobs: Sequence[JobRow]) -> JobsDocument:
    """The document of all jobs of a run."""
    return JobsDocument(run_id=run_id, jobs=tuple(job_document(job) for job in jobs))


def _same(document: type[Document], known: object) -> dict[str, Any]:
    """What an item and the document name alike."""
    found = {name: getattr(known, name, None) for name in document.model_fields}
    return {name: value for name, value in found.items() if value is not None}


def _request(text: str | None) -> RequestDocument | None:
    """What was asked for; None where this release cannot read it, so that lists show the run."""
    try:
        return RequestDocument.from_json(json.loads(text)) if text else None
    except ValueError:
        return None


def _instant(epoch_seconds: int | None) -> str | None:
    if epoch_seconds is None:
        return None
    return format_timestamp(datetime.fromtimestamp(epoch_seconds, UTC))
