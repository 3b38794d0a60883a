"""submit_job: submit a job exactly once per key (`remote_jobs.submission`)."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.job import JobStatus
from contracts.messages import SubmitJob
from ledger.table import Ledger
from remote_jobs.engines.registry import EngineSettings, adapter_for
from remote_jobs.ledger import JobLedger
from remote_jobs.submission import Submitter
from runtime.handler import settings_from_environment, step_handler


@dataclass(frozen=True, kw_only=True)
class Settings(EngineSettings):
    ledger_table: str
    data_bucket: str


@step_handler(SubmitJob)
def handler(message: SubmitJob) -> JobStatus:
    settings = settings_from_environment(Settings)
    submitter = Submitter(
        jobs=JobLedger(Ledger(settings.ledger_table)),
        adapter=adapter_for(message.engine, settings),
        data_bucket=settings.data_bucket,
    )
    return submitter.submit(message)
