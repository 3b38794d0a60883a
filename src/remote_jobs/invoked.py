"""Jobs that the orchestrator invokes itself: the call to make, and recording how it ended.

Such a job takes two durable operations: submit-job, which writes the intent and returns the call,
and the invoke. To save a third one, its end is recorded by whichever step the orchestrator calls
next: the next submission, validate, or the end of the unit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from contracts.job import FunctionCall, JobEnd, JobState, JobStatus
from remote_jobs.engines.base import EngineStatus
from remote_jobs.ledger import JobLedger
from remote_jobs.record import ERROR_CHARACTERS, JobRecord
from remote_jobs.work import JobSpec, request_of
from runtime import clients
from runtime.handler import logger


def to_be_invoked(jobs: JobLedger, record: JobRecord, spec: JobSpec, now: datetime) -> JobStatus:
    """The job's status with the call that the orchestrator makes now.

    A repeat returns the same call: it depends on the record and the run's frozen contract only.
    """
    running = EngineStatus(JobState.RUNNING, "INVOKED", console_url=_console_url(record.target))
    record = jobs.running(record, running, now)
    call = FunctionCall(function=record.target, event=dict(request_of(record, spec).arguments))
    return record.status(now).model_copy(update={"call": call})


def record_ends(jobs: JobLedger, ends: Iterable[JobEnd], now: datetime) -> None:
    """Write the ends that the orchestrator reports into the ledger; a repeat changes nothing.

    Args:
        now: counts as their end: the orchestrator calls its next step as soon as it knows.
    """
    for end in ends:
        record = jobs.find(end.key)
        if record is None or record.state.ended:
            continue
        ended = replace(
            record,
            state=end.state,
            error=end.error and end.error[:ERROR_CHARACTERS],
            log_tail=end.log_tail,
            ended_at=now,
        )
        jobs.end(ended, reported=True)
        about = {"job_id": record.job_id, "state": end.state, "error": ended.as_shown().error}
        logger.info("invoked job ended", extra=about)


def _console_url(arn: str) -> str:
    region, name = arn.split(":")[3], arn.split(":")[6]
    return f"{clients.console(region)}/lambda/home?region={region}#/functions/{name}?tab=monitoring"
