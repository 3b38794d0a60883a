"""What a run does at this moment: its units that run, their stages and jobs, and how long yet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cli.client.follow import Snapshot
from cli.client.history import Operation
from cli.client.ledger import JobRow, Run, UnitRow
from contracts.ledger_items import PoolItem
from contracts.run import RowCounts, UnitState, UnitTotals
from contracts.run_request import parse_timestamp
from remote_jobs.pools.turns import in_turn


@dataclass(frozen=True)
class QueuePlace:
    """A job's turn in a pool.

    Attributes:
        place: 1 is the next; None: it has none yet, as the queue was full.
        waiting: how many jobs wait.
        running, limit: how many run, and may at once; a limit of None is not known yet.
    """

    pool: str
    place: int | None
    waiting: int
    running: int
    limit: int | None


@dataclass(frozen=True)
class UnitNow:
    """A unit that runs.

    Attributes:
        stage: where it is, such as `validate`; None: it is not known (yet).
        since: when that stage began, else the unit.
        job: the job that it waits for.
        queue: where that job waits for its turn.
    """

    unit: UnitRow
    stage: str | None
    since: datetime | None
    job: JobRow | None = None
    queue: QueuePlace | None = None

    @property
    def deadline(self) -> datetime | None:
        """The instant at which the job is cancelled, or has to have its turn."""
        if self.job is None:
            return None
        seconds = self.job.queue_until if self.queue else self.job.deadline
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


@dataclass(frozen=True)
class Done:
    """How far the units of a run are.

    Attributes:
        total: None as long as they are not listed.
    """

    stored: int
    failed: int
    running: int
    total: int | None

    @property
    def ended(self) -> int:
        """Units that have come to an end."""
        return self.stored + self.failed


def units_done(snapshot: Snapshot) -> Done:
    """The units, counted as they are now; of a run that has ended as it recorded them."""
    run = snapshot.run
    if run is not None and run.status.ended and run.units.total:
        totals: UnitTotals = run.units
        failed = totals.failed + totals.not_started
        return Done(totals.stored, failed, totals.total - totals.stored - failed, totals.total)
    states = [unit.status for unit in snapshot.units if not _is_to_begin_again(unit, run)]
    stored, running = states.count(UnitState.STORED), states.count(UnitState.RUNNING)
    total = snapshot.objects
    return Done(stored, len(states) - stored - running, running, total)


def _is_to_begin_again(unit: UnitRow, run: Run | None) -> bool:
    """Whether a unit failed at an earlier attempt of a run that goes on, which runs it again."""
    failed = unit.status in (UnitState.FAILED, UnitState.NOT_STARTED)
    return run is not None and failed and unit.item.run_attempt < run.item.run_attempt


def rows_stored(units: Iterable[UnitRow]) -> RowCounts:
    """The rows of the stored units, added up."""
    return sum((unit.rows for unit in units if unit.status is UnitState.STORED), RowCounts())


def seconds_left(snapshot: Snapshot, now: datetime) -> float | None:
    """How long the rest will take if its units take as long as those that have ended.

    None: nothing can be said yet, or the run has ended.
    """
    run, done = snapshot.run, units_done(snapshot)
    if run is None or run.status.ended or not done.total:
        return None
    began = [unit.item.started_at for unit in snapshot.units if unit.item.started_at]
    if not done.ended or not began:
        return None
    passed = max((now - parse_timestamp(min(began))).total_seconds(), 0.0)
    return passed / done.ended * max(done.total - done.ended, 0)


def units_now(snapshot: Snapshot) -> list[UnitNow]:
    """The units that run, the longest one first."""
    if snapshot.run is None or snapshot.run.status.ended:
        return []
    operations = _running_operations(snapshot)
    jobs = {job.unit_id: job for job in snapshot.jobs if job.ended_at is None}
    found = [
        _unit_now(unit, operations.get(unit.unit_id), jobs.get(unit.unit_id), snapshot.pools)
        for unit in snapshot.units
        if unit.status is UnitState.RUNNING
    ]
    latest = datetime.max.replace(tzinfo=UTC)
    return sorted(found, key=lambda each: each.since or latest)


def stage_now(snapshot: Snapshot) -> tuple[str, datetime] | None:
    """What the run itself does, apart from its units, and since when."""
    operations = snapshot.execution.operations if snapshot.execution else ()
    running = [
        operation
        for operation in operations
        if operation.unit_id is None and not operation.ended and operation.kind != "Context"
    ]
    return (running[-1].name, running[-1].started_at) if running else None


def place_of(job: JobRow, pools: Iterable[PoolItem]) -> QueuePlace | None:
    """Where a job waits for its turn; None: it does not."""
    if job.pool is None or job.ended_at is not None or job.service_id is not None:
        return None
    pool = next((pool for pool in pools if pool.name == job.pool), None)
    if pool is None or job.job_id in pool.held:
        return None
    order = [job_id for job_id, _ in in_turn(pool)]
    place = order.index(job.job_id) + 1 if job.job_id in order else None
    return QueuePlace(pool.name, place, len(order), len(pool.held), pool.limit)


def _running_operations(snapshot: Snapshot) -> dict[str, Operation]:
    operations = snapshot.execution.operations if snapshot.execution else ()
    return {
        operation.unit_id: operation
        for operation in operations
        if operation.unit_id and not operation.ended and operation.kind != "Context"
    }


def _unit_now(
    unit: UnitRow, operation: Operation | None, job: JobRow | None, pools: Iterable[PoolItem]
) -> UnitNow:
    queue = place_of(job, pools) if job else None
    if job is not None:  # of a shard, whose history is another one
        since = parse_timestamp(job.submitted_at) if job.submitted_at else None
        return UnitNow(unit, job.stage, since, job, queue)
    if operation is not None:
        return UnitNow(unit, operation.name, operation.started_at)
    began = unit.item.started_at
    return UnitNow(unit, None, parse_timestamp(began) if began else None)


def elapsed(since: datetime | None, now: datetime) -> timedelta | None:
    """From then to now; clocks of other machines may be ahead."""
    return None if since is None else max(now - since, timedelta())
