"""Executions of the orchestrator that count operations and bytes, without the SDK's machinery.

So runs of a million objects are followed in seconds: nothing suspends, and nothing is replayed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from aws_durable_execution_sdk_python import BatchResult, InvokeError
from aws_durable_execution_sdk_python.concurrency.models import BatchItem, BatchItemStatus
from aws_durable_execution_sdk_python.config import NestingType
from aws_durable_execution_sdk_python.lambda_service import OperationAction, OperationUpdate
from aws_durable_execution_sdk_python.state import CheckpointedResult
from world import LONG_RUN, World, execution_arn

from contracts.errors import PipelineError
from contracts.steps import step_functions
from durable_pipeline.operations import Operations, counted
from durable_pipeline.pipeline import Pipeline
from durable_pipeline.settings import Settings
from durable_pipeline.sharding.executions import execute_shards

SETTINGS = Settings(functions={name: name for name in step_functions()})


@dataclass
class Counts:
    """Of one execution: operations by name, and bytes of what they were given and gave back."""

    operations: Counter[str] = field(default_factory=Counter)
    written: int = 0

    @property
    def total(self) -> int:
        return self.operations.total()

    def add(self, name: str, *values: Any) -> None:
        self.operations[name] += 1
        self.written += sum(len(json.dumps(value, default=str)) for value in values)


class CountingContext:
    """As much of a durable context as the orchestrator uses; children count into the same."""

    def __init__(self, cloud: CountedCloud, counts: Counts) -> None:
        self._cloud, self._counts = cloud, counts
        self.logger = SimpleNamespace(info=self._log, error=self._log, warning=self._log)

        arn = SimpleNamespace(durable_execution_arn=cloud.arn)
        self.execution_context = arn
        self.state, self._parent_id = self, "map"  # groups of units make checkpoints themselves

    def _log(self, message: str, extra: dict[str, Any] | None = None) -> None:
        self._cloud.logged.append((message, extra or {}))

    def invoke(self, function: str, payload: Any, name: str) -> Any:
        self._counts.add(name, payload)
        error = self._cloud.errors.pop(0) if self._cloud.errors else None
        if error is not None:
            raise error
        response = self._cloud.invoke(function, payload)
        self._counts.written += len(json.dumps(response))
        return response

    def wait(self, duration: Any, name: str) -> None:
        self._counts.add(name, duration.to_seconds())
        self._cloud.waits.append((name, duration.to_seconds()))

    def create_callback(self, name: str, **_: Any) -> Any:
        self._counts.add(name)
        return SimpleNamespace(callback_id="callback", result=self._unexpected)

    def _unexpected(self) -> None:
        raise AssertionError("jobs of these executions end at once")

    def run_in_child_context(self, function: Callable[[Any], Any], name: str) -> Any:
        result = function(CountingContext(self._cloud, self._counts))
        self._counts.add(name, result)
        return result

    def create_child_context(self, _operation_id: str, *, is_virtual: bool = False) -> Any:  # noqa: ARG002
        return self

    def get_checkpoint_result(self, _operation_id: str) -> CheckpointedResult:
        return CheckpointedResult.create_not_found()

    def create_checkpoint(self, operation_update: OperationUpdate, is_sync: bool = True) -> None:  # noqa: ARG002, FBT001, FBT002
        """Of a group of units: an operation when it begins, bytes when it ends."""
        if operation_update.action is OperationAction.START:
            self._counts.add("units-group")
        self._counts.written += len(operation_update.payload or "")

    def map(
        self, items: Sequence[Any], function: Callable[..., Any], name: str, config: Any
    ) -> BatchResult[Any]:
        self._cloud.at_once[name].add(config.max_concurrency)
        found = []
        for index, item in enumerate(items):
            result = function(CountingContext(self._cloud, self._counts), item, index, items)
            if config.nesting_type is NestingType.NESTED:
                self._counts.add(f"{name}-item", result)
            found.append(BatchItem(index, BatchItemStatus.SUCCEEDED, result=result))
        batch = BatchResult.from_items(found)
        self._counts.add(name, batch.to_dict())
        return batch


class CountedCloud:
    """The steps of a `World`, and executions of the long-running function by its own code.

    Attributes:
        executions: counts of each, in the order in which they ended, by kind: `run`, `shards` or
            `shard`.
        messages: of executions of shards.
        errors: what the next invokes raise.
        real: whether an execution of a shard is run; else it has stored all that it was to.
    """

    def __init__(self, world: World, real: Callable[[int], bool] = lambda _shard: True) -> None:
        self.world, self.real = world, real
        self.settings = SETTINGS
        self.executions: list[tuple[str, Counts]] = []
        self.messages: list[dict[str, Any]] = []
        self.started: list[int] = []
        self.errors: list[InvokeError | None] = []
        self.waits: list[tuple[str, float]] = []
        self.logged: list[tuple[str, dict[str, Any]]] = []
        self.at_once: dict[str, set[int]] = {"units": set(), "shards": set()}
        self.arn = execution_arn(LONG_RUN, "one")
        self.function = self.arn.partition("/durable-execution/")[0]

    def run(self, request: Any) -> Any:
        """One run, from its claim to its end, in the long-running function."""
        counts = Counts()
        context: Any = counted(CountingContext(self, counts), Operations())  # type: ignore[arg-type]
        pipeline = Pipeline(context, self.settings, self.arn, of_long_runs=True)
        prepared = pipeline.prepare(request)
        assert prepared.plan is not None, prepared
        result = pipeline.execute(prepared.plan)
        self.executions.append(("run", counts))
        return result

    def invoke(self, function: str, payload: Any) -> Any:
        if function != self.function:
            try:
                return self.world.handler(function)(payload, None)
            except PipelineError as error:
                raise InvokeError(str(error), type(error).__name__) from error
        self.messages.append(payload)
        (kind,) = payload
        if kind == "shard":
            self.started.append(payload[kind]["shard"])
            if not self.real(payload[kind]["shard"]):
                return {"shard": payload[kind]["shard"], "begun": 1}
        counts = Counts()
        context: Any = counted(CountingContext(self, counts), Operations())  # type: ignore[arg-type]
        arn = execution_arn(LONG_RUN, f"shard-{len(self.messages)}")
        done = execute_shards(payload, context, self.settings, arn)
        assert done is not None
        self.executions.append((kind, counts))
        return done.to_json()
