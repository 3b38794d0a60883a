"""The durable executions part of the Lambda API."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from aws_durable_execution_sdk_python.lambda_service import ErrorObject, OperationStatus
from aws_durable_execution_sdk_python_testing.exceptions import (
    IllegalStateException,
    ResourceNotFoundException,
)
from aws_durable_execution_sdk_python_testing.execution import Execution
from aws_durable_execution_sdk_python_testing.model import CheckpointDurableExecutionRequest
from aws_durable_execution_sdk_python_testing.model import Execution as ExecutionSummary
from aws_durable_execution_sdk_python_testing.token import CallbackToken

from local.local_cloud.durable.engine import Engine
from local.local_cloud.durable.history import PAGE, Histories
from local.local_cloud.http.rest_routes import Request
from local.local_cloud.http.services import ServiceError
from local.local_cloud.lambdas.functions import FunctionSpec
from local.local_cloud.lambdas.pool import FunctionHost

ResponseBody = dict[str, Any]
MAX_PAGE = 1_000


class DurableApi:
    """Serves the operations in `operations`; they return JSON bodies, times as datetimes."""

    def __init__(
        self, engine: Engine, host: FunctionHost, find: Callable[[str], FunctionSpec]
    ) -> None:
        self._engine = engine
        self._host = host
        self._find = find
        self._histories = Histories(engine.executor)
        self.operations: Mapping[str, Callable[[Request], ResponseBody]] = {
            "CheckpointDurableExecution": self._checkpoint,
            "GetDurableExecutionState": self._state,
            "GetDurableExecution": self._get,
            "GetDurableExecutionHistory": self._history,
            "ListDurableExecutionsByFunction": self._list,
            "StopDurableExecution": self._stop,
            "SendDurableExecutionCallbackSuccess": self._succeed_callback,
            "SendDurableExecutionCallbackFailure": self._fail_callback,
            "SendDurableExecutionCallbackHeartbeat": self._heartbeat_callback,
        }

    def _checkpoint(self, request: Request) -> ResponseBody:
        execution = self._execution(request)
        document = _json_object(request)
        try:
            decoded = CheckpointDurableExecutionRequest.from_dict(
                document, execution.durable_execution_arn
            )
        except (KeyError, TypeError, ValueError) as error:
            message = f"Invalid checkpoint: {error!r}"
            raise ServiceError("InvalidParameterValueException", message) from error
        response = self._engine.checkpoint(
            execution, decoded.checkpoint_token, decoded.updates or [], decoded.client_token
        )
        return response.to_dict()

    def _state(self, request: Request) -> ResponseBody:
        response = self._engine.executor.get_execution_state(
            self._execution(request).durable_execution_arn,
            checkpoint_token=request.query_value("CheckpointToken"),
            marker=request.query_value("Marker") or None,
            max_items=request.page_size(PAGE, MAX_PAGE),
        )
        return response.to_dict()

    def _get(self, request: Request) -> ResponseBody:
        execution = self._execution(request)
        arn = execution.durable_execution_arn
        response = self._engine.executor.get_execution_details(arn).to_dict()
        include = request.query_flag("IncludeExecutionData", default=True)
        if not include:
            for name in ("InputPayload", "Result", "Error"):
                response.pop(name, None)
        start = execution.start_input
        return {
            **response,
            "ExecutionDataIncluded": include,
            "DurableConfig": {
                "ExecutionTimeout": start.execution_timeout_seconds,
                "RetentionPeriodInDays": start.execution_retention_period_days,
            },
        }

    def _history(self, request: Request) -> ResponseBody:
        execution = self._execution(request)
        events = self._histories.of(
            execution,
            self._engine.invoker.failures(execution.durable_execution_arn),
            include_data=request.query_flag("IncludeExecutionData", default=True),
        )
        if request.query_flag("ReverseOrder", default=False):
            events = events[::-1]
        return _page("Events", events, request)

    def _list(self, request: Request) -> ResponseBody:
        """Newest first, unless asked for the reverse."""
        matches = _ExecutionFilter(self._find(request.uri["FunctionName"]), request)
        executions = [
            execution for execution in self._engine.store.list_all() if matches(execution)
        ]
        executions.sort(
            key=_started,
            reverse=not request.query_flag("ReverseOrder", default=False),
        )
        region = self._host.settings.region
        summaries = [
            ExecutionSummary.from_execution(
                execution, execution.current_status().value, region
            ).to_dict()
            for execution in executions
        ]
        return _page("DurableExecutions", summaries, request)

    def _stop(self, request: Request) -> ResponseBody:
        execution = self._execution(request)
        error = _error_object(request)
        return self._engine.executor.stop_execution(
            execution.durable_execution_arn, error
        ).to_dict()

    def _succeed_callback(self, request: Request) -> ResponseBody:
        self._complete_callback(
            request, lambda id_: self._engine.executor.send_callback_success(id_, request.body)
        )
        return {}

    def _fail_callback(self, request: Request) -> ResponseBody:
        error = _error_object(request)
        self._complete_callback(
            request, lambda id_: self._engine.executor.send_callback_failure(id_, error)
        )
        return {}

    def _heartbeat_callback(self, request: Request) -> ResponseBody:
        self._complete_callback(request, self._engine.executor.send_callback_heartbeat)
        return {}

    def _complete_callback(self, request: Request, send: Callable[[str], object]) -> None:
        """Distinguish unknown callbacks from closed ones, which the Executor does not.

        Raises:
            ServiceError: InvalidParameterValueException, ResourceNotFoundException or
                CallbackTimeoutException (expired, or already closed).
        """
        callback_id = request.uri["CallbackId"]
        self._require_open_callback(callback_id)
        try:
            send(callback_id)
        except ResourceNotFoundException:
            self._require_open_callback(callback_id)  # closed in the meantime
            raise

    def _require_open_callback(self, callback_id: str) -> None:
        try:
            arn = CallbackToken.from_str(callback_id).execution_arn
        except (ValueError, KeyError, TypeError) as error:
            message = f"Invalid callback id: {callback_id}"
            raise ServiceError("InvalidParameterValueException", message) from error
        execution = self._engine.store.find(arn)
        try:
            if execution is None:
                raise IllegalStateException("no such execution")
            _, operation = execution.find_callback_operation(callback_id)
        except IllegalStateException as error:
            message = "The callback does not exist."
            raise ServiceError("ResourceNotFoundException", message, 404) from error
        if execution.is_complete or operation.status is not OperationStatus.STARTED:
            message = (
                "The callback id has either expired or its callback has already been closed: "
                f"{operation.status.value}"
            )
            raise ServiceError("CallbackTimeoutException", message)

    def _execution(self, request: Request) -> Execution:
        execution = self._engine.store.find(request.uri["DurableExecutionArn"])
        if execution is None:
            message = f"Durable execution not found: {request.uri['DurableExecutionArn']}"
            raise ServiceError("ResourceNotFoundException", message, 404)
        return execution


class _ExecutionFilter:
    """The filters of ListDurableExecutionsByFunction; all given ones must match."""

    def __init__(self, spec: FunctionSpec, request: Request) -> None:
        self._function = spec.name
        qualifier = request.query_value("Qualifier")
        self._version = spec.version_of(qualifier) if qualifier else None
        if qualifier and self._version is None:
            message = f"Function not found: {spec.name}:{qualifier}"
            raise ServiceError("ResourceNotFoundException", message, 404)
        self._name = request.query_value("DurableExecutionName")
        self._statuses = set(request.query.get("Statuses", ()))
        self._after = _moment(request.query_value("StartedAfter"))
        self._before = _moment(request.query_value("StartedBefore"))

    def __call__(self, execution: Execution) -> bool:
        start = execution.start_input
        started = _started(execution)
        return (
            start.function_name == self._function
            and self._version in (None, start.function_qualifier)
            and self._name in (None, start.execution_name)
            and (not self._statuses or execution.current_status().value in self._statuses)
            and (self._after is None or started > self._after)
            and (self._before is None or started < self._before)
        )


def _started(execution: Execution) -> datetime:
    return execution.get_operation_execution_started().start_timestamp or datetime.now(UTC)


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        message = f"Not an ISO-8601 timestamp: {text!r}"
        raise ServiceError("InvalidParameterValueException", message) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _page(name: str, items: Sequence[ResponseBody], request: Request) -> ResponseBody:
    """One page; the marker is the number of items before the next one."""
    marker = request.query_value("Marker") or "0"
    if not marker.isdigit():
        raise ServiceError("InvalidParameterValueException", f"Invalid Marker: {marker!r}")
    start, size = int(marker), request.page_size(PAGE, MAX_PAGE)
    response: ResponseBody = {name: list(items[start : start + size])}
    if start + size < len(items):
        response["NextMarker"] = str(start + size)
    return response


def _json_object(request: Request) -> dict[str, Any]:
    try:
        document = json.loads(request.body or b"{}")
    except ValueError as error:
        message = f"Could not parse request body into json: {error}"
        raise ServiceError("InvalidRequestContentException", message) from error
    if not isinstance(document, dict):
        message = "The request body must be a JSON object"
        raise ServiceError("InvalidRequestContentException", message)
    return document


def _error_object(request: Request) -> ErrorObject | None:
    document = _json_object(request)
    return ErrorObject.from_dict(document) if document else None
