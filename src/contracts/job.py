"""Jobs: remote work with a key, submitted once and awaited."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from contracts.base import Contract
from contracts.costs.usage import Amounts
from contracts.errors import InvalidData

# AWS Lambda Developer Guide, "Lambda quotas": the longest function timeout.
FUNCTION_SECONDS_AT_MOST: Final = 900
RETRIES_AT_MOST: Final = 10  # tries of a job in one attempt at its run
# A class of exceptions, perhaps with its module, or behind the name of the script.
_INVALID_DATA: Final = re.compile(rf"(?:[\w.-]+: )?(?:[\w.]+\.)?{InvalidData.__name__}: ")


class Engine(StrEnum):
    """Where a job runs. `redshift` is for loads; the others are for a dataset's job chain."""

    GLUE = "glue"
    EMR = "emr"
    EMR_SERVERLESS = "emr-serverless"
    EMR_SSM = "emr-ssm"
    REDSHIFT = "redshift"
    LAMBDA = "lambda"

    @property
    def invoked(self) -> bool:
        """Whether the orchestrator runs the job by a chained invoke, without a callback.

        Nothing can watch or cancel such a job; its end is reported by the orchestrator.
        """
        return self is Engine.LAMBDA


class JobState(StrEnum):
    """The one state machine that every engine's states are mapped onto."""

    SUBMITTED = "SUBMITTED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"

    @property
    def ended(self) -> bool:
        return self not in (JobState.SUBMITTED, JobState.RUNNING)


class ErrorCode(StrEnum):
    """What the error of a job means for its next try.

    PASSES: transient: the same job may succeed later.
    PERMANENT: it fails every time.
    INVALID_DATA: it fails every time, by its input alone, as the job itself says.
    UNKNOWN: it may be either.
    NOT_INVOKED: Lambda refused to invoke the job's function; a retry would be refused, too.
    """

    PASSES = "PASSES"
    PERMANENT = "PERMANENT"
    INVALID_DATA = "INVALID_DATA"
    UNKNOWN = "UNKNOWN"
    NOT_INVOKED = "NOT_INVOKED"


class Priority(StrEnum):
    """How often a run gets a turn in a pool, beside others that wait there."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


class JobKey(Contract):
    """Identifies a job: submitting the same key again returns the same job.

    Attributes:
        run_id, unit_id: whose job; `layout.RUN_UNIT` as unit for a job of the whole run.
        stage: the job's name in the dataset's chain, or `store-redshift` / `record-run`.
        attempt: 1, 2, …: a retry is a new job.
    """

    run_id: str
    unit_id: str
    stage: str
    attempt: int

    def __str__(self) -> str:
        return f"{self.run_id}/{self.unit_id}/{self.stage}/{self.attempt}"

    @classmethod
    def from_text(cls, text: str) -> JobKey:
        """Parse what `str` made.

        Raises:
            ValueError: it is no such text.
        """
        run_id, unit_id, stage, attempt = text.rsplit("/", 3)
        return cls(run_id=run_id, unit_id=unit_id, stage=stage, attempt=int(attempt))


class FunctionCall(Contract):
    """A job that the orchestrator invokes: by which function, and with what.

    Attributes:
        function: ARN of the function, as the contract's `function` resolved at the submission.
        event: the job's arguments by name; values are texts.
    """

    function: str
    event: dict[str, str]


class JobEnd(Contract):
    """How a job ended that the orchestrator invoked; the next step call records it.

    Attributes:
        error: error type and message, for FAILED and TIMED_OUT.
        log_tail: the end of the function's stack trace, where it reported one.
    """

    key: JobKey
    state: JobState
    error: str | None = None
    log_tail: str | None = None


class JobStatus(Contract):
    """A job's state: what submit-job, check-job, cancel-job and the callback return.

    Attributes:
        job_id: the pipeline's id: timestamp and unique part, e.g. `20261120T081500Z-3f9c2a1b`.
        service_id: the service's own id of it (Glue JobRunId, EMR step id, …), once known.
        state: see JobState.
        output_url: the prefix its outputs lie under.
        error: what went wrong, for FAILED, CANCELLED and TIMED_OUT.
        error_code: an `ErrorCode`, or one of a later release; absent where the error's text does
            not matter, and from steps of an earlier release.
        log_url: where its log can be read.
        console_url: the job in the service's console.
        log_tail: the last lines of its log (up to 2,000 characters), where it ended badly.
        overdue: a deadline of it has passed (only while it has not ended).
        lateness: which one, in words, while it is overdue; absent from earlier steps.
        call: of submit-job for the engine `lambda`: the function to invoke now.
        usage: what it has used, as its engine reports it once it has ended; absent: not known.
        objects: of a unit of several objects: how many of them it reads; absent: of any other job.
    """

    job_id: str
    stage: str
    engine: Engine
    attempt: int
    state: JobState
    output_url: str
    service_id: str | None = None
    error: str | None = None
    error_code: str | None = None
    log_url: str | None = None
    console_url: str | None = None
    log_tail: str | None = None
    overdue: bool = False
    lateness: str | None = None
    call: FunctionCall | None = None
    usage: Amounts | None = None
    objects: int | None = None

    @property
    def run_attempt(self) -> int:
        """The attempt at its run that submitted it; see `job_attempt`."""
        return (self.attempt - 1) // RETRIES_AT_MOST + 1


def job_attempt(run_attempt: int, retry: int) -> int:
    """The attempt number of a job: unique over its retries and over takeovers of its run.

    Args:
        run_attempt: which claim of the run this is, from 1.
        retry: which try within it, from 1 to 10.
    """
    if not 1 <= retry <= RETRIES_AT_MOST:
        raise ValueError(f"retry must be 1 to {RETRIES_AT_MOST}: {retry}")
    return (run_attempt - 1) * RETRIES_AT_MOST + retry


def code_of_failure(error: str | None, log_tail: str | None = None) -> ErrorCode | None:
    """What a job of a dataset's chain says of its own failure.

    A job whose input can never be processed says so by the name of its error: `InvalidData: …`.
    Anything else that ends a job may pass.

    Args:
        error: as the engine reports it.
        log_tail: the job's last lines, of engines that report no error of the script (EMR).

    Returns:
        INVALID_DATA if the job says so; else None, as its error decides nothing.
    """
    last_line = (log_tail or "").splitlines()[-1:]
    said = any(_INVALID_DATA.match(text) for text in (error or "", *last_line))
    return ErrorCode.INVALID_DATA if said else None
