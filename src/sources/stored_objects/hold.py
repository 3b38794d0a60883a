"""One run at a time takes the new objects of a dataset, index and query.

Two at once would both take what neither has stored yet. An item of the ledger names the run that
does; it changes by conditional writes. A run whose end is in the ledger holds nothing, whoever
recorded it: record-run, or the reaper for an execution that died. But one that the reaper has only
marked still does: what it has stored is written down when its end is announced. A retry of it takes
over before that: it knows from the ledger's units what is stored, and writes it down itself.
"""

from __future__ import annotations

from datetime import datetime

from boto3.dynamodb.conditions import Attr, ConditionBase

from contracts.errors import Conflict, OwnershipLost
from contracts.ledger_items import UNANNOUNCED, NewObjectsItem, RunItem
from contracts.run_request import format_timestamp
from contracts.source.only_new import Scope
from ledger.conditions import NEW_OBJECTS
from ledger.runs import find_run
from ledger.table import Ledger


def take(
    ledger: Ledger, scope: Scope, run_id: str, run_attempt: int, now: datetime
) -> NewObjectsItem | None:
    """Become the run that takes the new objects; a repeat changes nothing.

    A later attempt of the run that does writes itself down, so that nobody takes over from it who
    has seen the earlier attempt end.

    Returns:
        The item, where another run does, which has not ended; None: this run does.

    Raises:
        Conflict: the item changed just now; the same call may succeed.
        OwnershipLost: a later attempt of this run does.
    """
    key = NewObjectsItem.key_of(scope)
    there = ledger.get_item(*key)
    held = NewObjectsItem.from_item(there) if there else NewObjectsItem()
    if held.taken_by == run_id:
        if held.run_attempt == run_attempt:
            return None
        if held.run_attempt is not None and held.run_attempt > run_attempt:
            raise OwnershipLost(f"run {run_id} is at attempt {held.run_attempt}, not {run_attempt}")
    elif held.taken_by is not None:
        holder = find_run(ledger, held.taken_by)
        if not has_ended(holder) and not _is_superseded(holder, run_id):
            return held
    taken = NewObjectsItem.changes(
        taken_by=run_id, run_attempt=run_attempt, taken_at=format_timestamp(now)
    )
    written = ledger.change(key, taken, _as_read(held))
    current = NewObjectsItem.from_item(written.item or {})
    if (current.taken_by, current.run_attempt) == (run_id, run_attempt):
        return None
    if current.taken_by in (None, run_id):
        raise Conflict(f"who takes the new objects of {scope.dataset_name} changed just now")
    return current


def release(ledger: Ledger, scope: Scope, run_id: str, run_attempt: int) -> None:
    """Let other runs take new objects, if this attempt of the run does; idempotent."""
    released = NewObjectsItem.changes(taken_by=None, run_attempt=None, taken_at=None)
    ours = NewObjectsItem(taken_by=run_id, run_attempt=run_attempt)
    ledger.change(NewObjectsItem.key_of(scope), released, _as_read(ours))


def _as_read(held: NewObjectsItem) -> ConditionBase:
    return _is(NEW_OBJECTS.taken_by, held.taken_by) & _is(NEW_OBJECTS.run_attempt, held.run_attempt)


def _is(attribute: Attr, value: str | int | None) -> ConditionBase:
    return attribute.not_exists() if value is None else attribute.eq(value)


def has_ended(run: RunItem | None) -> bool:
    """Whether what the run has stored is written down, or it is not in the ledger any more."""
    return run is None or (run.status.ended and run.reaped != UNANNOUNCED)


def _is_superseded(run: RunItem | None, by: str) -> bool:
    """Whether `by` retries the run, whose execution has died and which the reaper has still to end.

    Claiming the retry has checked that (`runs.superseding`).
    """
    return run is not None and run.superseded_by == by
