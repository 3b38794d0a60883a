"""The durable engine: AWS's own Executor from the testing SDK, wired to sandboxes.

Nothing survives a restart. The classes are undocumented and change between versions, so the
package is pinned; what is replaced in them is here and in `engine_executor`, each with its
reason.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import uuid
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, Final

from aws_durable_execution_sdk_python.lambda_service import OperationUpdate
from aws_durable_execution_sdk_python_testing.checkpoint.processor import CheckpointProcessor
from aws_durable_execution_sdk_python_testing.exceptions import ResourceNotFoundException
from aws_durable_execution_sdk_python_testing.execution import Execution
from aws_durable_execution_sdk_python_testing.model import CheckpointDurableExecutionResponse
from aws_durable_execution_sdk_python_testing.scheduler import Scheduler
from aws_durable_execution_sdk_python_testing.threads import DaemonThreadPool
from aws_durable_execution_sdk_python_testing.worker.execution_worker import ExecutionWorker
from aws_durable_execution_sdk_python_testing.worker.registry import ExecutionRegistry

from local.local_cloud.durable.executor import ResumingExecutor
from local.local_cloud.durable.limits import Limits
from local.local_cloud.durable.sandbox import (
    Refuses,
    SandboxDispatcher,
    SandboxInvoker,
    start_input,
)
from local.local_cloud.durable.store import (
    ENDED_EXECUTIONS,
    EngineStore,
    StatusEvents,
    StatusListener,
)
from local.local_cloud.http.services import ServiceError
from local.local_cloud.lambdas.functions import FunctionSpec
from local.local_cloud.lambdas.pool import FunctionHost

ENGINE_LOGGER: Final = "aws_durable_execution_sdk_python_testing"
HANDLER_THREADS: Final = 64
RETRY_SECONDS: Final = 0.1
# Longer than any function may run: the sandbox enforces the function's own timeout.
INVOCATION_SECONDS: Final = 1_000


class Engine:
    """Starts, drives and ends durable executions."""

    def __init__(
        self,
        host: FunctionHost,
        on_status_change: StatusListener,
        ended_executions: int = ENDED_EXECUTIONS,
        refuses: Refuses = lambda _caller, _target: None,
    ) -> None:
        """Make it; `start` before use.

        Args:
            ended_executions: how many are retained; running ones always are.
            refuses: why a function may not invoke another one.
        """
        self._host = host
        self._limits = Limits()
        self._names: dict[tuple[str, str], tuple[str, str]] = {}
        self._names_lock = threading.Lock()
        self._log: logging.Handler | None = None
        self._logger = logging.getLogger(ENGINE_LOGGER)
        self._events = StatusEvents(
            on_status_change, lambda: self._logger.exception("a status event was not delivered")
        )
        region = host.settings.region
        self.store = EngineStore(region, self._events.publish, self._forget, ended_executions)
        self.invoker = SandboxInvoker(host, self.store)
        self._scheduler = _ClosingScheduler()
        self._registry = _StoredRegistry(self.store, self._scheduler)
        self.executor = _WideExecutor(
            store=self.store,
            scheduler=self._scheduler,
            invoker=self.invoker,
            checkpoint_processor=CheckpointProcessor(self.store, self._scheduler),
            invocation_timeout_seconds=INVOCATION_SECONDS,
            registry=self._registry,
            child_dispatcher=SandboxDispatcher(host, refuses),
            region=region,
        )

    def start(self) -> None:
        """The engine's own log goes to `engine.log` beside those of the functions."""
        self._log = logging.FileHandler(self._host.settings.log_dir / "engine.log", delay=True)
        self._log.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        self._logger.addHandler(self._log)
        self._logger.propagate = False
        self._events.start()
        self._scheduler.start()  # type: ignore[no-untyped-call]

    def abandon(self) -> None:
        """Start nothing more and ignore results of what runs: it is about to be killed."""
        self.executor.shutdown()
        self.store.close()

    def stop(self) -> None:
        """Forget everything; to be called after `abandon` and the end of all sandboxes."""
        self._registry.shutdown()
        self._scheduler.stop()
        self._events.stop()
        if self._log is not None:
            self._logger.removeHandler(self._log)
            self._logger.propagate = True
            self._log.close()

    def start_execution(
        self,
        spec: FunctionSpec,
        version: str,
        payload: str,
        name: str | None,
        tenant_id: str | None = None,
    ) -> str:
        """Start an execution, or find the one of that name.

        Args:
            payload: JSON text.
            name: unique per function; drawn when None.
            tenant_id: sandboxes of different tenants are separate.

        Returns:
            The execution's ARN.

        Raises:
            ServiceError: DurableExecutionAlreadyStartedException, the name was used with another
                payload.
        """
        name = name or str(uuid.uuid4())
        with self._names_lock:
            known = self._names.get((spec.name, name))
            if known is not None:
                arn, known_payload = known
                if known_payload == payload:
                    return arn
                raise ServiceError(
                    "DurableExecutionAlreadyStartedException",
                    f"The durable execution {arn} was started with this name and another payload.",
                    409,
                )
            account = self._host.settings.account_id
            output = self.executor.start_execution(
                start_input(spec, version, payload, name, account, tenant_id)
            )
            arn = str(output.execution_arn)
            self._names[spec.name, name] = (arn, payload)
            return arn

    def checkpoint(
        self,
        execution: Execution,
        token: str,
        updates: Sequence[OperationUpdate],
        client_token: str | None,
    ) -> CheckpointDurableExecutionResponse:
        self._limits.check(execution, updates)
        return self.executor.checkpoint_execution(
            execution.durable_execution_arn, token, list(updates), client_token
        )

    def _forget(self, execution: Execution) -> None:
        """The store has dropped an ended execution; its name is free again."""
        start = execution.start_input
        with self._names_lock:
            arn, _ = self._names.get((start.function_name, start.execution_name), ("", ""))
            if arn == execution.durable_execution_arn:
                del self._names[start.function_name, start.execution_name]
        self._limits.forget(execution)
        self.invoker.forget(execution)
        self.executor.forget(execution)


class _StoredRegistry(ExecutionRegistry):
    """The registry of lanes; an execution that was dropped gets no new one, which nobody would end.

    Raises:
        ResourceNotFoundException: by all that would need such a lane.
    """

    def __init__(self, store: EngineStore, scheduler: Scheduler) -> None:
        super().__init__(store, scheduler)
        self._executions = store

    def get_or_create(self, execution_arn: str) -> ExecutionWorker:
        if self._executions.find(execution_arn) is None:
            raise ResourceNotFoundException("Durable Execution does not exist")
        return super().get_or_create(execution_arn)


class _WideExecutor(ResumingExecutor):
    """The Executor with room for invocations that wait.

    Its pools have `min(32, cpu + 4)` threads, six on two cores; handlers and targets that wait for
    another execution or a slow service would hold up all others. After a failed invocation it
    pauses 5 s, also when the SDK suspended a moment before a child ended ("PENDING with no pending
    operations"), which happens all the time.
    """

    RETRY_BACKOFF_SECONDS = RETRY_SECONDS  # type: ignore[assignment]

    def __init__(self, **parts: object) -> None:
        super().__init__(**parts)  # type: ignore[arg-type]
        self._invocation_pool = DaemonThreadPool(HANDLER_THREADS, "durable-invocation")
        self._target_pool = DaemonThreadPool(HANDLER_THREADS, "durable-target")


class _ClosingScheduler(Scheduler):
    """The Scheduler, closing its event loop at the end, which it otherwise leaves open.

    Threads that had not ended by then may still call it: nothing is scheduled any more.
    """

    def call_later(self, *arguments: Any, **options: Any) -> Future[Any]:
        if self.is_started():
            return super().call_later(*arguments, **options)
        ignored: Future[Any] = Future()
        ignored.cancel()
        return ignored

    def remove_event(self, event: asyncio.Event) -> None:
        if self.is_started():
            super().remove_event(event)

    def stop(self) -> None:
        running = self.is_started()
        super().stop()  # type: ignore[no-untyped-call]
        if running:
            self._loop.close()
