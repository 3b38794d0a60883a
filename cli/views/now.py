"""What a run does now, in words: a bar, a line per running unit, the place in the queue."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from cli.client.follow import Snapshot
from cli.client.run_now import (
    QueuePlace,
    UnitNow,
    elapsed,
    seconds_left,
    stage_now,
    units_done,
    units_now,
)
from cli.views.ages import age
from cli.views.records import Column, Records
from contracts.run_request import format_timestamp

_WIDTH: Final = 20
_SAID: Final = 3  # running units in one line
_COLUMNS: Final = (
    Column("unit"),
    Column("object", exact=False, drop=4),
    Column("now"),
    Column("for", right=True),
    Column("job", exact=False, drop=1),
    Column("cancelled at", drop=2),
)


def bar(snapshot: Snapshot, now: datetime) -> str:
    """`[#####---------------] 5 of 20, 25%, about 3 min left`."""
    done = units_done(snapshot)
    if not done.total:
        return f"{done.ended:,} of ?"
    share = min(done.ended / done.total, 1.0)
    filled = int(share * _WIDTH)
    text = f"[{'#' * filled}{'-' * (_WIDTH - filled)}] {done.ended:,} of {done.total:,}"
    text += f", {int(share * 100)}%"
    left = seconds_left(snapshot, now)
    return text if left is None or not done.running else f"{text}, about {age(left)} left"


def doing(snapshot: Snapshot, now: datetime) -> str:
    """One line: how far it is, and what the longest of its running units do."""
    if snapshot.run is None:
        return "waiting for the queue to deliver the message"
    parts = [f"units {bar(snapshot, now)}"] if snapshot.units else []
    running = units_now(snapshot)
    parts += [_in_a_line(each, now) for each in running[:_SAID]]
    if len(running) > _SAID:
        parts.append(f"{len(running) - _SAID:,} more")
    stage = stage_now(snapshot)
    if not running and stage is not None:
        parts.append(f"{stage[0]} for {since_text(stage[1], now)}")
    return "; ".join(parts) or f"{snapshot.run.status}, nothing of it runs just now"


def now_table(units: Iterable[UnitNow], now: datetime) -> Records:
    """A line per running unit: stage, how long, job with its engine's state, place, deadline."""
    rows = (
        (
            each.unit.unit_id,
            each.unit.short_source,
            each.stage or "?",
            since_text(each.since, now),
            job_text(each),
            format_timestamp(each.deadline) if each.deadline else "",
        )
        for each in units
    )
    return Records.of(_COLUMNS, rows)


def since_text(since: datetime | None, now: datetime) -> str:
    """How long ago, `45 s`."""
    passed = elapsed(since, now)
    return "" if passed is None else age(passed.total_seconds())


def job_text(unit: UnitNow) -> str:
    """`glue 20261120T081500Z-3f9c2a1b RUNNING`, or where it waits."""
    if unit.job is None:
        return ""
    job = unit.job
    where = f", {queue_text(unit.queue)}" if unit.queue else ""
    return f"{job.engine} {job.job_id} {job.state}{where}"


def queue_text(queue: QueuePlace) -> str:
    """`place 3 of 10 in pool glue/clean (4 of 4 run)`."""
    limit = "?" if queue.limit is None else f"{queue.limit:,}"
    runs = f"{queue.running:,} of {limit} run"
    if queue.place is None:
        return f"waits for the pool {queue.pool}, whose queue is full ({runs})"
    return f"place {queue.place:,} of {queue.waiting:,} in the pool {queue.pool} ({runs})"


def _in_a_line(unit: UnitNow, now: datetime) -> str:
    stage = unit.stage or "under way"
    job = f" ({job_text(unit)})" if unit.job else ""
    since = since_text(unit.since, now)
    return f"{unit.unit.unit_id} {stage}{job}{f' for {since}' if since else ''}"
