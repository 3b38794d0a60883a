"""Lambda's Invoke, for plain and durable functions."""

from __future__ import annotations

import base64
import binascii
import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from aws_durable_execution_sdk_python_testing.child_dispatcher import (
    INVALID_TENANT_ID_MESSAGE,
    is_valid_tenant_id,
)
from aws_durable_execution_sdk_python_testing.execution import Execution

from local.local_cloud.durable.engine import Engine
from local.local_cloud.durable.limits import check_input
from local.local_cloud.durable.sandbox import UNQUALIFIED
from local.local_cloud.http.rest_routes import Request
from local.local_cloud.http.services import Response, ServiceError
from local.local_cloud.lambdas.functions import FunctionSpec
from local.local_cloud.lambdas.lambda_functions import find_version
from local.local_cloud.lambdas.outcomes import Outcome
from local.local_cloud.lambdas.pool import FunctionHost

INVOCATION_TYPES: Final = ("RequestResponse", "Event", "DryRun")
SYNCHRONOUS_SECONDS: Final = 900
# Lambda waits one and two minutes before it repeats a failed asynchronous invocation.
ASYNCHRONOUS_RETRY_SECONDS: Final = (0.2, 0.4)
ASYNCHRONOUS_THREADS: Final = 32
LOG_TAIL_BYTES: Final = 4_096
EXECUTION_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")


@dataclass(frozen=True)
class Invocation:
    """What a caller of Invoke asks for; `client_context` is JSON text."""

    name_or_arn: str
    payload: bytes
    qualifier: str | None = None
    invocation_type: str = "RequestResponse"
    execution_name: str | None = None
    client_context: str = ""
    tenant_id: str | None = None


@dataclass(frozen=True)
class InvokeResult:
    """What Invoke returns.

    Attributes:
        status: 200, 202 (Event) or 204 (DryRun).
        payload: the function's result as JSON, or its error document.
        function_error: "Unhandled" when the function, or its durable execution, failed.
        execution_arn: of the durable execution.
        version: that ran.
    """

    status: int
    payload: bytes
    function_error: str | None = None
    execution_arn: str | None = None
    version: str | None = None


class InvokeApi:
    """Runs functions for callers outside of durable executions."""

    def __init__(self, engine: Engine, host: FunctionHost) -> None:
        self._engine = engine
        self._host = host
        self._stopping = threading.Event()
        self._asynchronous = ThreadPoolExecutor(ASYNCHRONOUS_THREADS, "asynchronous-invoke")

    def stop(self) -> None:
        """Start nothing more; what runs ends with its sandbox."""
        self._stopping.set()
        self._asynchronous.shutdown(wait=False, cancel_futures=True)

    def response(self, request: Request) -> Response:
        """The response to the REST API's Invoke."""
        headers = request.headers
        name = request.uri["FunctionName"]
        invocation = Invocation(
            name_or_arn=name,
            payload=request.body,
            qualifier=request.query_value("Qualifier"),
            invocation_type=headers.get("x-amz-invocation-type", "RequestResponse"),
            execution_name=headers.get("x-amz-durable-execution-name"),
            client_context=_client_context(headers.get("x-amz-client-context")),
            tenant_id=headers.get("x-amz-tenant-id"),
        )
        log = self._host.log_file(find_version(self._host, name, invocation.qualifier)[0].name)
        log_size = log.stat().st_size if log.exists() else 0
        result = self.run(invocation)
        response = {"Content-Type": "application/json"}
        if result.version is not None:
            response["X-Amz-Executed-Version"] = result.version
        if result.function_error is not None:
            response["X-Amz-Function-Error"] = result.function_error
        if result.execution_arn is not None:
            response["X-Amz-Durable-Execution-Arn"] = result.execution_arn
        if headers.get("x-amz-log-type") == "Tail" and log.exists():
            # Concurrent invocations of the same function share the file, and so the tail.
            tail = log.read_bytes()[log_size:][-LOG_TAIL_BYTES:]
            response["X-Amz-Log-Result"] = base64.b64encode(tail).decode()
        return Response(result.status, response, result.payload)

    def run(self, invocation: Invocation) -> InvokeResult:
        """Invoke a function.

        Raises:
            ServiceError: the invocation was refused.
        """
        spec, qualifier, version = find_version(
            self._host, invocation.name_or_arn, invocation.qualifier
        )
        kind = invocation.invocation_type
        if kind not in INVOCATION_TYPES:
            message = f"Invocation type must be one of {', '.join(INVOCATION_TYPES)}, not {kind!r}"
            raise ServiceError("InvalidParameterValueException", message)
        _check_tenant(spec, invocation.tenant_id)
        check_input(invocation.payload, asynchronous=kind == "Event")
        payload = _json_payload(invocation.payload)
        if spec.durable is None and invocation.execution_name is not None:
            message = "DurableExecutionName is for durable functions only."
            raise ServiceError("InvalidParameterValueException", message)
        if spec.durable is not None:
            _check_durable(spec, qualifier, invocation)
        if kind == "DryRun":
            return InvokeResult(204, b"")
        if spec.durable is not None:
            return self._run_durable(spec, version, payload, invocation)
        if kind == "Event":
            tenant = invocation.tenant_id
            self._asynchronous.submit(self._run_event, spec, qualifier, version, payload, tenant)
            return InvokeResult(202, b"")
        outcome = self._host.invoke(
            spec.name,
            version,
            payload,
            qualifier=qualifier,
            client_context=invocation.client_context,
            tenant_id=invocation.tenant_id,
        )
        return InvokeResult(200, outcome.payload, _unhandled(outcome), version=version)

    def _run_durable(
        self, spec: FunctionSpec, version: str, payload: bytes, invocation: Invocation
    ) -> InvokeResult:
        arn = self._engine.start_execution(
            spec, version, payload.decode(), invocation.execution_name, invocation.tenant_id
        )
        if invocation.invocation_type == "Event":
            return InvokeResult(202, b"", execution_arn=arn)
        if not self._engine.store.wait_until_ended(arn, SYNCHRONOUS_SECONDS):
            message = f"{arn} has not ended in {SYNCHRONOUS_SECONDS} s, or the local cloud stopped"
            raise ServiceError("ServiceException", message, 500)
        execution = self._engine.store.find(arn)
        if execution is None:
            message = f"{arn} has ended, and more executions since than are retained"
            raise ServiceError("ResourceNotFoundException", message, 404)
        error = _execution_error(execution)
        if error is not None:
            return InvokeResult(200, error, "Unhandled", arn, version)
        result = execution.result.result if execution.result else None
        return InvokeResult(200, (result or "null").encode(), None, arn, version)

    def _run_event(
        self,
        spec: FunctionSpec,
        qualifier: str | None,
        version: str,
        payload: bytes,
        tenant_id: str | None,
    ) -> None:
        """An asynchronous invocation of a plain function: repeated twice when it fails."""
        for delay in (*ASYNCHRONOUS_RETRY_SECONDS, None):
            outcome = self._host.invoke(
                spec.name, version, payload, qualifier=qualifier, tenant_id=tenant_id
            )
            if not outcome.failed or delay is None or self._stopping.wait(delay):
                return


def _check_tenant(spec: FunctionSpec, tenant_id: str | None) -> None:
    if tenant_id is not None and not is_valid_tenant_id(tenant_id):
        raise ServiceError("InvalidParameterValueException", INVALID_TENANT_ID_MESSAGE)
    problem = spec.tenant_error(tenant_id)
    if problem is not None:
        raise ServiceError("InvalidParameterValueException", problem)


def _check_durable(spec: FunctionSpec, qualifier: str | None, invocation: Invocation) -> None:
    assert spec.durable is not None  # noqa: S101  (the caller has checked)
    if qualifier is None:
        raise ServiceError("InvalidParameterValueException", UNQUALIFIED)
    name = invocation.execution_name
    if name is not None and not EXECUTION_NAME.fullmatch(name):
        message = f"DurableExecutionName must match {EXECUTION_NAME.pattern}, not {name!r}"
        raise ServiceError("InvalidParameterValueException", message)
    too_long = spec.durable.execution_timeout_seconds > SYNCHRONOUS_SECONDS
    if invocation.invocation_type == "RequestResponse" and too_long:
        message = (
            "You cannot synchronously invoke a durable function with an executionTimeout greater "
            "than 15 minutes."
        )
        raise ServiceError("InvalidParameterValueException", message)


def _execution_error(execution: Execution) -> bytes | None:
    """The error document of an execution that did not succeed."""
    if execution.current_status().value == "SUCCEEDED":
        return None
    error = execution.result.error if execution.result else None
    document = {
        "errorMessage": error.message if error else None,
        "errorType": error.type if error else None,
        "stackTrace": error.stack_trace if error else None,
    }
    return json.dumps({key: value for key, value in document.items() if value is not None}).encode()


def _json_payload(payload: bytes) -> bytes:
    """The event as it was sent; nothing is an empty object.

    Raises:
        ServiceError: InvalidRequestContentException.
    """
    if not payload.strip():
        return b"{}"
    try:
        json.loads(payload)
    except ValueError as error:
        message = f"Could not parse request body into json: {error}"
        raise ServiceError("InvalidRequestContentException", message) from error
    return payload


def _client_context(header: str | None) -> str:
    try:
        return base64.b64decode(header or "", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        message = "Client context must be base64-encoded JSON"
        raise ServiceError("InvalidRequestContentException", message) from error


def _unhandled(outcome: Outcome) -> str | None:
    return "Unhandled" if outcome.failed else None
