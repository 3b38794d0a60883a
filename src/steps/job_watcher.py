"""job_watcher: check all active jobs, and submit those whose turn it is.

Woken by job events, by a schedule, and by itself for what it had no time for
(`remote_jobs.watcher`, `remote_jobs.pools.dispatcher`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from contracts.job import Engine
from ledger.table import Ledger
from remote_jobs.callbacks import Callbacks
from remote_jobs.engines.base import RemoteJobs
from remote_jobs.engines.registry import EngineSettings, adapter_for
from remote_jobs.ledger import JobLedger
from remote_jobs.pools.dispatcher import Dispatcher, SubmissionsLeft
from remote_jobs.pools.limits import CurrentPoolsFile, Limits
from remote_jobs.pools.store import Pools
from remote_jobs.pools.waking import submit_queued, wake_again
from remote_jobs.quota import RequestBudget
from remote_jobs.tally import report
from remote_jobs.watcher import Watcher
from runtime import clients
from runtime.handler import flush_metrics, logger, settings_from_environment, utc_now


@dataclass(frozen=True, kw_only=True)
class Settings(EngineSettings):
    ledger_table: str
    submit_job_function: str


def handler(event: dict[str, Any], context: LambdaContext) -> None:
    settings = settings_from_environment(Settings)
    woken_by = event.get("detail-type", "a direct call")
    ledger = Ledger(settings.ledger_table)
    jobs = JobLedger(ledger)

    def adapter(engine: Engine) -> RemoteJobs:
        return adapter_for(engine, settings)

    file = CurrentPoolsFile(ledger, settings.code_bucket, counted_for=context.function_name)
    limits = Limits(file, adapter)
    with logger.append_context_keys(request_id=context.aws_request_id, woken_by=woken_by):
        watcher = Watcher(jobs=jobs, adapter=adapter, callbacks=Callbacks(clients.client("lambda")))
        dispatcher = Dispatcher(
            jobs=jobs,
            pools=Pools(ledger),
            limit_of=limits.of,
            submit=lambda key: submit_queued(settings.submit_job_function, key),
            remaining=lambda: context.get_remaining_time_in_millis() / 1000,
            may_submit=SubmissionsLeft(RequestBudget(ledger, utc_now), adapter),
        )
        try:
            tally = watcher.run()
            _ = limits.file  # read at each wake: a broken one raises its alarm while nothing waits
            dispatcher.run(tally)
            if tally.left:
                wake_again(context.invoked_function_arn, event)
            report(tally)
        finally:
            flush_metrics()
