"""cancel_job: stop the job at its engine; afterwards it has ended, one way or another."""

from __future__ import annotations

from dataclasses import dataclass

from aws_lambda_powertools.metrics import MetricUnit

from contracts.errors import NotFound
from contracts.job import JobState, JobStatus
from contracts.messages import CancelJob
from steps.check_job import checked
from steps.job_ledger import JobLedger
from steps.job_record import JobRecord
from steps.ledger import Ledger
from steps.remote_jobs.base import EngineStatus, RemoteJobs
from steps.remote_jobs.logs import with_log_tail
from steps.remote_jobs.registry import EngineSettings, adapter_for
from steps.runtime import Clock, logger, metrics, settings_from_environment, step_handler, utc_now


@dataclass(frozen=True, kw_only=True)
class Settings(EngineSettings):
    ledger_table: str


@step_handler(CancelJob)
def handler(message: CancelJob) -> JobStatus:
    settings = settings_from_environment(Settings)
    jobs = JobLedger(Ledger(settings.ledger_table))
    metrics.add_metric("JobCancellations", MetricUnit.Count, 1)
    record = jobs.get(message.key)
    if not record.state.ended:
        adapter = adapter_for(record.engine, settings)
        record = cancelled(jobs, adapter, record, message.reason)
    return record.status(utc_now())


def cancelled(
    jobs: JobLedger,
    adapter: RemoteJobs,
    record: JobRecord,
    reason: str,
    clock: Clock = utc_now,
) -> JobRecord:
    """The job, ended: as it ended by itself, else TIMED_OUT past its deadline, else CANCELLED.

    Raises:
        PipelineError: the engine could not be asked, or did not stop it.
    """
    late = record.overdue(clock())
    record = checked(jobs, adapter, record, clock)
    if record.service_id is not None and not record.state.ended:
        try:
            if not adapter.cancel(record.remote):  # it ended between the two requests
                record = checked(jobs, adapter, record, clock)
        except NotFound:
            logger.warning("its engine does not know the job", extra={"job_id": record.job_id})
    if record.state.ended:
        return record
    state = JobState.TIMED_OUT if late else JobState.CANCELLED
    status = EngineStatus(state, state.value, reason)
    status = with_log_tail(record.engine, record.remote, status)
    return jobs.end(record.ended(status, clock()), told=True)
