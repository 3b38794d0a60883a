"""The engine's Executor with handlers in this process and a clock that a test moves."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from aws_durable_execution_sdk_python.execution import DurableExecutionInvocationInput
from aws_durable_execution_sdk_python.lambda_service import Operation, OperationUpdate
from aws_durable_execution_sdk_python_testing.checkpoint.processor import CheckpointProcessor
from aws_durable_execution_sdk_python_testing.execution import Execution
from aws_durable_execution_sdk_python_testing.invoker import InvokeResponse
from aws_durable_execution_sdk_python_testing.model import StartDurableExecutionInput
from aws_durable_execution_sdk_python_testing.scheduler import Scheduler
from aws_durable_execution_sdk_python_testing.worker.checkpoint_tasks import CallableTask
from aws_durable_execution_sdk_python_testing.worker.registry import ExecutionRegistry

from local.local_cloud.durable.executor import ResumingExecutor
from local.local_cloud.durable.state import invocation_input
from local.local_cloud.durable.store import EngineStore

SUCCEEDED = {"Status": "SUCCEEDED", "Result": '"done"'}
PENDING = {"Status": "PENDING"}


@dataclass
class TestClock:
    """Time moves when a test says so; a timer that is not due sleeps for an hour.

    Attributes:
        arming: the threads that armed a timer.
    """

    __test__ = False
    moment: datetime = datetime(2026, 11, 29, tzinfo=UTC)
    arming: set[str] = field(default_factory=set)

    def now(self) -> datetime:
        return self.moment

    def arm(self, wake: datetime) -> float:
        self.arming.add(threading.current_thread().name)
        return 0.0 if wake <= self.moment else 3600.0

    def advance(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


class Invocation:
    """What a handler is given.

    Attributes:
        number: of this invocation, from 1.
        operations: the state that it was invoked with, or that its last checkpoint returned.
    """

    def __init__(
        self, executor: ResumingExecutor, given: DurableExecutionInvocationInput, number: int
    ) -> None:
        self.number = number
        self.arn = given.durable_execution_arn
        self.operations: Sequence[Operation] = given.initial_execution_state.operations
        self.marker: str | None = given.initial_execution_state.next_marker
        self.token: str | None = given.checkpoint_token
        self._executor = executor

    def checkpoint(self, *updates: OperationUpdate) -> Sequence[Operation]:
        assert self.token is not None
        response = self._executor.checkpoint_execution(self.arn, self.token, list(updates), None)
        self.token = response.checkpoint_token
        assert response.new_execution_state is not None
        self.operations = response.new_execution_state.operations
        self.marker = response.new_execution_state.next_marker
        return self.operations


Handler = Callable[[Invocation], dict[str, Any]]


class _Invoker:
    def __init__(self, handler: Handler) -> None:
        self.executor: ResumingExecutor
        self.count = 0
        self._handler = handler

    def create_invocation_input(self, execution: Execution) -> DurableExecutionInvocationInput:
        return invocation_input(execution)

    def invoke(
        self, _name: str, given: DurableExecutionInvocationInput, *_: Any, **__: Any
    ) -> InvokeResponse:
        self.count += 1
        invocation = Invocation(self.executor, given, self.count)
        return InvokeResponse.from_output(self._handler(invocation), str(self.count))

    def update_endpoint(self, endpoint_url: str, region_name: str) -> None:
        """There is none."""

    def inherit_endpoint(self, child_execution_arn: str, parent_execution_arn: str) -> None:
        """There is none."""


class EngineHarness:
    """Use as a context manager."""

    def __init__(self, handler: Handler) -> None:
        self.clock = TestClock()
        self.store = EngineStore("us-east-1", lambda _: None)
        self.scheduler = Scheduler()
        self.registry = ExecutionRegistry(self.store, self.scheduler)
        self._invoker = _Invoker(handler)
        self.executor = ResumingExecutor(
            store=self.store,
            scheduler=self.scheduler,
            invoker=self._invoker,
            checkpoint_processor=CheckpointProcessor(self.store, self.scheduler),
            registry=self.registry,
            clock=self.clock,
            region="us-east-1",
        )
        self._invoker.executor = self.executor

    def __enter__(self) -> EngineHarness:
        self.scheduler.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.executor.shutdown()
        self.store.close()
        self.registry.shutdown()
        self.scheduler.stop()
        self.scheduler._loop.close()

    @property
    def invocations(self) -> int:
        return self._invoker.count

    def start(self) -> str:
        given = StartDurableExecutionInput(
            account_id="000000000000",
            function_name="scripted",
            function_qualifier="1",
            execution_name="one",
            execution_timeout_seconds=0,  # none
            execution_retention_period_days=1,
            input="{}",
        )
        return str(self.executor.start_execution(given).execution_arn)

    def pass_time(self, arn: str, seconds: float) -> None:
        """Let timers see that time has passed, on the lane, as a checkpoint would."""
        self.clock.advance(seconds)
        rearm = CallableTask(lambda: self.executor._schedule_earliest_pending(arn))
        self.registry.submit(arn, rearm).result()

    def settle(self, arn: str) -> None:
        """Wait until the event loop and the lane have done all that was asked of them by now."""
        for _ in range(5):
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0), self.scheduler._loop).result()
            self.registry.submit(arn, CallableTask(lambda: None)).result()

    def status(self, arn: str) -> str:
        return self.store.load(arn).current_status().value
