"""Notifications of a unit's beginning and end, and whose unit it is."""

from __future__ import annotations

from datetime import datetime

from contracts.errors import OwnershipLost
from contracts.ledger_items import UnitItem
from contracts.messages import EndUnit, StartUnit
from contracts.run import UnitOutcome, UnitStatus
from ledger.table import Written
from runs.topic import Event, EventName


def unit_started(message: StartUnit, source_url: str, dataset: str, now: datetime) -> Event:
    """The notification that the unit has begun."""
    return Event(
        name=EventName.UNIT_STARTED,
        run_id=message.run_id,
        run_attempt=message.run_attempt,
        unit_id=message.unit_id,
        dataset_name=dataset,
        status=UnitStatus.RUNNING.value,
        text=f"Unit {message.unit_id} of run {message.run_id} has started",
        time=now,
        details={"sourceUrl": source_url},
    )


def unit_ended(
    message: StartUnit | EndUnit, outcome: UnitOutcome, dataset: str, now: datetime
) -> Event:
    """The notification of what became of the unit."""
    text = f"Unit {message.unit_id} of run {message.run_id} {outcome.status.value}"
    if outcome.failure is not None:
        text += f" at {outcome.failure.stage}: {outcome.failure.message}"
    return Event(
        name=EventName.UNIT_ENDED,
        run_id=message.run_id,
        run_attempt=message.run_attempt,
        unit_id=message.unit_id,
        dataset_name=dataset,
        status=outcome.status.value,
        text=text,
        time=now,
        details={"outcome": outcome.to_json()},
    )


def refuse_other_attempt(message: StartUnit | EndUnit, written: Written) -> None:
    """Raise for a unit that could not be written because a later attempt has begun it.

    Raises:
        OwnershipLost: so it is.
    """
    unit = UnitItem.from_item(written.item or {})
    if unit.run_attempt != message.run_attempt:
        raise OwnershipLost(
            f"unit {message.unit_id} of run {message.run_id} belongs to attempt {unit.run_attempt}"
            f" now, not to {message.run_attempt}"
        )
