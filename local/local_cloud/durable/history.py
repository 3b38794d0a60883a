"""The history of an execution, with the details that the testing SDK's own leaves out."""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict, deque
from collections.abc import Mapping
from typing import Any, Final

from aws_durable_execution_sdk_python.lambda_service import (
    ErrorObject,
    Operation,
    OperationAction,
    OperationType,
    OperationUpdate,
)
from aws_durable_execution_sdk_python_testing.execution import Execution
from aws_durable_execution_sdk_python_testing.executor import Executor
from aws_durable_execution_sdk_python_testing.model import executed_version

EVERYTHING: Final = 1_000_000
HISTORIES: Final = 4  # that are remembered: of those who page through them now
PAGE: Final = 100

Event = dict[str, Any]
_State = tuple[object, ...]


def history(
    executor: Executor,
    execution: Execution,
    failures: Mapping[str, ErrorObject],
    *,
    include_data: bool,
) -> list[Event]:
    """All events of an execution, oldest first, as GetDurableExecutionHistory returns them.

    Args:
        failures: errors of failed invocations by request id.
        include_data: whether payloads and errors are part of the events.
    """
    response = executor.get_execution_history(
        execution.durable_execution_arn, include_execution_data=include_data, max_items=EVERYTHING
    )
    completer = _Completer(execution, failures, include_data)
    return [completer.complete(event.to_dict()) for event in response.events]


class Histories:
    """Histories by execution; one that was built is used again until its execution has changed.

    A history is read in pages, and each page takes all of it: a run of 1,000 units has some 10,000
    events in a hundred pages.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._known: OrderedDict[tuple[str, bool], tuple[_State, tuple[Event, ...]]] = OrderedDict()
        self._lock = threading.Lock()

    def of(
        self, execution: Execution, failures: Mapping[str, ErrorObject], *, include_data: bool
    ) -> tuple[Event, ...]:
        """As `history`; the events are shared, and not to be changed."""
        key = execution.durable_execution_arn, include_data
        state = _state(execution, failures)
        with self._lock:
            known = self._known.get(key)
        if known is not None and known[0] == state:
            return known[1]
        events = tuple(history(self._executor, execution, failures, include_data=include_data))
        if len(events) <= PAGE:  # asked for once
            return events
        with self._lock:
            self._known[key] = state, events
            self._known.move_to_end(key)
            if len(self._known) > HISTORIES:
                self._known.popitem(last=False)
        return events


def _state(execution: Execution, failures: Mapping[str, ErrorObject]) -> _State:
    """What grows or changes with every change of an execution that its history shows."""
    return (
        execution.seq_counter,
        len(execution.updates),
        len(execution.operations),
        len(execution.invocation_completions),
        len(failures),
        execution.current_status(),
        execution.get_operation_execution_started().end_timestamp,
    )


class _Completer:
    """Adds details to events, which must be given in their order."""

    def __init__(
        self, execution: Execution, failures: Mapping[str, ErrorObject], include_data: bool
    ) -> None:
        self._failures = failures
        self._include_data = include_data
        self._operations: dict[str, Operation] = {
            operation.operation_id: operation for operation in execution.operations
        }
        self._starts: dict[str, OperationUpdate] = {}
        self._successes: defaultdict[str, deque[OperationUpdate]] = defaultdict(deque)
        for update in execution.updates:
            if update.action is OperationAction.START:
                self._starts[update.operation_id] = update
            if _is_success_of_step(update):
                self._successes[update.operation_id].append(update)
        self._completions = deque(
            sorted(execution.invocation_completions, key=lambda done: done.end_timestamp)
        )

    def complete(self, event: Event) -> Event:
        match event["EventType"]:
            case "InvocationCompleted":
                self._invocation(event)
            case "StepSucceeded":
                self._step(event)
            case "CallbackStarted":
                self._callback(event)
            case "ChainedInvokeStarted":
                self._invoke(event)
        return event

    def _invocation(self, event: Event) -> None:
        completion = self._completions.popleft()
        event["InvocationCompletedDetails"] = completion.to_dict()
        error = self._failures.get(completion.request_id)
        if error is not None:
            event["InvocationCompletedDetails"]["Error"] = self._data(error.to_dict())

    def _step(self, event: Event) -> None:
        """The attempt, and the payload of each poll of a condition (a retry without an error)."""
        details = event.setdefault("StepSucceededDetails", {})
        operation = self._operations[event["Id"]]
        attempt = operation.step_details.attempt if operation.step_details else 1
        details.setdefault(
            "RetryDetails", {"CurrentAttempt": attempt or 1, "NextAttemptDelaySeconds": 0}
        )
        successes = self._successes[event["Id"]]
        update = successes.popleft() if successes else None
        result = details.get("Result") or {}
        if update is not None and update.payload is not None and "Payload" not in result:
            details["Result"] = self._data(update.payload)
        details.setdefault("Result", {"Truncated": not self._include_data})

    def _callback(self, event: Event) -> None:
        start = self._starts.get(event["Id"])
        options = start.callback_options if start else None
        if options is None:
            return
        details = event["CallbackStartedDetails"]
        if options.timeout_seconds:
            details.setdefault("Timeout", options.timeout_seconds)
        if options.heartbeat_timeout_seconds:
            details.setdefault("HeartbeatTimeout", options.heartbeat_timeout_seconds)

    def _invoke(self, event: Event) -> None:
        details = event.setdefault("ChainedInvokeStartedDetails", {})
        child_arn = details.get("DurableExecutionArn", "")
        start = self._starts.get(event["Id"])
        options = start.chained_invoke_options if start else None
        if options is not None and options.tenant_id is not None:
            details.setdefault("TenantId", options.tenant_id)
        version = child_arn.partition("/")[0].rpartition(":")[2]
        details.setdefault("ExecutedVersion", executed_version(version or None))

    def _data(self, payload: Any) -> Event:
        if not self._include_data:
            return {"Truncated": True}
        return {"Payload": payload, "Truncated": False}


def _is_success_of_step(update: OperationUpdate) -> bool:
    if update.operation_type is not OperationType.STEP:
        return False
    if update.action is OperationAction.SUCCEED:
        return True
    return update.action is OperationAction.RETRY and update.error is None
