"""cancel_job: stop the job at its engine, and see that it ends.

An engine takes a while to cancel a job, and this waits a little for it. A job that has not ended by
then is reported to the orchestrator as ended, so that the run goes on, but stays active in the
ledger: the watcher records its end, and the reaper's sweep cancels it again until it has ended.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from aws_lambda_powertools.metrics import MetricUnit

from contracts.job import JobStatus
from contracts.messages import CancelJob
from ledger.table import Ledger
from remote_jobs.engines.registry import EngineSettings, adapter_for
from remote_jobs.ledger import JobLedger
from remote_jobs.record import JobRecord
from remote_jobs.stopper import JobStopper
from runtime.handler import logger, metrics, settings_from_environment, step_handler, utc_now

PATIENCE_SECONDS: Final = 20


@dataclass(frozen=True, kw_only=True)
class Settings(EngineSettings):
    ledger_table: str


@step_handler(CancelJob)
def handler(message: CancelJob) -> JobStatus:
    settings = settings_from_environment(Settings)
    jobs = JobLedger(Ledger(settings.ledger_table))
    metrics.add_metric("JobCancellations", MetricUnit.Count, 1)
    stopper = JobStopper(jobs, lambda engine: adapter_for(engine, settings), time.sleep)
    return cancelled(stopper, jobs.get(message.key), message.reason).status(utc_now())


def cancelled(stopper: JobStopper, record: JobRecord, reason: str) -> JobRecord:
    """The job to report: as it ended by itself, else TIMED_OUT past its deadline, else CANCELLED.
    Only errors of the ledger are raised: an engine's must not keep the run from going on."""
    if not record.state.ended:
        stopped = stopper.stop([record], reason, PATIENCE_SECONDS)
        record = stopper.jobs.get(record.key)
        if not record.state.ended:
            why = stopped.going_on.get(record.job_id, "somebody else awaits it")
            logger.warning("not stopped yet", extra={"job_id": record.job_id, "why": str(why)})
            reason = f"{reason}; its end is not confirmed yet ({why})"
            return record.given_up(reason, stopper.clock())
        if record.job_id in stopped.logs_pending:
            return record  # the watcher adds its log
    stopper.jobs.reported(record)
    return record
