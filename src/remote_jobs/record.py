"""A job as the ledger knows it, and how that is written in a JOB item."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from contracts.errors import NotFound, PipelineError
from contracts.job import Engine, ErrorCode, JobKey, JobState, JobStatus
from contracts.run_request import format_timestamp, parse_timestamp
from contracts.warehouse_errors import error_code
from ledger.table import Item
from remote_jobs.engines.base import Answer, EngineStatus, RemoteJob

ERROR_CHARACTERS: Final = 2000


@dataclass(frozen=True)
class JobRecord:
    """A JOB item.

    Attributes:
        callback_id: what is answered when the job has ended.
        target: what the engine runs it on (`RemoteJob.target`).
        submitted_at: when the intent was written.
        deadline: epoch seconds; counted from the intent, anew from the submission.
        input_url: what it reads.
        cancelling: why it is being stopped for good: no attempt of the run takes it any more.
        execution: ARN of the execution that waits for it; of a shard, its own.
    """

    key: JobKey
    job_id: str
    engine: Engine
    callback_id: str
    state: JobState
    target: str
    submitted_at: datetime
    deadline: int
    timeout_seconds: int
    output_url: str
    input_url: str
    service_id: str | None = None
    submitting_until: int | None = None
    active: bool = True
    cancelling: str | None = None
    execution: str | None = None
    error: str | None = None
    log_url: str | None = None
    console_url: str | None = None
    log_tail: str | None = None
    ended_at: datetime | None = None

    @property
    def remote(self) -> RemoteJob:
        return RemoteJob(self.job_id, self.key, self.target, self.submitted_at, self.service_id)

    def overdue(self, now: datetime) -> bool:
        return not self.state.ended and now.timestamp() > self.deadline

    def interrupted(self, now: datetime) -> bool:
        """Whoever was submitting it is gone, and the job may be at its engine or not."""
        until = self.submitting_until
        return self.service_id is None and until is not None and now.timestamp() >= until

    def status(self, now: datetime) -> JobStatus:
        return JobStatus(
            job_id=self.job_id,
            stage=self.key.stage,
            engine=self.engine,
            attempt=self.key.attempt,
            state=self.state,
            output_url=self.output_url,
            service_id=self.service_id,
            error=self.error,
            error_code=self._error_code,
            log_url=self.log_url,
            console_url=self.console_url,
            log_tail=self.log_tail,
            overdue=self.overdue(now),
        )

    @property
    def _error_code(self) -> ErrorCode | None:
        """Only of a load: of other engines' errors nothing is decided by the error."""
        if self.engine is not Engine.REDSHIFT or self.state is not JobState.FAILED:
            return None
        return error_code(self.error or "")

    def ended(self, status: EngineStatus, now: datetime) -> JobRecord:
        """The record of a job that has ended so.

        Args:
            now: counts as its end where the engine does not say when that was.
        """
        ended_at = status.ended_at or now
        error, state = None, status.state
        if state is not JobState.SUCCEEDED:
            as_it_says = f"{self.engine} ended the job as {status.raw_state}"
            told = [status.error, self.cancelling]
            if state is JobState.CANCELLED:
                told.reverse()  # a service does not know why we cancelled it
            error = next((text for text in told if text), as_it_says)
            if state is not JobState.TIMED_OUT and self.overdue(ended_at):
                state = JobState.TIMED_OUT  # ended because it was late, by us or by its service
        return replace(
            self,
            state=state,
            error=error and error[:ERROR_CHARACTERS],
            log_url=status.log_url or self.log_url,
            console_url=status.console_url or self.console_url,
            log_tail=status.log_tail,
            ended_at=ended_at,
        )

    def given_up(self, reason: str, now: datetime) -> JobRecord:
        """The record as it is told of a job that is being stopped: nobody waits for its end."""
        late = self.overdue(now)
        state = JobState.TIMED_OUT if late else JobState.CANCELLED
        return replace(self, state=state, error=reason[:ERROR_CHARACTERS])


def state_of(record: JobRecord, answer: Answer) -> EngineStatus:
    """What the engine's answer means for the job.

    An engine that does not know the job says nothing about its success, so it counts as going on
    until its deadline.

    Raises:
        PipelineError: the engine could not be asked.
    """
    if isinstance(answer, NotFound):
        return EngineStatus(record.state, "UNKNOWN")
    if isinstance(answer, PipelineError):
        raise answer
    return answer


def item_of(record: JobRecord) -> Item:
    """A JOB item; absent attributes are left out."""
    optional = {
        "service_id": record.service_id,
        "submitting_until": record.submitting_until,
        "active": record.engine.value if record.active else None,
        "cancelling": record.cancelling,
        "execution": record.execution,
        "error": record.error,
        "log_url": record.log_url,
        "console_url": record.console_url,
        "log_tail": record.log_tail,
        "ended_at": record.ended_at and format_timestamp(record.ended_at),
    }
    return {
        "run_id": record.key.run_id,
        "item": record.key.item,
        "unit_id": record.key.unit_id,
        "stage": record.key.stage,
        "attempt": record.key.attempt,
        "job_id": record.job_id,
        "engine": record.engine.value,
        "callback_id": record.callback_id,
        "state": record.state.value,
        "target": record.target,
        "submitted_at": format_timestamp(record.submitted_at),
        "deadline": record.deadline,
        "timeout_seconds": record.timeout_seconds,
        "output_url": record.output_url,
        "input_url": record.input_url,
        **{name: value for name, value in optional.items() if value is not None},
    }


def record_of(item: Item) -> JobRecord:
    """Parse what `item_of` made.

    Raises:
        KeyError, ValueError: it is not such an item.
    """
    ended_at = item.get("ended_at")
    return JobRecord(
        key=JobKey(
            run_id=item["run_id"],
            unit_id=item["unit_id"],
            stage=item["stage"],
            attempt=item["attempt"],
        ),
        job_id=item["job_id"],
        engine=Engine(item["engine"]),
        callback_id=item["callback_id"],
        state=JobState(item["state"]),
        target=item["target"],
        submitted_at=parse_timestamp(item["submitted_at"]),
        deadline=item["deadline"],
        timeout_seconds=item["timeout_seconds"],
        output_url=item["output_url"],
        input_url=item["input_url"],
        service_id=item.get("service_id"),
        submitting_until=item.get("submitting_until"),
        active="active" in item,
        cancelling=item.get("cancelling"),
        execution=item.get("execution"),
        error=item.get("error"),
        log_url=item.get("log_url"),
        console_url=item.get("console_url"),
        log_tail=item.get("log_tail"),
        ended_at=parse_timestamp(ended_at) if ended_at else None,
    )
