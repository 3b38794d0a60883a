"""Which windows of a range runs have stored, and which they have failed to store. Pure.

A window is stored when runs that SUCCEEDED cover the whole of it, one or several together. Only
runs over a range of the same dataset, with the same query and index as the backfill, count: others
store other rows, or elsewhere. A window that is not stored has failed if a run over it, or over a
part of it, is FAILED or STOPPED.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from contracts.ledger_items import RunItem
from contracts.run import RunStatus
from contracts.run_request import RunRequest, parse_timestamp
from contracts.times.backfill import BackfillRequest, Only, WindowState
from contracts.times.windows import Window

Range = tuple[datetime, datetime]
# In the canonical text of a request; within a value it would be escaped. Such runs may be by far
# the most, and need not be parsed.
_OF_ONE_OBJECT: Final = '"inputUrl":'
_A_DAY: Final = timedelta(days=1)
# Runs that were claimed longer ago are not looked for: each day of claims is asked for by itself.
LOOKED_BACK: Final = timedelta(days=5 * 366)


@dataclass(frozen=True)
class Coverage:
    """The ranges of runs.

    Attributes:
        stored: in order, joined where they meet.
        failed: in no order.
    """

    stored: tuple[Range, ...] = ()
    failed: tuple[Range, ...] = ()

    @classmethod
    def of(cls, runs: Iterable[RunItem], request: BackfillRequest) -> Coverage:
        """What these runs, of any dataset, have stored of what a backfill asks for."""
        look = Look(request)
        for run in runs:
            look.see(run)
        return look.coverage()

    def holds(self, window: Window) -> bool:
        """Whether the whole window is stored."""
        position = bisect_right(self.stored, window.start, key=lambda span: span[0]) - 1
        return position >= 0 and self.stored[position][1] >= window.end

    def state_of(self, window: Window, only: Only) -> WindowState:
        """LEFT if the window is to be run, else why not."""
        if only is Only.ALL:
            return WindowState.LEFT
        if self.holds(window):
            return WindowState.STORED_BEFORE
        if only is Only.FAILED and not self._failed(window):
            return WindowState.NOT_CHOSEN
        return WindowState.LEFT

    def _failed(self, window: Window) -> bool:
        return any(start < window.end and window.start < end for start, end in self.failed)


@dataclass
class Look:
    """Runs that are looked at one by one; it holds only what matters of them to a backfill.

    Attributes:
        stored_by: runs that have stored something of its range, by id.
        ended: these, and those that failed to.
        going_on: of runs that do, when they were claimed, by id; but for the backfill's own, of
            which the windows themselves say what becomes of them.
    """

    request: BackfillRequest
    stored_by: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    going_on: dict[str, datetime] = field(default_factory=dict)
    _stored: list[Range] = field(default_factory=list)
    _failed: list[Range] = field(default_factory=list)

    def see(self, run: RunItem) -> None:
        """Look at one more; the latest look at a run counts."""
        span = _range_of(run, self.request)
        if span is None:
            return
        if not run.status.ended:
            if not self.request.is_own_run(run.run_id, span[0]):
                self.going_on[run.run_id] = parse_timestamp(run.claimed_at)
            return
        self.going_on.pop(run.run_id, None)
        self.ended.add(run.run_id)
        if run.status is RunStatus.SUCCEEDED:
            self.stored_by.add(run.run_id)
            self._stored.append(span)
        elif run.status in (RunStatus.FAILED, RunStatus.STOPPED):
            self._failed.append(span)

    def coverage(self) -> Coverage:
        """Of what was looked at so far."""
        return Coverage(_joined(self._stored), tuple(self._failed))


def _range_of(run: RunItem, request: BackfillRequest) -> Range | None:
    """The range that a run stores, if it stores rows of the same kind in the same place, of a time
    that the backfill is about."""
    if run.dataset_name != request.dataset_name or not run.request or run.end_date_time is None:
        return None
    if _OF_ONE_OBJECT in run.request:
        return None
    asked = run.requested_if_known
    if (
        asked is None
        or asked.input_url is not None
        or asked.fixed_start is None
        or not _alike(asked, request)
    ):
        return None
    start, end = asked.fixed_start, parse_timestamp(run.end_date_time)
    return (start, end) if start < request.end_date_time and request.start_date_time < end else None


def _alike(asked: RunRequest, request: BackfillRequest) -> bool:
    return (asked.query, asked.collection) == (
        request.query,
        request.index or request.dataset_name,
    )


def _joined(spans: Iterable[Range]) -> tuple[Range, ...]:
    joined: list[Range] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        else:
            joined.append((start, end))
    return tuple(joined)


def claimed_since(request: BackfillRequest, now: datetime) -> datetime:
    """From when on runs were claimed that may have stored its windows: data is not stored before it
    is there, but for clocks of its own."""
    return max(request.start_date_time - _A_DAY, now - LOOKED_BACK)
