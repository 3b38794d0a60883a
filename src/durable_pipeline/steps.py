"""The steps bound to a durable context: each call is one operation, repeated as policies say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from aws_durable_execution_sdk_python import (
    DurableContext,
    InvokeError,
    WithRetryConfig,
    with_retry,
)
from aws_durable_execution_sdk_python.exceptions import NonDeterministicExecutionError
from pydantic import ValidationError

from contracts.base import Contract
from contracts.job import JobStatus
from contracts.run import StageFailure
from contracts.steps import Step, Steps, function_resource, function_variable
from durable_pipeline.memory import ran_out_of_memory, with_advice
from durable_pipeline.policies import error_name, retry_step, retry_submission
from durable_pipeline.settings import Settings

LOG_TAIL_CHARACTERS: Final = 1000
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
                not return what is declared; or the deployment has no such function.
        """
        function = self.settings.functions.get(step.function)
        if not function:
            variable, resource = function_variable(step.function), function_resource(step.function)
            why = (
                f"the orchestrator does not know the function of this step: add {variable}:"
                f" !Ref {resource} to its Environment in template.yaml"
            )
            raise StageFailed(step.name, "NotConfigured", why)

        def invoke(retry_context: Any, _attempt: int) -> Any:
            return retry_context.invoke(function, message.to_json(), name=step.name)

        retry = retry_submission(step.patience(message)) if step.patience else retry_step
        config: WithRetryConfig[Any] = WithRetryConfig(
            retry_strategy=retry, wrap_with_run_in_child_context=False
        )
        try:
            response = with_retry(self.context, invoke, config, name=step.name)
        except InvokeError as error:
            name, why = error_name(error.error_type), error.message or "no message"
            if ran_out_of_memory(name, why):
                megabytes = self.settings.megabytes.get(step.function)
                why = with_advice(why, function_resource(step.function), megabytes)
            raise StageFailed(step.name, name, why) from error
        try:
            return step.response.from_json(response or {})
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

    Raises:
        ChildContextError: wraps whatever `function` raised.
    """

    def encoded(child: DurableContext) -> dict[str, Any]:
        return function(child).to_json()

    return response.from_json(context.run_in_child_context(encoded, name=name))


def is_broken_replay(error_type: str | None) -> bool:
    """Whether the code no longer matches the history; never treat that as a failed stage."""
    return (error_type or "").endswith(NonDeterministicExecutionError.__name__)
