"""One run at a time takes the new objects of a dataset, index and query.

Two at once would both take what neither has stored yet. An item of the ledger names the run that
does; it changes by conditional writes. A run whose end is in the ledger holds nothing, whoever
recorded it: record-run, or the reaper for an execution that died. But one that the reaper has only
marked still does: what it has stored is written down when its end is announced.
"""

from __future__ import annotations

from datetime import datetime

from contracts.errors import Conflict
from contracts.ledger_items import UNANNOUNCED, NewObjectsItem, RunItem
from contracts.run_request import format_timestamp
from contracts.source.only_new import Scope
from ledger.conditions import NEW_OBJECTS
from ledger.runs import find_run
from ledger.table import Ledger


def take(ledger: Ledger, scope: Scope, run_id: str, now: datetime) -> NewObjectsItem | None:
    """Become the run that takes the new objects; a repeat changes nothing.

    Returns:
        The item, where another run does, which has not ended; None: this run does.

    Raises:
        Conflict: another run ended just now; the same call may succeed.
    """
    key = NewObjectsItem.key_of(scope)
    there = ledger.get_item(*key)
    held = NewObjectsItem.from_item(there) if there else NewObjectsItem()
    if held.taken_by == run_id:
        return None
    if held.taken_by is not None and not has_ended(find_run(ledger, held.taken_by)):
        return held
    as_read = (
        NEW_OBJECTS.taken_by.not_exists()
        if held.taken_by is None
        else NEW_OBJECTS.taken_by.eq(held.taken_by)
    )
    taken = NewObjectsItem.changes(taken_by=run_id, taken_at=format_timestamp(now))
    written = ledger.change(key, taken, as_read)
    current = NewObjectsItem.from_item(written.item or {})
    if current.taken_by is None:
        raise Conflict(f"the new objects of {scope.dataset_name} were released just now")
    return None if current.taken_by == run_id else current


def release(ledger: Ledger, scope: Scope, run_id: str) -> None:
    """Let other runs take new objects, if this run does; idempotent."""
    released = NewObjectsItem.changes(taken_by=None, taken_at=None)
    ledger.change(NewObjectsItem.key_of(scope), released, NEW_OBJECTS.taken_by.eq(run_id))


def has_ended(run: RunItem | None) -> bool:
    """Whether what the run has stored is written down, or it is not in the ledger any more."""
    return run is None or (run.status.ended and run.reaped != UNANNOUNCED)
