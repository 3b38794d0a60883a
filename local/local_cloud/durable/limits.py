"""Limits of durable executions that the testing SDK does not enforce."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from aws_durable_execution_sdk_python.lambda_service import (
    OperationAction,
    OperationType,
    OperationUpdate,
)
from aws_durable_execution_sdk_python_testing.execution import Execution

from local.local_cloud.http.services import ServiceError

STEP_RESULT_BYTES: Final = 262_144
OPERATIONS: Final = 3_000
WRITTEN_BYTES: Final = 100 * 1024 * 1024
SYNCHRONOUS_INPUT_BYTES: Final = 6_291_456
ASYNCHRONOUS_INPUT_BYTES: Final = 1_048_576


class Limits:
    """Refuses a checkpoint that exceeds a limit, which fails the execution, as at the service."""

    def __init__(self) -> None:
        self._written: defaultdict[str, int] = defaultdict(int)
        self._lock = threading.Lock()

    def check(self, execution: Execution, updates: Sequence[OperationUpdate]) -> None:
        """Look at a checkpoint before it is applied.

        Raises:
            ServiceError: InvalidParameterValueException. The SDK does not retry it.
        """
        sizes = [_payload_bytes(update) for update in updates]
        for update, size in zip(updates, sizes, strict=True):
            if update.operation_type is OperationType.STEP and size > STEP_RESULT_BYTES:
                raise _exceeded(
                    "STEP output payload size must be less than or equal to "
                    f"{STEP_RESULT_BYTES} bytes."
                )
        self._check_operations(execution, updates)
        with self._lock:
            written = self._written[execution.durable_execution_arn] + sum(sizes)
            if written > WRITTEN_BYTES:
                raise _exceeded(f"Durable execution storage must not exceed {WRITTEN_BYTES} bytes.")
            self._written[execution.durable_execution_arn] = written

    def forget(self, execution: Execution) -> None:
        """Keep nothing of an execution that is dropped."""
        with self._lock:
            self._written.pop(execution.durable_execution_arn, None)

    def _check_operations(self, execution: Execution, updates: Sequence[OperationUpdate]) -> None:
        starts = [update for update in updates if update.action is OperationAction.START]
        if len(execution.operations) - 1 + len(starts) <= OPERATIONS:
            return
        known = {operation.operation_id for operation in execution.operations}
        new = {update.operation_id for update in starts} - known
        if len(known) - 1 + len(new) > OPERATIONS:  # the execution itself is not counted
            raise _exceeded(f"Durable execution operations must not exceed {OPERATIONS}.")


def check_input(payload: bytes, *, asynchronous: bool) -> None:
    """Refuse an event that is too large to start with.

    Raises:
        ServiceError: RequestTooLargeException.
    """
    limit = ASYNCHRONOUS_INPUT_BYTES if asynchronous else SYNCHRONOUS_INPUT_BYTES
    if len(payload) > limit:
        message = f"Request must be smaller than {limit} bytes for the InvokeFunction operation"
        raise ServiceError("RequestTooLargeException", message, 413)


def _payload_bytes(update: OperationUpdate) -> int:
    return len(update.payload.encode()) if update.payload else 0


def _exceeded(message: str) -> ServiceError:
    return ServiceError("InvalidParameterValueException", message)
