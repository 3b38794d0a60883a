"""submit_job: submit a job exactly once per key, in its turn (`remote_jobs.submission`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from contracts.base import Contract
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


class SubmissionMessage(Contract):
    """From the orchestrator a job to submit, from the watcher the key of one whose turn it is."""

    message: SubmitJob | SubmitQueued

    @classmethod
    def from_json(cls, value: Any) -> Self:
        of_watcher = isinstance(value, dict) and "queued" in value
        message_class = SubmitQueued if of_watcher else SubmitJob
        return cls(message=message_class.from_json(value))


@dataclass(frozen=True, kw_only=True)
class Settings(EngineSettings):
    ledger_table: str
    data_bucket: str


@step_handler(SubmissionMessage)
def handler(event: SubmissionMessage) -> JobStatus:
    settings = settings_from_environment(Settings)
    jobs, message = JobLedger(Ledger(settings.ledger_table)), event.message
    if isinstance(message, SubmitQueued):
        engine = jobs.get(message.queued).engine
        return _submitter(jobs, engine, settings).submit_queued(message.queued)
    return _submitter(jobs, message.engine, settings).submit(message)


def _submitter(jobs: JobLedger, engine: Engine, settings: Settings) -> Submitter:
    file = CurrentPoolsFile(jobs.ledger, settings.code_bucket)
    limits = Limits(file, lambda engine: adapter_for(engine, settings))
    return Submitter(
        jobs=jobs,
        adapter=adapter_for(engine, settings),
        data_bucket=settings.data_bucket,
        queue=JobQueue(Pools(jobs.ledger), limits.of),
    )
