"""A run's next attempt in the execution that holds it: what failed for what may pass, once more.

It is an attempt like any other: its units begin anew, adopt the jobs that succeeded, and store
under the higher number.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from contracts.messages import BeginRound, Round
from contracts.run_request import parse_timestamp
from ledger.conditions import RUN
from ledger.runs import change_run, find_run, refuse_other_holder
from ledger.table import Ledger
from runtime.handler import logger


def begin_round(message: BeginRound, ledger: Ledger, now: datetime) -> Round:
    """Make the next attempt, which waits; a repeat finds it made.

    Raises:
        OwnershipLost: another execution holds the run, or it has ended.
    """
    run_id, attempt = message.run_id, message.run_attempt + 1
    run = find_run(ledger, run_id)
    if run is not None and run.stopping and run.run_attempt == message.run_attempt:
        return Round()
    ours = RUN.holder.eq(message.execution_arn) & RUN.run_attempt.eq(message.run_attempt)
    until = now + timedelta(seconds=message.wait_seconds)
    changed, current = change_run(
        ledger,
        run_id,
        ours,
        run_attempt=attempt,
        updated_at=now,
        waits_until=until,
        waiting_units=message.units,
    )
    if changed:
        logger.info("units run again", extra={"units": message.units, "until": str(until)})
        return Round(run_attempt=attempt, until=until)
    if current is None:
        return Round()
    refuse_other_holder(current, attempt, message.execution_arn)
    return Round(
        run_attempt=attempt,
        until=parse_timestamp(current.waits_until) if current.waits_until else None,
    )
