"""start_run: hand a run over to the long-running function, by an idempotent named start."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from contracts.errors import OwnershipLost
from contracts.messages import HandedOver, StartedRun, StartRun
from ledger.conditions import RUN
from ledger.runs import change_run, owned_run
from ledger.table import Ledger
from runs.long.starting import LongRunStarts
from runtime.handler import settings_from_environment, step_handler, utc_now


@dataclass(frozen=True)
class Settings:
    ledger_table: str
    long_run_function: str
    environment: str
    stack_name: str


@step_handler(StartRun)
def handler(message: StartRun) -> StartedRun:
    settings = settings_from_environment(Settings)
    return start_run(message, settings, Ledger(settings.ledger_table), utc_now())


def start_run(message: StartRun, settings: Settings, ledger: Ledger, now: datetime) -> StartedRun:
    """Start the long execution of this run attempt, or find it started, and make it the holder.

    The new execution may claim the run before this function writes the ledger; both write the same.

    Raises:
        OwnershipLost: a later attempt holds the run; nothing was started.
        RunConflict: an execution of this name runs with other content.
        NotConfigured: the function named by LONG_RUN_FUNCTION is not durable.
    """
    run_id = message.request.run_id
    run = owned_run(ledger, run_id, message.run_attempt)
    starts = LongRunStarts(settings.long_run_function, settings.environment, settings.stack_name)
    event = HandedOver(
        request=message.request,
        run_attempt=message.run_attempt,
        handed_over_by=message.execution_arn,
    )
    started = starts.start(run, event)
    arn = started.execution_arn
    ours = RUN.holder.eq(message.execution_arn) & RUN.run_attempt.eq(message.run_attempt)
    _, current = change_run(ledger, run_id, ours, holder=arn, updated_at=now)
    holder = current and current.holder
    if holder != arn:
        raise OwnershipLost(f"run {run_id} was handed to {arn}, but is held by {holder}")
    return started
