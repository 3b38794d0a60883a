"""The state that a handler is given: what it needs for replay, in pages.

The service does not send the children of a context that has completed, since its result stands
for them ("Completed operations with children don't include child operation details since they
don't need to be replayed": GetDurableExecutionState, AWS Lambda API Reference). A context that
was completed with `ReplayChildren` is the exception (ContextOptions, ibid.); the SDK does so when
a result exceeds 256 KB and only a summary is stored. Histories show everything.

Inferred, since no document says so: responses to checkpoints leave the same operations out; a
first page, and a response to a checkpoint, hold 5 MiB (the value of AWS's testing
SDK; an event of Lambda may have 6 MB).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from aws_durable_execution_sdk_python.execution import (
    DurableExecutionInvocationInput,
    InitialExecutionState,
)
from aws_durable_execution_sdk_python.lambda_service import (
    Operation,
    OperationStatus,
    OperationType,
)
from aws_durable_execution_sdk_python_testing.checkpoint.processor import (
    DEFAULT_MAX_INVOCATION_PAGE_BYTES,
)
from aws_durable_execution_sdk_python_testing.exceptions import InvalidParameterValueException
from aws_durable_execution_sdk_python_testing.execution import Execution
from aws_durable_execution_sdk_python_testing.model import CheckpointUpdatedExecutionState

PAGE_BYTES: Final = DEFAULT_MAX_INVOCATION_PAGE_BYTES
_RUNNING: Final = (OperationStatus.STARTED, OperationStatus.PENDING, OperationStatus.READY)


def visible_operations(execution: Execution) -> list[Operation]:
    """The operations passed to a handler, in the order in which they started."""
    operations = list(execution.operations)
    by_id = {operation.operation_id: operation for operation in operations}
    hidden: dict[str, bool] = {}
    return [one for one in operations if not _is_hidden(one, by_id, hidden)]


def page(
    execution: Execution, marker: str | None, max_items: int | None = None
) -> tuple[list[Operation], str | None]:
    """One page of the visible operations, and the marker of the next one.

    Args:
        marker: of an earlier page; valid until the next checkpoint.

    Raises:
        InvalidParameterValueException: the marker is not valid any more.
    """
    operations = visible_operations(execution)
    first = _place(marker, execution)
    shown: list[Operation] = []
    size = 0
    for operation in operations[first:]:
        size += _json_bytes(operation)
        if shown and (size > PAGE_BYTES or len(shown) == max_items):
            break
        shown.append(operation)
    following = first + len(shown)
    return shown, _marker(following, execution) if following < len(operations) else None


def invocation_input(execution: Execution) -> DurableExecutionInvocationInput:
    """What a handler is invoked with: the first page, and a marker if there are more."""
    operations, marker = page(execution, None)
    return DurableExecutionInvocationInput(
        durable_execution_arn=execution.durable_execution_arn,
        checkpoint_token=execution.get_new_checkpoint_token(),
        initial_execution_state=InitialExecutionState(
            operations=operations, next_marker=marker or ""
        ),
        updated_operation_ids=list(execution.updated_operation_ids),
    )


def checkpoint_state(
    execution: Execution, changed: CheckpointUpdatedExecutionState
) -> CheckpointUpdatedExecutionState:
    """The part of what has changed that a checkpoint's response shows.

    What does not fit is found behind the marker, together with all that began later.
    """
    visible = visible_operations(execution)
    places = {operation.operation_id: place for place, operation in enumerate(visible)}
    shown: list[Operation] = []
    size = 0
    for operation in changed.operations:
        if operation.operation_id not in places:
            continue
        size += _json_bytes(operation)
        if shown and size > PAGE_BYTES:
            marker = _marker(places[operation.operation_id], execution)
            return CheckpointUpdatedExecutionState(operations=shown, next_marker=marker)
        shown.append(operation)
    return CheckpointUpdatedExecutionState(operations=shown, next_marker=None)


def _marker(place: int, execution: Execution) -> str:
    """Names a place among the visible operations; these change with checkpoints only."""
    return f"{execution.token_sequence}:{place}"


def _place(marker: str | None, execution: Execution) -> int:
    if marker is None:
        return 0
    sequence, _, place = marker.partition(":")
    if sequence != str(execution.token_sequence) or not place.isdecimal():
        raise InvalidParameterValueException("Invalid marker")
    return int(place)


def _json_bytes(operation: Operation) -> int:
    return len(json.dumps(operation.to_json_dict()).encode())


def _is_hidden(
    operation: Operation, by_id: Mapping[str, Operation], known: dict[str, bool]
) -> bool:
    """Whether any ancestor has completed without ReplayChildren; parents precede children."""
    parent = by_id.get(operation.parent_id or "")
    if parent is None:
        hidden = False
    else:
        hidden = known.get(parent.operation_id, False) or _stands_for_its_children(parent)
    known[operation.operation_id] = hidden
    return hidden


def _stands_for_its_children(operation: Operation) -> bool:
    if operation.operation_type is not OperationType.CONTEXT or operation.status in _RUNNING:
        return False
    return not (operation.context_details and operation.context_details.replay_children)
