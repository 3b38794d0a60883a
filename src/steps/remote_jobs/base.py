"""What every engine must be able to do with a job, and the words for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from botocore.exceptions import ClientError

from contracts.errors import EngineFull, PipelineError, TransientFailure
from contracts.job import Engine, JobKey, JobState
from steps import aws
from steps.runtime import logger

JOB_KEY_ARGUMENT: Final = "JOB_KEY"


@dataclass(frozen=True)
class RemoteJob:
    """A job as its engine needs to know it.

    Attributes:
        target: what the engine runs it on: the Glue job's full name, the cluster or workgroup.
        asked_at: when the intent was written; the job cannot be older.
        service_id: the engine's own id; None: not submitted, or not known to be.
    """

    job_id: str
    key: JobKey
    target: str
    asked_at: datetime
    service_id: str | None = None

    @property
    def known_id(self) -> str:
        """The engine's id of a job that is known to be submitted."""
        if self.service_id is None:
            raise ValueError(f"job {self.job_id} has no service id")
        return self.service_id


@dataclass(frozen=True)
class JobRequest:
    """A job to be submitted.

    Attributes:
        arguments: name (without dashes) and value; the key is among them.
        statements: SQL of a load, run in one transaction.
    """

    job: RemoteJob
    timeout_seconds: int
    arguments: Mapping[str, str] = field(default_factory=dict)
    statements: tuple[str, ...] = ()


@dataclass(frozen=True)
class EngineStatus:
    """What an engine says of a job.

    Attributes:
        raw_state: the engine's own word for it.
        log_url: the job's log in the console.
    """

    state: JobState
    raw_state: str
    error: str | None = None
    log_url: str | None = None


Answer = EngineStatus | PipelineError


class RemoteJobs(Protocol):
    """An engine.

    Every method raises Throttled or TransientFailure when the same call may succeed later.

    Attributes:
        engine: which one.
        recognises_repeats: a repeated submission answers the same job (the engine takes a token).
    """

    engine: Engine
    recognises_repeats: bool

    def target(self, name: str | None) -> str:
        """Where a job of this name (Glue) or any job (warehouse) runs."""
        ...

    def submit(self, request: JobRequest) -> str:
        """Start the job; answers the engine's id of it.

        Raises:
            EngineFull: no place just now; nothing was started.
            Throttled: nothing was started.
            TransientFailure: it may have been started or not.
            PipelineError: refused for good; nothing was started.
        """
        ...

    def find(self, job: RemoteJob) -> str | None:
        """The engine's id of the job that carries this key, if there is one."""
        ...

    def status_of_many(self, jobs: Sequence[RemoteJob]) -> dict[str, Answer]:
        """State of jobs that have service ids, by our job id, in as few requests as it takes.

        Holds an answer for every job: NotFound for one that the engine does not (or no longer)
        know, another PipelineError where it could not be asked.
        """
        ...

    def cancel(self, job: RemoteJob) -> bool:
        """Stop it. False: it had ended before.

        Raises:
            NotFound: the engine does not know the job.
        """
        ...


def mapped(engine: Engine, states: Mapping[str, JobState], raw_state: str) -> JobState:
    """Our state for the engine's.

    A state that the engine has learned since is neither success nor failure: the job counts as
    running, so its deadline decides.
    """
    state = states.get(raw_state)
    if state is None:
        logger.warning("unknown state of a job", extra={"engine": engine, "state": raw_state})
        return JobState.RUNNING
    return state


@contextmanager
def engine_errors(doing: str, full: frozenset[str], transient: frozenset[str]) -> Iterator[None]:
    """`aws.translated`, with the error codes that an engine has of its own.

    Args:
        full: codes that mean EngineFull.
        transient: codes that mean TransientFailure.
    """
    with aws.translated(doing):
        try:
            yield
        except ClientError as error:
            code = aws.error_code(error)
            if code in full:
                raise EngineFull(f"{doing}: {error}") from error
            if code in transient:
                raise TransientFailure(f"{doing}: {error}") from error
            raise
