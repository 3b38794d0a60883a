"""The store of executions (in memory), which publishes their changes of status.

The service retains an ended execution for its retention period. Here the newest ones are
retained, however old they are: memory must not grow with every message.
"""

from __future__ import annotations

import queue
import threading
import uuid
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from aws_durable_execution_sdk_python_testing.execution import Execution, ExecutionStatus
from aws_durable_execution_sdk_python_testing.model import StartDurableExecutionInput
from aws_durable_execution_sdk_python_testing.stores.memory import InMemoryExecutionStore

ENDED_EXECUTIONS: Final = 1_000
StatusListener = Callable[[dict[str, Any]], None]


class EngineStore(InMemoryExecutionStore):
    """The Executor's store; it also names executions as the service does.

    The Executor saves an execution before it uses its ARN for anything, so the first save is the
    place to give it one of the service's shape.
    """

    def __init__(
        self,
        region: str,
        publish: StatusListener,
        on_drop: Callable[[Execution], None] = lambda _: None,
        ended_executions: int = ENDED_EXECUTIONS,
    ) -> None:
        """Empty.

        Args:
            region: part of the ARNs.
            publish: called with every change of status.
            on_drop: called with an ended execution that is no longer retained.
            ended_executions: how many ended ones are retained; running ones always are.
        """
        super().__init__()
        self._region = region
        self._publish = publish
        self._on_drop = on_drop
        self._ended_executions = ended_executions
        self._ended: deque[str] = deque()  # oldest first
        self._statuses: dict[str, ExecutionStatus] = {}
        self._changed = threading.Condition()
        self._closed = False

    def close(self) -> None:
        """Release all who wait for an execution."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def save(self, execution: Execution) -> None:
        if not execution.durable_execution_arn.startswith("arn:"):
            execution.durable_execution_arn = execution_arn(execution.start_input, self._region)
        elif self.find(execution.durable_execution_arn) is None:
            return  # dropped; somebody still has it in hand
        super().save(execution)
        self._notice(execution)

    def update(self, execution: Execution) -> None:
        self.save(execution)

    def find(self, arn: str) -> Execution | None:
        try:
            return self.load(arn)
        except KeyError:
            return None

    def wait_until_ended(self, arn: str, seconds: float) -> bool:
        """Block until an execution ends.

        Returns:
            False when it has not in that time, or before the store was closed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._has_ended(arn), seconds)
            return self._has_ended(arn)

    def _has_ended(self, arn: str) -> bool:
        return self._statuses.get(arn) is not ExecutionStatus.RUNNING

    def _notice(self, execution: Execution) -> None:
        operation = execution.get_operation_execution_started()
        if execution.is_complete and operation.end_timestamp is None:
            return  # half ended: the same thread will save it once more
        status = execution.current_status()
        with self._changed:
            if self._statuses.get(execution.durable_execution_arn) is status:
                return
            self._statuses[execution.durable_execution_arn] = status
            self._publish(status_event(execution, status, self._region))
            self._changed.notify_all()
            if status is ExecutionStatus.RUNNING:
                return
            self._ended.append(execution.durable_execution_arn)
            surplus = [self._ended.popleft() for _ in self._ended_beyond_the_limit()]
        for arn in surplus:
            self._drop(arn)

    def _ended_beyond_the_limit(self) -> range:
        return range(len(self._ended) - self._ended_executions)

    def _drop(self, arn: str) -> None:
        with self._lock:
            execution = self._store.pop(arn)
        with self._changed:
            del self._statuses[arn]
        self._on_drop(execution)


class StatusEvents:
    """Hands status events to a listener, in order, on a thread of its own.

    The listener may take its time or fail: executions do not wait for it.
    """

    def __init__(self, listener: StatusListener, on_error: Callable[[], None]) -> None:
        self._listener = listener
        self._on_error = on_error
        self._events: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._deliver, name="status-events", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Deliver what there is, then end."""
        self._events.put(None)
        self._thread.join()

    def publish(self, event: dict[str, Any]) -> None:
        self._events.put(event)

    def _deliver(self) -> None:
        while (event := self._events.get()) is not None:
            try:
                self._listener(event)
            except Exception:
                self._on_error()


def execution_arn(start: StartDurableExecutionInput, region: str) -> str:
    """The service's form; the SDK takes the last part for the id of the EXECUTION operation."""
    return (
        f"arn:aws:lambda:{region}:{start.account_id}:function:{start.function_name}"
        f":{start.function_qualifier}/durable-execution/{start.execution_name}"
        f"/{start.invocation_id}"
    )


def status_event(execution: Execution, status: ExecutionStatus, region: str) -> dict[str, Any]:
    """`Durable Execution Status Change` as EventBridge delivers it."""
    operation = execution.get_operation_execution_started()
    detail = {
        "durableExecutionArn": execution.durable_execution_arn,
        "durableExecutionName": execution.start_input.execution_name,
        "functionArn": execution.function_arn(region),
        "status": status.value,
        "startTimestamp": _iso(operation.start_timestamp),
    }
    if operation.end_timestamp is not None:
        detail["endTimestamp"] = _iso(operation.end_timestamp)
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Durable Execution Status Change",
        "source": "aws.lambda",
        "account": execution.start_input.account_id,
        "time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "region": region,
        "resources": [],
        "detail": detail,
    }


def _iso(moment: datetime | None) -> str:
    at = (moment or datetime.now(UTC)).astimezone(UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
