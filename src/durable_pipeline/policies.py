"""When a step is called again: one table, by the error's class name."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aws_durable_execution_sdk_python import InvokeError
from aws_durable_execution_sdk_python.config import Duration, JitterStrategy
from aws_durable_execution_sdk_python.retries import RetryDecision


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


PERMANENT: Final = Policy(attempts=1)
UNKNOWN: Final = Policy(attempts=3, first_delay=2, longest_delay=10)
LONGEST_JOB_SECONDS: Final = 7 * 24 * 3600


def patient(timeout_seconds: int, first_delay: float) -> Policy:
    """Waits for something as long as a job may take.

    Only the job's own deadline ends its waiting for a place: submit_job returns TIMED_OUT past it.
    So the calls outlast the deadline whatever the jitter, and are frequent enough to notice it: one
    every eighth of the time, at least one an hour. Seven days take 220 calls on average.
    """
    longest = min(3600.0, max(15.0, timeout_seconds / 8))
    ramp = 1 + math.ceil(math.log2(longest / first_delay))  # calls until the delay is the longest
    return Policy(
        attempts=ramp + math.ceil(2 * timeout_seconds / longest) + 1,
        first_delay=first_delay,
        longest_delay=longest,
        jitter=JitterStrategy.HALF,
    )


POLICIES: Final = {
    # ours (contracts.errors)
    "Throttled": Policy(attempts=8, first_delay=2),
    "EngineFull": patient(LONGEST_JOB_SECONDS, first_delay=15),
    "Conflict": Policy(attempts=5, longest_delay=10),
    "TransientFailure": Policy(attempts=5),
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
    "Sandbox.Timedout": Policy(attempts=2, first_delay=2),
    # The function has no such handler, or its code cannot be imported (awslambdaric, module
    # lambda_runtime_exception): somebody has to deploy it again.
    "Runtime.ImportModuleError": PERMANENT,
    "Runtime.HandlerNotFound": PERMANENT,
    "Runtime.MalformedHandlerName": PERMANENT,
    "Runtime.UserCodeSyntaxError": PERMANENT,
    # A shard's execution that ran out of time (the type that the testing SDK 1.4.0 says the service
    # reports): another would have as long.
    "ChainedInvoke.Timeout": PERMANENT,
}
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
# A load that FAILED is tried again as a new job: overlapping loads into one table conflict (1023).
# How often, load_failures says by its error.
LOAD_AGAIN: Final = Policy(attempts=10, first_delay=5, longest_delay=300)
# Retrying the same message cannot help: it goes to the dead-letter queue with the reason.
REFUSED: Final = frozenset(
    {
        "InvalidInput",
        "InvalidRequest",
        "InvalidDataset",
        "RunConflict",
        "InvalidData",
        "NotConfigured",
        "NotFound",
    }
)


def error_name(error_type: str) -> str:
    """The class name of an error type.

    Lambda reports the bare class name, the testing SDK the qualified one; Lambda's own types
    (`Sandbox.Timedout`) stay as they are.
    """
    return error_type if error_type in POLICIES else error_type.rpartition(".")[2]


def policy_for(error_type: str) -> Policy:
    return POLICIES.get(error_name(error_type), UNKNOWN)


# What a unit failed with that may have passed some minutes later, without anybody's help.
_PASSING_WITH_TIME: Final = PASSING | {
    "OperationsUsedUp",
    "Runtime.ExitError",  # the function's process has died
}
WAITS_BETWEEN_ROUNDS: Final = (60, 15 * 60, 60 * 60)  # seconds; the last one from then on


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


def retry_submission(timeout_seconds: int) -> Callable[[Exception, int], RetryDecision]:
    """As `retry_step`, but transient errors are retried until the job's deadline.

    Submitting meets full engines and throttling in any order, and the calls are counted together.
    Of use for one call only: it counts the errors, which a replay raises again in the same order.

    Args:
        timeout_seconds: the job's.
    """

    others = 0

    def decide(error: Exception, attempts_made: int) -> RetryDecision:
        nonlocal others
        if not isinstance(error, InvokeError) or error_name(error.error_type) not in PASSING:
            others += (
                1  # counted separately: waiting for a free slot uses up no retry of other errors
            )
            return retry_step(error, others)
        full = error_name(error.error_type) == "EngineFull"
        policy = patient(timeout_seconds, first_delay=15 if full else 2)
        return _decide(policy, attempts_made)

    return decide


def retry_invocation(timeout_seconds: int) -> Callable[[Exception, int], RetryDecision]:
    """Whether and when a job's function is invoked again for the same job.

    Only if Lambda throttled it, so that it has not begun. What the function itself raises ends the
    job, whatever the error's name.
    """

    def decide(error: Exception, attempts_made: int) -> RetryDecision:
        if not isinstance(error, InvokeError):
            return RetryDecision.no_retry()
        if error_name(error.error_type) not in THROTTLED_BY_LAMBDA:
            return RetryDecision.no_retry()
        return _decide(patient(timeout_seconds, first_delay=2), attempts_made)

    return decide


def _decide(policy: Policy, attempts_made: int) -> RetryDecision:
    if attempts_made >= policy.attempts:
        return RetryDecision.no_retry()
    return RetryDecision.retry(Duration(seconds=policy.delay(attempts_made)))
