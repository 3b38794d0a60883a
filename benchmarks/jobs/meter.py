"""Counting what passes between a durable function, its steps and the services."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aws_durable_execution_sdk_python.lambda_service import OperationAction, OperationType

Handler = Callable[[Any, Any], Any]


@dataclass
class Meter:
    """Counts of one execution; `requests` by service, `functions` by name.

    Attributes:
        operations: as they are billed: each once, and once more for each of its retries.
        written: bytes of the updates that the orchestrator checkpoints.
        read: bytes of the operations that its invocations begin with.
    """

    operations: int = 0
    written: int = 0
    read: int = 0
    invocations: int = 0
    functions: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: set[str] = set()

    def orchestrator(self, handler: Handler) -> Handler:
        """The handler, its invocations and what they are given to replay counted."""

        def counted(event: Any, context: Any) -> Any:
            operations = event.initial_execution_state.operations
            size = sum(_size(operation.to_json_dict()) for operation in operations)
            with self._lock:
                self.invocations += 1
                self.read += size
            return handler(event, context)

        return counted

    def function(self, name: str, handler: Handler) -> Handler:
        def counted(event: Any, context: Any) -> Any:
            with self._lock:
                self.functions[name] += 1
            return handler(event, context)

        return counted

    def request(self, service: str) -> None:
        with self._lock:
            self.requests[service] += 1

    def checkpoints_of(self, runner: Any) -> None:
        """Count what the runner's service is asked to write."""
        client = runner._service_client
        checkpoint = client.checkpoint

        def counted(*arguments: Any, updates: list[Any], **named: Any) -> Any:
            with self._lock:
                for update in updates:
                    self._count(update)
            return checkpoint(*arguments, updates=updates, **named)

        client.checkpoint = counted

    def _count(self, update: Any) -> None:
        self.written += _size(update.to_dict())
        if update.operation_type is OperationType.EXECUTION:
            return
        if update.operation_id not in self._seen:
            self._seen.add(update.operation_id)
            self.operations += 1
        elif update.action is OperationAction.RETRY:
            self.operations += 1


def _size(value: Any) -> int:
    return len(json.dumps(value, default=str).encode())
