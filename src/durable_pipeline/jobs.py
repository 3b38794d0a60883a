"""Submit a job and await it: two durable operations, however long it runs.

`create_callback` first, then `submit-job` carries the callback id into the ledger. The job watcher
completes the callback when the job has ended and heartbeats it while the job runs. If heartbeats
stop or the deadline passes, the orchestrator calls `check-job`, which also registers a new
callback. So a dead watcher costs two operations per (growing) heartbeat interval, and no job is
lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from aws_durable_execution_sdk_python import CallbackTimeoutError
from aws_durable_execution_sdk_python.config import CallbackConfig, Duration
from aws_durable_execution_sdk_python.context import Callback
from aws_durable_execution_sdk_python.serdes import JsonSerDes

from contracts.job import Engine, JobEnd, JobKey, JobState, JobStatus, job_attempt
from contracts.steps import UnitRef
from durable_pipeline.functions import UnrecordedEnds, invoke_function, may_be_tried_again
from durable_pipeline.policies import PASSING, Policy
from durable_pipeline.steps import BoundSteps, StageFailed

LONGEST_HEARTBEAT_SECONDS: Final = 1800


@dataclass(frozen=True)
class Job:
    """What to run remotely, and for whom.

    Attributes:
        unit: whose it is; of a job of the whole run, the unit `layout.RUN_UNIT`.
        attempts: tries in all if the job FAILED, each of them a new job.
        backoff: waits between the tries; absent: none.
        timeout_seconds: deadline of each try.
        input_url: the previous job's output; absent: the unit's own object.
        tries: tries in all by the status of the failed job; at most `attempts`.
        ends: ends of invoked jobs that the next submission records.
    """

    unit: UnitRef
    stage: str
    engine: Engine
    timeout_seconds: int
    attempts: int = 1
    backoff: Policy | None = None
    input_url: str | None = None
    tries: Callable[[JobStatus], int] | None = None
    ends: UnrecordedEnds = field(default_factory=UnrecordedEnds)

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
            # A growing interval: few operations for long jobs, but the deadline is noticed in time.
            longest = max(steps.settings.heartbeat_seconds, job.timeout_seconds // 8)
            heartbeat = min(2 * heartbeat, longest, LONGEST_HEARTBEAT_SECONDS)
            callback = _create_callback(steps, job, heartbeat)
            try:
                status = steps.check_job(key=key, callback_id=callback.callback_id)
            except StageFailed as failed:
                if failed.error_type not in PASSING:
                    return _given_up(steps, key, failed)
                continue  # the job goes on even if it cannot be checked now: try again later
            if status.overdue and not status.state.ended:
                reason = f"still running at its deadline of {job.timeout_seconds} s"
                try:
                    status = steps.cancel_job(key=key, reason=reason)
                except StageFailed as failed:  # the reaper's sweep has it stopped
                    why = f"{reason}; it could not be cancelled: {failed.message}"
                    ended = {"state": JobState.TIMED_OUT, "error": why}
                    return status.model_copy(update=ended)
    return status


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
    status = steps.submit_job(
        key=job.key(retry),
        engine=job.engine,
        callback_id=callback_id,
        run_attempt=job.unit.run_attempt,
        retry=retry,
        timeout_seconds=job.timeout_seconds,
        input_url=job.input_url,
        execution_arn=steps.context.execution_context.durable_execution_arn,
        ended_jobs=job.ends.pending,
    )
    job.ends.recorded()
    return status


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


def _create_callback(steps: BoundSteps, job: Job, heartbeat: int) -> Callback[Any]:
    config = CallbackConfig(
        # The job's clock starts later, at its submission; one heartbeat covers the difference.
        timeout=Duration(seconds=job.timeout_seconds + heartbeat),
        heartbeat_timeout=Duration(seconds=heartbeat),
        serdes=JsonSerDes(),
    )
    return steps.context.create_callback(name="await-job", config=config)
