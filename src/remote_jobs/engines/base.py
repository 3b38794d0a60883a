"""The interface that every engine implements, and the types it uses."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from botocore.exceptions import ClientError

from contracts import layout
from contracts.costs.usage import Amounts
from contracts.errors import (
    EngineFull,
    NotConfigured,
    NotFound,
    PipelineError,
    TransientFailure,
)
from contracts.job import Engine, JobKey, JobState
from runtime import clients
from runtime.handler import logger

_NO_CODES: Final[frozenset[str]] = frozenset()
JOB_KEY_ARGUMENT: Final = "JOB_KEY"
CLOCK_DIFFERENCE: Final = timedelta(minutes=5)  # between our clock and a service's


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

    @property
    def client_token(self) -> str:
        """Idempotency token of 64 characters: the same for every submission of this job only."""
        return hashlib.sha256(f"{self.key} {self.job_id}".encode()).hexdigest()

    @property
    def oldest(self) -> datetime:
        """The earliest time at which the engine can have started the job."""
        return self.asked_at - CLOCK_DIFFERENCE


@dataclass(frozen=True)
class JobRequest:
    """A job to be submitted.

    Attributes:
        arguments: name (without dashes) and value; the key is among them.
        script: for the EMR engines: the Spark script's key in the code bucket.
        spark_arguments: for the EMR engines: options of spark-submit.
        statements: SQL of a load, run in one transaction.
    """

    job: RemoteJob
    timeout_seconds: int
    arguments: Mapping[str, str] = field(default_factory=dict)
    script: str | None = None
    spark_arguments: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()


@dataclass(frozen=True)
class EngineStatus:
    """What an engine says of a job.

    Attributes:
        raw_state: the engine's own word for it.
        log_url: the job's log in the console.
        console_url: the job in the console.
        log_tail: the last lines of its log (remote_jobs.engines.logs).
        service_id: the engine's id of the job, where more of it is known than before.
        started_at: when it began to run, by the engine's clock; absent: the engine does not say.
        ended_at: when it ended, likewise.
        log_pending: its log has not been written yet, but soon will be.
        usage: what is billed of it, once it has ended; absent: the engine does not say.
    """

    state: JobState
    raw_state: str
    error: str | None = None
    log_url: str | None = None
    console_url: str | None = None
    log_tail: str | None = None
    service_id: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    log_pending: bool = False
    usage: Amounts | None = None


Response = EngineStatus | PipelineError


@dataclass(frozen=True)
class Quota:
    """Requests of one kind that may be sent to an engine (remote_jobs.quota).

    Attributes:
        name: engines of the same name share it.
        burst: requests at once, after a pause.
        per_second: requests in the long run.
        jobs_per_request: how many jobs' states one request returns.
    """

    name: str
    burst: int
    per_second: float
    jobs_per_request: int


class RemoteJobs(Protocol):
    """An engine.

    Every method raises Throttled or TransientFailure when the same call may succeed later.

    Attributes:
        engine: which one.
        recognises_repeats: a repeated submission returns the same job (the engine takes a token).
        finds_others_jobs: `find` returns jobs that another function, of another role, submitted.
    """

    engine: Engine
    recognises_repeats: bool
    finds_others_jobs: bool

    @property
    def quota(self) -> Quota | None:
        """How many requests the watcher may send; None: no limit."""
        ...

    @property
    def submissions(self) -> Quota | None:
        """How many jobs may be submitted, whoever submits them; None: no limit."""
        ...

    def target(self, name: str | None) -> str:
        """Where a job of this name (Glue) or any job (cluster, application, warehouse) runs."""
        ...

    @staticmethod
    def pool(target: str) -> str | None:
        """Name of the pool whose places limit the jobs there; None: nothing limits them.

        Engines that run jobs in the same places name the same pool.
        """
        ...

    def capacity(self, target: str) -> int:
        """How many jobs the engine runs there at once, as it says now; at least 1.

        Raises:
            NotConfigured: the target is not there.
            PipelineError: it cannot be asked, by this function's role or just now.
        """
        ...

    def submit(self, request: JobRequest) -> str:
        """Start the job; returns the engine's id of it.

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

    def status_of_many(self, jobs: Sequence[RemoteJob]) -> dict[str, Response]:
        """State of jobs that have service ids, by our job id, in as few requests as it takes.

        Holds a response for every job: NotFound for one that the engine does not (or no longer)
        know, another PipelineError where it could not be asked.
        """
        ...

    def cancel(self, job: RemoteJob) -> bool:
        """Stop it. False: it had ended before.

        Raises:
            NotFound: the engine does not know the job.
        """
        ...

    def cancel_many(self, jobs: Sequence[RemoteJob]) -> dict[str, PipelineError]:
        """Stop those that have not ended, in as few requests as it takes.

        Holds an error, by our job id, for each job whose engine did not take the request.
        """
        ...


def by_target(jobs: Iterable[RemoteJob]) -> dict[str, dict[str, RemoteJob]]:
    """Jobs by the engine's id of them, for each place where they run."""
    found: dict[str, dict[str, RemoteJob]] = defaultdict(dict)
    for job in jobs:
        found[job.target][job.known_id] = job
    return dict(found)


def each_cancelled(
    cancel: Callable[[RemoteJob], bool], jobs: Sequence[RemoteJob]
) -> dict[str, PipelineError]:
    """`cancel_many` of an engine that cancels one job a request."""
    errors: dict[str, PipelineError] = {}
    for job in jobs:
        try:
            cancel(job)
        except PipelineError as error:
            errors[job.job_id] = error
    return errors


def mapped(engine: Engine, states: Mapping[str, JobState], raw_state: str) -> JobState:
    """Our state for the engine's.

    An unknown state (a newer one of the engine) is neither success nor failure: the job counts as
    running, so its deadline decides.
    """
    state = states.get(raw_state)
    if state is None:
        logger.warning("unknown state of a job", extra={"engine": engine, "state": raw_state})
        return JobState.RUNNING
    return state


@contextmanager
def engine_errors(
    doing: str,
    full: frozenset[str] = _NO_CODES,
    transient: frozenset[str] = _NO_CODES,
    absent: frozenset[str] = _NO_CODES,
    unusable: frozenset[str] = _NO_CODES,
) -> Iterator[None]:
    """`aws.translated`, with the error codes that an engine has of its own.

    Args:
        full: codes that mean EngineFull.
        transient: codes that mean TransientFailure.
        absent: codes that mean NotFound.
        unusable: codes that mean NotConfigured.
    """
    with clients.translated(doing):
        try:
            yield
        except ClientError as error:
            code = clients.error_code(error)
            for codes, ours in (
                (full, EngineFull),
                (transient, TransientFailure),
                (absent, NotFound),
                (unusable, NotConfigured),
            ):
                if code in codes:
                    raise ours(f"{doing}: {error}") from error
            raise


def script_arguments(arguments: Mapping[str, str]) -> list[str]:
    """As a script's command line: `--NAME`, value, and so on."""
    return [word for name, value in arguments.items() for word in (f"--{name}", value)]


def script_url(request: JobRequest, code_bucket: str) -> str:
    """Where the job's Spark script lies.

    Raises:
        NotConfigured: it has none.
    """
    if request.script is None:
        raise NotConfigured(
            f"stage {request.job.key.stage}: a job on EMR needs script, its key in the code bucket"
        )
    return layout.s3_url(code_bucket, request.script)
