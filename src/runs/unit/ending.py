"""Recording that a unit has ended: by end-unit, or by its last store once that has all rows."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.errors import OwnershipLost, PipelineError
from contracts.messages import EndAfterStore, EndedUnit, EndUnit
from ledger.table import Ledger
from remote_jobs.invoked import record_ends
from remote_jobs.ledger import JobLedger
from runs.topic import publish
from runs.unit.counts import release
from runs.unit.recording import end_unit
from runtime.handler import Clock, logger, utc_now


@dataclass(frozen=True)
class EndSettings:
    """What recording an end needs."""

    ledger_table: str
    data_bucket: str
    topic_arn: str


def record_end(message: EndUnit, settings: EndSettings, clock: Clock = utc_now) -> EndedUnit | None:
    """Record the end in the ledger, then publish it; a repeat does both again, under the same id.

    Returns:
        The outcome that the ledger has, where it is another one than the message's.
    """
    ledger = Ledger(settings.ledger_table)
    record_ends(JobLedger(ledger), message.ended_jobs, clock())
    status, news = end_unit(message, ledger, settings.data_bucket, clock())
    publish(settings.topic_arn, news)
    release(message, ledger)  # last: until then a repeat is part of the unit's allowance
    return None if status is message.status else EndedUnit(status=status)


def record_end_after_store(
    end: EndAfterStore, rows: int, settings: EndSettings, superseded: int = 0
) -> bool:
    """Record that the unit is stored, if the store has all of its rows.

    Args:
        rows: how many this call of the store has stored.
        superseded: of them, those that it has left alone.

    Returns:
        Whether that is recorded. If not, the orchestrator calls end-unit, which tries again longer
        than a store should, or says what is missing.

    Raises:
        OwnershipLost: a later attempt holds the run, or has begun this unit.
    """
    if rows != end.rows:
        return False
    outcome = end.outcome
    counts = outcome.rows.model_copy(update={"superseded": outcome.rows.superseded + superseded})
    try:
        record_end(outcome.model_copy(update={"rows": counts}), settings)
    except OwnershipLost:
        raise
    except PipelineError as error:
        logger.warning("the unit's end is not recorded yet", extra={"error": repr(error)})
        return False
    return True
