"""RUN items: reading them, the check of who holds a run, and conditional changes."""

from __future__ import annotations

from typing import Any

from boto3.dynamodb.conditions import ConditionBase

from contracts.errors import NotFound, OwnershipLost
from contracts.ledger_items import RunItem
from ledger.conditions import RUN
from ledger.table import Ledger


def find_run(ledger: Ledger, run_id: str) -> RunItem | None:
    """The run as it is now (a consistent read); None if the ledger does not know it."""
    item = ledger.get_item(*RunItem.key_of(run_id))
    return None if item is None else RunItem.from_item(item)


def owned_run(ledger: Ledger, run_id: str, run_attempt: int, holder: str | None = None) -> RunItem:
    """The run, while this attempt holds it.

    Args:
        holder: ARN of the execution that has to hold it; None: any of this attempt.

    Raises:
        NotFound: the run is not in the ledger.
        OwnershipLost: another attempt or execution holds it.
    """
    run = find_run(ledger, run_id)
    if run is None:
        raise NotFound(f"run {run_id} is not in the ledger")
    refuse_other_holder(run, run_attempt, holder)
    return run


def refuse_other_holder(run: RunItem, run_attempt: int, holder: str | None = None) -> None:
    """Raise if another attempt or execution holds the run.

    Raises:
        OwnershipLost: another attempt or another execution than `holder` does.
    """
    if run.run_attempt != run_attempt:
        raise OwnershipLost(f"run {run.run_id} is at attempt {run.run_attempt}, not {run_attempt}")
    if holder is not None and run.holder != holder:
        raise OwnershipLost(f"run {run.run_id} is held by {run.holder}, not by {holder}")


def change_run(
    ledger: Ledger, run_id: str, condition: ConditionBase, **changes: Any
) -> tuple[bool, RunItem | None]:
    """Change attributes of a run, by name; None removes one.

    Returns:
        Whether the condition held, and the run as it is then; None if there is none.
    """
    written = ledger.change(RunItem.key_of(run_id), RunItem.changes(**changes), condition)
    return written.done, None if written.item is None else RunItem.from_item(written.item)


def held_as(run: RunItem) -> ConditionBase:
    """Condition: the run has the same holder as when it was read."""
    return RUN.holder.eq(run.holder) & RUN.run_attempt.eq(run.run_attempt)


def stop_unchanged(run: RunItem) -> ConditionBase:
    """Condition: no decision to stop the run was recorded since it was read."""
    if run.stop_requested_at is not None:
        return RUN.stop_requested_at.eq(run.stop_requested_at)
    return RUN.stop_requested_at.not_exists()
