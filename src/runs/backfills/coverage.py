"""Which windows of a range runs have stored, and which they have failed to store. Pure.

A window is stored when runs that SUCCEEDED cover the whole of it, one or several together. Only
runs over a range of the same dataset, with the same query and index as the backfill, count: others
store other rows, or elsewhere. A window that is not stored has failed if a run over it, or over a
part of it, is FAILED or STOPPED.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from contracts.ledger_items import RunItem
from contracts.run import RunStatus
from contracts.run_request import RunRequest, parse_timestamp
from contracts.times.backfill import BackfillRequest, Only, WindowState
from contracts.times.windows import Window

Range = tuple[datetime, datetime]
_A_DAY: Final = timedelta(days=1)
_INDEX_LAG: Final = timedelta(minutes=1)  # the index of claims shows a run a moment later
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
        stored, failed = [], []
        for run in runs:
            span = _range_of(run, request)
            if span is None:
                continue
            if run.status is RunStatus.SUCCEEDED:
                stored.append(span)
            elif run.status in (RunStatus.FAILED, RunStatus.STOPPED):
                failed.append(span)
        return cls(_joined(stored), tuple(failed))

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


def _range_of(run: RunItem, request: BackfillRequest) -> Range | None:
    """The range that a run stores, if it stores rows of the same kind in the same place."""
    if run.dataset_name != request.dataset_name or not run.request or run.end_date_time is None:
        return None
    asked = run.requested
    if asked.input_url is not None or asked.fixed_start is None or not _alike(asked, request):
        return None
    return asked.fixed_start, parse_timestamp(run.end_date_time)


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


def looked_from(runs: Iterable[RunItem], request: BackfillRequest, now: datetime) -> datetime:
    """From when on runs were claimed that may still store windows, after these were looked at.

    Args:
        runs: all that were claimed since that was looked at before; of the backfill's own the
            windows themselves say what becomes of them.
    """
    going_on = (
        parse_timestamp(run.claimed_at)
        for run in runs
        if run.dataset_name == request.dataset_name
        and not (run.status.ended or run.run_id.startswith(request.run_id_prefix))
    )
    return min([now - _INDEX_LAG, *going_on])
