"""Looks at the runs that may have stored windows of a backfill, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from contracts.ledger_items import BackfillItem, RunIndex, RunItem
from contracts.run_request import format_timestamp, parse_timestamp
from contracts.times.backfill import BackfillRequest
from ledger.runs import find_run
from ledger.table import Ledger
from runs.backfills.coverage import Look, claimed_since

_INDEX_LAG: Final = timedelta(minutes=1)  # the index of claims shows a run a moment later
# Of runs that go on: by key. Where there are more, all that were claimed since the next one are
# looked at again.
GOING_ON_AT_MOST: Final = 25


def look_first(ledger: Ledger, request: BackfillRequest, now: datetime) -> Look:
    """At all runs that may have stored its windows."""
    return _look(ledger, request, claimed_since(request, now), now)


def look_meanwhile(ledger: Ledger, item: BackfillItem, now: datetime) -> Look:
    """At those that had not ended, or not begun, when that was looked at last."""
    since = parse_timestamp(item.judged_from or item.created_at)
    look = _look(ledger, item.requested, since, now)
    for run_id in item.going_on:
        run = find_run(ledger, run_id)
        if run is None:
            look.ended.add(run_id)
        else:
            look.see(run)
    return look


def remembered(look: Look, now: datetime, before: BackfillItem | None = None) -> dict[str, Any]:
    """What a backfill remembers of a look, so that the next one need not repeat it.

    Args:
        before: the backfill as it is, after another look, perhaps, whose runs count as well.
    """
    known = before.going_on if before else ()
    others = [each for each in known if each not in look.ended and each not in look.going_on]
    waiting = sorted(look.going_on.items(), key=lambda each: each[1])
    by_key, rest = waiting[:GOING_ON_AT_MOST], waiting[GOING_ON_AT_MOST:]
    judged_from = min([now - _INDEX_LAG, *(at for _, at in rest)])
    if before is not None:
        judged_from = max(judged_from, parse_timestamp(before.judged_from or before.created_at))
    going_on = (*others, *(run_id for run_id, _ in by_key))
    return dict(judged_from=format_timestamp(judged_from), going_on=going_on)


def _look(ledger: Ledger, request: BackfillRequest, since: datetime, now: datetime) -> Look:
    look = Look(request)
    for run in _runs_claimed(ledger, request, since, now):
        look.see(run)
    return look


def _runs_claimed(
    ledger: Ledger, request: BackfillRequest, since: datetime, now: datetime
) -> Iterator[RunItem]:
    """Runs of the dataset that were first claimed between these instants."""
    day = since
    while RunIndex.day(day) <= RunIndex.day(now):
        of_day = ledger.runs_claimed(
            RunIndex.day(day),
            since=since,
            dataset=request.dataset_name,
            attributes=RunItem.OF_ITS_RANGE,
        )
        for item in of_day:
            yield RunItem.from_item(item)
        day += timedelta(days=1)
