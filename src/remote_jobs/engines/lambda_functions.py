"""Functions of the user's own, as an engine: the orchestrator invokes them, nothing else does.

A chained invoke belongs to the durable execution that made it (AWS Lambda Developer Guide, "Invoke
another function" of durable functions), so there is no service to submit to, to ask or to cancel
at. Submitting only says which function a job runs on, and that it may.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from contracts.errors import NotConfigured, PipelineError
from contracts.job import FUNCTION_SECONDS_AT_MOST, Engine, JobState
from remote_jobs.engines.base import EngineStatus, JobRequest, RemoteJob, Response
from runtime.handler import Clock, utc_now

FUNCTION_ARN: Final = re.compile(
    r"arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{12}:function:"
    r"[A-Za-z0-9_-]{1,64}(:(\$LATEST|[A-Za-z0-9_-]{1,128}))?"
)
# A throttled invoke begins later than its job was recorded.
BEGINS_WITHIN: Final = timedelta(minutes=15)
RUNS_FOR_AT_MOST: Final = BEGINS_WITHIN + timedelta(seconds=FUNCTION_SECONDS_AT_MOST)
NOT_CANCELLED: Final = (
    "RUNNING; a running function cannot be cancelled, it ends by itself"
    f" (within {FUNCTION_SECONDS_AT_MOST // 60} minutes of its start)"
)


def allowed_functions(arns: str) -> tuple[str, ...]:
    """The ARNs of the parameter JobFunctionArns.

    Args:
        arns: with commas between; may be empty.

    Raises:
        NotConfigured: one of them is no ARN of a function; a `*` is none.
    """
    allowed = tuple(arn.strip() for arn in arns.split(",") if arn.strip())
    wrong = [arn for arn in allowed if not FUNCTION_ARN.fullmatch(arn)]
    if wrong:
        raise NotConfigured(
            f"JobFunctionArns: {', '.join(wrong)} is no ARN of a Lambda function"
            " (arn:aws:lambda:REGION:ACCOUNT:function:NAME)"
        )
    return allowed


def resolve(function: str, allowed: Sequence[str]) -> str:
    """The ARN of the function that a contract names, with its version or alias if it names one.

    Args:
        function: a name or an ARN. Where an allowed function has no qualifier, any of its versions
            and aliases may be named.

    Raises:
        NotConfigured: it is not allowed, or several allowed ones have this name.
    """
    found = {arn for one in allowed for arn in _as_allowed(function, one)}
    if len(found) == 1:
        return found.pop()
    if found:
        raise NotConfigured(
            f"function {function}: JobFunctionArns allows several of this name"
            f" ({', '.join(sorted(found))}); name the ARN"
        )
    names = ", ".join(allowed) if allowed else "none"
    raise NotConfigured(
        f"function {function} is not allowed: deploy with its ARN in JobFunctionArns (it allows"
        f" {names})"
    )


def _as_allowed(function: str, allowed: str) -> list[str]:
    """The named function's ARN, if it is this allowed one or a version or alias of it."""
    name = allowed.partition(":function:")[2]
    for written in (allowed, name):
        if function == written:
            return [allowed]
        if ":" not in name and function.startswith(f"{written}:"):
            return [allowed + function.removeprefix(written)]
    return []


class LambdaJobs:
    """Jobs that the orchestrator invokes; `target` decides which functions it may."""

    engine = Engine.LAMBDA
    recognises_repeats = True
    finds_others_jobs = False
    quota = None

    def __init__(self, allowed: Sequence[str], clock: Clock = utc_now) -> None:
        self._allowed = allowed
        self._clock = clock

    def target(self, name: str | None) -> str:
        if name is None:
            raise NotConfigured("a job of engine lambda needs function, its name or ARN")
        return resolve(name, self._allowed)

    @staticmethod
    def pool(target: str) -> None:  # noqa: ARG004 - of no function
        """None: a throttled invoke is tried again by Lambda, nobody waits for a place."""

    def capacity(self, target: str) -> int:
        raise NotConfigured(f"function {target} has no places that jobs wait for")

    def submit(self, request: JobRequest) -> str:
        """Nothing is sent: who asked for the submission invokes the function, by our own job id."""
        return request.job.job_id

    def find(self, job: RemoteJob) -> str | None:  # noqa: ARG002 - no service knows of it
        return None

    def status_of_many(self, jobs: Sequence[RemoteJob]) -> dict[str, Response]:
        """By the clock alone: it runs until no function that was begun for it still can.

        Only jobs whose end nobody has recorded are checked, such as those of an execution that was
        stopped.
        """
        return {job.job_id: self._status(job) for job in jobs}

    def _status(self, job: RemoteJob) -> EngineStatus:
        if self._clock() - job.asked_at < RUNS_FOR_AT_MOST:
            return EngineStatus(JobState.RUNNING, NOT_CANCELLED)
        lost = "the execution that invoked the function ended before it reported what became of it"
        return EngineStatus(JobState.CANCELLED, "UNKNOWN", lost)

    def cancel(self, job: RemoteJob) -> bool:
        """Lambda has no call to stop an invocation; what was begun comes to its end."""
        return not self._status(job).state.ended

    def cancel_many(self, jobs: Sequence[RemoteJob]) -> dict[str, PipelineError]:  # noqa: ARG002
        return {}
