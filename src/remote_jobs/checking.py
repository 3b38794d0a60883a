"""Checks a job at its engine and records its state in the ledger."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from contracts.errors import PipelineError
from contracts.job import Engine, JobState
from remote_jobs.engines.base import RemoteJobs
from remote_jobs.engines.logs import with_log_tail
from remote_jobs.ledger import JobLedger
from remote_jobs.quota import RequestBudget, requests_for
from remote_jobs.record import JobRecord, state_of
from runtime.handler import (
    Clock,
    logger,
    utc_now,
)


def check(
    jobs: JobLedger,
    adapter_of: Callable[[Engine], RemoteJobs],
    record: JobRecord,
    clock: Clock = utc_now,
) -> JobRecord:
    """The job's current state, from its engine if that may be checked now.

    Past the deadline an unreachable engine raises no error: the job is to be cancelled anyway.

    Raises:
        PipelineError: the engine did not report on a job that is still in time.
    """
    if record.state.ended:
        jobs.reported(record)
        return record
    try:
        adapter = adapter_of(record.engine)
        budget, queue = RequestBudget(jobs.ledger, clock), f"{record.engine}-checking"
        if not budget.take(adapter.quota, queue, [record], partial(requests_for, now=clock())):
            return record
        return checked(jobs, adapter, record, clock)
    except PipelineError as error:
        if not record.overdue(clock()):
            raise
        logger.warning("not asked", extra={"job_id": record.job_id, "error": repr(error)})
        return record


def checked(
    jobs: JobLedger, adapter: RemoteJobs, record: JobRecord, clock: Clock = utc_now
) -> JobRecord:
    """The job's state at its engine, recorded in the ledger; the caller reports it.

    Raises:
        PipelineError: the engine could not be reached.
    """
    record = located(jobs, adapter, record, clock)
    if record.service_id is None or record.state.ended:
        return record
    response = adapter.status_of_many([record.remote])[record.job_id]
    status = state_of(record, response)
    record = jobs.known_as(record, status.service_id)
    if status.state.ended:
        status = with_log_tail(record.engine, record.remote, status)
        # The watcher adds a log that is still to come; the caller reports the end itself.
        return jobs.end(record.ended(status, clock()), reported=not status.log_pending)
    if status.state is JobState.RUNNING and record.state is JobState.SUBMITTED:
        return jobs.running(record, status, clock())
    return record


def located(
    jobs: JobLedger, adapter: RemoteJobs, record: JobRecord, clock: Clock = utc_now
) -> JobRecord:
    """The record, with its service id if its submission was cut off and the engine has it.

    Redshift is left out, as it lists no statements of another role: the next call of submit-job
    gets the id, because Redshift recognises a repeated submission.
    """
    interrupted = record.service_id is None and record.submitting_until is not None
    if not adapter.finds_others_jobs or not interrupted:
        return record
    service_id = adapter.find(record.remote)
    return record if service_id is None else jobs.submitted(record, service_id, clock())
