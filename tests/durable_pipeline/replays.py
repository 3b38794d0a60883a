"""Recorded histories: executions of an earlier release, which today's code must still fit.

`make record-histories` records them anew: only for a change that executions in flight do not meet,
as they stay on the version that they began on (docs/extending.md). Those of before such a change
stay, too: `recorded/unit-flow-2` is from when a unit's start and end were operations of their own.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from aws_durable_execution_sdk_python.execution import (
    DurableExecutionInvocationInputWithClient,
    InitialExecutionState,
)
from aws_durable_execution_sdk_python.lambda_service import (
    CheckpointOutput,
    CheckpointUpdatedExecutionState,
    Operation,
    OperationAction,
    OperationStatus,
    OperationType,
    OperationUpdate,
    StateOutput,
)
from aws_durable_execution_sdk_python_testing.invoker import create_test_lambda_context
from world import Deployment, World, error_named, sqs_event

from contracts.steps import step_functions
from durable_pipeline import app
from durable_pipeline.settings import Settings

RECORDED = Path(__file__).parent / "recorded"
RUN = {"datasetName": "orders", "startDateTime": "2026-11-01", "runId": "r-1"}


def a_run_with_everything() -> dict[str, Any]:
    """One record refused, one run here with a failed unit and retries, one handed over."""
    world = World()
    world.objects = 2
    world.targets = ["dynamodb", "redshift"]
    world.jobs[0]["attempts"] = 2
    world.job_responses["clean"] = [{"state": "FAILED"}]
    world.fail("transform", error_named("TransientFailure"))
    world.fail("validate", error_named("InvalidData"), unit="00000-001")
    deployment = Deployment(world)
    event = sqs_event(
        "{", {**RUN, "toleratedFailurePercentage": 50}, {**RUN, "runId": "r-2", "detached": True}
    )
    return deployment.run(event).recording()


def loads_that_failed() -> dict[str, Any]:
    """Recorded before loads were retried by their error: flow 1, which has no marker.

    The first error is known to be permanent by now, the second is tried less often, and the run's
    own rows are missing.
    """
    world = World()
    world.objects = 1
    world.load_flow = 1
    world.targets = ["redshift"]
    world.job_responses["store-redshift"] = [
        {"state": "FAILED", "error": "ERROR: must be owner of relation sales"},
        *[{"state": "FAILED", "error": "XX000: internal error"}] * 3,
    ]
    world.job_responses["record-run"] = [
        {"state": "FAILED", "error": "ERROR: permission denied for relation pipeline_runs"}
    ]
    return Deployment(world).run(sqs_event(RUN)).recording()


def a_drawn_run_id() -> dict[str, Any]:
    """A run whose id was drawn by its claim, with a load and rows about itself."""
    world = World()
    world.objects = 1
    world.targets = ["redshift"]
    return Deployment(world).run(sqs_event({**RUN, "runId": "auto"})).recording()


def a_long_direct_start() -> dict[str, Any]:
    """Recorded before direct starts were handed over by size: flow 1, which has no marker."""
    world = World()
    world.objects = 1
    world.unit_seconds = 900
    world.claim = {"outcome": "CLAIMED", "runAttempt": 1, "startFlow": 1}
    return Deployment(world).run(RUN).recording()


def functions_that_failed_and_were_throttled() -> dict[str, Any]:
    """A function, then a Glue job: tried again, throttled once, and late in the second unit."""
    world = World()
    world.objects = 2
    function = {"stage": "enrich", "engine": "lambda", "timeoutSeconds": 300, "attempts": 2}
    world.jobs = [function, *world.jobs]
    world.function_errors = [
        ValueError("no such luck"),
        error_named("TooManyRequestsException", "Rate exceeded"),
        None,
        error_named("Sandbox.Timedout", "Error: Task timed out after 3.00 seconds"),
    ]
    event = sqs_event({**RUN, "toleratedFailurePercentage": 50})
    return Deployment(world).run(event).recording()


def a_group_whose_job_failed() -> dict[str, Any]:
    """Two jobs over a unit of eight objects, of which each job cannot read one."""
    world = World()
    world.objects, world.group = 1, 8
    world.jobs.append({**world.jobs[0], "stage": "enrich"})
    world.bad["clean"], world.bad["enrich"] = {1}, {6}
    return Deployment(world).run(sqs_event(RUN)).recording()


def many_units() -> dict[str, Any]:
    """More units than a group has, of which one fails, side by side."""
    world = World()
    world.objects = 21
    world.fail("validate", error_named("InvalidData"), unit="00000-003")
    event = {**RUN, "maxConcurrency": 10, "toleratedFailurePercentage": 50}
    return Deployment(world).run(sqs_event(event)).recording()


SCENARIOS = {
    "many-units": many_units,
    "a-run-with-everything": a_run_with_everything,
    "loads-that-failed": loads_that_failed,
    "a-drawn-run-id": a_drawn_run_id,
    "a-long-direct-start": a_long_direct_start,
    "functions-that-failed": functions_that_failed_and_were_throttled,
    "a-group-whose-job-failed": a_group_whose_job_failed,
}


class Recorder:
    """A durable service that accepts every checkpoint and remembers it."""

    def __init__(self) -> None:
        self.updates: list[OperationUpdate] = []

    def checkpoint(
        self,
        durable_execution_arn: str,  # noqa: ARG002
        checkpoint_token: str,
        updates: list[OperationUpdate],
        client_token: str | None,  # noqa: ARG002
    ) -> CheckpointOutput:
        self.updates += updates
        state = CheckpointUpdatedExecutionState(operations=[], next_marker=None)
        return CheckpointOutput(checkpoint_token=checkpoint_token, new_execution_state=state)

    def get_execution_state(self, *_args: Any, **_kwargs: Any) -> StateOutput:
        return StateOutput(operations=[], next_marker=None)

    def started(self) -> list[str]:
        """Operations that the recorded history does not have."""
        return [
            str(update.name) for update in self.updates if update.action is OperationAction.START
        ]


def replay(recording: dict[str, Any]) -> tuple[dict[str, Any], Recorder]:
    """Run today's handler over a recorded history, the insides of its child contexts included."""
    operations = [reopened(Operation.from_json_dict(item)) for item in recording["operations"]]
    return replay_operations(recording["arn"], operations, app.handle_messages)


def replay_operations(
    arn: str, operations: list[Operation], handler: Callable[[Any, Any], Any]
) -> tuple[dict[str, Any], Recorder]:
    """Run a handler once over the state of an execution.

    Returns:
        Its output, and the checkpoints that it made.
    """
    app.use_settings(Settings(functions={name: name for name in step_functions()}))
    return replay_handler(arn, operations, handler)


def replay_handler(
    arn: str, operations: list[Operation], handler: Callable[[Any, Any], Any]
) -> tuple[dict[str, Any], Recorder]:
    """As `replay_operations`, of a handler that has its settings."""
    recorder = Recorder()
    invocation = DurableExecutionInvocationInputWithClient(
        durable_execution_arn=arn,
        checkpoint_token="token",
        initial_execution_state=InitialExecutionState(operations=operations, next_marker=""),
        updated_operation_ids=[],
        service_client=recorder,
    )
    output = handler(invocation, create_test_lambda_context())
    return dict(output), recorder


def reopened(operation: Operation) -> Operation:
    """A completed child context as it was before its end, so that its insides are replayed."""
    if operation.operation_type is not OperationType.CONTEXT:
        return operation
    return replace(
        operation, status=OperationStatus.STARTED, context_details=None, end_timestamp=None
    )


def main() -> None:
    RECORDED.mkdir(exist_ok=True)
    for name, scenario in SCENARIOS.items():
        text = json.dumps(scenario(), indent=1, sort_keys=True)
        (RECORDED / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
