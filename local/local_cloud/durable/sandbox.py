"""How the durable engine runs code: handlers and what they invoke, all of it in sandboxes."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from aws_durable_execution_sdk_python.execution import DurableExecutionInvocationInput
from aws_durable_execution_sdk_python.lambda_service import ErrorObject
from aws_durable_execution_sdk_python_testing.child_dispatcher import (
    ChainedInvokeRequest,
    ChildOutcome,
    DispatchResult,
    FunctionTarget,
    RunInvocation,
    StartChild,
    failed_to_start,
    parse_function_target,
    result_outcome,
)
from aws_durable_execution_sdk_python_testing.exceptions import ResourceNotFoundException
from aws_durable_execution_sdk_python_testing.execution import Execution
from aws_durable_execution_sdk_python_testing.invoker import InvokeResponse
from aws_durable_execution_sdk_python_testing.model import StartDurableExecutionInput

from local.local_cloud.durable.state import invocation_input
from local.local_cloud.durable.store import EngineStore
from local.local_cloud.lambdas.functions import LATEST, FunctionSpec
from local.local_cloud.lambdas.outcomes import Outcome
from local.local_cloud.lambdas.pool import FunctionHost

# Why a function may not invoke the one of an ARN (with the qualifier that it gives); None: it may.
Refuses = Callable[[FunctionSpec, str], str | None]
UNQUALIFIED = "You cannot invoke a durable function using an unqualified ARN."


class SandboxInvoker:
    """The Executor's `Invoker`: one invocation of a durable handler."""

    def __init__(self, host: FunctionHost, store: EngineStore) -> None:
        self._host = host
        self._store = store
        # execution -> request id of a failed invocation -> its error
        self._failures: dict[str, dict[str, ErrorObject]] = {}

    def failures(self, execution_arn: str) -> Mapping[str, ErrorObject]:
        """An execution's failed invocations: the errors by request id, for its history."""
        return self._failures.get(execution_arn, {})

    def forget(self, execution: Execution) -> None:
        """Keep nothing of an execution that is dropped."""
        self._failures.pop(execution.durable_execution_arn, None)

    def create_invocation_input(self, execution: Execution) -> DurableExecutionInvocationInput:
        return invocation_input(execution)

    def invoke(
        self,
        function_name: str,
        input: DurableExecutionInvocationInput,  # noqa: A002  (the protocol's name)
        *_: Any,
        tenant_id: str | None = None,
        **__: Any,
    ) -> InvokeResponse:
        """Run the handler once.

        Args:
            function_name: with its version, unless that is `$LATEST`.
            tenant_id: of the execution.

        Raises:
            ResourceNotFoundException: there is no such function; the execution fails.
            Exception: the invocation failed; the Executor tries again, five times in a row at
                most. The class carries the function's own error type.
        """
        target = parse_function_target(function_name)
        if target.name not in self._host.functions:
            raise ResourceNotFoundException(f"Function not found: {function_name}")
        version = target.qualifier or LATEST
        event = json.dumps(input.to_json_dict()).encode()
        started = datetime.now(UTC)
        outcome = self._host.invoke(
            target.name, version, event, qualifier=version, tenant_id=tenant_id
        )
        if not outcome.failed:
            return InvokeResponse.from_payload(outcome.payload, outcome.request_id)
        error = function_error(outcome)
        execution = self._store.find(input.durable_execution_arn)
        if execution is not None:
            failures = self._failures.setdefault(input.durable_execution_arn, {})
            failures[outcome.request_id] = error
            execution.record_invocation_completion(started, datetime.now(UTC), outcome.request_id)
        raise _named_exception(error)

    def update_endpoint(self, endpoint_url: str, region_name: str) -> None:
        """Sandboxes are reached directly: there is no endpoint."""

    def inherit_endpoint(self, child_execution_arn: str, parent_execution_arn: str) -> None:
        """Sandboxes are reached directly: there is no endpoint."""


class SandboxDispatcher:
    """The Executor's `ChildDispatcher`: what `context.invoke` leads to."""

    def __init__(
        self, host: FunctionHost, refuses: Refuses = lambda _caller, _target: None
    ) -> None:
        """Set up.

        Args:
            host: runs functions.
            refuses: why a function may not invoke another one.
        """
        self._host = host
        self._refuses = refuses

    def preflight(self, target: FunctionTarget) -> ChildOutcome | None:
        spec = self._host.functions.get(target.name)
        if spec is None or spec.version_of(target.qualifier) is None:
            arn = self._host.settings.function_arn(target.name)
            message = f"Function not found: {arn}:{target.qualifier or LATEST}"
            return failed_to_start(message, "ResourceNotFoundException").outcome
        if spec.durable is not None and target.qualifier is None:
            return failed_to_start(UNQUALIFIED, "InvalidParameterValueException").outcome
        return None

    def dispatch(self, request: ChainedInvokeRequest) -> DispatchResult:
        spec = self._host.functions[request.function_name]
        version = spec.version_of(request.qualifier) or LATEST
        refusal = self._refusal(request)
        if refusal is not None:
            return failed_to_start(refusal, "AccessDeniedException")
        problem = spec.tenant_error(request.tenant_id)
        if problem is not None:
            return failed_to_start(problem, "InvalidParameterValueException")
        if spec.durable is not None:
            return StartChild(
                start_input(
                    spec,
                    version,
                    request.payload or "{}",
                    str(uuid.uuid4()),
                    request.account_id,
                    request.tenant_id,
                )
            )
        return RunInvocation(lambda: self._run(spec.name, version, request))

    def _refusal(self, request: ChainedInvokeRequest) -> str | None:
        caller = request.parent_execution_arn.partition(":function:")[2].partition(":")[0]
        target = self._host.settings.function_arn(request.invoke_identifier())
        return self._refuses(self._host.functions[caller], target)

    def _run(self, name: str, version: str, request: ChainedInvokeRequest) -> ChildOutcome:
        outcome = self._host.invoke(
            name,
            version,
            (request.payload or "{}").encode(),
            qualifier=request.qualifier,
            tenant_id=request.tenant_id,
        )
        if outcome.failed:
            return ChildOutcome(error=function_error(outcome))
        return result_outcome(outcome.payload.decode())


def start_input(
    spec: FunctionSpec,
    version: str,
    payload: str,
    name: str,
    account_id: str,
    tenant_id: str | None,
) -> StartDurableExecutionInput:
    """What the Executor needs to start an execution of a durable function."""
    durable = spec.at(version).durable
    assert durable is not None  # noqa: S101  (callers have checked)
    return StartDurableExecutionInput(
        account_id=account_id,
        function_name=spec.name,
        function_qualifier=version,
        execution_name=name,
        execution_timeout_seconds=durable.execution_timeout_seconds,
        execution_retention_period_days=durable.retention_days,
        invocation_id=str(uuid.uuid4()),
        tenant_id=tenant_id,
        input=payload,
    )


def function_error(outcome: Outcome) -> ErrorObject:
    """Lambda's error document as the durable API shows errors."""
    document = json.loads(outcome.payload)
    return ErrorObject(
        message=document.get("errorMessage"),
        type=document.get("errorType"),
        data=None,
        stack_trace=document.get("stackTrace"),
    )


def _named_exception(error: ErrorObject) -> Exception:
    """An exception from which the Executor makes the same error again.

    It keeps nothing of an exception but the class name, the message and the traceback.
    """
    named: type[Exception] = type(str(error.type), (Exception,), {"__module__": "builtins"})
    return named(error.message)
