"""submit_job: submit a job exactly once per key, in its turn (`remote_jobs.submission`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from contracts.job import Engine, JobStatus
from contracts.messages import SubmitJob, SubmitQueued
from ledger.table import Ledger
from remote_jobs.engines.registry import EngineSettings, adapter_for
from remote_jobs.ledger import JobLedger
from remote_jobs.pools.limits import CurrentPoolsFile, Limits
from remote_jobs.pools.queue import JobQueue
from remote_jobs.pools.store import Pools
from remote_jobs.submission import Submitter
from runtime.handler import settings_from_environment, step_handler


@dataclass(frozen=True, kw_only=True)
class Settings(EngineSettings):
    ledger_table: str
    data_bucket: str


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any] | None:
    """From the orchestrator a job to submit, from the watcher the key of one whose turn it is."""
    return (_queued if "queued" in event else _asked)(event, context)


@step_handler(SubmitJob)
def _asked(message: SubmitJob) -> JobStatus:
    return _submitter(message.engine).submit(message)


@step_handler(SubmitQueued)
def _queued(message: SubmitQueued) -> JobStatus:
    settings = settings_from_environment(Settings)
    record = JobLedger(Ledger(settings.ledger_table)).get(message.queued)
    return _submitter(record.engine).submit_queued(message.queued)


def _submitter(engine: Engine) -> Submitter:
    settings = settings_from_environment(Settings)
    ledger = Ledger(settings.ledger_table)
    limits = Limits(
        CurrentPoolsFile(ledger, settings.code_bucket), lambda engine: adapter_for(engine, settings)
    )
    return Submitter(
        jobs=JobLedger(ledger),
        adapter=adapter_for(engine, settings),
        data_bucket=settings.data_bucket,
        queue=JobQueue(Pools(ledger), limits.of),
    )


vars(handler)["message_class"] = SubmitJob  # compared with the step's declaration
