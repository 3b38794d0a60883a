"""Counts that decide whether a unit begins: its execution's operations, its run's losses.

Each write names the unit in its condition, so a repeated step counts nothing twice, but for the
operations of its own repeats.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from contracts import layout
from contracts.ledger_items import NANODOLLARS, LossesItem, OperationsItem, SpentItem
from contracts.messages import EndUnit, StartUnit
from contracts.messages.operations import OPERATIONS
from contracts.run import UnitStatus
from costs.model import cost_of
from ledger import conditions
from ledger.table import Ledger
from sources import frozen

RETENTION: Final = timedelta(days=400)  # longer than an execution may take


def reserve(message: StartUnit, ledger: Ledger, now: datetime) -> bool:
    """Commit the unit's allowance of its execution's operations; False if there are too few left.

    Once one unit was refused, so are all others of the execution: they cost it operations that
    are not counted.
    """
    attributes, unit = conditions.OPERATIONS, f"{message.run_id}/{message.unit_id}"
    key = OperationsItem.key_of(message.execution_arn or "")
    expires = OperationsItem.changes(expires_at=int((now + RETENTION).timestamp())).values
    most = OPERATIONS - message.reserved - message.allowance
    fits = attributes.committed.lte(most)
    if most >= 0:
        fits |= attributes.committed.not_exists()
    written = ledger.update(
        *key,
        expires,
        condition=fits & attributes.closed.not_exists() & ~attributes.running.contains(unit),
        add=OperationsItem.begun(message.allowance - message.asking, unit),
    )
    if written.done:
        return True
    if written.item is not None and unit in OperationsItem.from_item(written.item).running:
        return True  # by the first try of this very call
    ledger.update(*key, {**expires, **OperationsItem.changes(closed=True).values})
    return False


def release(message: EndUnit, ledger: Ledger) -> None:
    """Count what the unit has used, and give back what it was allowed beyond that.

    If an earlier try has, its response was lost. The operations of the repeats are then added, all
    of them, as it is not known which of them that try has counted: too many rather than too few.
    """
    if message.execution_arn is None:
        return
    unit, key = f"{message.run_id}/{message.unit_id}", OperationsItem.key_of(message.execution_arn)
    add, delete = OperationsItem.ended(message.operations - message.allowance, unit)
    counted = conditions.OPERATIONS
    released = ledger.update(
        *key, {}, condition=counted.running.contains(unit), add=add, delete=delete
    )
    if not released.done and message.repeats:
        add = OperationsItem.repeated(message.repeats)
        ledger.update(*key, {}, condition=counted.committed.exists(), add=add)


def losses(ledger: Ledger, run_id: str, run_attempt: int) -> int:
    """What the attempt has lost so far: units, or items of an array (a consistent read)."""
    found = ledger.query(run_id, LossesItem.prefix_of_attempt(run_attempt))
    return sum(LossesItem.from_item(item).losses for item in found)


def count_losses(message: EndUnit, ledger: Ledger, data_bucket: str) -> None:
    """Count what the unit has lost, if that decides whether others begin."""
    if not message.fail_fast:
        return
    lost = _lost(message, data_bucket)
    if lost == 0:
        return
    shard, _ = layout.split_unit_id(message.unit_id)
    ledger.update(
        *LossesItem.key_of(message.run_id, message.run_attempt, shard),
        {},
        condition=~conditions.LOSSES.counted.contains(message.unit_id),
        add=LossesItem.of_unit(lost, message.unit_id),
    )


def spent(ledger: Ledger, run_id: str) -> float:
    """What units of the run have cost in all its attempts, in US dollars (a consistent read)."""
    found = ledger.query(run_id, SpentItem.PREFIX)
    return sum(SpentItem.from_item(item).nanodollars for item in found) / NANODOLLARS


def count_spent(message: EndUnit, ledger: Ledger) -> None:
    """Count what the unit has cost, if that decides whether others begin."""
    if not message.counts_cost or message.usage is None:
        return
    shard, _ = layout.split_unit_id(message.unit_id)
    ledger.update(
        *SpentItem.key_of(message.run_id, message.run_attempt, shard),
        {},
        condition=~conditions.SPENT.counted.contains(message.unit_id),
        add=SpentItem.of_unit(cost_of(message.usage).usd, message.unit_id),
    )


def _lost(message: EndUnit, data_bucket: str) -> int:
    counted = message.items or message.objects
    if counted is not None:
        return counted.lost
    if message.status is not UnitStatus.FAILED:
        return 0
    entry = frozen.read_unit(data_bucket, message.run_id, message.unit_id)
    return entry.items or entry.objects or 1
