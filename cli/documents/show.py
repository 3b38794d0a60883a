"""`pipeline show --json`: a run, and what it does now."""

from __future__ import annotations

from datetime import datetime

from cli.client.follow import Snapshot
from cli.client.run_now import (
    QueuePlace,
    UnitNow,
    elapsed,
    rows_stored,
    seconds_left,
    stage_now,
    units_done,
    units_now,
)
from cli.documents.base import Document
from cli.documents.ledger import JobDocument, RunDocument, job_document, run_fields
from cli.views.outcome import result_of
from contracts.run import RowCounts
from contracts.run_request import format_timestamp
from runs.outcome_text import headline


class QueueDocument(Document):
    """Where a job waits for its turn.

    Attributes:
        place: 1 is the next; null: the queue was full, and it has none yet.
        waiting: how many jobs wait there.
        running, limit: how many run, and may at once; a limit of null is not known yet.
    """

    pool: str
    place: int | None = None
    waiting: int
    running: int
    limit: int | None = None


class RunningUnit(Document):
    """A unit that runs.

    Attributes:
        stage: where it is; null: not known.
        since: when the stage began; where that is not known, the unit.
        seconds: from then to now.
        job: the job that it waits for.
        deadline: when that job is cancelled as overdue; while it waits, when it has to have run.
    """

    unit_id: str
    source_url: str
    stage: str | None = None
    since: str | None = None
    seconds: float | None = None
    job: JobDocument | None = None
    queue: QueueDocument | None = None
    deadline: str | None = None


class UnitsDone(Document):
    """The units as they are now; `total` is null as long as they are not listed."""

    stored: int
    failed: int
    running: int
    total: int | None = None


class ShowDocument(RunDocument):
    """`pipeline show --json`: one run and what it does now.

    Attributes:
        sentence: how it stands or ended, for people.
        done: its units.
        rows_stored: of the units that are stored by now.
        adds_up: whether these rows do, and are those that the run has recorded if it has ended.
        stage, stage_since: what the run itself does, apart from its units.
        now: its units that run, the longest first.
        seconds_left: if the other units take as long as those that have ended.
    """

    sentence: str
    done: UnitsDone
    rows_stored: RowCounts
    adds_up: bool
    stage: str | None = None
    stage_since: str | None = None
    now: tuple[RunningUnit, ...] = ()
    seconds_left: float | None = None


def show_document(snapshot: Snapshot, now: datetime) -> ShowDocument:
    """The document of a run that the ledger has."""
    run = snapshot.run
    if run is None:
        raise ValueError(f"nothing is known of run {snapshot.run_id}")
    done, rows = units_done(snapshot), rows_stored(snapshot.units)
    stage = None if run.status.ended else stage_now(snapshot)
    return ShowDocument(
        **run_fields(run),
        sentence=sentence(snapshot),
        done=UnitsDone(
            stored=done.stored, failed=done.failed, running=done.running, total=done.total
        ),
        rows_stored=rows,
        adds_up=adds_up(snapshot),
        stage=stage[0] if stage else None,
        stage_since=format_timestamp(stage[1]) if stage else None,
        now=tuple(_unit(each, now) for each in units_now(snapshot)),
        seconds_left=seconds_left(snapshot, now),
    )


def sentence(snapshot: Snapshot) -> str:
    """How the run stands or ended: `Run r1 of orders is RUNNING`."""
    run = snapshot.run
    if run is None:
        raise ValueError(f"nothing is known of run {snapshot.run_id}")
    if run.status.ended:
        return headline(result_of(run, snapshot.units))
    return f"Run {run.run_id} of {run.dataset_name} is {run.status}"


def adds_up(snapshot: Snapshot) -> bool:
    """Every stored unit balances, and they are together what an ended run has recorded."""
    run = snapshot.run
    rows = rows_stored(snapshot.units)
    ended = run is not None and run.status.ended
    recorded = run.rows if run is not None and ended else rows
    return rows.balanced and recorded == rows


def _unit(each: UnitNow, now: datetime) -> RunningUnit:
    passed = elapsed(each.since, now)
    return RunningUnit(
        unit_id=each.unit.unit_id,
        source_url=each.unit.source_url,
        stage=each.stage,
        since=format_timestamp(each.since) if each.since else None,
        seconds=None if passed is None else round(passed.total_seconds(), 1),
        job=job_document(each.job) if each.job else None,
        queue=_queue(each.queue),
        deadline=format_timestamp(each.deadline) if each.deadline else None,
    )


def _queue(place: QueuePlace | None) -> QueueDocument | None:
    if place is None:
        return None
    return QueueDocument(
        pool=place.pool,
        place=place.place,
        waiting=place.waiting,
        running=place.running,
        limit=place.limit,
    )
