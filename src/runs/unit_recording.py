"""A unit's beginning and its outcome in the ledger, and the notifications of them."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from contracts.errors import InvalidData, OwnershipLost
from contracts.ledger_items import Changes, UnitItem
from contracts.messages import EndUnit, StartUnit
from contracts.run import Finding, StageFailure, UnitOutcome, UnitStatus
from contracts.run_request import format_timestamp
from ledger.conditions import UNIT
from ledger.runs import owned_run
from ledger.stop_decision import refuse_if_stopping
from ledger.table import Ledger, Written
from runs.findings import findings_of
from runs.topic import Event, EventName
from runtime.handler import logger, metrics
from sources import frozen

FAILURE_CHARACTERS: Final = 2000


def start_unit(message: StartUnit, ledger: Ledger, data_bucket: str, now: datetime) -> Event | None:
    """Make the UNIT item RUNNING; None if this attempt has ended the unit already.

    Raises:
        OwnershipLost: a later attempt holds the run, or has begun this unit; or the run has ended
            as STOPPED, while a shard of it goes on.
        RunStopped: the run is to stop.
    """
    run = owned_run(ledger, message.run_id, message.run_attempt)
    if run.status.ended:
        raise OwnershipLost(f"run {message.run_id} has ended as {run.status}")
    refuse_if_stopping(run)
    entry = frozen.read_unit(data_bucket, message.run_id, message.unit_id)
    changes = UnitItem.changes(
        **dict.fromkeys(UnitItem.OF_AN_END),
        status=UnitStatus.RUNNING,
        run_attempt=message.run_attempt,
        source_url=entry.url,
        source_bytes=entry.size,
        source_etag=entry.etag,
        dataset_version=run.dataset_version,
        started_at=now,
    )
    begun_before = UNIT.run_attempt.eq(message.run_attempt)
    allowed = (
        UNIT.run_attempt.not_exists()
        | UNIT.run_attempt.lt(message.run_attempt)
        | (begun_before & UNIT.status.eq(UnitStatus.RUNNING))
    )
    written = ledger.change(UnitItem.key_of(message.run_id, message.unit_id), changes, allowed)
    if not written.done:
        _refuse_other_attempt(message, written)
        return None
    return _started_event(message, entry.url, run.dataset_name, now)


def end_unit(message: EndUnit, ledger: Ledger, data_bucket: str, now: datetime) -> Event:
    """Write the unit's outcome, with the rules that its rows broke.

    Raises:
        InvalidData: the rows of a stored unit do not add up.
        OwnershipLost: a later attempt holds the run, or has begun this unit.
    """
    if message.status is UnitStatus.STORED and not message.rows.balanced:
        raise InvalidData(f"unit {message.unit_id}: its rows do not add up: {message.rows!r}")
    run = owned_run(ledger, message.run_id, message.run_attempt)
    failure, findings = _shortened(message.failure), findings_of(message, data_bucket)
    changes = _of_the_end(message, failure, findings, now)
    allowed = UNIT.run_attempt.not_exists() | UNIT.run_attempt.lte(message.run_attempt)
    written = ledger.change(UnitItem.key_of(message.run_id, message.unit_id), changes, allowed)
    if not written.done:
        _refuse_other_attempt(message, written)
    metrics.add_metric(name=f"Units{message.status.value.title()}", unit="Count", value=1)
    logger.info("unit ended", extra={"status": message.status, "rows": message.rows.model_dump()})
    outcome = UnitOutcome(
        unit_id=message.unit_id,
        status=message.status,
        rows=message.rows,
        job_ids=message.job_ids,
        failure=failure,
        findings=findings,
        items=message.items,
        ended_at=format_timestamp(now),
    )
    return _ended_event(message, outcome, run.dataset_name, now)


def _of_the_end(
    message: EndUnit,
    failure: StageFailure | None,
    findings: tuple[Finding, ...],
    now: datetime,
) -> Changes:
    """Attributes of the UNIT item; optional ones only if they have a value."""
    return UnitItem.changes(
        status=message.status,
        run_attempt=message.run_attempt,
        rows=message.rows,
        job_ids=message.job_ids,
        ended_at=now,
        failure=failure,
        findings=findings or None,
        items=message.items,
        set_aside=message.set_aside or None,
    )


def _started_event(message: StartUnit, source_url: str, dataset: str, now: datetime) -> Event:
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


def _ended_event(message: EndUnit, outcome: UnitOutcome, dataset: str, now: datetime) -> Event:
    text = f"Unit {message.unit_id} of run {message.run_id} {message.status.value}"
    if outcome.failure is not None:
        text += f" at {outcome.failure.stage}: {outcome.failure.message}"
    return Event(
        name=EventName.UNIT_ENDED,
        run_id=message.run_id,
        run_attempt=message.run_attempt,
        unit_id=message.unit_id,
        dataset_name=dataset,
        status=message.status.value,
        text=text,
        time=now,
        details={"outcome": outcome.to_json()},
    )


def _refuse_other_attempt(message: StartUnit | EndUnit, written: Written) -> None:
    """Raise OwnershipLost for a unit that could not be written: a later attempt has begun it."""
    unit = UnitItem.from_item(written.item or {})
    if unit.run_attempt != message.run_attempt:
        raise OwnershipLost(
            f"unit {message.unit_id} of run {message.run_id} belongs to attempt {unit.run_attempt}"
            f" now, not to {message.run_attempt}"
        )


def _shortened(failure: StageFailure | None) -> StageFailure | None:
    if failure is None or len(failure.message) <= FAILURE_CHARACTERS:
        return failure
    return failure.model_copy(update={"message": failure.message[:FAILURE_CHARACTERS] + "…"})
