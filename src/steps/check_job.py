"""check_job: ask the engine, now; for an orchestrator whose callback fell silent."""

from __future__ import annotations

from dataclasses import dataclass

from aws_lambda_powertools.metrics import MetricUnit

from contracts.job import JobState, JobStatus
from contracts.messages import CheckJob
from steps.job_ledger import JobLedger
from steps.job_record import JobRecord, state_of
from steps.ledger import Ledger
from steps.remote_jobs.base import RemoteJobs
from steps.remote_jobs.logs import with_log_tail
from steps.remote_jobs.registry import EngineSettings, adapter_for
from steps.runtime import Clock, metrics, settings_from_environment, step_handler, utc_now


@dataclass(frozen=True, kw_only=True)
class Settings(EngineSettings):
    ledger_table: str


@step_handler(CheckJob)
def handler(message: CheckJob) -> JobStatus:
    settings = settings_from_environment(Settings)
    jobs = JobLedger(Ledger(settings.ledger_table))
    metrics.add_metric("JobsChecked", MetricUnit.Count, 1)
    record = jobs.await_by(jobs.get(message.key), message.callback_id)
    if record.state.ended:
        jobs.told(record)
    else:
        record = checked(jobs, adapter_for(record.engine, settings), record)
    return record.status(utc_now())


def checked(
    jobs: JobLedger, adapter: RemoteJobs, record: JobRecord, clock: Clock = utc_now
) -> JobRecord:
    """The job as its engine has it, kept in the ledger; the caller tells the orchestrator.

    Raises:
        PipelineError: the engine could not be asked.
    """
    record = located(jobs, adapter, record, clock)
    if record.service_id is None or record.state.ended:
        return record
    answer = adapter.status_of_many([record.remote])[record.job_id]
    status = state_of(record, answer)
    record = jobs.known_as(record, status.service_id)
    if status.state.ended:
        status = with_log_tail(record.engine, record.remote, status)
        return jobs.end(record.ended(status, clock()), told=True)
    if status.state is JobState.RUNNING and record.state is JobState.SUBMITTED:
        return jobs.running(record, status)
    return record


def located(
    jobs: JobLedger, adapter: RemoteJobs, record: JobRecord, clock: Clock = utc_now
) -> JobRecord:
    """With the service id of a job whose submission was interrupted, if the engine has it.

    Engines that recognise a repeat are not asked: submit-job's next call gets the id from them, and
    Redshift lists nobody the statements of another role.
    """
    interrupted = record.service_id is None and record.submitting_until is not None
    if adapter.recognises_repeats or not interrupted:
        return record
    service_id = adapter.find(record.remote)
    return record if service_id is None else jobs.submitted(record, service_id, clock())
