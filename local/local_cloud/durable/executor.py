"""The Executor of AWS's testing SDK: it loses no wake-up, and shows the state that AWS shows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final

from aws_durable_execution_sdk_python.lambda_service import (
    ErrorObject,
    Operation,
    OperationStatus,
    OperationType,
)
from aws_durable_execution_sdk_python_testing.exceptions import ResourceNotFoundException
from aws_durable_execution_sdk_python_testing.execution import Execution
from aws_durable_execution_sdk_python_testing.executor import Executor
from aws_durable_execution_sdk_python_testing.model import (
    CheckpointDurableExecutionResponse,
    GetDurableExecutionStateResponse,
)
from aws_durable_execution_sdk_python_testing.worker.checkpoint_tasks import CallableTask

from local.local_cloud.durable.state import checkpoint_state, page

# Operations that something other than the handler's own checkpoints ends.
AWAITED: Final = (OperationType.WAIT, OperationType.CALLBACK, OperationType.CHAINED_INVOKE)


class ResumingExecutor(Executor):
    """Invokes a handler again whenever something that it may wait for has ended.

    All that happens to an execution runs on its lane, one task after the other. The testing SDK
    completes a wait, a retry, a callback or a chained invoke in one task and asks for the next
    invocation afterwards, from another thread. Between the two, the running invocation may end
    or checkpoint, and in that gap a wake-up gets lost in three ways:

    * the end of an invocation arms the next timer and cancels the one that has just fired,
      together with the invocation that it was about to ask for;
    * a timer that has fired computes the next due moment off the lane, and replaces with that
      the timer of a wait which a checkpoint has started meanwhile;
    * a checkpoint reports the end to a handler whose branch has suspended already. The handler
      returns PENDING all the same; the Executor takes the end for used.

    So timers do all their work in one lane task, and after a PENDING invocation the state alone
    decides: if anything has ended since the invocation's input was built, there is one more.
    """

    def _fire_due_and_invoke_handler(self, execution_arn: str) -> Callable[[], Awaitable[None]]:
        def wake() -> None:
            if self._fire_due_operations(execution_arn):
                self._invoke_execution(execution_arn)
            self._schedule_earliest_pending(execution_arn)

        async def fire_due() -> None:
            # A lane task that has begun cannot be cancelled; whoever cancels one that has not
            # is on the lane, and arms the timer anew.
            await asyncio.wrap_future(self._registry.submit(execution_arn, CallableTask(wake)))

        return fire_due

    def _finish_invocation(
        self,
        execution_arn: str,
        invoke_response: Any,
        invocation_start: Any,
        invocation_end: Any,
        invocation_seq: int | None = None,
    ) -> None:
        execution = self._store.load(execution_arn)
        invoked_by_sdk = execution.needs_reinvoke and execution.has_unseen_changes()
        super()._finish_invocation(
            execution_arn, invoke_response, invocation_start, invocation_end, invocation_seq
        )
        execution = self._store.load(execution_arn)
        refused = execution.consecutive_failed_invocation_attempts > 0  # and so tried again
        if execution.is_complete or refused or invoked_by_sdk:
            return
        if ended_since(execution, invocation_seq or 0):
            self._invoke_execution(execution_arn)

    def _checkpoint_execution(
        self, execution_arn: str, *request: Any
    ) -> CheckpointDurableExecutionResponse:
        response = super()._checkpoint_execution(execution_arn, *request)
        if response.new_execution_state is None:
            return response
        state = checkpoint_state(self._store.load(execution_arn), response.new_execution_state)
        return replace(response, new_execution_state=state)

    def _get_execution_state(
        self,
        execution_arn: str,
        checkpoint_token: str | None = None,
        marker: str | None = None,
        max_items: int | None = None,
    ) -> GetDurableExecutionStateResponse:
        # The SDK's own checks the invocation and its token; of its page nothing is used.
        super()._get_execution_state(execution_arn, checkpoint_token, None, 1)
        operations, following = page(
            self._store.load(execution_arn),
            marker,
            max_items or self.DEFAULT_STATE_PAGE_MAX_ITEMS,
        )
        return GetDurableExecutionStateResponse(operations, following)

    def _apply_timeout(self, execution_arn: str, error: ErrorObject) -> None:
        """A timeout that falls due just as its execution ends does not overwrite the end."""
        if not self._store.load(execution_arn).is_complete:
            super()._apply_timeout(execution_arn, error)

    def _complete_events(self, execution_arn: str) -> None:
        """An execution that has ended leaves no timer behind.

        The testing SDK cancels the timer of its timeout alone: an open callback's timer lives on
        for as long as the callback would have been awaited.
        """
        super()._complete_events(execution_arn)
        try:
            execution = self.get_execution(execution_arn)
        except ResourceNotFoundException:
            return  # ended before, and dropped since
        for operation in execution.operations:
            if operation.callback_details is not None:
                self._cleanup_callback_timeouts(operation.callback_details.callback_id)
        self._schedule_earliest_pending(execution_arn)  # which is to cancel it

    def forget(self, execution: Execution) -> None:
        """Keep nothing of an ended execution that is dropped."""
        event = self._completion_events.pop(execution.durable_execution_arn, None)
        if event is not None:
            event.remove()  # type: ignore[no-untyped-call]


def ended_since(execution: Execution, sequence: int) -> bool:
    """Whether something that a handler may wait for has ended after a point of its history.

    Args:
        sequence: the execution's `seq_counter` at that point.
    """
    touched = execution.operation_last_touched_seq
    return any(
        touched.get(operation.operation_id, 0) > sequence and _has_ended(operation)
        for operation in execution.operations
    )


def _has_ended(operation: Operation) -> bool:
    if operation.operation_type is OperationType.STEP:
        return operation.status is OperationStatus.READY  # its retry, or a condition's next poll
    return operation.operation_type in AWAITED and operation.status is not OperationStatus.STARTED
