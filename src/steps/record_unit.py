"""record_unit: a unit's beginning and its outcome, in the ledger first and then on the topic."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

from boto3.dynamodb.conditions import Attr

from contracts.base import Contract
from contracts.errors import InvalidData, InvalidInput, NotFound, OwnershipLost, Problem, RunStopped
from contracts.messages import EndUnit, StartUnit
from contracts.run import Finding, RunStatus, StageFailure, UnitOutcome, UnitStatus
from contracts.run_request import format_timestamp
from ledger.stop_decision import is_stopping, reason_of
from ledger.table import RUN, Item, Ledger, unit_item
from remote_jobs.invoked import record_ends
from remote_jobs.ledger import JobLedger
from runs.findings import findings_of
from runs.topic import Event, EventName, publish
from runtime.handler import logger, metrics, settings_from_environment, step_handler, utc_now
from sources import frozen

FAILURE_CHARACTERS: Final = 2000
OPTIONAL: Final = ("failure", "findings", "items", "set_aside")


class UnitMessage(Contract):
    """Either message; its `kind` tells which."""

    message: StartUnit | EndUnit

    @classmethod
    def from_json(cls, value: Any) -> Self:
        kind = value.get("kind") if isinstance(value, dict) else None
        classes: dict[Any, type[StartUnit | EndUnit]] = {"start": StartUnit, "end": EndUnit}
        if kind not in classes:
            raise InvalidInput("record_unit", [Problem("kind", "must be start or end", repr(kind))])
        return cls(message=classes[kind].from_json(value))


@dataclass(frozen=True)
class Settings:
    ledger_table: str
    data_bucket: str
    topic_arn: str


@step_handler(UnitMessage)
def handler(event: UnitMessage) -> None:
    settings = settings_from_environment(Settings)
    ledger, message = Ledger(settings.ledger_table), event.message
    if isinstance(message, StartUnit):
        news = start_unit(message, ledger, settings.data_bucket, utc_now())
    else:
        record_ends(JobLedger(ledger), message.ended_jobs, utc_now())
        news = end_unit(message, ledger, settings.data_bucket, utc_now())
    # Told again at every repeat: the id is the same, and a lost notification is worse than two.
    if news is not None:
        publish(settings.topic_arn, news)


def start_unit(message: StartUnit, ledger: Ledger, data_bucket: str, now: datetime) -> Event | None:
    """Make the UNIT item RUNNING; None if this attempt has ended the unit already.

    Raises:
        OwnershipLost: a later attempt holds the run, or has begun this unit; or the run has ended
            as STOPPED, while a shard of it goes on.
        RunStopped: the run is to stop.
    """
    run = _owned_run(message, ledger)
    if RunStatus(run["status"]).ended:
        raise OwnershipLost(f"run {message.run_id} has ended as {run['status']}")
    if is_stopping(run):
        raise RunStopped(f"run {message.run_id}: {reason_of(run)}")
    entry = frozen.read_unit(data_bucket, message.run_id, message.unit_id)
    changes = {
        "status": UnitStatus.RUNNING.value,
        "run_attempt": message.run_attempt,
        "source_url": entry.url,
        "source_bytes": entry.size,
        "started_at": format_timestamp(now),
    }
    begun_before = Attr("run_attempt").eq(message.run_attempt)
    allowed = (
        Attr("run_attempt").not_exists()
        | Attr("run_attempt").lt(message.run_attempt)
        | (begun_before & Attr("status").eq(UnitStatus.RUNNING.value))
    )
    stale = ("ended_at", "rows", "job_ids", *OPTIONAL)
    item = unit_item(message.unit_id)
    if not ledger.update(message.run_id, item, changes, stale, allowed):
        unit = ledger.get_item(message.run_id, item) or {}
        if unit.get("run_attempt") != message.run_attempt:
            raise _lost(message, unit.get("run_attempt"))
        return None
    return _started_event(message, entry.url, run["dataset_name"], now)


def end_unit(message: EndUnit, ledger: Ledger, data_bucket: str, now: datetime) -> Event:
    """Write the unit's outcome, with the rules that its rows broke.

    Raises:
        InvalidData: the rows of a stored unit do not add up.
        OwnershipLost: a later attempt holds the run, or has begun this unit.
    """
    if message.status is UnitStatus.STORED and not message.rows.balanced:
        raise InvalidData(f"unit {message.unit_id}: its rows do not add up: {message.rows!r}")
    run = _owned_run(message, ledger)
    failure, findings = _shortened(message.failure), findings_of(message, data_bucket)
    changes = _of_the_end(message, failure, findings, now)
    stale = [name for name in OPTIONAL if name not in changes]
    allowed = Attr("run_attempt").not_exists() | Attr("run_attempt").lte(message.run_attempt)
    item = unit_item(message.unit_id)
    if not ledger.update(message.run_id, item, changes, stale, allowed):
        unit = ledger.get_item(message.run_id, item) or {}
        raise _lost(message, unit.get("run_attempt"))
    metrics.add_metric(name=f"Units{message.status.value.title()}", unit="Count", value=1)
    logger.info("unit ended", extra={"status": message.status, "rows": changes["rows"]})
    outcome = UnitOutcome(
        unit_id=message.unit_id,
        status=message.status,
        rows=message.rows,
        job_ids=message.job_ids,
        failure=failure,
        findings=findings,
        items=message.items,
        ended_at=changes["ended_at"],
    )
    return _ended_event(message, outcome, run["dataset_name"], now)


def _of_the_end(
    message: EndUnit,
    failure: StageFailure | None,
    findings: tuple[Finding, ...],
    now: datetime,
) -> dict[str, Any]:
    """Attributes of the UNIT item; those of OPTIONAL only where there is something."""
    known = {
        "failure": failure and failure.model_dump(exclude_none=True),
        "findings": [finding.model_dump(exclude_none=True) for finding in findings],
        "items": message.items.model_dump() if message.items else None,
        "set_aside": message.set_aside,
    }
    return {
        "status": message.status.value,
        "run_attempt": message.run_attempt,
        "rows": message.rows.model_dump(),
        "job_ids": list(message.job_ids),
        "ended_at": format_timestamp(now),
        **{name: known[name] for name in OPTIONAL if known[name]},
    }


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


def _owned_run(message: StartUnit | EndUnit, ledger: Ledger) -> Item:
    run = ledger.get_item(message.run_id, RUN)
    if run is None:
        raise NotFound(f"run {message.run_id} is not in the ledger")
    if run["run_attempt"] > message.run_attempt:
        raise _lost(message, run["run_attempt"])
    return run


def _lost(message: StartUnit | EndUnit, attempt: int | None) -> OwnershipLost:
    return OwnershipLost(
        f"unit {message.unit_id} of run {message.run_id} belongs to attempt {attempt} now,"
        f" not to {message.run_attempt}"
    )


def _shortened(failure: StageFailure | None) -> StageFailure | None:
    if failure is None or len(failure.message) <= FAILURE_CHARACTERS:
        return failure
    return failure.model_copy(update={"message": failure.message[:FAILURE_CHARACTERS] + "…"})
