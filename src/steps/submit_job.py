"""submit_job: submit a job exactly once per key, in its turn (`remote_jobs.submission`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from contracts.base import Contract
from contracts.errors import OwnershipLost, PipelineError
from contracts.job import JobStatus
from contracts.messages import StartUnit, Submission, SubmitJob, SubmitQueued
from ledger.table import Ledger
from remote_jobs.engines.registry import EngineSettings
from remote_jobs.ledger import JobLedger
from remote_jobs.submission import submitter
from runs.unit.beginning import begin_unit
from runtime.handler import logger, settings_from_environment, step_handler, utc_now


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
    topic_arn: str


@step_handler(SubmissionMessage)
def handler(event: SubmissionMessage) -> JobStatus | Submission:
    settings = settings_from_environment(Settings)
    jobs, message = JobLedger(Ledger(settings.ledger_table)), event.message
    if isinstance(message, SubmitQueued):
        engine = jobs.get(message.queued).engine
        queued = submitter(engine, jobs, settings, settings.data_bucket)
        return queued.submit_queued(message.queued)
    if message.start is not None:
        return _begin(message, message.start, jobs, settings)
    return submitter(message.engine, jobs, settings, settings.data_bucket).submit(message)


def _begin(message: SubmitJob, start: StartUnit, jobs: JobLedger, settings: Settings) -> Submission:
    """Submit the job of a unit that begins.

    An error of the submission is not raised, as the unit has begun, which the orchestrator has to
    hear of: it calls again without the start, and then gets the error, or the job.
    """
    bucket, topic = settings.data_bucket, settings.topic_arn
    began = begin_unit(start, jobs.ledger, bucket, topic, utc_now())
    if not began.begin:
        return Submission(began=began)
    try:
        status = submitter(message.engine, jobs, settings, bucket).submit(message)
    except OwnershipLost:
        raise
    except PipelineError as error:
        logger.warning("job not submitted yet", extra={"error": repr(error)})
        return Submission(began=began)
    return Submission(began=began, status=status)
