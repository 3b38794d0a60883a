"""Messages about one job."""

from __future__ import annotations

from contracts.base import Contract
from contracts.job import Engine, JobEnd, JobKey, Priority


class SubmitJob(Contract):
    """submit_job: submit the job of this key, once. Returns JobStatus.

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
