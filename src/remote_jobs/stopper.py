"""Cancels jobs that no execution owns any more, and checks that they have ended.

A job is marked for cancellation in the ledger first, by compare-and-set on the callback that waits
for it: an attempt that took the job before still has it, and none takes it afterwards. Then its
engine is requested to cancel it, and checked until the job has ended. Every step may be repeated.
The request quota of an engine is shared with the watcher.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from contracts.errors import NotFound, PipelineError
from contracts.job import Engine, JobState
from remote_jobs.engines.base import EngineStatus, RemoteJob, RemoteJobs, Response
from remote_jobs.engines.logs import with_log_tail
from remote_jobs.ledger import JobLedger
from remote_jobs.quota import RequestBudget, requests_for
from remote_jobs.record import JobRecord, state_of
from runtime.handler import Clock, logger, utc_now

LOOK_AGAIN_SECONDS: Final = 5
# How long after its submission a job may be missing in its engine's list.
LISTED_AFTER_SECONDS: Final = 300
Sleep = Callable[[float], None]
Reason = (
    PipelineError | str
)  # why a job has not ended yet; an error if its engine could not be used


class EndsByItself(str):
    """Why a job goes on that cannot be cancelled; checking it sooner would not help."""


@dataclass
class Stopped:
    """The result of stopping jobs.

    Attributes:
        ended: the jobs that have ended, as they are in the ledger.
        going_on: why others have not, by job id.
        logs_pending: the ended ones whose logs are still to come, by job id.
    """

    ended: list[JobRecord] = field(default_factory=list)
    going_on: dict[str, Reason] = field(default_factory=dict)
    logs_pending: set[str] = field(default_factory=set)

    def and_also(self, other: Stopped) -> Stopped:
        """Merge with the result of other jobs."""
        return Stopped(
            self.ended + other.ended,
            {**self.going_on, **other.going_on},
            self.logs_pending | other.logs_pending,
        )

    @property
    def cancelled(self) -> tuple[str, ...]:
        """Ids of the jobs that ended because they were stopped."""
        return tuple(job.job_id for job in self.ended if job.state is JobState.CANCELLED)

    @property
    def ended_before(self) -> dict[str, JobState]:
        """States, by id, of the jobs that ended by themselves before they could be stopped."""
        others = (job for job in self.ended if job.state is not JobState.CANCELLED)
        return {job.job_id: job.state for job in others}

    @property
    def unfinished(self) -> list[str]:
        """Reasons to call again; jobs that end by themselves are left to the sweep."""
        going_on = self.going_on.items()
        return [f"job {job}: {why}" for job, why in going_on if not isinstance(why, EndsByItself)]

    @property
    def errors(self) -> dict[str, Reason]:
        return {job: why for job, why in self.going_on.items() if not isinstance(why, str)}


@dataclass(frozen=True)
class JobStopper:
    """Stops jobs of any engine.

    Attributes:
        adapter: gives the adapter of an engine, or raises NotConfigured.
        sleep: waits between two looks at jobs that are being stopped.
    """

    jobs: JobLedger
    adapter: Callable[[Engine], RemoteJobs]
    sleep: Sleep
    clock: Clock = utc_now

    def stop(self, records: Iterable[JobRecord], reason: str, patience_seconds: int) -> Stopped:
        """Cancel the jobs whose callback is still the one that was read.

        Args:
            reason: stored as the jobs' error.
            patience_seconds: how long to check whether they have ended; 0: once.
        """
        result = Stopped()
        marked = (job for job in records if self.jobs.mark_for_cancellation(job, reason))
        going = {record.job_id: record for record in marked}
        rounds = _Rounds(self, requested=set(), logs_pending=result.logs_pending)
        looks = 1 + patience_seconds // LOOK_AGAIN_SECONDS
        for look in range(looks):
            if look:
                if not going:
                    break
                self.sleep(LOOK_AGAIN_SECONDS)
            going = {record.job_id: self.jobs.get(record.key) for record in going.values()}
            result.going_on = rounds.look(going)
            for job_id in going.keys() - result.going_on.keys():
                result.ended.append(self.jobs.get(going.pop(job_id).key))
        for job_id, why in result.going_on.items():
            logger.warning("a job has not stopped yet", extra={"job_id": job_id, "why": str(why)})
        return result


@dataclass(frozen=True)
class _Rounds:
    """Repeated checks of the same jobs.

    Attributes:
        requested: jobs whose engines accepted the request to cancel them.
    """

    stopper: JobStopper
    requested: set[RemoteJob]
    logs_pending: set[str]

    def look(self, records: Mapping[str, JobRecord]) -> dict[str, Reason]:
        """Bring each job one step nearer to its end; returns why others go on, by job id."""
        by_engine: dict[Engine, list[JobRecord]] = defaultdict(list)
        for record in records.values():
            if not record.state.ended:
                by_engine[record.engine].append(record)
        going_on: dict[str, Reason] = {}
        for engine, of_engine in by_engine.items():
            try:
                going_on |= self._look_at_engine(self.stopper.adapter(engine), of_engine)
            except PipelineError as error:
                going_on |= {record.job_id: error for record in of_engine}
        return going_on

    def _look_at_engine(
        self, adapter: RemoteJobs, records: Sequence[JobRecord]
    ) -> dict[str, Reason]:
        budget = RequestBudget(self.stopper.jobs.ledger, self.stopper.clock)
        needed = partial(requests_for, now=self.stopper.clock())
        now = budget.take(adapter.quota, f"{adapter.engine}-stopping", records, needed)
        going_on: dict[str, Reason] = {
            record.job_id: f"{adapter.engine} is checked later" for record in records
        }
        submitted: list[JobRecord] = []
        for record in now:
            going_on.pop(record.job_id)
            try:
                located = self._located(adapter, record)
            except PipelineError as error:
                going_on[record.job_id] = error
                continue
            if located.service_id is not None and not located.state.ended:
                submitted.append(located)
            elif not located.state.ended:
                going_on[record.job_id] = "a call that submits it is under way"
        if submitted:
            going_on |= self._end_or_stop(adapter, submitted)
        return going_on

    def _end_or_stop(self, adapter: RemoteJobs, records: Sequence[JobRecord]) -> dict[str, Reason]:
        """Record the jobs that have ended and cancel the others."""
        going_on: dict[str, Reason] = {}
        responses = adapter.status_of_many([record.remote for record in records])
        to_stop: list[RemoteJob] = []
        for record in records:
            why, remote = self._ended_or_not(record, responses[record.job_id])
            if why is not None:
                going_on[record.job_id] = why
            if remote is not None and remote not in self.requested:
                to_stop.append(remote)
        if to_stop:
            refused = adapter.cancel_many(to_stop)
            self.requested.update(job for job in to_stop if job.job_id not in refused)
            going_on |= refused
        return going_on

    def _located(self, adapter: RemoteJobs, record: JobRecord) -> JobRecord:
        """With its engine's id; ended, if it was never submitted; as it is, if it may be just now.

        Raises:
            PipelineError: the engine could not be asked.
        """
        if record.service_id is not None:
            return record
        jobs, now = self.stopper.jobs, self.stopper.clock()
        if record.submitting_until is not None:
            if now.timestamp() < record.submitting_until:
                return record
            # Redshift lists nobody the statements of another role: a load whose submission was cut
            # off is not found here, and runs to its end, as one transaction.
            service_id = adapter.find(record.remote)
            if service_id is not None:
                return jobs.submitted(record, service_id, now)
        never = EngineStatus(JobState.CANCELLED, "NOT SUBMITTED")
        return jobs.give_up_intent(record.ended(never, now))[1]

    def _ended_or_not(
        self, record: JobRecord, response: Response
    ) -> tuple[Reason | None, RemoteJob | None]:
        """Why the job has not ended (None: it has), and the job if it is to be stopped."""
        try:
            status = state_of(record, response)
            if isinstance(response, NotFound):
                submitted_at = record.deadline - record.timeout_seconds
                if self.stopper.clock().timestamp() < submitted_at + LISTED_AFTER_SECONDS:
                    return f"{record.engine} does not know it yet", record.remote
                lost = f"{record.engine} does not know the job any more"
                status = EngineStatus(JobState.CANCELLED, "UNKNOWN", lost)
            record = self.stopper.jobs.known_as(record, status.service_id)
            if status.state.ended:
                return self._end(record, status), None
        except PipelineError as error:
            return error, None
        why = f"{record.engine} says {status.raw_state}"
        return EndsByItself(why) if record.engine.invoked else why, record.remote

    def _end(self, record: JobRecord, status: EngineStatus) -> str | None:
        """Record the end; `active` stays, so that the watcher reports it to whoever still waits."""
        jobs, now = self.stopper.jobs, self.stopper.clock()
        status = with_log_tail(record.engine, record.remote, status)
        if status.log_pending:
            self.logs_pending.add(record.job_id)
        recorded = jobs.end(record.ended(status, now), reported=False)
        if not recorded.state.ended:  # another callback was registered meanwhile
            recorded = jobs.end(
                replace(record, callback_id=recorded.callback_id).ended(status, now), reported=False
            )
        return None if recorded.state.ended else "somebody else awaits it"
