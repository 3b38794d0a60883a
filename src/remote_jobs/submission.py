"""The job of a key: an earlier attempt's, or a new one that is submitted when it is its turn.

The order is: write the intent (which draws the job id), take a place in its pool, submit the job
with its key, store the engine's id. So a function may die anywhere (`remote_jobs.starting`). A job
without a place waits: the watcher calls again when it is its turn, no orchestrator polls.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from aws_lambda_powertools.metrics import MetricUnit

from contracts import layout
from contracts.errors import (
    NotConfigured,
    NotFound,
    OwnershipLost,
    PipelineError,
    TransientFailure,
)
from contracts.ids import timestamped_id
from contracts.job import Engine, JobEnd, JobKey, JobState, JobStatus
from contracts.messages import SubmitJob
from ledger.runs import find_run, refuse_other_holder
from ledger.stop_decision import refuse_if_stopping
from remote_jobs.engines.base import RemoteJobs
from remote_jobs.engines.registry import EngineSettings, adapter_for
from remote_jobs.inputs import write_inputs
from remote_jobs.invoked import record_ends, to_be_invoked
from remote_jobs.ledger import JobLedger
from remote_jobs.pools.limits import CurrentPoolsFile, Limits
from remote_jobs.pools.queue import JobQueue
from remote_jobs.pools.store import Pools
from remote_jobs.record import JobRecord
from remote_jobs.starting import Start
from remote_jobs.work import JobSpec, job_spec_of
from runtime import s3
from runtime.handler import Clock, logger, metrics, utc_now
from runtime.tokens import Tokens, random_token


@dataclass(frozen=True)
class Submitter:
    """Submits to one engine."""

    jobs: JobLedger
    adapter: RemoteJobs
    data_bucket: str
    queue: JobQueue
    clock: Clock = utc_now
    tokens: Tokens = random_token
    stopwatch: Callable[[], float] = time.monotonic

    def submit(self, message: SubmitJob) -> JobStatus:
        """The job of the message's key: submitted, or waiting for its turn; it may have ended.

        Raises:
            OwnershipLost: the run was taken over by a newer attempt, or has ended.
            RunStopped: the run is to stop.
            Throttled, TransientFailure: the intent stands; the same call goes on.
            PipelineError: it cannot be submitted; the job is FAILED.
        """
        record_ends(self.jobs, message.ended_jobs, self.clock())
        self._refuse_a_former_holder(message)
        record = self.jobs.find(message.key) or self._adopted(message)
        if record is not None:
            record = self.jobs.await_by(record, message.callback_id)
        if record is not None and (record.state.ended or record.service_id is not None):
            metrics.add_metric("JobsAdopted", MetricUnit.Count, 1)
            logger.info("job is there already", extra={"job_id": record.job_id})
        else:
            record = self._intended(message, record)
        now = self.clock()
        if record.state.ended:  # this response reports it; nobody needs to complete the callback
            self.jobs.reported(record)
        elif record.cancelling:  # it is being cancelled: nobody may wait for it
            record = record.given_up(record.cancelling, now)
        elif record.engine.invoked:
            return to_be_invoked(self.jobs, record, job_spec_of(message, self.data_bucket), now)
        return record.status(now)

    def submit_queued(self, key: JobKey) -> JobStatus:
        """Submit a job whose turn it is; whoever awaits its callback is notified of its end.

        Raises:
            NotFound: there is no such job.
            TransientFailure: it may have started; the same call goes on.
        """
        record = self.jobs.get(key)
        if record.state is JobState.SUBMITTED and record.service_id is None:
            try:
                record = self._in_turn(record)
            except TransientFailure:
                raise
            except PipelineError as error:  # recorded as the job's end
                about = {"job_id": record.job_id, "error": str(error)}
                logger.warning("job could not be submitted", extra=about)
                record = self.jobs.get(key)
        return record.status(self.clock())

    def _in_turn(self, record: JobRecord) -> JobRecord:
        start = self._start(reported=False)
        if record.cancelling:
            return start.give_up(record, JobState.CANCELLED, record.cancelling)
        try:
            spec = job_spec_of(record, self.data_bucket)
        except (NotConfigured, NotFound) as error:
            return start.give_up(record, JobState.FAILED, f"could not be submitted: {error}")
        return start.resumed(record, spec)

    def _start(self, *, reported: bool = True) -> Start:
        return Start(
            self.jobs, self.adapter, self.queue, self.clock, self.stopwatch, reported=reported
        )

    def _refuse_a_former_holder(self, message: SubmitJob) -> None:
        run = find_run(self.jobs.ledger, message.key.run_id)
        if run is None:
            return
        # The run's own row goes to the warehouse after the run's end, so it is no reason to refuse.
        if message.key.unit_id != layout.RUN_UNIT:
            if run.status.ended:
                raise OwnershipLost(f"run {run.run_id} has ended as {run.status}")
            refuse_other_holder(run, message.run_attempt)
            refuse_if_stopping(run)
        refuse_other_holder(run, message.run_attempt)

    def _adopted(self, message: SubmitJob) -> JobRecord | None:
        """An earlier attempt's job that this key can adopt, if there is one.

        Never for the run's own row in the warehouse: every attempt writes another one.
        """
        key = message.key
        if message.run_attempt == 1 or message.retry > 1 or key.unit_id == layout.RUN_UNIT:
            return None
        earlier = self.jobs.earlier(key)
        if not earlier:
            return None
        input_url = job_spec_of(message, self.data_bucket).input_url
        for record in earlier:
            if record.engine is Engine.REDSHIFT and record.input_url != input_url:
                return None  # other rows were loaded after any earlier load of these
            fits = record.input_url == input_url and self._usable(record)
            if fits and self._taken(record, message):
                if record.engine.invoked:  # its execution ended before it reported the job's end
                    end = JobEnd(key=record.key, state=JobState.SUCCEEDED)
                    record_ends(self.jobs, [end], self.clock())
                self.jobs.adopt(key, record)
                return self.jobs.get(key)
        return None

    def _taken(self, record: JobRecord, message: SubmitJob) -> bool:
        return self.jobs.take(record, message.callback_id, message.execution_arn)

    def _usable(self, record: JobRecord) -> bool:
        if record.state is JobState.SUCCEEDED:
            return record.engine is Engine.REDSHIFT or self._has_report(record)
        if record.state.ended:
            return False
        if record.engine.invoked:  # nobody can wait for it any more; another try is another job
            return self._has_report(record)
        return record.service_id is not None or not record.overdue(self.clock())

    def _has_report(self, record: JobRecord) -> bool:
        """A job writes its report last, so with it the whole output is there."""
        bucket, prefix = layout.split_s3_url(record.output_url)
        return s3.exists(bucket, f"{prefix}report.json")

    def _intended(self, message: SubmitJob, record: JobRecord | None) -> JobRecord:
        """The job of an intent without a service id, which is written now if there is none."""
        spec, start = job_spec_of(message, self.data_bucket), self._start()
        if record is None:
            if spec.inputs_url is not None:
                write_inputs(message.key, self.data_bucket)
            claim = start.claim()
            intent = self._intent(message, spec, claim.until)
            created, record = self.jobs.create(intent)
            if created:
                return start.created(replace(intent, submitting_until=None), spec, claim)
            record = self.jobs.await_by(record, message.callback_id)
            if record.state.ended or record.service_id is not None:
                return record
        return start.resumed(record, spec)

    def _intent(self, message: SubmitJob, spec: JobSpec, submitting_until: int) -> JobRecord:
        now = self.clock().replace(microsecond=0)
        key, begun = message.key, int(now.timestamp())
        prefix = layout.job_prefix(key.run_id, key.unit_id, key.stage, key.attempt)
        target = self.adapter.target(spec.name)
        of_engine = self.adapter.pool(target)
        waits = message.queue_seconds
        return JobRecord(
            key=key,
            job_id=timestamped_id(now, self.tokens()),
            engine=message.engine,
            callback_id=message.callback_id,
            state=JobState.SUBMITTED,
            target=target,
            submitted_at=now,
            deadline=begun + (waits or 0) + message.timeout_seconds,
            timeout_seconds=message.timeout_seconds,
            output_url=layout.s3_url(self.data_bucket, prefix),
            input_url=spec.input_url,
            submitting_until=submitting_until,
            execution=message.execution_arn,
            pool=of_engine and (message.pool or of_engine),
            priority=message.priority,
            queue_until=None if waits is None else begun + waits,
            chained=message.input_url is not None,
            withholds_text=spec.private,
            objects=spec.objects,
        )


def submitter(
    engine: Engine, jobs: JobLedger, settings: EngineSettings, data_bucket: str
) -> Submitter:
    """The submitter of a deployment's engine.

    Raises:
        NotConfigured: the deployment does not have the engine.
    """
    file = CurrentPoolsFile(jobs.ledger, settings.code_bucket)
    limits = Limits(file, lambda engine: adapter_for(engine, settings))
    return Submitter(
        jobs=jobs,
        adapter=adapter_for(engine, settings),
        data_bucket=data_bucket,
        queue=JobQueue(Pools(jobs.ledger), limits.of),
    )
