"""No execution sleeps for good, whatever happens just as an invocation ends."""

from __future__ import annotations

import threading

import pytest
from aws_durable_execution_sdk_python.lambda_service import (
    CallbackOptions,
    ErrorObject,
    OperationAction,
    OperationStatus,
    OperationType,
    OperationUpdate,
    StepOptions,
    WaitOptions,
)
from engine_harness import PENDING, SUCCEEDED, EngineHarness
from lambda_cloud import eventually


def start(kind: OperationType, name: str, **options: object) -> OperationUpdate:
    return OperationUpdate(name, kind, OperationAction.START, **options)


def wait(name: str, seconds: int) -> OperationUpdate:
    return start(OperationType.WAIT, name, wait_options=WaitOptions(seconds))


def retry(name: str, error: ErrorObject | None) -> OperationUpdate:
    """A step's next attempt, or with no error a condition's next poll, in a second."""
    return OperationUpdate(
        name,
        OperationType.STEP,
        OperationAction.RETRY,
        payload=None if error else "1",
        error=error,
        step_options=StepOptions(next_attempt_delay_seconds=1),
    )


STEP = start(OperationType.STEP, "awaited")
OPEN_CALLBACK = start(OperationType.CALLBACK, "open", callback_options=CallbackOptions())
DUE_IN_A_SECOND = {
    "wait": [wait("awaited", 1)],
    "retry": [STEP, retry("awaited", ErrorObject.from_message("not yet"))],
    "poll": [STEP, retry("awaited", None)],
}


@pytest.mark.parametrize("kind", DUE_IN_A_SECOND)
def test_an_end_that_a_suspending_handler_hears_of_by_checkpoint_wakes_it(kind: str) -> None:
    def handler(invocation):
        if invocation.number > 1:
            return SUCCEEDED
        invocation.checkpoint(OPEN_CALLBACK, *DUE_IN_A_SECOND[kind])
        engine.clock.advance(2)
        reported = invocation.checkpoint(start(OperationType.STEP, "another-branch"))
        assert "awaited" in {operation.operation_id for operation in reported}
        return PENDING  # the branch that waits has suspended before the response came

    with EngineHarness(handler) as engine:
        arn = engine.start()
        eventually(lambda: engine.status(arn) != "RUNNING")
        assert engine.status(arn) == "SUCCEEDED"


@pytest.mark.parametrize("response", ["success", "failure", "timeout", "heartbeat"])
def test_a_callback_that_ends_just_before_its_invocation_wakes_the_execution(response: str) -> None:
    def end_callback(arn: str, callback_id: str) -> None:
        executor = engine.executor
        match response:
            case "success":
                executor.send_callback_success(callback_id, b"1")
            case "failure":
                executor.send_callback_failure(callback_id)
            case "timeout":
                executor._on_callback_timeout(arn, callback_id)
            case "heartbeat":
                executor._on_callback_heartbeat_timeout(arn, callback_id)

    def handler(invocation):
        if invocation.number > 1:
            return SUCCEEDED
        awaited = start(OperationType.CALLBACK, "awaited", callback_options=CallbackOptions(9, 9))
        created = invocation.checkpoint(OPEN_CALLBACK, awaited)[-1]
        end_callback(invocation.arn, created.callback_details.callback_id)
        invocation.checkpoint(start(OperationType.STEP, "another-branch"))
        return PENDING

    with EngineHarness(handler) as engine:
        arn = engine.start()
        eventually(lambda: engine.status(arn) != "RUNNING")
        assert engine.status(arn) == "SUCCEEDED"


@pytest.mark.parametrize("kind", DUE_IN_A_SECOND)
def test_what_falls_due_while_its_invocation_ends_wakes_the_execution(kind: str) -> None:
    """Forces the order: the timer's task, the end of the invocation, what the timer does next."""
    ending, timer_goes_on = threading.Event(), threading.Event()

    def handler(invocation):
        if invocation.number > 1:
            return SUCCEEDED
        invocation.checkpoint(OPEN_CALLBACK, *DUE_IN_A_SECOND[kind])
        engine.pass_time(invocation.arn, 2)
        ending.wait(30)
        return PENDING

    with EngineHarness(handler) as engine:
        complete_due = engine.executor._fire_due_operations

        def complete_due_as_the_invocation_ends(arn: str) -> bool:
            completed = complete_due(arn)
            if not ending.is_set():
                lane = engine.registry.get(arn)._lane
                ending.set()
                eventually(lambda: lane._queue.qsize() > 0)  # that is the end of the invocation
                lane.submit(timer_goes_on.set)
                engine.scheduler._loop.call_soon_threadsafe(timer_goes_on.wait, 30)
            return completed

        engine.executor._fire_due_operations = complete_due_as_the_invocation_ends
        arn = engine.start()
        eventually(lambda: engine.status(arn) != "RUNNING")
        assert engine.status(arn) == "SUCCEEDED"


def test_timers_are_armed_on_the_lane_alone() -> None:
    """Elsewhere they race with a checkpoint, which may have started an earlier wait."""
    fired = threading.Event()

    def handler(invocation):
        if invocation.number > 1:
            return SUCCEEDED
        invocation.checkpoint(wait("long", 3600), wait("short", 1))
        engine.clock.arming.clear()
        engine.pass_time(invocation.arn, 2)
        eventually(lambda: engine.store.load(invocation.arn).operations[2].end_timestamp)
        engine.settle(invocation.arn)
        fired.set()
        return PENDING

    with EngineHarness(handler) as engine:
        arn = engine.start()
        eventually(lambda: engine.status(arn) != "RUNNING")
        assert engine.status(arn) == "SUCCEEDED"
        assert fired.is_set()
    assert engine.clock.arming
    assert all(name.startswith("execution-worker-") for name in engine.clock.arming)


def test_nothing_is_invoked_again_when_nothing_has_ended() -> None:
    def handler(invocation):
        invocation.checkpoint(OPEN_CALLBACK, wait("long", 3600))
        return PENDING

    with EngineHarness(handler) as engine:
        arn = engine.start()
        eventually(lambda: engine.store.load(arn).invocation_completions)
        engine.settle(arn)
        assert engine.invocations == 1


def test_a_timeout_that_falls_due_as_its_execution_ends_changes_nothing() -> None:
    with EngineHarness(lambda _: SUCCEEDED) as engine:
        arn = engine.start()
        eventually(lambda: engine.status(arn) != "RUNNING")
        assert engine.status(arn) == "SUCCEEDED"
        engine.executor.on_timed_out(arn, ErrorObject.from_message("too late"))
        execution = engine.store.load(arn)
        assert engine.status(arn) == "SUCCEEDED"
        assert execution.operations[0].status is OperationStatus.SUCCEEDED
