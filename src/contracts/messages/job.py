"""Messages about one job."""

from __future__ import annotations

from typing import Any, Self

from contracts.base import Contract
from contracts.job import Engine, JobEnd, JobKey, JobStatus, Priority
from contracts.messages.unit import Began, StartUnit


class SubmitJob(Contract):
    """submit_job: submit the job of this key, once. Returns JobStatus; with `start`, Submission.

    Attributes:
        key: who the job is.
        engine: `redshift` for loads, else as the chain says.
        callback_id: what the job watcher completes when the job has ended; of a job that the
            orchestrator invokes, which has no callback, the ARN of the execution.
        run_attempt, retry: `key.attempt` is made of these; with run_attempt above 1 and retry 1,
            a job of an earlier attempt that runs or has succeeded is adopted.
        input_url: the previous job's output prefix; absent: the unit's own object.
        timeout_seconds: how long it may run.
        queue_seconds: how long it may wait before it runs; absent, from an orchestrator of before:
            timeout_seconds bound waiting and running, each anew.
        pool: of the dataset's contract; absent: that of its engine.
        priority: how often its run gets a turn there.
        execution_arn: the durable execution that waits for it; of a shard, its own.
        ended_jobs: ends of invoked jobs that no step has recorded yet.
        start: of the first job of a unit: whether the unit begins; only then it is submitted.
            Absent: it has begun, or an earlier release sends the message.
    """

    key: JobKey
    engine: Engine
    callback_id: str
    run_attempt: int
    retry: int
    timeout_seconds: int
    queue_seconds: int | None = None
    pool: str | None = None
    priority: Priority = Priority.NORMAL
    input_url: str | None = None
    execution_arn: str | None = None
    ended_jobs: tuple[JobEnd, ...] = ()
    start: StartUnit | None = None

    @property
    def seconds_to_start(self) -> int:
        """How long the job may wait until it runs."""
        return self.timeout_seconds if self.queue_seconds is None else self.queue_seconds


class Submission(Contract):
    """Response of submit-job: what became of the unit's start and of its job.

    To a message without `start`, the function returns a bare JobStatus, as it always has.

    Attributes:
        began: whether the unit begins; absent where the message did not ask.
        status: of the job; absent: the unit does not begin, or it does, but its job could not be
            submitted just now: the same message without `start` goes on.
    """

    began: Began | None = None
    status: JobStatus | None = None

    @classmethod
    def from_json(cls, value: Any) -> Self:
        of_job = isinstance(value, dict) and "jobId" in value
        return cls(status=JobStatus.from_json(value)) if of_job else super().from_json(value)


class SubmitQueued(Contract):
    """submit_job: it is this job's turn in its pool. Returns JobStatus. From the job watcher."""

    queued: JobKey


class CheckJob(Contract):
    """check_job: ask the service, now. Returns JobStatus.

    Attributes:
        callback_id: replaces the stored one, which has timed out.
    """

    key: JobKey
    callback_id: str


class CancelJob(Contract):
    """cancel_job: stop the job at its service. Returns JobStatus, ended."""

    key: JobKey
    reason: str
