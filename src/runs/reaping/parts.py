"""The reaper and what its schedule looks at besides, put together from the function's settings."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime

from contracts.base import whole_number
from contracts.ledger_items import UnitItem
from ledger.retention import RetentionSettings
from ledger.table import Ledger
from remote_jobs.engines.registry import EngineSettings, adapter_for
from remote_jobs.ledger import JobLedger
from remote_jobs.stopper import JobStopper
from runs.announcement import StackSettings
from runs.backfills.announcing import BackfillEnds
from runs.backfills.executions import BackfillExecutions
from runs.backfills.upkeep import BackfillUpkeep
from runs.dead_letters import LongRunLetters
from runs.executions import execution
from runs.expectations.contracts import deployed_contracts
from runs.expectations.late import LateDays
from runs.expectations.watching import ExpectationWatch, count_overdue
from runs.long.next_attempts import NextAttempts
from runs.long.starting import LongRunStarts
from runs.long.stopping import LongRuns
from runs.reaping.reaper import Reaper
from runs.topic import publish
from runtime.handler import Clock
from sources.groups.stored import stored_urls


@dataclass(frozen=True, kw_only=True)
class Settings(EngineSettings, StackSettings, RetentionSettings):
    ledger_table: str
    data_bucket: str
    code_bucket: str
    topic_arn: str
    long_run_function: str = ""
    backfill_function: str = ""
    environment: str = ""
    stack_name: str = ""
    dead_letter_queue_url: str = ""
    max_receive_count: str = "3"


def backfills_of(settings: Settings, clock: Clock) -> BackfillUpkeep:
    """What looks after backfills."""
    ledger = Ledger(settings.ledger_table)
    executions = BackfillExecutions(
        ledger, settings.backfill_function, settings.environment, settings.stack_name, clock
    )
    attempts = whole_number(settings.max_receive_count)
    ends = BackfillEnds(
        ledger, lambda news: publish(settings.topic_arn, news), clock, settings.stack
    )
    return BackfillUpkeep(ledger, executions, ends, execution, attempts, clock)


def look_at_expectations(settings: Settings, function: str, now: datetime) -> None:
    """Announce the days that contracts expect by now and nobody has stored, and those that were
    announced so and are stored after all.
    """
    contracts = list(deployed_contracts(settings.code_bucket))
    ledger = Ledger(settings.ledger_table)

    def objects_of(unit: UnitItem) -> list[str]:
        return stored_urls(settings.data_bucket, unit)

    watch = ExpectationWatch(
        ledger,
        publish=lambda news: publish(settings.topic_arn, news),
        count=lambda: count_overdue(function),
        stack=settings.stack,
        objects_of=objects_of,
    )
    late = LateDays(
        ledger, lambda news: publish(settings.topic_arn, news), settings.stack, objects_of
    )
    with ExitStack() as then:  # what one leaves undone does not concern the other
        then.callback(late.look, contracts, now)
        watch.look(contracts, now)


def reaper_of(settings: Settings, clock: Clock) -> Reaper:
    """What ends what executions have left."""
    ledger = Ledger(settings.ledger_table)
    jobs = JobLedger(ledger)
    long_runs = LongRuns(ledger, settings.data_bucket, settings.long_run_function, execution)
    attempts = NextAttempts(
        ledger,
        LongRunStarts(settings.long_run_function, settings.environment, settings.stack_name),
        long_runs.holds,
        most=whole_number(settings.max_receive_count),
        clock=clock,
    )
    dead_letters = LongRunLetters(
        ledger, settings.dead_letter_queue_url, long_runs.holds, clock=clock
    )
    return Reaper(
        ledger=ledger,
        jobs=jobs,
        stopper=JobStopper(jobs, lambda engine: adapter_for(engine, settings), time.sleep),
        executions=execution,
        data_bucket=settings.data_bucket,
        publish=lambda news: publish(settings.topic_arn, news),
        stop_long_run=long_runs.stop,
        begin_next_attempt=attempts.begin,
        reject=dead_letters.reject,
        stack=settings.stack,
        ledger_retention_days=settings.ledger_retention_days,
    )
