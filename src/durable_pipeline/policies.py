"""When a step is called again: one table, by the error's class name."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
# Only a job's own deadline ends its waiting for a place: submit_job answers TIMED_OUT past it. So
# this outlasts the longest deadline, of seven days, whatever the dice say; on average in 220 calls.
PATIENT: Final = Policy(
    attempts=350, first_delay=15, longest_delay=3600, jitter=JitterStrategy.HALF
)
POLICIES: Final = {
    # ours (contracts.errors)
    "Throttled": Policy(attempts=8, first_delay=2),
    "EngineFull": PATIENT,
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
    "PipelineError": PERMANENT,
    # Lambda's own
    "TooManyRequestsException": Policy(attempts=8, first_delay=2),
    "Lambda.TooManyRequestsException": Policy(attempts=8, first_delay=2),
    "ResourceNotFoundException": PERMANENT,
    "Lambda.ResourceNotFoundException": PERMANENT,
    "Sandbox.Timedout": Policy(attempts=2, first_delay=2),
}
# What passes by itself, sooner or later.
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
LOAD_AGAIN: Final = Policy(attempts=10, first_delay=5, longest_delay=300)
# Sending the same message again cannot help: it goes to the dead-letter queue with its reason.
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


def retry_step(error: Exception, attempts_made: int) -> RetryDecision:
    """Whether and when a step that failed is called again.

    Only a step's own failure is retried; any other exception (a broken replay above all) passes.
    """
    if not isinstance(error, InvokeError):
        return RetryDecision.no_retry()
    return _decide(policy_for(error.error_type), attempts_made)


def retry_job_step(error: Exception, attempts_made: int) -> RetryDecision:
    """As `retry_step`, for steps whose end is a job's deadline: no passing error gives up before.

    Submitting meets full engines and throttling in any order, and the calls are counted together.
    """
    if not isinstance(error, InvokeError) or error_name(error.error_type) not in PASSING:
        return retry_step(error, attempts_made)
    full = error_name(error.error_type) == "EngineFull"
    return _decide(PATIENT if full else replace(PATIENT, first_delay=2), attempts_made)


def _decide(policy: Policy, attempts_made: int) -> RetryDecision:
    if attempts_made >= policy.attempts:
        return RetryDecision.no_retry()
    return RetryDecision.retry(Duration(seconds=policy.delay(attempts_made)))
