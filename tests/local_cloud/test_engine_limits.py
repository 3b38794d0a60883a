"""The limits of durable executions that are enforced beside the testing SDK."""

from __future__ import annotations

import pytest
from aws_durable_execution_sdk_python.lambda_service import (
    Operation,
    OperationAction,
    OperationStatus,
    OperationType,
    OperationUpdate,
)
from aws_durable_execution_sdk_python_testing.execution import Execution
from aws_durable_execution_sdk_python_testing.model import StartDurableExecutionInput

from local.local_cloud.durable.limits import (
    ASYNCHRONOUS_INPUT_BYTES,
    OPERATIONS,
    SYNCHRONOUS_INPUT_BYTES,
    WRITTEN_BYTES,
    Limits,
    check_input,
)
from local.local_cloud.http.services import ServiceError


def execution_with(operations: int) -> Execution:
    """An execution that has made so many operations, named by their numbers."""
    execution = Execution.new(
        StartDurableExecutionInput("000000000000", "f", "1", "name", 60, 1, "invocation")
    )
    execution.start()
    for number in range(operations):
        execution.operations.append(
            Operation(str(number), OperationType.STEP, OperationStatus.SUCCEEDED)
        )
    return execution


def update(
    identifier: str,
    action: OperationAction = OperationAction.START,
    kind: OperationType = OperationType.STEP,
    payload: str | None = None,
) -> OperationUpdate:
    return OperationUpdate(
        operation_id=identifier, operation_type=kind, action=action, payload=payload
    )


def test_operation_3000_is_accepted_and_the_next_one_refused():
    limits, execution = Limits(), execution_with(OPERATIONS - 1)
    limits.check(execution, [update("last")])
    with pytest.raises(ServiceError, match="must not exceed 3000"):
        limits.check(execution, [update("last"), update("one more")])


def test_repeated_operations_count_once():
    limits, execution = Limits(), execution_with(OPERATIONS)
    limits.check(execution, [update("7"), update("8")])
    with pytest.raises(ServiceError, match="must not exceed 3000"):
        limits.check(execution, [update("7"), update("another")])


def test_what_an_execution_writes_is_summed_up_over_its_checkpoints():
    limits, execution = Limits(), execution_with(0)
    half = "x" * (WRITTEN_BYTES // 2)
    result = update("a", OperationAction.SUCCEED, OperationType.CONTEXT, half)
    limits.check(execution, [result])
    limits.check(execution, [result])
    limits.check(execution_with(0), [])
    with pytest.raises(ServiceError, match="storage"):
        limits.check(execution, [update("b", OperationAction.SUCCEED, OperationType.CONTEXT, "x")])


def test_a_step_result_is_measured_in_bytes():
    result = update("a", OperationAction.SUCCEED, payload="é" * 131_073)
    with pytest.raises(ServiceError, match="262144 bytes"):
        Limits().check(execution_with(0), [result])


def test_an_asynchronous_input_may_be_one_megabyte_a_synchronous_one_six():
    check_input(b"x" * ASYNCHRONOUS_INPUT_BYTES, asynchronous=True)
    check_input(b"x" * SYNCHRONOUS_INPUT_BYTES, asynchronous=False)
    for size, asynchronous in [
        (ASYNCHRONOUS_INPUT_BYTES + 1, True),
        (SYNCHRONOUS_INPUT_BYTES + 1, False),
    ]:
        with pytest.raises(ServiceError) as caught:
            check_input(b"x" * size, asynchronous=asynchronous)
        assert caught.value.code == "RequestTooLargeException"
