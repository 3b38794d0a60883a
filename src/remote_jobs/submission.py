"""Submit a job exactly once per key, regardless of retries.

The order is: write the intent (which draws the job id), submit the job with its key, store the
engine's id. So a function may die anywhere: a call that finds an intent without an id searches the
engine for the key before it submits.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from aws_lambda_powertools.metrics import MetricUnit

from contracts import layout
from contracts.errors import (
    EngineFull,
    OwnershipLost,
    PipelineError,
    RunStopped,
    Throttled,
    TransientFailure,
)
from contracts.ids import timestamped_id
from contracts.job import Engine, JobEnd, JobKey, JobState, JobStatus
from contracts.messages import SubmitJob
from ledger.runs import find_run, refuse_other_holder
from ledger.stop_decision import refuse_if_stopping, refuse_stopped
from remote_jobs.engines.base import EngineStatus, RemoteJobs
from remote_jobs.invoked import record_ends, to_be_invoked
from remote_jobs.ledger import JobLedger
from remote_jobs.record import JobRecord
from remote_jobs.work import JobSpec, job_spec_of, request_of
from runtime import s3
from runtime.handler import Clock, logger, metrics, utc_now
from runtime.tokens import Tokens, random_token

# Longer than the one request that submits can take (connect and read timeouts of runtime.clients).
REQUEST_SECONDS: Final = 30
# How long a call's claim prevents others from submitting. What is left of it when the call submits
# must be enough for the request.
SUBMISSION_SECONDS: Final = 45


@dataclass(frozen=True)
class Submitter:
    """Submits to one engine."""

    jobs: JobLedger
    adapter: RemoteJobs
    data_bucket: str
    clock: Clock = utc_now
    tokens: Tokens = random_token
    stopwatch: Callable[[], float] = time.monotonic

    def submit(self, message: SubmitJob) -> JobStatus:
        """The job of the message's key, submitted; it may have ended already.

        Raises:
            OwnershipLost: the run was taken over by a newer attempt, or has ended.
            RunStopped: the run is to stop.
            EngineFull, Throttled, TransientFailure: the intent stands; the same call goes on.
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
            record = self._submitted(message, record)
        now = self.clock()
        if record.state.ended:  # this response reports it; nobody needs to complete the callback
            self.jobs.reported(record)
        elif record.cancelling:  # it is being cancelled: nobody may wait for it
            record = record.given_up(record.cancelling, now)
        elif record.engine.invoked:
            return to_be_invoked(self.jobs, record, job_spec_of(message, self.data_bucket), now)
        return record.status(now)

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

    def _refuse_if_stopped(self, key: JobKey) -> None:
        """Except for the run's own row: it goes to the warehouse however the run ended."""
        if key.unit_id != layout.RUN_UNIT:
            refuse_stopped(self.jobs.ledger, key.run_id)

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

    def _submitted(self, message: SubmitJob, record: JobRecord | None) -> JobRecord:
        """Submit what has no service id yet."""
        spec = job_spec_of(message, self.data_bucket)
        if record is None:
            claimed_at = self.stopwatch()
            intent = self._intent(message, spec)
            created, record = self.jobs.create(intent)
            if created:
                return self._start(replace(intent, submitting_until=None), spec, claimed_at)
            record = self.jobs.await_by(record, message.callback_id)
            if record.state.ended or record.service_id is not None:
                return record
        return self._resume(record, spec)

    def _intent(self, message: SubmitJob, spec: JobSpec) -> JobRecord:
        now = self.clock().replace(microsecond=0)
        key = message.key
        prefix = layout.job_prefix(key.run_id, key.unit_id, key.stage, key.attempt)
        return JobRecord(
            key=key,
            job_id=timestamped_id(now, self.tokens()),
            engine=message.engine,
            callback_id=message.callback_id,
            state=JobState.SUBMITTED,
            target=self.adapter.target(spec.name),
            submitted_at=now,
            deadline=int(now.timestamp()) + message.timeout_seconds,
            timeout_seconds=message.timeout_seconds,
            output_url=layout.s3_url(self.data_bucket, prefix),
            input_url=spec.input_url,
            submitting_until=self._submission_ends(),
            execution=message.execution_arn,
        )

    def _resume(self, record: JobRecord, spec: JobSpec) -> JobRecord:
        """Go on with an intent that an earlier call left."""
        now = self.clock()
        if record.submitting_until is not None:
            service_id = self.adapter.find(record.remote)
            if service_id is not None:
                metrics.add_metric("JobsAdopted", MetricUnit.Count, 1)
                return self.jobs.submitted(record, service_id, now)
        if record.overdue(now):
            error = f"no place at {record.engine} within {record.timeout_seconds} s"
            return self._end(record, JobState.TIMED_OUT, error)
        under_way = (
            not self.adapter.recognises_repeats
            and record.submitting_until is not None
            and now.timestamp() < record.submitting_until
        )
        claimed_at = self.stopwatch()
        if under_way or not self.jobs.claim_submission(record, self._submission_ends()):
            raise EngineFull(
                f"another call may be submitting job {record.job_id} just now; it has up to"
                f" {SUBMISSION_SECONDS} s"
            )
        return self._start(record, spec, claimed_at)

    def _start(self, record: JobRecord, spec: JobSpec, claimed_at: float) -> JobRecord:
        """Submit it; only the one call that claimed the submission comes here.

        Args:
            record: as it was before the claim.
            claimed_at: by the stopwatch.
        """
        try:
            if self.stopwatch() - claimed_at > SUBMISSION_SECONDS - REQUEST_SECONDS:
                raise Throttled(f"too late to submit {record.job_id} before another call may")
            # Whoever decides to stop the run looks for jobs afterwards, so one of the two is seen:
            # the decision here, or the intent there.
            self._refuse_if_stopped(record.key)
            service_id = self.adapter.submit(request_of(record, spec))
        except (EngineFull, Throttled):
            self.jobs.not_submitted(record, self.clock())
            raise
        except TransientFailure:  # it may have started: the next call searches for it
            raise
        except RunStopped as error:
            self._end(record, JobState.CANCELLED, f"not submitted: {error}")
            raise
        except PipelineError as error:
            self._end(record, JobState.FAILED, f"could not be submitted: {error}")
            raise
        now = self.clock()
        current = self.jobs.submitted(record, service_id, now)
        if current.service_id != service_id or current.cancelling:
            # ended, marked for cancellation, or found and adopted, meanwhile
            self._give_up(record, service_id)
            return current
        metrics.add_metric("JobsSubmitted", MetricUnit.Count, 1)
        logger.info("job submitted", extra={"job_id": record.job_id, "service_id": service_id})
        return current

    def _give_up(self, record: JobRecord, service_id: str) -> None:
        """Cancel what was submitted, as the job has ended or got another id meanwhile."""
        about = {"job_id": record.job_id, "service_id": service_id}
        logger.warning("stopping a job that nobody waits for", extra=about)
        try:
            self.adapter.cancel(replace(record.remote, service_id=service_id))
        except PipelineError as error:  # its own timeout ends it
            logger.error("it was not stopped", extra={**about, "error": repr(error)})

    def _end(self, record: JobRecord, state: JobState, error: str) -> JobRecord:
        ended = record.ended(EngineStatus(state, state.value, error), self.clock())
        return self.jobs.end(ended, reported=True)

    def _submission_ends(self) -> int:
        return math.ceil(self.clock().timestamp()) + SUBMISSION_SECONDS
