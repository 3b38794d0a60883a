"""The steps bound to a durable context: each call is one operation, repeated as policies say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from aws_durable_execution_sdk_python import (
    ChildContextError,
    DurableContext,
    InvokeError,
    WithRetryConfig,
    with_retry,
)
from aws_durable_execution_sdk_python.exceptions import NonDeterministicExecutionError
from pydantic import ValidationError

from contracts.base import Contract
from contracts.costs.usage import METERED, USAGE, Meter
from contracts.errors import OutOfMemory
from contracts.job import JobStatus
from contracts.run import StageFailure
from contracts.steps import Step, Steps, function_resource, function_variable
from durable_pipeline.memory import ran_out_of_memory, too_small, with_advice
from durable_pipeline.operations import Operations, counted, operations_of, within_allowance
from durable_pipeline.policies import (
    error_name,
    retry_step,
    retry_submission,
    throttled_by_lambda,
)
from durable_pipeline.settings import Settings

LOG_TAIL_CHARACTERS: Final = 1000
USED_UP: Final = "OperationsUsedUp"
OF_A_FAILED_CONTEXT: Final = 60  # operations of one whose count is not known: more than it may be
OPERATIONS: Final = "operations"  # of a child context, beside the fields of its result and USAGE
Response = TypeVar("Response", bound=Contract)


class StageFailed(Exception):
    """A stage failed for good: its name, the error's type and message, and its job, if any."""

    def __init__(
        self, stage: str, error_type: str, message: str, job: JobStatus | None = None
    ) -> None:
        super().__init__(f"{stage}: {error_type}: {message}")
        self.stage = stage
        self.error_type = error_type
        self.message = message
        self.job = job

    @property
    def failure(self) -> StageFailure:
        """The failure as it is recorded; a job's log is cut, as checkpoints must stay small."""
        job = self.job
        return StageFailure(
            stage=self.stage,
            error_type=self.error_type,
            message=self.message[:2000],
            job_id=job.job_id if job else None,
            log_url=job.log_url if job else None,
            console_url=job.console_url if job else None,
            log_tail=job.log_tail[-LOG_TAIL_CHARACTERS:] if job and job.log_tail else None,
            error_code=job.error_code if job else None,
        )


@dataclass(frozen=True)
class BoundSteps(Steps):
    """The steps as operations of one context: `steps.validate(unit, input_url=url)`."""

    context: DurableContext
    settings: Settings

    def call(self, step: Step[Any, Response], message: Contract) -> Response:
        """Invoke a step's function, with retries by `policies`.

        Raises:
            StageFailed: the function failed and its retries are used up or would not help; it did
                not return what is declared; the deployment has no such function; or the unit has
                used up its operations.
        """
        return self.call_with(step, lambda _used: message)

    def call_with(
        self, step: Step[Any, Response], message_at: Callable[[int], Contract]
    ) -> Response:
        """As `call`.

        Args:
            message_at: the message of a try, by how many operations were made with the context
                before it.
        """
        operations = operations_of(self.context)
        function = self.settings.functions.get(step.function)
        if not function:
            variable, resource = function_variable(step.function), function_resource(step.function)
            why = (
                f"the orchestrator does not know the function of this step: add {variable}:"
                f" !Ref {resource} to its Environment in template.yaml"
            )
            raise StageFailed(step.name, "NotConfigured", why)

        if not operations.suffice_for(step.name, 1):
            why = f"the unit has used {operations.used} of the operations that it was allowed"
            raise StageFailed(step.name, USED_UP, why)

        def invoke(retry_context: Any, _attempt: int) -> Any:
            requests = Meter.REQUESTS.of(step.function)
            operations.spend(requests)
            payload = {**message_at(operations.used).to_json(), METERED: True}
            try:
                return retry_context.invoke(function, payload, name=step.name)
            except InvokeError as error:
                if throttled_by_lambda(error):
                    operations.throttled(requests, step.function)
                else:
                    operations.spend(Meter.FAILED.of(step.function))
                raise

        patience = step.patience and step.patience(message_at(operations.used))
        retry = retry_submission(patience) if patience is not None else retry_step
        config: WithRetryConfig[Any] = WithRetryConfig(
            retry_strategy=within_allowance(self.context, step.name, retry),
            wrap_with_run_in_child_context=False,
        )
        try:
            response = with_retry(self.context, invoke, config, name=step.name)
        except InvokeError as error:
            name, why = error_name(error.error_type), error.message or "no message"
            megabytes = self.settings.megabytes.get(step.function)
            if ran_out_of_memory(name, why):
                why = with_advice(why, function_resource(step.function), megabytes)
            elif name == OutOfMemory.__name__:
                why = too_small(why, function_resource(step.function), megabytes)
            raise StageFailed(step.name, name, why) from error
        response = response or {}
        operations.spend_all(response.get(USAGE))
        try:
            return step.response.from_json(response)
        except ValidationError as error:
            why = f"{function} did not return {step.response.__name__}: {error}"
            raise StageFailed(step.name, "InvalidResponse", why) from error


def in_child_context(
    context: DurableContext,
    name: str,
    response: type[Response],
    function: Callable[[DurableContext], Response],
) -> Response:
    """Run part of the sequence as one child context; once complete, a replay skips it.

    Its operations are part of its result, as a replay that skips it counts none.

    Raises:
        ChildContextError: wraps whatever `function` raised.
    """
    operations = operations_of(context)

    def encoded(child: DurableContext) -> dict[str, Any]:
        within = Operations()
        result = function(counted(child, within)).to_json()
        return {**result, OPERATIONS: within.used, USAGE: within.amounts}

    try:
        result = context.run_in_child_context(encoded, name=name)
    except ChildContextError:
        operations.used += OF_A_FAILED_CONTEXT
        raise
    operations.used += result.get(OPERATIONS, 0)
    operations.spend_all(result.get(USAGE))
    operations.write(result)
    return response.from_json(result)


def is_broken_replay(error_type: str | None) -> bool:
    """Whether the code no longer matches the history; never treat that as a failed stage."""
    return (error_type or "").endswith(NonDeterministicExecutionError.__name__)
