"""Submit a job and await it: two durable operations, however long it runs.

`create_callback` first, then `submit-job` carries the callback id into the ledger. The job watcher
completes the callback when the job has ended and heartbeats it while the job waits for a place or
runs. If heartbeats stop, the orchestrator calls `check-job`, which also registers a new callback.
So a dead watcher costs two operations per (growing) heartbeat interval, and no job is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from aws_durable_execution_sdk_python import CallbackTimeoutError
from aws_durable_execution_sdk_python.config import CallbackConfig, Duration
from aws_durable_execution_sdk_python.context import Callback
from aws_durable_execution_sdk_python.serdes import JsonSerDes

from contracts.job import Engine, JobEnd, JobKey, JobState, JobStatus, Priority, job_attempt
from contracts.messages import SubmitJob
from contracts.steps import Steps, UnitRef
from durable_pipeline.chain.functions import UnrecordedEnds, invoke_function, may_be_tried_again
from durable_pipeline.operations import operations_of
from durable_pipeline.policies import PASSING, Policy
from durable_pipeline.steps import BoundSteps, StageFailed

# How long the orchestrator relies on a silent watcher. Each silence costs two operations, so that
# docs/limits.md can say what an hour of it costs. A job that waits for a place is the watcher's to
# start; one that the engine has may end at any time.
LONGEST_HEARTBEAT_SECONDS: Final = 1800
LONGEST_HEARTBEAT_WHILE_WAITING: Final = 3600
# The watcher ends what is late; the callback's own time-out is only for what it has missed.
CALLBACK_MARGIN_SECONDS: Final = 3600
OF_A_CHECK: Final = 2  # operations: the new callback, and check-job
# CallbackOptions.TimeoutSeconds in the service model of Lambda (botocore, lambda 2015-03-31).
LONGEST_CALLBACK_SECONDS: Final = 99_999_999


class FirstSubmission(Protocol):
    """Submits the first try of a job by a call that does something else as well.

    Attributes:
        input_url: what the job reads, where that call says so.
    """

    input_url: str | None

    def __call__(self, message: SubmitJob) -> JobStatus | None:
        """Returns None if the job is not submitted yet: submit-job does so."""


@dataclass(frozen=True)
class Job:
    """What to run remotely, and for whom.

    Attributes:
        unit: whose it is; of a job of the whole run, the unit `layout.RUN_UNIT`.
        attempts: tries in all if the job FAILED, each of them a new job.
        backoff: waits between the tries; absent: none.
        timeout_seconds: how long each try may run.
        queue_seconds: how long each try may wait for its start; absent: `timeout_seconds` bounds
            both.
        pool: the named pool whose places it takes; absent: its engine's own.
        priority: of the run.
        input_url: the previous job's output; absent: the unit's own object.
        first: submits the first try by a call that does more than that; absent: submit-job does.
        tries: tries in all by the status of the failed job; at most `attempts`.
        ends: ends of invoked jobs that the next submission records.
    """

    unit: UnitRef
    stage: str
    engine: Engine
    timeout_seconds: int
    queue_seconds: int | None = None
    pool: str | None = None
    priority: Priority = Priority.NORMAL
    attempts: int = 1
    backoff: Policy | None = None
    input_url: str | None = None
    tries: Callable[[JobStatus], int] | None = None
    ends: UnrecordedEnds = field(default_factory=UnrecordedEnds)
    first: FirstSubmission | None = None

    @property
    def callback_seconds(self) -> int | None:
        """The time-out of a callback; None: as long as the job may run, and a heartbeat."""
        if self.queue_seconds is None:
            return None
        seconds = self.queue_seconds + self.timeout_seconds + CALLBACK_MARGIN_SECONDS
        return min(seconds, LONGEST_CALLBACK_SECONDS)

    def waits(self, status: JobStatus) -> bool:
        """Whether it waits for a place, as far as this status says."""
        queued = status.state is JobState.SUBMITTED and status.service_id is None
        return queued and self.queue_seconds is not None

    def tries_of(self, failed: JobStatus) -> int:
        """How often it is tried in all, once it has failed so."""
        return min(self.attempts, self.tries(failed)) if self.tries else self.attempts

    def key(self, retry: int) -> JobKey:
        return JobKey(
            run_id=self.unit.run_id,
            unit_id=self.unit.unit_id,
            stage=self.stage,
            attempt=job_attempt(self.unit.run_attempt, retry),
        )


def run_job(
    steps: BoundSteps,
    job: Job,
    on_ended: Callable[[JobStatus], None] = lambda _status: None,
) -> JobStatus:
    """Run a job to success, trying again as a new job where it FAILED and attempts are left.

    Args:
        on_ended: called with every try's end, failed ones included.

    Raises:
        StageFailed: the job did not succeed; error types JobFailed, JobCancelled, JobTimedOut, or
            that of the step that could not submit, check or cancel it.
    """
    for retry in range(1, job.attempts + 1):
        try:
            if job.engine.invoked:
                status = _submit_and_invoke(steps, job, retry)
            else:
                status = _submit_and_await(steps, job, retry)
        except StageFailed as failed:
            if failed.job:
                on_ended(failed.job)
            raise
        on_ended(status)
        if status.state is JobState.SUCCEEDED:
            return status
        if status.state is not JobState.FAILED or retry >= job.tries_of(status):
            break
        if not may_be_tried_again(status):
            break
        if job.backoff:
            steps.context.wait(Duration(seconds=job.backoff.delay(retry)), name="job-backoff")
    error_type = f"Job{status.state.replace('_', ' ').title().replace(' ', '')}"
    why = f"job {status.job_id}: {status.error or status.state}"
    raise StageFailed(job.stage, error_type, why, status)


def _submit_and_await(steps: BoundSteps, job: Job, retry: int) -> JobStatus:
    key = job.key(retry)
    heartbeat = steps.settings.heartbeat_seconds
    callback = _create_callback(steps, job, heartbeat)
    try:
        status = _submit(steps, job, retry, callback.callback_id)
    except StageFailed as failed:
        return _given_up(steps, key, failed)
    while not status.state.ended:
        try:
            return JobStatus.from_json(callback.result())
        except CallbackTimeoutError:  # silence or deadline: the service decides which
            heartbeat = min(2 * heartbeat, _longest_heartbeat(steps, job, status))
            again = operations_of(steps.context).suffice_for(Steps.check_job.name, 2 * OF_A_CHECK)
            callback = _create_callback(steps, job, heartbeat, checked_again=again)
            try:
                status = steps.check_job(key=key, callback_id=callback.callback_id)
            except StageFailed as failed:
                if failed.error_type not in PASSING:
                    return _given_up(steps, key, failed)
                continue  # the job goes on even if it cannot be checked now: try again later
            if status.overdue and not status.state.ended:
                reason = (
                    status.lateness or f"still running at its deadline of {job.timeout_seconds} s"
                )
                try:
                    status = steps.cancel_job(key=key, reason=reason)
                except StageFailed as failed:  # the reaper's sweep has it stopped
                    why = f"{reason}; it could not be cancelled: {failed.message}"
                    ended = {"state": JobState.TIMED_OUT, "error": why}
                    return status.model_copy(update=ended)
    return status


def _longest_heartbeat(steps: BoundSteps, job: Job, status: JobStatus) -> int:
    """Few operations for long jobs, but the deadline of a running one is noticed in time."""
    if job.waits(status):
        return LONGEST_HEARTBEAT_WHILE_WAITING
    in_time = max(steps.settings.heartbeat_seconds, job.timeout_seconds // 8)
    return min(in_time, LONGEST_HEARTBEAT_SECONDS)


def _submit_and_invoke(steps: BoundSteps, job: Job, retry: int) -> JobStatus:
    """Run a job by a chained invoke: also two operations, without a callback."""
    key = job.key(retry)
    execution_arn = steps.context.execution_context.durable_execution_arn
    try:
        status = _submit(steps, job, retry, execution_arn)
    except StageFailed as failed:  # nothing was invoked
        job.ends.add(JobEnd(key=key, state=JobState.FAILED, error=f"not invoked: {failed}"))
        raise
    if status.call is None:  # it had ended before, or is not to begin any more
        return status
    invoked = invoke_function(steps.context, key, status.call, job.timeout_seconds)
    job.ends.add(invoked.end)
    end = invoked.end
    changes = {"state": end.state, "error": end.error, "log_tail": end.log_tail}
    code = {"error_code": invoked.error_code, "call": None}
    return status.model_copy(update={**changes, **code})


def _submit(steps: BoundSteps, job: Job, retry: int, callback_id: str) -> JobStatus:
    message = _message(steps, job, retry, callback_id)
    status = job.first(message) if job.first and retry == 1 else None
    if status is None:
        status = steps.call(Steps.submit_job, _message(steps, job, retry, callback_id)).status
    if status is None:
        raise StageFailed(Steps.submit_job.name, "InvalidResponse", "it returned no job")
    job.ends.recorded()
    return status


def _message(steps: BoundSteps, job: Job, retry: int, callback_id: str) -> SubmitJob:
    return SubmitJob(
        key=job.key(retry),
        engine=job.engine,
        callback_id=callback_id,
        run_attempt=job.unit.run_attempt,
        retry=retry,
        timeout_seconds=job.timeout_seconds,
        queue_seconds=job.queue_seconds,
        pool=job.pool,
        priority=job.priority,
        input_url=job.first.input_url if job.first and job.first.input_url else job.input_url,
        execution_arn=steps.context.execution_context.durable_execution_arn,
        ended_jobs=job.ends.pending,
    )


def _given_up(steps: BoundSteps, key: JobKey, failed: StageFailed) -> JobStatus:
    """Cancel a job that this stage can no longer follow; returns its status if it has succeeded.

    Raises:
        StageFailed: the stage's own failure, with what is known of the job.
    """
    if failed.error_type == "OwnershipLost":  # another execution owns it now
        raise failed
    try:
        reason = f"{failed.stage} failed: {failed.message}"[:500]
        status = steps.cancel_job(key=key, reason=reason)
    except StageFailed:  # there is none, or the reaper's sweep stops it
        raise failed from None
    if status.state is JobState.SUCCEEDED:
        return status
    raise StageFailed(failed.stage, failed.error_type, failed.message, status)


def _create_callback(
    steps: BoundSteps, job: Job, heartbeat: int, *, checked_again: bool = True
) -> Callback[Any]:
    """Create a callback for whoever ends the job.

    Args:
        heartbeat: seconds of silence after which the job is checked.
        checked_again: the unit has operations for that; else its end is awaited without.
    """
    # Where the job's clock starts at its submission, one heartbeat covers the difference.
    seconds = job.callback_seconds or job.timeout_seconds + heartbeat
    config = CallbackConfig(
        timeout=Duration(seconds=seconds),
        heartbeat_timeout=Duration(seconds=heartbeat if checked_again else 0),
        serdes=JsonSerDes(),
    )
    return steps.context.create_callback(name="await-job", config=config)
