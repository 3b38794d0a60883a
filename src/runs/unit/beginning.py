"""Whether a unit begins, decided once, in its first step: the response is recorded in the history.

A run may be about to stop, may have failed too often, or its execution may have too few operations
left. No orchestrator decides this by itself, as its code is replayed.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from boto3.dynamodb.conditions import ConditionBase

from contracts.costs.usage import Amounts
from contracts.errors import OwnershipLost
from contracts.ledger_items import RunItem, UnitItem
from contracts.manifest import ManifestEntry
from contracts.messages import Began, NotBegun, StartUnit
from contracts.run import (
    COST_EXCEEDED,
    ItemTotals,
    StageFailure,
    UnitOutcome,
    UnitState,
    UnitStatus,
)
from contracts.run_request import format_timestamp
from contracts.source.object_totals import ObjectTotals
from contracts.steps import Steps
from ledger.conditions import UNIT
from ledger.runs import owned_run
from ledger.stop_decision import refuse_if_stopping
from ledger.table import Ledger
from runs.topic import Event, publish
from runs.unit.counts import losses, reserve, spent
from runs.unit.recording import refuse_other_attempt, unit_ended, unit_started
from runs.units import NOT_STARTED
from runtime.handler import logger, metrics
from sources import frozen

ERROR_TYPES = {
    NotBegun.STOPPED: "RunStopped",
    NotBegun.FAILED_FAST: "ToleranceExceeded",
    NotBegun.COST: COST_EXCEEDED,
}


class Beginning(NamedTuple):
    """The response, and the notification of it; None: there is none to send."""

    began: Began
    news: Event | None


def begin_unit(
    message: StartUnit, ledger: Ledger, data_bucket: str, topic_arn: str, now: datetime
) -> Began:
    """As `start_unit`; what there is to notify is published.

    At every repeat, under the same id: a lost notification is worse than two.
    """
    began, news = start_unit(message, ledger, data_bucket, now)
    if news is not None:
        publish(topic_arn, news)
    return began


def start_unit(message: StartUnit, ledger: Ledger, data_bucket: str, now: datetime) -> Beginning:
    """Decide whether the unit begins; if so, make the UNIT item RUNNING.

    There is no notification if this attempt has ended the unit already.

    Raises:
        OwnershipLost: a later attempt holds the run, or has begun this unit; or the run has ended
            as STOPPED, while a shard of it goes on.
        RunStopped: the run is to stop, and an earlier release sends the message.
    """
    run = owned_run(ledger, message.run_id, message.run_attempt)
    if run.status.ended:
        raise OwnershipLost(f"run {message.run_id} has ended as {run.status}")
    if message.execution_arn is None:
        refuse_if_stopping(run)
        return Beginning(Began(), _begin(message, run, ledger, data_bucket, now))
    if run.stopping:
        response = Began(begin=False, reason=NotBegun.STOPPED, why=run.why_stopped)
        return Beginning(response, _not_started(message, response, run, ledger, data_bucket, now))
    if message.tolerated_losses is not None:
        lost = losses(ledger, message.run_id, message.run_attempt)
        if lost > message.tolerated_losses:
            why = f"{lost} have failed by now, {message.tolerated_losses} are tolerated (failFast)"
            response = Began(begin=False, reason=NotBegun.FAILED_FAST, why=why)
            return Beginning(
                response, _not_started(message, response, run, ledger, data_bucket, now)
            )
    if message.max_cost is not None:
        usd = spent(ledger, message.run_id)
        if usd >= message.max_cost:
            why = f"units have cost ${usd:.4f} by now, maxCost is ${message.max_cost:g}"
            response = Began(begin=False, reason=NotBegun.COST, why=why)
            return Beginning(
                response, _not_started(message, response, run, ledger, data_bucket, now)
            )
    if not reserve(message, ledger, now):
        why = "its execution has too few operations left; another one begins it"
        logger.info("unit not begun", extra={"why": why})
        return Beginning(Began(begin=False, reason=NotBegun.OPERATIONS, why=why), None)
    news = _begin(message, run, ledger, data_bucket, now)
    return Beginning(Began(allowance=message.allowance), news)


def _begin(
    message: StartUnit, run: RunItem, ledger: Ledger, data_bucket: str, now: datetime
) -> Event | None:
    entry = frozen.read_unit(data_bucket, message.run_id, message.unit_id)
    changes = UnitItem.changes(
        **dict.fromkeys(UnitItem.OF_AN_END)
        | dict(
            status=UnitStatus.RUNNING,
            run_attempt=message.run_attempt,
            source_url=entry.url,
            source_bytes=entry.size,
            source_etag=entry.etag,
            dataset_version=run.dataset_version,
            started_at=now,
            objects=None if entry.objects is None else ObjectTotals(total=entry.objects),
            **_spent(message, ledger),
        )
    )
    key = UnitItem.key_of(message.run_id, message.unit_id)
    written = ledger.change(key, changes, _not_ended(message))
    if not written.done:
        refuse_other_attempt(message, written)
        return None
    return unit_started(message, entry.url, run.dataset_name, now)


def _spent(message: StartUnit, ledger: Ledger) -> dict[str, Amounts]:
    """What earlier attempts at the unit have used, as its item is about to be this attempt's."""
    if message.run_attempt == 1:
        return {}
    item = ledger.get_item(*UnitItem.key_of(message.run_id, message.unit_id))
    if item is None:
        return {}
    unit = UnitItem.from_item(item)
    known = unit.usage is not None and unit.run_attempt < message.run_attempt
    return dict(spent=unit.total_usage) if known else {}


def _not_started(
    message: StartUnit,
    response: Began,
    run: RunItem,
    ledger: Ledger,
    data_bucket: str,
    now: datetime,
) -> Event | None:
    """Record that the unit was not to begin, as a failure that earlier releases can read."""
    assert response.reason is not None  # noqa: S101  (that is why it is called)
    entry = frozen.read_unit(data_bucket, message.run_id, message.unit_id)
    failure = StageFailure(
        stage=Steps.start_unit.name,
        error_type=ERROR_TYPES[response.reason],
        message=f"{NOT_STARTED}{response.why}",
    )
    items, objects = _items(entry), _objects(entry)
    changes = UnitItem.changes(
        **dict.fromkeys((*UnitItem.OF_AN_END, "started_at"))
        | dict(
            status=UnitStatus.FAILED,
            not_started=True,
            run_attempt=message.run_attempt,
            source_url=entry.url,
            source_bytes=entry.size,
            failure=failure,
            items=items,
            objects=objects,
            ended_at=now,
            **_spent(message, ledger),
        )
    )
    key = UnitItem.key_of(message.run_id, message.unit_id)
    written = ledger.change(key, changes, _not_ended(message))
    if not written.done:
        refuse_other_attempt(message, written)
        return None
    metrics.add_metric(name="UnitsNotStarted", unit="Count", value=1)
    outcome = UnitOutcome(
        unit_id=message.unit_id,
        status=UnitState.NOT_STARTED,
        failure=failure,
        items=items,
        objects=objects,
        source_url=entry.url,
        ended_at=format_timestamp(now),
    )
    return unit_ended(message, outcome, run.dataset_name, now)


def _items(entry: ManifestEntry) -> ItemTotals | None:
    if entry.items is None:
        return None
    return ItemTotals(total=entry.items, not_started=entry.items)


def _objects(entry: ManifestEntry) -> ObjectTotals | None:
    if entry.objects is None:
        return None
    return ObjectTotals(total=entry.objects, not_started=entry.objects)


def _not_ended(message: StartUnit) -> ConditionBase:
    """Condition: this attempt has not ended the unit, nor has a later one begun it."""
    begun_before = UNIT.run_attempt.eq(message.run_attempt)
    return (
        UNIT.run_attempt.not_exists()
        | UNIT.run_attempt.lt(message.run_attempt)
        | (begun_before & UNIT.status.eq(UnitStatus.RUNNING))
    )
