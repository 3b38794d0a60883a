"""Judges by the ledger whether a day's data is stored. Pure, but for units that are asked for.

It is, if runs that ended well have together looked at the whole day, and a run has stored an object
of that day: one of them, or one that ended otherwise (a later run with `onlyNew` takes no object
again that it has stored). A run whose range was empty has looked, too. What a run looks at is its
range; of partitions, each that begins in it as a whole. A run over one object looks at its
partition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

from contracts import layout
from contracts.dataset import Dataset, Source
from contracts.errors import NotFound
from contracts.ledger_items import RunIndex, RunItem, UnitItem
from contracts.run import RunStatus, UnitStatus
from contracts.run_request import RunRequest, format_timestamp, parse_timestamp
from contracts.source.key_time import KeyTime
from contracts.source.partition import partition_begin
from contracts.times.expectation import Expectation
from contracts.times.relative import zone_named
from sources.listing import key_instant
from sources.partitions import whole_partitions

_MOMENT: Final = timedelta(microseconds=1)
_REASON_CHARACTERS: Final = 300
# Each run writes down what it has stored when it ends, however it ends (`sources.stored_objects`).
_ENDED_OTHERWISE: Final = (RunStatus.FAILED, RunStatus.STOPPED)
Span = tuple[datetime, datetime]
UnitsOf = Callable[[str], Iterable[UnitItem]]
ObjectsOf = Callable[[UnitItem], Iterable[str]]


@dataclass(frozen=True)
class ExpectedDay:
    """A day whose data had to be stored.

    Attributes:
        day: its date; of partitions, theirs.
        due: when it had to be.
        span: the instants that belong to it.
    """

    dataset: Dataset
    expectation: Expectation
    day: date
    due: datetime
    span: Span

    @classmethod
    def of(cls, dataset: Dataset, expectation: Expectation, day: date) -> ExpectedDay:
        in_utc = dataset.source.effective_time_from == "partition"
        span = expectation.span(day, in_utc=in_utc)
        return cls(dataset, expectation, day, expectation.due(day), span)

    @property
    def asked_for(self) -> tuple[str, str]:
        """Start and end of a run over the whole day, as a request has them."""
        following = self.day + timedelta(days=1)
        if self.dataset.source.effective_time_from == "partition":
            return self.day.isoformat(), following.isoformat()
        zone = zone_named(self.expectation.zone)
        begin, end = (datetime.combine(each, time(), zone) for each in (self.day, following))
        return format_timestamp(begin), format_timestamp(end)

    @property
    def first_claim(self) -> datetime:
        """No run that was claimed before has stored objects of the day."""
        return self.span[0]


@dataclass(frozen=True)
class Judgement:
    """What the ledger says of a day.

    Attributes:
        stored_by: a run that has stored objects of it; None: it is not stored.
        why: if it is not, one sentence about the runs.
    """

    stored_by: str | None
    why: str


def own_object(unit: UnitItem) -> Iterable[str]:
    """The URL of the object that a unit is."""
    return () if unit.source_url is None else (unit.source_url,)


def judge(expected: ExpectedDay, runs: Iterable[RunItem], units_of: UnitsOf) -> Judgement:
    """Whether the day is stored.

    Args:
        runs: those that were claimed since the day began, of any dataset.
        units_of: the units of a run; asked only where the day was looked at, and the run has looked
            at more than that or has not counted what it stored.
    """
    judging = Judging(expected)
    for run in runs:
        judging.add(run)
    return judging.judgement(units_of)


@dataclass(frozen=True)
class _Look:
    """What is remembered of a run that has ended and whose range holds some of the day.

    Attributes:
        well: it has looked at all of its range.
        stored: whether it has stored objects; None: its units say.
    """

    run_id: str
    span: Span
    well: bool
    stored: bool | None


class Judging:
    """Takes runs one after the other, and remembers of each no more than it has to."""

    def __init__(self, expected: ExpectedDay) -> None:
        self.expected = expected
        self._looks: list[_Look] = []
        self._newest: RunItem | None = None

    def add(self, run: RunItem) -> None:
        """Take a run of any dataset into account."""
        expected = self.expected
        if run.dataset_name != expected.dataset.name or _is_before(run, expected.first_claim):
            return
        request = run.requested_if_known
        if request is None or not _is_of_it(request, expected.dataset):
            return
        if self._newest is None or (run.claimed or "") > (self._newest.claimed or ""):
            self._newest = run
        well = run.status is RunStatus.SUCCEEDED or _was_empty(run)
        if not well and run.status not in _ENDED_OTHERWISE:
            return
        span = _range_of(run, request, expected)
        if span is not None and span[0] < expected.span[1] and span[1] > expected.span[0]:
            self._looks.append(_Look(run.run_id, span, well, _stored(run)))

    def judgement(self, units_of: UnitsOf, objects_of: ObjectsOf = own_object) -> Judgement:
        """What all of them say (`judge`).

        Args:
            objects_of: URLs of the objects that a unit has stored; raises NotFound where that
                cannot be read any more.
        """
        expected = self.expected
        if _are_whole([look.span for look in self._looks if look.well], expected.span):
            for look in sorted(self._looks, key=lambda look: not look.well):
                if _has_stored(look, expected, units_of, objects_of):
                    return Judgement(look.run_id, "")
        return Judgement(None, _why(self._newest, expected))


def _is_before(run: RunItem, first: datetime) -> bool:
    return run.claimed is not None and run.claimed < RunIndex.instant(first)


def _is_of_it(request: RunRequest, dataset: Dataset) -> bool:
    """Whether the request's query and index are those of the dataset, or of its schedules."""
    usual: set[tuple[str | None, str]] = {(None, dataset.name)}
    usual |= {(each.query, each.index or dataset.name) for each in dataset.schedules or ()}
    return (request.query, request.collection) in usual


def _was_empty(run: RunItem) -> bool:
    """Whether it has looked and found nothing to process."""
    return run.status is RunStatus.SKIPPED and run.dataset_version is not None


def _stored(run: RunItem) -> bool | None:
    if _was_empty(run):
        return False
    return None if run.units is None else run.units.stored > 0


def _range_of(run: RunItem, request: RunRequest, expected: ExpectedDay) -> Span | None:
    """What a run looks at; None: nothing that can be known."""
    source = expected.dataset.source
    by_partition = source.effective_time_from == "partition"
    if request.input_url is not None:
        usable = by_partition and not _was_empty(run)
        begin = _begin_of(source, request.input_url) if usable else None
        if begin is None:
            return None
        return whole_partitions(source.partition or "", begin, begin + _MOMENT)
    start, end = request.fixed_start, run.end_date_time
    if start is None or end is None or parse_timestamp(end) <= start:
        return None
    if by_partition:
        return whole_partitions(source.partition or "", start, parse_timestamp(end))
    return start, parse_timestamp(end)


def _are_whole(spans: Sequence[Span], day: Span) -> bool:
    """Whether the spans leave no gap in the day."""
    reached, end = day
    for first, last in sorted(spans):
        if first <= reached:
            reached = max(reached, last)
    return reached >= end


def _has_stored(
    look: _Look, expected: ExpectedDay, units_of: UnitsOf, objects_of: ObjectsOf
) -> bool:
    if look.stored is False:
        return False
    begin, end = expected.span
    if look.stored and begin <= look.span[0] and look.span[1] <= end:
        return True
    return any(
        unit.status is UnitStatus.STORED and _is_of(unit, expected, objects_of)
        for unit in units_of(look.run_id)
    )


def _is_of(unit: UnitItem, expected: ExpectedDay, objects_of: ObjectsOf) -> bool:
    """Whether a stored unit has an object of the day; where its run's files have expired, it may
    have."""
    try:
        return any(_lies_in(url, expected) for url in objects_of(unit))
    except NotFound:
        return True


def _lies_in(url: str, expected: ExpectedDay) -> bool:
    """Whether an object is of the day; where its key does not say when it is, it may be."""
    source = expected.dataset.source
    if source.effective_time_from == "last-modified":
        return True
    at = _begin_of(source, url) if source.effective_time_from == "partition" else None
    if source.effective_time_from == "key":
        pattern = KeyTime.of(source.key_time or "", frozen=True)
        at = key_instant(pattern, layout.split_s3_url(url)[1])
    return at is not None and expected.span[0] <= at < expected.span[1]


def _begin_of(source: Source, url: str) -> datetime | None:
    """When the partition of an object begins; None: it lies in none, or that cannot be known."""
    try:
        key = layout.split_s3_url(url)[1] if "://" in url else f"{source.prefix}{url}"
        if source.partition is None or not key.startswith(source.prefix):
            return None
        return partition_begin(source.partition, key.removeprefix(source.prefix))
    except ValueError:
        return None


def _why(newest: RunItem | None, expected: ExpectedDay) -> str:
    if newest is None:
        return f"no run of it was claimed since {format_timestamp(expected.first_claim)}"
    said = f"its newest run, {newest.run_id}, "
    if newest.status is RunStatus.SUCCEEDED:
        return f"{said}SUCCEEDED, but not all of that day was looked at and stored"
    if not newest.status.ended:
        return f"{said}is {newest.status}"
    reason = newest.reason or ""
    if len(reason) > _REASON_CHARACTERS:
        reason = reason[: _REASON_CHARACTERS - 1] + "…"
    return f"{said}is {newest.status}{f': {reason}' if reason else ''}"
