"""Starting a job whose intent is written: once, in its turn, whatever dies.

A call that finds an intent without the engine's id searches the engine for the job's key before it
submits. Only who claimed the submission in the ledger and has a place in the pool submits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from aws_lambda_powertools.metrics import MetricUnit

from contracts import layout
from contracts.errors import EngineFull, PipelineError, RunStopped, Throttled, TransientFailure
from contracts.job import JobKey, JobState
from ledger.stop_decision import refuse_stopped
from remote_jobs.engines.base import EngineStatus, RemoteJobs
from remote_jobs.ledger import JobLedger
from remote_jobs.pools.queue import JobQueue, Turn
from remote_jobs.quota import RequestBudget
from remote_jobs.record import JobRecord
from remote_jobs.work import JobSpec, request_of
from runtime.handler import Clock, logger, metrics

# Longer than the one request that submits can take (connect and read timeouts of runtime.clients).
REQUEST_SECONDS: Final = 30
# By how much the clocks of two functions may differ (`runtime.service_time`).
CLOCKS_DIFFER_SECONDS: Final = 15
# How long a call may take from its claim to the request.
BEGINS_WITHIN_SECONDS: Final = 15
# How long a call's claim prevents others from submitting: until the request is over, by any clock.
SUBMISSION_SECONDS: Final = BEGINS_WITHIN_SECONDS + REQUEST_SECONDS + CLOCKS_DIFFER_SECONDS


class Claim(NamedTuple):
    """The right to submit a job.

    Attributes:
        until: epoch seconds until which it prevents others.
        at: by the stopwatch.
    """

    until: int
    at: float


@dataclass(frozen=True)
class Start:
    """Starts jobs of one engine.

    Attributes:
        reported: who called reports the end of a job that cannot start; else the watcher does.
    """

    jobs: JobLedger
    adapter: RemoteJobs
    queue: JobQueue
    clock: Clock
    stopwatch: Callable[[], float]
    reported: bool

    def created(self, record: JobRecord, spec: JobSpec, claim: Claim) -> JobRecord:
        """Submit a job whose intent was just written, which claims the submission, too.

        Args:
            record: as it was before the claim.
        """
        turn = self.queue.enter(record, self.clock())
        if not turn.has_come:
            return self.jobs.not_submitted(record, self.clock(), claim.until)[1]
        return self._submit(record, spec, claim, turn)

    def resumed(self, record: JobRecord, spec: JobSpec) -> JobRecord:
        """Go on with an intent that an earlier call wrote."""
        now = self.clock()
        if record.submitting_until is not None:
            service_id = self.adapter.find(record.remote)
            if service_id is not None:
                metrics.add_metric("JobsAdopted", MetricUnit.Count, 1)
                return self.jobs.submitted(record, service_id, now)
        if record.overdue(now):
            return self.give_up(record, JobState.TIMED_OUT, record.lateness)
        wait = record.being_submitted(now) and not self.adapter.recognises_repeats
        turn = Turn(False) if wait else self.queue.enter(record, now)
        claim = self.claim()
        if not turn.has_come or not self.jobs.claim_submission(record, claim.until):
            return self._waits(
                record, EngineFull(f"job {record.job_id} is not to be submitted yet")
            )
        return self._submit(record, spec, claim, turn)

    def give_up(self, record: JobRecord, state: JobState, error: str) -> JobRecord:
        """End a job that waits, unless another call submits it; returns the job as it is then."""
        now = self.clock()
        if record.being_submitted(now):
            return record
        ended = record.ended(EngineStatus(state, state.value, error), now)
        return self.jobs.give_up_intent(ended)[1]

    def end(self, record: JobRecord, state: JobState, error: str) -> JobRecord:
        """Record that the job will not be submitted."""
        ended = record.ended(EngineStatus(state, state.value, error), self.clock())
        return self.jobs.end(ended, reported=self.reported)

    def claim(self) -> Claim:
        """What claims a submission, from now on."""
        until = math.ceil(self.clock().timestamp()) + SUBMISSION_SECONDS
        return Claim(until, self.stopwatch())

    def _submit(self, record: JobRecord, spec: JobSpec, claim: Claim, turn: Turn) -> JobRecord:
        """Only the one call that claimed the submission comes here, with a place."""
        if self.stopwatch() - claim.at > BEGINS_WITHIN_SECONDS:
            late = Throttled(f"too late to submit {record.job_id} before another call may")
            return self._not_taken(record, claim, turn, late, refused=False)
        try:
            # Whoever decides to stop the run looks for jobs afterwards, so one of the two is seen:
            # the decision here, or the intent there.
            self._refuse_if_stopped(record.key)
            if (wait := self._wait_for_quota()) is not None:
                too_soon = Throttled(f"{record.engine} takes no more submissions just now")
                return self._not_taken(
                    record, claim, turn, too_soon, refused=False, hold_seconds=wait
                )
            service_id = self.adapter.submit(request_of(record, spec))
        except (EngineFull, Throttled) as error:
            return self._not_taken(record, claim, turn, error, refused=True)
        except TransientFailure:  # it may have started: the next call searches for it
            raise
        except RunStopped as error:
            self.end(record, JobState.CANCELLED, f"not submitted: {error}")
            raise
        except PipelineError as error:
            self.end(record, JobState.FAILED, f"could not be submitted: {error}")
            raise
        now = self.clock()
        current = self.jobs.submitted(record, service_id, now)
        if current.service_id != service_id or current.cancelling:
            # ended, marked for cancellation, or found and adopted, meanwhile
            self._give_up(record, service_id)
            return current
        self.queue.accepted(record, turn)
        metrics.add_metric("JobsSubmitted", MetricUnit.Count, 1)
        logger.info("job submitted", extra={"job_id": record.job_id, "service_id": service_id})
        return current

    def _wait_for_quota(self) -> float | None:
        """Seconds until the engine takes another submission; None: it takes this one."""
        quota = self.adapter.submissions
        if quota is None or RequestBudget(self.jobs.ledger, self.clock).draw(quota):
            return None
        return 1 / quota.per_second

    def _not_taken(
        self,
        record: JobRecord,
        claim: Claim,
        turn: Turn,
        why: PipelineError,
        *,
        refused: bool,
        hold_seconds: float = 0,
    ) -> JobRecord:
        """Give the place back, unless another call has got the job to submit meanwhile."""
        logger.info(
            "job not taken by its engine",
            extra={"job_id": record.job_id, "pool": record.pool, "error": str(why)},
        )
        mine, record = self.jobs.not_submitted(record, self.clock(), claim.until)
        if mine:
            now = self.clock()
            self.queue.give_back(record, turn, now, refused=refused, hold_seconds=hold_seconds)
        return self._waits(record, why)

    def _waits(self, record: JobRecord, why: PipelineError) -> JobRecord:
        """The watcher calls again; for an intent of before pools, the orchestrator that wrote it.

        Raises:
            PipelineError: `why`, for such an intent.
        """
        if record.pool is None:
            raise why
        return record

    def _refuse_if_stopped(self, key: JobKey) -> None:
        """Except for the run's own row: it goes to the warehouse however the run ended."""
        if key.unit_id != layout.RUN_UNIT:
            refuse_stopped(self.jobs.ledger, key.run_id)

    def _give_up(self, record: JobRecord, service_id: str) -> None:
        """Cancel what was submitted, as the job has ended or got another id meanwhile."""
        about = {"job_id": record.job_id, "service_id": service_id}
        logger.warning("stopping a job that nobody waits for", extra=about)
        try:
            self.adapter.cancel(replace(record.remote, service_id=service_id))
        except PipelineError as error:  # its own timeout ends it
            logger.error("it was not stopped", extra={**about, "error": repr(error)})
