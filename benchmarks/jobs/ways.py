"""Three durable functions that submit the same job and await its end, each in its own way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration
from aws_durable_execution_sdk_python.waits import WaitForConditionConfig, WaitForConditionDecision

from contracts.job import Engine, JobKey, JobState
from contracts.messages import SubmitJob
from contracts.steps import UnitRef, step_functions
from durable_pipeline.jobs import Job, run_job
from durable_pipeline.settings import Settings
from durable_pipeline.steps import BoundSteps

RUN_ID: Final = "bench-1"
STAGE: Final = "clean"
POLL_SECONDS: Final = 60  # as often as the watcher's schedule, so that all three learn as late
SETTINGS: Final = Settings(functions={name: name for name in step_functions()})

Poll = Callable[[], dict[str, Any]]
Way = Callable[[Any, Any], Any]


def submission(unit: str, timeout_seconds: int, callback_id: str = "none") -> SubmitJob:
    return SubmitJob(
        key=JobKey(run_id=RUN_ID, unit_id=unit, stage=STAGE, attempt=1),
        engine=Engine.GLUE,
        callback_id=callback_id,
        run_attempt=1,
        retry=1,
        timeout_seconds=timeout_seconds,
    )


@durable_execution
def by_callback(event: dict[str, Any], context: DurableContext) -> str:
    """The pipeline's own code."""
    job = Job(
        unit=UnitRef(RUN_ID, event["unit"], run_attempt=1),
        stage=STAGE,
        engine=Engine.GLUE,
        timeout_seconds=event["timeout"],
    )
    return run_job(BoundSteps(context, SETTINGS), job).state


@durable_execution
def by_invoke_and_wait(event: dict[str, Any], context: DurableContext) -> str:
    """A function is asked for the state; if the job goes on, wait and ask again."""
    message = submission(event["unit"], event["timeout"])
    context.invoke("submit-job", message.to_json(), name="submit-job")
    while True:
        status: dict[str, Any] = context.invoke("poll-job", {}, name="poll-job")
        if JobState(status["state"]).ended:
            return str(status["state"])
        context.wait(Duration(seconds=POLL_SECONDS), name="before-polling")


def by_wait_for_condition(poll: Poll) -> Way:
    """The SDK's own loop; its check asks the engine from inside the orchestrator."""

    def strategy(status: dict[str, Any], _attempts: int) -> WaitForConditionDecision:
        if JobState(status["state"]).ended:
            return WaitForConditionDecision.stop_polling()
        return WaitForConditionDecision.continue_waiting(Duration(seconds=POLL_SECONDS))

    @durable_execution
    def handler(event: dict[str, Any], context: DurableContext) -> str:
        message = submission(event["unit"], event["timeout"])
        submitted = context.invoke("submit-job", message.to_json(), name="submit-job")
        status = context.wait_for_condition(
            check=lambda _status, _context: poll(),
            config=WaitForConditionConfig(wait_strategy=strategy, initial_state=submitted),
            name="await-job",
        )
        return str(status["state"])

    way: Way = handler
    return way
