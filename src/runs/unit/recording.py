"""A unit's outcome in the ledger, and the notifications of its beginning and its end."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from boto3.dynamodb.conditions import ConditionBase

from contracts import layout
from contracts.costs.usage import added
from contracts.errors import InvalidData, NotFound, OwnershipLost
from contracts.ledger_items import Changes, UnitItem
from contracts.messages import EndUnit, StartUnit
from contracts.run import Finding, RowCounts, StageFailure, UnitOutcome, UnitState, UnitStatus
from contracts.run_request import format_timestamp
from contracts.source.object_totals import ObjectTotals
from contracts.source.unit_part import stage_and_part
from ledger.conditions import UNIT
from ledger.runs import owned_run
from ledger.table import Ledger, Written
from remote_jobs.record import WITHHELD
from runs.findings import findings_of
from runs.topic import Event, EventName
from runs.unit.counts import count_losses, count_spent
from runtime.handler import logger, metrics
from runtime.metering import meter
from sources import frozen

FAILURE_CHARACTERS: Final = 2000


class Ending(NamedTuple):
    """The unit's outcome in the ledger, and the notification of it."""

    status: UnitStatus
    news: Event


def end_unit(message: EndUnit, ledger: Ledger, data_bucket: str, now: datetime) -> Ending:
    """Write the unit's outcome, with the rules that its rows broke.

    A failure is not written over what the unit's last store has recorded, if the orchestrator has
    not heard of that (`perhaps_ended`): all of its rows are stored.

    Raises:
        InvalidData: the rows of a stored unit do not add up.
        OwnershipLost: a later attempt holds the run, or has begun this unit.
    """
    if message.status is UnitStatus.STORED and not message.rows.balanced:
        raise InvalidData(f"unit {message.unit_id}: its rows do not add up: {message.rows!r}")
    run = owned_run(ledger, message.run_id, message.run_attempt)
    message = _with_this_call(message)
    failure = _shortened(_withheld(message, data_bucket))
    findings = findings_of(message, data_bucket)
    objects = _objects(message, data_bucket)
    objects_url = _objects_url(message, data_bucket)
    changes = _of_the_end(message, failure, findings, objects, objects_url, now)
    written = ledger.change(
        UnitItem.key_of(message.run_id, message.unit_id), changes, _not_ended_otherwise(message)
    )
    if not written.done:
        refuse_other_attempt(message, written)
        unit = UnitItem.from_item(written.item or {})
        # The last store may have died before it counted this.
        found = {"status": unit.status, "items": unit.items, "objects": unit.objects}
        recorded = message.model_copy(update=found)
        count_losses(recorded, ledger, data_bucket)
        count_spent(recorded, ledger)
        return _as_stored(message, unit, run.dataset_name, now)
    count_losses(message, ledger, data_bucket)
    count_spent(message, ledger)
    metrics.add_metric(name=f"Units{message.status.value.title()}", unit="Count", value=1)
    logger.info("unit ended", extra={"status": message.status, "rows": message.rows.model_dump()})
    outcome = UnitOutcome(
        unit_id=message.unit_id,
        status=UnitState(message.status),
        rows=message.rows,
        job_ids=message.job_ids,
        failure=failure,
        findings=findings,
        items=message.items,
        objects=objects,
        failed_objects=message.failed_objects,
        objects_url=objects_url,
        ended_at=format_timestamp(now),
    )
    return Ending(message.status, unit_ended(message, outcome, run.dataset_name, now))


def _not_ended_otherwise(message: EndUnit) -> ConditionBase:
    """Condition: no later attempt has begun the unit, nor has its last store ended it."""
    earlier = UNIT.run_attempt.not_exists() | UNIT.run_attempt.lt(message.run_attempt)
    this: ConditionBase = UNIT.run_attempt.eq(message.run_attempt)
    if message.perhaps_ended and message.status is UnitStatus.FAILED:
        this &= UNIT.status.ne(UnitStatus.STORED)
    return earlier | this


def _as_stored(message: EndUnit, unit: UnitItem, dataset: str, now: datetime) -> Ending:
    """What the last store recorded; it may have died before it published that."""
    logger.warning("unit is stored already", extra={"failure": repr(message.failure)})
    outcome = UnitOutcome(
        unit_id=message.unit_id,
        status=unit.outcome,
        rows=unit.rows or RowCounts(),
        job_ids=unit.job_ids,
        findings=unit.findings,
        items=unit.items,
        objects=unit.objects,
        failed_objects=unit.failed_objects,
        objects_url=unit.objects_url,
        ended_at=unit.ended_at,
    )
    return Ending(unit.status, unit_ended(message, outcome, dataset, now))


def _with_this_call(message: EndUnit) -> EndUnit:
    """With what this very call has used by now."""
    if message.usage is None:
        return message
    return message.model_copy(update={"usage": added((message.usage, meter.so_far()))})


def _of_the_end(
    message: EndUnit,
    failure: StageFailure | None,
    findings: tuple[Finding, ...],
    objects: ObjectTotals | None,
    objects_url: str | None,
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
        stored_in=message.stored_in,
        not_started=None,
        usage=message.usage,
        adopted=message.adopted,
        objects=objects,
        failed_objects=message.failed_objects,
        objects_url=objects_url,
    )


def _objects(message: EndUnit, bucket: str) -> ObjectTotals | None:
    """What came of the objects of a unit that holds several; all failed, if it did."""
    if message.status is not UnitStatus.FAILED:
        return message.objects
    try:
        objects = frozen.read_unit(bucket, message.run_id, message.unit_id).objects
    except NotFound:
        return None
    return None if objects is None else ObjectTotals(total=objects, failed=objects)


def _objects_url(message: EndUnit, bucket: str) -> str | None:
    """Where the outcomes of single objects are: of a unit that is stored."""
    if message.objects is None:
        return None
    return layout.s3_url(bucket, layout.objects_key(message.run_id, message.unit_id))


def _withheld(message: EndUnit, bucket: str) -> StageFailure | None:
    """The failure without what a job said of its end, if the contract says `examples: false`.

    The jobs' own records say that already, but for those that the orchestrator invokes itself.
    """
    failure = message.failure
    invoked = {stage_and_part(end.key.stage)[0] for end in message.ended_jobs}
    if failure is None or failure.job_id is None or failure.stage not in invoked:
        return failure
    try:
        if frozen.read_snapshot(bucket, message.run_id).dataset.examples:
            return failure
    except NotFound:
        return failure
    return failure.model_copy(update={"message": WITHHELD, "log_tail": None})


def _shortened(failure: StageFailure | None) -> StageFailure | None:
    if failure is None or len(failure.message) <= FAILURE_CHARACTERS:
        return failure
    return failure.model_copy(update={"message": failure.message[:FAILURE_CHARACTERS] + "…"})


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
