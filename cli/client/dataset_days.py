"""The days of a dataset: which are stored, which failed, which nobody has processed.

What a run stored it stored for each day of its range, but for those whose units failed. The newest
run of a day decides. That there are objects which no run has stored only a listing can say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from cli.client.deployment import Deployment
from cli.client.ledger import Run
from contracts import layout
from contracts.dataset import Source
from contracts.run import RunOutcome, RunStatus
from contracts.run_request import parse_timestamp
from contracts.source.key_time import KeyTime
from sources.partitions import partitions

DAYS_AT_MOST: Final = 366
_THREADS: Final = 8  # within the client's connection pool
_PARTITIONS_AT_MOST: Final = 24  # of a day: those of minutes are not counted
_OBJECTS_AT_MOST: Final = 1000  # of a partition: what one request lists
_DAY: Final = timedelta(days=1)
_MOMENT: Final = timedelta(microseconds=1)


class DayState(StrEnum):
    """STORED; WITH_LOSSES: stored, but for rejected rows; FAILED: units of the day failed; STOPPED;
    RUNNING; MISSING: there are objects that no run has stored; EMPTY: there are none; OPEN: nobody
    has processed it, and its objects cannot be counted by the day."""

    STORED = "STORED"
    WITH_LOSSES = "WITH_LOSSES"
    FAILED = "FAILED"
    STOPPED = "STOPPED"
    RUNNING = "RUNNING"
    MISSING = "MISSING"
    EMPTY = "EMPTY"
    OPEN = "OPEN"


_STATES: Final = {
    RunStatus.SUCCEEDED: DayState.STORED,
    RunStatus.FAILED: DayState.FAILED,
    RunStatus.STOPPED: DayState.STOPPED,
}


@dataclass(frozen=True)
class Objects:
    """The objects of a day.

    Attributes:
        more: there are more than were counted.
    """

    count: int
    more: bool = False


@dataclass
class Day:
    """One day of a dataset.

    Attributes:
        objects: None: they cannot be counted.
        run_ids: of the runs whose range holds it, newest first.
    """

    day: date
    state: DayState = DayState.OPEN
    objects: Objects | None = None
    run_ids: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class RunDays:
    """The days that one run was about.

    Attributes:
        failed: those of its failed units; None: all, as far as is known.
        single: it was about one object of its day, not about all.
    """

    run: Run
    days: frozenset[date]
    failed: frozenset[date] | None = None
    single: bool = False


def days_of_run(run: Run, source: Source, first: date, last: date) -> RunDays:
    """The days of `[first, last]` that a run is about; of failed units see `with_failed`."""
    if not run.item.request:
        return RunDays(run, frozenset())
    request = run.item.requested
    if request.input_url is not None:
        day = day_of_url(source, request.input_url)
        return RunDays(run, frozenset({day} if day and first <= day <= last else ()), single=True)
    start = request.fixed_start
    if start is None:
        return RunDays(run, frozenset())
    frozen = run.item.end_date_time
    end = parse_timestamp(frozen) if frozen else request.range_at(request.as_of)[1]
    until = (end or start + _MOMENT).astimezone(UTC) - _MOMENT
    begin, finish = max(start.astimezone(UTC).date(), first), min(until.date(), last)
    return RunDays(run, frozenset(_days(begin, finish)))


def day_of_url(source: Source, url: str) -> date | None:
    """The day that an object belongs to by its key; None: its key does not say."""
    pattern = source.partition or source.key_time
    _, key = layout.split_s3_url(url)
    if pattern is None or not key.startswith(source.prefix):
        return None
    try:
        return KeyTime.of(pattern, frozen=True).instant(key[len(source.prefix) :]).date()
    except ValueError:
        return None


def calendar(
    first: date,
    last: date,
    runs: Iterable[RunDays],
    objects: Mapping[date, Objects],
) -> list[Day]:
    """Each day of `[first, last]`, in order.

    Args:
        runs: newest first.
        objects: of the days where they could be counted.
    """
    found = {day: Day(day, objects=objects.get(day)) for day in _days(first, last)}
    single: dict[date, set[str]] = {}
    for one in runs:
        for day in one.days:
            entry = found[day]
            entry.run_ids.append(one.run.run_id)
            if one.single and one.run.status is RunStatus.SUCCEEDED:
                single.setdefault(day, set()).add(one.run.item.requested.input_url or "")
            elif entry.state is DayState.OPEN or not one.run.status.ended:
                entry.state = _state(one, day) or entry.state
    for day, entry in found.items():
        if entry.state is DayState.OPEN:
            entry.state = _without_a_run(entry.objects, len(single.get(day, ())))
    return list(found.values())


def count_objects(
    deployment: Deployment, source: Source, first: date, last: date
) -> dict[date, Objects]:
    """How many objects each day has; none where the contract has no partitions of a day or less."""
    if source.partition is None:
        return {}
    names = {day: _partitions(source.partition, day) for day in _days(first, last)}
    if any(len(of_day) > _PARTITIONS_AT_MOST for of_day in names.values()):
        return {}
    bucket, s3 = source.bucket or deployment.output("DataBucketName"), deployment.client("s3")

    def look(day: date) -> Objects:
        return _together(_count(s3, bucket, source, name) for name in names[day])

    with ThreadPoolExecutor(_THREADS) as pool:
        return dict(zip(names, pool.map(look, names), strict=True))


def _state(one: RunDays, day: date) -> DayState | None:
    """What a run says of a day; None: nothing."""
    run = one.run
    if not run.status.ended:
        return DayState.RUNNING
    if run.superseded_by is not None or run.status not in _STATES:
        return None
    state = _STATES[run.status]
    if state is DayState.FAILED and one.failed is not None and day not in one.failed:
        state = DayState.STORED
    losses = run.item.outcome is RunOutcome.SUCCEEDED_WITH_LOSSES
    return DayState.WITH_LOSSES if state is DayState.STORED and losses else state


def _without_a_run(objects: Objects | None, stored: int) -> DayState:
    if objects is None:
        return DayState.STORED if stored else DayState.OPEN
    if objects.count > stored:
        return DayState.MISSING
    return DayState.STORED if stored else DayState.EMPTY


def _days(first: date, last: date) -> list[date]:
    return [first + _DAY * number for number in range((last - first).days + 1)]


def _partitions(pattern: str, day: date) -> list[str]:
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return partitions(pattern, begin, begin + _DAY)


def _count(s3: Any, bucket: str, source: Source, partition: str) -> Objects:
    page = s3.list_objects_v2(
        Bucket=bucket, Prefix=source.prefix + partition, MaxKeys=_OBJECTS_AT_MOST
    )
    keys = [found["Key"] for found in page.get("Contents", ())]
    counted = sum(
        key.endswith(source.suffix)
        and not key.endswith("/")
        and not (source.is_marker(key) or source.hides(key) or source.excludes(key))
        for key in keys
    )
    return Objects(counted, more=bool(page.get("IsTruncated")))


def _together(parts: Iterable[Objects]) -> Objects:
    found = list(parts)
    return Objects(sum(part.count for part in found), any(part.more for part in found))
