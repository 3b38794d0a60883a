"""reaper: end what is left of an execution that was stopped, failed or ran out of time
(`runs.reaper`).

Woken by the status event of an execution, by a schedule, which sweeps for what no event reported
and for runs that the ledger has held for long enough, and by `pipeline stop` and `pipeline resume`,
for one run. The schedule also looks whether what contracts expect is stored by now
(`runs.expectations`).
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

from aws_lambda_powertools.utilities.typing import LambdaContext

from contracts.messages import ResumeRun, StopRun
from ledger.retention import RetentionSettings, expire_due
from ledger.table import Ledger
from remote_jobs.engines.registry import EngineSettings, adapter_for
from remote_jobs.ledger import JobLedger
from remote_jobs.stopper import JobStopper
from runs.announcement import StackSettings
from runs.dead_letters import LongRunLetters
from runs.executions import execution
from runs.expectations.contracts import expecting_datasets
from runs.expectations.watching import ExpectationWatch, count_overdue
from runs.long.next_attempts import NextAttempts
from runs.long.starting import LongRunStarts
from runs.long.stopping import LongRuns
from runs.reaper import Reaper
from runs.topic import publish
from runtime.handler import flush_metrics, logger, settings_from_environment, utc_now

STATUS_CHANGE: Final = "Durable Execution Status Change"
STOP_RUN: Final = "Stop Run"  # what `pipeline stop` calls this with
RESUME_RUN: Final = "Resume Run"  # what `pipeline resume` does


@dataclass(frozen=True, kw_only=True)
class Settings(EngineSettings, StackSettings, RetentionSettings):
    ledger_table: str
    data_bucket: str
    code_bucket: str
    topic_arn: str
    long_run_function: str = ""
    environment: str = ""
    stack_name: str = ""
    dead_letter_queue_url: str = ""
    max_receive_count: str = "3"


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any] | None:
    woken_by = event.get("detail-type", "a direct call")
    with logger.append_context_keys(request_id=context.aws_request_id, woken_by=woken_by):
        settings = settings_from_environment(Settings)
        reaper = _reaper(settings)
        try:
            if woken_by == STATUS_CHANGE:
                detail = event["detail"]
                reaper.reap(detail["durableExecutionArn"], detail["status"])
            elif woken_by == STOP_RUN:
                return reaper.stop_run(StopRun.from_json(event["detail"])).to_json()
            elif woken_by == RESUME_RUN:
                return reaper.resume_run(ResumeRun.from_json(event["detail"])).to_json()
            else:
                with ExitStack() as then:  # what one leaves undone does not concern the next
                    then.callback(_look_at_expectations, settings, context.function_name)
                    left = context.get_remaining_time_in_millis
                    ledger = Ledger(settings.ledger_table)
                    then.callback(expire_due, ledger, settings, utc_now, left)
                    reaper.sweep()
        finally:
            flush_metrics()
    return None


def _look_at_expectations(settings: Settings, function: str) -> None:
    watch = ExpectationWatch(
        Ledger(settings.ledger_table),
        publish=lambda news: publish(settings.topic_arn, news),
        count=lambda: count_overdue(function),
        stack=settings.stack,
    )
    watch.look(expecting_datasets(settings.code_bucket), utc_now())


def _reaper(settings: Settings) -> Reaper:
    ledger = Ledger(settings.ledger_table)
    jobs = JobLedger(ledger)
    long_runs = LongRuns(ledger, settings.data_bucket, settings.long_run_function, execution)
    attempts = NextAttempts(
        ledger,
        LongRunStarts(settings.long_run_function, settings.environment, settings.stack_name),
        long_runs.holds,
        most=int(settings.max_receive_count),
        clock=utc_now,
    )
    dead_letters = LongRunLetters(
        ledger, settings.dead_letter_queue_url, long_runs.holds, clock=utc_now
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
