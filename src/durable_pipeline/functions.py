"""Run a job of engine `lambda`: invoke its function and map the result to the job's state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from aws_durable_execution_sdk_python import (
    DurableContext,
    InvokeError,
    WithRetryConfig,
    with_retry,
)

from contracts.costs.usage import Meter
from contracts.job import (
    ErrorCode,
    FunctionCall,
    JobEnd,
    JobKey,
    JobState,
    JobStatus,
    code_of_failure,
)
from durable_pipeline.memory import ran_out_of_memory
from durable_pipeline.operations import operations_of, within_allowance
from durable_pipeline.policies import error_name, retry_invocation, throttled_by_lambda

INVOKE_FUNCTION: Final = "invoke-function"
ERROR_CHARACTERS: Final = 2000
STACK_CHARACTERS: Final = 1000
# Lambda's errors for a function that reached its time limit. AWS Lambda Developer Guide,
# "Troubleshoot invocation issues in Lambda": "Task timed out after N seconds"; the second is that
# of a durable function.
_TIMED_OUT: Final = frozenset({"Sandbox.Timedout", "ChainedInvoke.Timeout"})
_TIMED_OUT_WORDS: Final = "Task timed out after "
# Lambda refused the invocation itself; a retry would be refused, too.
_REFUSED: Final = frozenset(
    {"ResourceNotFoundException", "AccessDeniedException", "InvalidParameterValueException"}
)


@dataclass(frozen=True)
class Invoked:
    """The result of an invocation.

    Attributes:
        error_code: NOT_INVOKED, where Lambda refused the invocation itself; INVALID_DATA, where
            the function says that its input can never be processed.
    """

    end: JobEnd
    error_code: ErrorCode | None = None


class UnrecordedEnds:
    """Ends of invoked jobs that no step has recorded yet; the next step call carries them."""

    def __init__(self) -> None:
        self._ends: list[JobEnd] = []

    @property
    def pending(self) -> tuple[JobEnd, ...]:
        return tuple(self._ends)

    def add(self, end: JobEnd) -> None:
        self._ends.append(end)

    def recorded(self) -> None:
        """A step that carried them has succeeded."""
        self._ends.clear()


def invoke_function(
    context: DurableContext, key: JobKey, call: FunctionCall, timeout_seconds: int
) -> Invoked:
    """Invoke the function once, retrying only while Lambda throttles it; never raises its errors.

    The function's return value is ignored: like any job, it writes its output to S3.
    """

    def invoke(retry_context: Any, _attempt: int) -> Any:
        operations = operations_of(context)
        operations.spend(Meter.JOB_REQUESTS)
        try:
            return retry_context.invoke(call.function, call.event, name=INVOKE_FUNCTION)
        except InvokeError as error:
            if throttled_by_lambda(error):
                operations.throttled(Meter.JOB_REQUESTS, INVOKE_FUNCTION)
            raise

    config: WithRetryConfig[Any] = WithRetryConfig(
        retry_strategy=within_allowance(
            context, INVOKE_FUNCTION, retry_invocation(timeout_seconds)
        ),
        wrap_with_run_in_child_context=False,
    )
    try:
        with_retry(context, invoke, config, name=INVOKE_FUNCTION)
    except InvokeError as error:
        return _failed(key, error)
    return Invoked(JobEnd(key=key, state=JobState.SUCCEEDED))


def may_be_tried_again(status: JobStatus) -> bool:
    """False if Lambda refused the invocation, or the job says that its input is the reason."""
    return status.error_code not in (ErrorCode.NOT_INVOKED, ErrorCode.INVALID_DATA)


def _failed(key: JobKey, error: InvokeError) -> Invoked:
    name, message = error_name(error.error_type), error.message or "no message"
    late = name in _TIMED_OUT or _TIMED_OUT_WORDS in message
    if ran_out_of_memory(name, message):
        message = (
            "the function was killed, as functions are that use up their memory: raise its"
            f" MemorySize. Lambda says: {message}"
        )
    stack = "".join(
        line if line.endswith("\n") else f"{line}\n" for line in error.stack_trace or ()
    )
    end = JobEnd(
        key=key,
        state=JobState.TIMED_OUT if late else JobState.FAILED,
        error=f"{name}: {message}"[:ERROR_CHARACTERS],
        log_tail=stack[-STACK_CHARACTERS:] or None,
    )
    if name.removeprefix("Lambda.") in _REFUSED:
        return Invoked(end, ErrorCode.NOT_INVOKED)
    return Invoked(end, code_of_failure(end.error))
