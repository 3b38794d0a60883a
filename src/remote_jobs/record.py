"""A job as the ledger knows it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from contracts.errors import NotFound, PipelineError
from contracts.job import Engine, ErrorCode, JobState, JobStatus, code_of_failure
from contracts.ledger_items import JobItem
from contracts.warehouse_errors import error_code
from remote_jobs.engines.base import EngineStatus, RemoteJob, Response

ERROR_CHARACTERS: Final = 2000
WITHHELD: Final = (
    "the job failed; the contract says examples: false, so what it said, which may quote rows, is"
    " only in its own log and at its engine"
)


@dataclass(frozen=True, kw_only=True)
class JobRecord(JobItem):
    """A JOB item, with what is derived from it."""

    @property
    def remote(self) -> RemoteJob:
        return RemoteJob(self.job_id, self.key, self.target, self.submitted_at, self.service_id)

    def overdue(self, now: datetime) -> bool:
        """Whether its time is over: to begin running, or to run."""
        return not self.state.ended and now.timestamp() > self.time_ends

    @property
    def time_ends(self) -> int:
        """Epoch seconds at which the time for what it does now is over."""
        waits = self.state is JobState.SUBMITTED and self.queue_until is not None
        return self.queue_until if waits and self.queue_until is not None else self.deadline

    @property
    def lateness(self) -> str:
        """What it was too late with, once it is overdue."""
        waits = self.time_ends - int(self.submitted_at.timestamp())
        if self.service_id is None:
            return f"no place in pool {self.pool or self.engine} within {waits} s"
        if self.state is JobState.SUBMITTED and self.queue_until is not None:
            return f"never started: it waited at {self.engine} until its {waits} s were over"
        return f"still running at its deadline of {self.timeout_seconds} s"

    def being_submitted(self, now: datetime) -> bool:
        """Whether a call may be submitting it just now, so that no other may."""
        return self.submitting_until is not None and now.timestamp() < self.submitting_until

    def interrupted(self, now: datetime) -> bool:
        """Whether its submission was cut off, so that the engine may or may not have the job."""
        until = self.submitting_until
        return self.service_id is None and until is not None and now.timestamp() >= until

    def status(self, now: datetime) -> JobStatus:
        overdue, shown = self.overdue(now), self.as_shown()
        return JobStatus(
            job_id=self.job_id,
            stage=self.key.stage,
            engine=self.engine,
            attempt=self.key.attempt,
            state=self.state,
            output_url=self.output_url,
            service_id=self.service_id,
            error=shown.error,
            error_code=shown._error_code,
            log_url=self.log_url,
            console_url=self.console_url,
            log_tail=shown.log_tail,
            overdue=overdue,
            lateness=self.lateness if overdue else None,
            usage=self.usage,
            objects=self.objects,
        )

    @property
    def _error_code(self) -> ErrorCode | None:
        """Only of a job that FAILED."""
        if self.state is not JobState.FAILED or self.said_code is not None:
            return self.said_code
        if self.engine is Engine.REDSHIFT:
            return error_code(self.error or "")
        return code_of_failure(self.error, self.log_tail)

    def as_shown(self) -> JobRecord:
        """As it is recorded and reported: without what it said of its end, if that is withheld.

        What says that it was late or cancelled is of our own words, and so is why it could not be
        submitted.
        """
        if not self.withholds_text:
            return self
        ran = self.service_id is not None or self.engine.invoked
        if self.state is not JobState.FAILED or not ran:
            return replace(self, log_tail=None)
        return replace(self, error=WITHHELD, said_code=self._error_code, log_tail=None)

    def ended(self, status: EngineStatus, now: datetime) -> JobRecord:
        """The record of a job that has ended so.

        Args:
            now: counts as its end where the engine does not say when that was.
        """
        ended_at = status.ended_at or now
        error, state = None, status.state
        if state is not JobState.SUCCEEDED:
            as_it_says = f"{self.engine} ended the job as {status.raw_state}"
            reasons = [status.error, self.cancelling]
            if state is JobState.CANCELLED:
                reasons.reverse()  # a service does not know why we cancelled it
            error = next((text for text in reasons if text), as_it_says)
            late = self.overdue(ended_at) or self.cancelling == self.lateness
            if state is not JobState.TIMED_OUT and late:
                state = JobState.TIMED_OUT  # ended because it was late, by us or by its service
        return replace(
            self,
            state=state,
            error=error and error[:ERROR_CHARACTERS],
            log_url=status.log_url or self.log_url,
            console_url=status.console_url or self.console_url,
            log_tail=status.log_tail,
            ended_at=ended_at,
            usage=status.usage or self.usage,
        )

    def given_up(self, reason: str, now: datetime) -> JobRecord:
        """What to report of a job that is being cancelled, without waiting for its end."""
        late = self.overdue(now)
        state = JobState.TIMED_OUT if late else JobState.CANCELLED
        return replace(self, state=state, error=reason[:ERROR_CHARACTERS])


def state_of(record: JobRecord, response: Response) -> EngineStatus:
    """What the engine's response means for the job.

    An engine that does not know the job says nothing about its success, so it counts as going on
    until its deadline.

    Raises:
        PipelineError: the engine could not be asked.
    """
    if isinstance(response, NotFound):
        return EngineStatus(record.state, "UNKNOWN")
    if isinstance(response, PipelineError):
        raise response
    return response
