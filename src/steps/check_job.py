"""check_job: check a job at its engine now; for callbacks without heartbeats."""

from __future__ import annotations

from dataclasses import dataclass

from aws_lambda_powertools.metrics import MetricUnit

from contracts.job import JobStatus
from contracts.messages import CheckJob
from ledger.table import Ledger
from remote_jobs.checking import check
from remote_jobs.engines.registry import EngineSettings, adapter_for
from remote_jobs.ledger import JobLedger
from runtime.handler import metrics, settings_from_environment, step_handler, utc_now


@dataclass(frozen=True, kw_only=True)
class Settings(EngineSettings):
    ledger_table: str


@step_handler(CheckJob)
def handler(message: CheckJob) -> JobStatus:
    settings = settings_from_environment(Settings)
    jobs = JobLedger(Ledger(settings.ledger_table))
    metrics.add_metric("JobsChecked", MetricUnit.Count, 1)
    record = jobs.await_by(jobs.get(message.key), message.callback_id)
    return check(jobs, lambda engine: adapter_for(engine, settings), record).status(utc_now())
