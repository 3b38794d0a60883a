"""When a step is called again: one table, by the error's class name."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aws_durable_execution_sdk_python import InvokeError
from aws_durable_execution_sdk_python.config import Duration, JitterStrategy
from aws_durable_execution_sdk_python.retries import RetryDecision

from contracts.messages import LoadedJob

LONGEST_RETRY_DELAY_SECONDS: Final = 3600


@dataclass(frozen=True)
class Policy:
    """Retries with exponential backoff and jitter.

    Attributes:
        attempts: calls in all, the first included.
        first_delay, longest_delay: seconds.
        jitter: what is made of a delay: FULL: 0 to 100 percent of it, HALF: 50 to 100.
    """

    attempts: int
    first_delay: float = 1
    longest_delay: float = 60
    jitter: JitterStrategy = JitterStrategy.FULL

    def delay(self, attempts_made: int) -> int:
        """Seconds to wait after so many calls; the durable wait makes it deterministic."""
        backoff = min(self.first_delay * 2.0 ** (attempts_made - 1), self.longest_delay)
        return self.jitter.finalize_delay(backoff)


def between_tries(job: LoadedJob) -> Policy | None:
    """Waits between the tries of a job that FAILED, as its contract says; None: it has none."""
    if not job.retry_delay_seconds:
        return None
    return Policy(
        attempts=job.attempts,
        first_delay=job.retry_delay_seconds,
        longest_delay=LONGEST_RETRY_DELAY_SECONDS,
        jitter=JitterStrategy.NONE,
    )


PERMANENT: Final = Policy(attempts=1)
UNKNOWN: Final = Policy(attempts=3, first_delay=2, longest_delay=10)
# Lambda's own failures: the sandbox died, did not start, or Lambda could not run it. A host that
# fails, a new version or a service in trouble takes minutes: 135 to 270 seconds in all.
CRASHED: Final = Policy(attempts=6, first_delay=10, longest_delay=120, jitter=JitterStrategy.HALF)
# It may take as long each time.
TIMED_OUT: Final = Policy(attempts=2, first_delay=2)
# Every try may begin in a new sandbox, whose memory and disk nothing else has used: 70 to 140
# seconds in all.
OUT_OF_MEMORY: Final = Policy(
    attempts=4, first_delay=20, longest_delay=80, jitter=JitterStrategy.HALF
)


def patient(seconds: int) -> Policy:
    """Repeats a call for as long as a job may wait.

    Only the job's own deadline ends that: submit_job returns TIMED_OUT past it. So the calls
    outlast the deadline whatever the jitter, and are frequent enough to notice it: one every eighth
    of the time, at least one an hour. Seven days take 220 calls on average.
    """
    first_delay, longest = 2.0, min(3600.0, max(15.0, seconds / 8))
    ramp = 1 + math.ceil(math.log2(longest / first_delay))  # calls until the delay is the longest
    return Policy(
        attempts=ramp + math.ceil(2 * seconds / longest) + 1,
        first_delay=first_delay,
        longest_delay=longest,
        jitter=JitterStrategy.HALF,
    )


POLICIES: Final = {
    # ours (contracts.errors)
    "Throttled": Policy(attempts=8, first_delay=2),
    "EngineFull": Policy(attempts=8, first_delay=2),
    "Conflict": Policy(attempts=5, longest_delay=10),
    "TransientFailure": Policy(attempts=5),
    "OutOfMemory": OUT_OF_MEMORY,
    "InvalidInput": PERMANENT,
    "InvalidRequest": PERMANENT,
    "InvalidDataset": PERMANENT,
    "RunConflict": PERMANENT,
    "InvalidData": PERMANENT,
    "NotConfigured": PERMANENT,
    "NotFound": PERMANENT,
    "OwnershipLost": PERMANENT,
    "RunStopped": PERMANENT,
    "PipelineError": PERMANENT,
    # Lambda's own
    "TooManyRequestsException": Policy(attempts=8, first_delay=2),
    "Lambda.TooManyRequestsException": Policy(attempts=8, first_delay=2),
    "ResourceNotFoundException": PERMANENT,
    "Lambda.ResourceNotFoundException": PERMANENT,
    "Sandbox.Timedout": TIMED_OUT,
    "Sandbox.Timeout": TIMED_OUT,
    "Runtime.InvokeTimeout": TIMED_OUT,
    "Runtime.OutOfMemory": OUT_OF_MEMORY,
    # Of the service itself, and of a function that is being deployed or whose network is being made
    # (Lambda API Reference, "Invoke", errors).
    "ServiceException": CRASHED,
    "Lambda.ServiceException": CRASHED,
    "ResourceConflictException": CRASHED,
    "ResourceNotReadyException": CRASHED,
    "EC2ThrottledException": CRASHED,
    # The function has no such handler, its code cannot be imported, or its response is no JSON
    # (awslambdaric, module lambda_runtime_exception): somebody has to deploy it again.
    "Runtime.ImportModuleError": PERMANENT,
    "Runtime.HandlerNotFound": PERMANENT,
    "Runtime.MalformedHandlerName": PERMANENT,
    "Runtime.UserCodeSyntaxError": PERMANENT,
    "Runtime.BuiltInModuleConflict": PERMANENT,
    "Runtime.MarshalError": PERMANENT,
    "Runtime.UnmarshalError": PERMANENT,
    # Its image or layers name a program or a directory that is not there.
    "Runtime.InvalidEntrypoint": PERMANENT,
    "Runtime.InvalidWorkingDir": PERMANENT,
    # A shard's execution that ran out of time (the type that the testing SDK 1.4.0 says the service
    # reports): another would have as long.
    "ChainedInvoke.Timeout": PERMANENT,
}
# What is not in the table, such as Runtime.ExitError, Runtime.InitError, Runtime.Unknown,
# Sandbox.Failure and Extension.Crash: by its source (aws-lambda-runtime-interface-emulator,
# rapid/model/customer_error.go).
_LAMBDAS_OWN: Final = ("Runtime.", "Sandbox.", "Extension.")
THROTTLED_BY_LAMBDA: Final = frozenset(
    {"TooManyRequestsException", "Lambda.TooManyRequestsException"}
)
# Transient: these pass by themselves.
PASSING: Final = frozenset(
    {
        "Throttled",
        "EngineFull",
        "Conflict",
        "TransientFailure",
        "TooManyRequestsException",
        "Lambda.TooManyRequestsException",
    }
)
# Few tries, as many executions are started by one, and long waits: 210 to 420 seconds in all.
START: Final = Policy(attempts=4, first_delay=60, longest_delay=900, jitter=JitterStrategy.HALF)
# A load that FAILED is tried again as a new job: overlapping loads into one table conflict (1023).
# How often, load_failures says by its error.
LOAD_AGAIN: Final = Policy(attempts=10, first_delay=5, longest_delay=300)


def error_name(error_type: str) -> str:
    """The class name of an error type.

    Lambda reports the bare class name, the testing SDK the qualified one; Lambda's own types
    (`Sandbox.Timedout`) have two parts.
    """
    both = ".".join(error_type.split(".")[-2:])
    if both in POLICIES or both.startswith(_LAMBDAS_OWN):
        return both
    return error_type.rpartition(".")[2]


def policy_for(error_type: str) -> Policy:
    name = error_name(error_type)
    return POLICIES.get(name, CRASHED if name.startswith(_LAMBDAS_OWN) else UNKNOWN)


# What a unit failed with that may have passed some minutes later, without anybody's help.
_PASSING_WITH_TIME: Final = PASSING | {
    "OperationsUsedUp",
    "Runtime.ExitError",  # the function's process has died
}


def throttled_by_lambda(error: Exception) -> bool:
    """Whether Lambda had no capacity for the invocation, so that nothing has begun."""
    return isinstance(error, InvokeError) and error_name(error.error_type) in THROTTLED_BY_LAMBDA


def passes_with_time(error_type: str) -> bool:
    """Whether a unit that failed so runs again in the same execution, after a wait."""
    return error_name(error_type) in _PASSING_WITH_TIME


def may_pass(error_type: str) -> bool:
    """Whether the same may succeed later: the error is not known to be permanent."""
    return policy_for(error_type) is not PERMANENT


def retry_step(error: Exception, attempts_made: int) -> RetryDecision:
    """Whether and when a step that failed is called again.

    Only a step's own failure is retried. Other exceptions are not, above all a broken replay.
    """
    if not isinstance(error, InvokeError):
        return RetryDecision.no_retry()
    return _decide(policy_for(error.error_type), attempts_made)


def retry_submission(seconds: int) -> Callable[[Exception, int], RetryDecision]:
    """As `retry_step`, but transient errors are retried until the job's deadline.

    They come in any order, and the calls are counted together. Of use for one call only: it counts
    the errors, which a replay raises again in the same order.

    Args:
        seconds: how long the job may wait for its start.
    """

    others = 0

    def decide(error: Exception, attempts_made: int) -> RetryDecision:
        nonlocal others
        if not isinstance(error, InvokeError) or error_name(error.error_type) not in PASSING:
            others += 1  # counted separately: what passes uses up no retry of other errors
            return retry_step(error, others)
        return _decide(patient(seconds), attempts_made)

    return decide


def retry_invocation(timeout_seconds: int) -> Callable[[Exception, int], RetryDecision]:
    """Whether and when a job's function is invoked again for the same job.

    Only if Lambda throttled it, so that it has not begun. What the function itself raises ends the
    job, whatever the error's name.
    """

    def decide(error: Exception, attempts_made: int) -> RetryDecision:
        if not throttled_by_lambda(error):
            return RetryDecision.no_retry()
        return _decide(patient(timeout_seconds), attempts_made)

    return decide


def retry_start(error: Exception, attempts_made: int) -> RetryDecision:
    """Whether and when an execution is started again, which Lambda throttled.

    What has begun is not started again: it has its own retries.
    """
    return _decide(START if throttled_by_lambda(error) else PERMANENT, attempts_made)


def _decide(policy: Policy, attempts_made: int) -> RetryDecision:
    if attempts_made >= policy.attempts:
        return RetryDecision.no_retry()
    return RetryDecision.retry(Duration(seconds=policy.delay(attempts_made)))
