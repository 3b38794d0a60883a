"""A backfill is paused, stopped and resumed by people, and goes on after its execution died."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from backfill_world import BackfillWorld, backfill, doomed, execution_of, repeated
from control_fakes import Executions

from contracts.messages import BackfillAction, ControlOutcome, LaneStep
from contracts.run import RunStatus
from contracts.run_request import RunRequest
from contracts.times.backfill import BackfillStatus
from runs.backfills.upkeep import BackfillsIncomplete
from steps import reaper

PAUSE, STOP, RESUME = BackfillAction.PAUSE, BackfillAction.STOP, BackfillAction.RESUME


@pytest.fixture
def world(cloud: Any, clients: Any) -> BackfillWorld:
    lambdas = Executions()
    clients.use("lambda", lambdas)
    return BackfillWorld(cloud, lambdas)


def under_way(world: BackfillWorld, **fields: Any) -> RunRequest:
    """The first window's run has ended, but its lane has not said so yet."""
    world.begin(backfill(**fields))
    request = world.next(1).request
    assert request is not None
    world.run(request)
    return request


def outcome(world: BackfillWorld, action: BackfillAction, **fields: Any) -> str:
    return world.control(action, **fields).outcome


def die(world: BackfillWorld, generation: int = 1, status: str = "FAILED") -> None:
    """The execution ends, and the service reports it."""
    arn = execution_of(generation)
    world.lambdas.status[arn] = status
    world.upkeep.reap(arn, status)


# -- people


def test_paused_before_the_next_window_and_resumed_in_another_execution(
    world: BackfillWorld,
) -> None:
    under_way(world)
    paused = world.control(PAUSE)
    assert (paused.outcome, paused.pausing) == (ControlOutcome.DONE, True)
    assert outcome(world, PAUSE) == ControlOutcome.ALREADY

    assert world.next(2, 0).request is None
    assert world.end().status is BackfillStatus.PAUSED
    assert (world.states, world.item.active) == ("s..", None)
    assert outcome(world, PAUSE) == ControlOutcome.ALREADY

    resumed = world.control(RESUME)
    assert (resumed.outcome, resumed.status) == (ControlOutcome.DONE, BackfillStatus.RUNNING)
    assert resumed.execution_arn == execution_of(2)
    assert outcome(world, RESUME) == ControlOutcome.ALREADY
    assert world.drive_one(backfill(), 2).status is BackfillStatus.SUCCEEDED
    assert len(world.executed) == len(set(world.executed)) == 3


def test_resumed_before_the_pause_came_true_it_goes_on_at_once(world: BackfillWorld) -> None:
    under_way(world)
    world.control(PAUSE)
    assert outcome(world, RESUME) == ControlOutcome.DONE
    assert world.item.paused_at is None
    assert world.begin(backfill(), 2) == 1


def test_stopped_with_a_reason_and_resumed_all_the_same(world: BackfillWorld) -> None:
    under_way(world)
    stopping = world.control(STOP, reason="wrong contract")
    assert (stopping.outcome, stopping.stopping) == (ControlOutcome.DONE, True)
    assert outcome(world, STOP) == ControlOutcome.ALREADY
    world.next(2, 0)
    ended = world.end()
    assert ended.status is BackfillStatus.STOPPED
    assert ended.reason == "it was stopped on request: wrong contract"
    assert outcome(world, PAUSE) == ControlOutcome.ENDED
    assert outcome(world, RESUME) == ControlOutcome.DONE
    assert (world.item.reason, world.item.ended_at, world.item.stop_reason) == (None, None, None)


def test_the_end_of_a_run_that_is_being_stopped_with_its_backfill_is_waited_for(
    world: BackfillWorld,
) -> None:
    """Its execution ends a moment before the ledger says that it has."""
    world.begin(backfill())
    request = world.next(1).request
    assert request is not None
    world.control(STOP)
    world.put_run(request, RunStatus.RUNNING, stop_requested_at="2026-11-20T08:15:00Z")
    assert world.next(2, 0).look_again
    world.put_run(request, RunStatus.STOPPED)
    assert world.next(3, 0) == LaneStep()
    assert (world.end().status, world.states) == (BackfillStatus.STOPPED, "x..")


def test_a_run_that_goes_on_elsewhere_does_not_hold_up_a_stop(world: BackfillWorld) -> None:
    world.begin(backfill())
    request = world.next(1).request
    assert request is not None
    world.control(STOP)
    world.put_run(request, RunStatus.RUNNING)
    assert world.next(2, 0) == LaneStep()


def test_a_paused_one_is_stopped_at_once(world: BackfillWorld) -> None:
    under_way(world)
    world.control(PAUSE)
    world.next(2, 0)
    world.end()
    stopped = world.control(STOP)
    assert (stopped.status, stopped.stopping) == (BackfillStatus.STOPPED, False)
    assert world.item.reason == "it was stopped on request"


def test_failed_windows_run_again_only_if_that_is_asked_for(world: BackfillWorld) -> None:
    world.outcomes["2026-11-02"] = RunStatus.FAILED
    world.drive(backfill(maxFailures=0))
    assert world.states == "sf."
    world.outcomes.clear()
    assert outcome(world, RESUME) == ControlOutcome.DONE
    assert world.drive_one(backfill(maxFailures=0), 2).status is BackfillStatus.FAILED
    assert world.states == "sfs"
    assert outcome(world, RESUME) == ControlOutcome.NOTHING_LEFT
    assert outcome(world, RESUME, failed_too=True) == ControlOutcome.DONE
    assert world.drive_one(backfill(maxFailures=0), 3).status is BackfillStatus.SUCCEEDED
    # In a new run: the old one would go by the contract and the objects that it failed with.
    assert world.executed[-1] == "bf-november-r2-20261102T000000Z"
    assert len(world.executed) == 4


def test_one_that_has_ended_is_neither_paused_nor_stopped_nor_resumed(world: BackfillWorld) -> None:
    world.drive(backfill())
    assert outcome(world, PAUSE) == ControlOutcome.ENDED
    assert outcome(world, STOP) == ControlOutcome.ENDED
    assert outcome(world, RESUME) == ControlOutcome.NOTHING_LEFT
    assert world.lambdas.started == {}


def test_an_unknown_one_is_said(world: BackfillWorld) -> None:
    assert {outcome(world, action) for action in BackfillAction} == {ControlOutcome.UNKNOWN}


# -- executions that died


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT"])
def test_it_goes_on_after_its_execution_died(world: BackfillWorld, status: str) -> None:
    under_way(world)
    die(world, status=status)
    assert (world.item.generation, world.states) == (2, "...")
    (payload,) = world.lambdas.started.values()
    assert json.loads(payload)["waitSeconds"] == 60
    assert world.drive_one(backfill(), 2).status is BackfillStatus.SUCCEEDED
    assert world.states == "sss"


def test_it_goes_on_no_more_once_executions_die_without_a_window(world: BackfillWorld) -> None:
    world.begin(backfill())
    for generation in (1, 2, 3):
        die(world, generation)
        assert world.item.generation == generation + 1
        world.begin(backfill(), generation + 1)
    waits = [json.loads(payload)["waitSeconds"] for payload in world.lambdas.started.values()]
    assert waits == [60, 900, 3600]
    die(world, 4)
    assert world.item.status is BackfillStatus.FAILED
    assert "without a window that ended" in str(world.item.reason)
    assert outcome(world, RESUME) == ControlOutcome.DONE


def test_windows_that_end_make_it_patient_again(world: BackfillWorld) -> None:
    under_way(world, endDateTime="2026-11-08")
    for generation in (1, 2, 3, 4, 5):
        if generation > 1:
            world.begin(backfill(endDateTime="2026-11-08"), generation)
            request = world.next(1, generation=generation).request
            assert request is not None
            world.run(request)
        number = generation - 1
        world.next(2, number, generation=generation)
        die(world, generation)
        assert (world.item.status, world.item.restarts) == (BackfillStatus.RUNNING, 1)


def test_an_execution_that_was_stopped_by_hand_is_not_begun_again(world: BackfillWorld) -> None:
    under_way(world)
    die(world, status="STOPPED")
    assert (world.item.status, world.item.generation) == (BackfillStatus.STOPPED, 1)
    assert world.item.reason == "its execution was stopped"


def test_a_decision_comes_true_though_the_execution_died(world: BackfillWorld) -> None:
    under_way(world)
    world.control(PAUSE)
    die(world)
    assert (world.item.status, world.lambdas.started) == (BackfillStatus.PAUSED, {})


def test_the_end_of_an_older_execution_changes_nothing(world: BackfillWorld) -> None:
    under_way(world)
    world.control(PAUSE)
    world.control(RESUME)
    die(world, 1)
    assert world.item.generation == 2


def test_what_no_event_reported_is_found_by_the_sweep(world: BackfillWorld) -> None:
    under_way(world)
    world.upkeep.sweep()
    assert world.item.generation == 1
    world.lambdas.status[execution_of(1)] = "FAILED"
    world.upkeep.sweep()
    world.upkeep.sweep()
    assert world.item.generation == 2


def test_one_that_could_not_be_looked_at_does_not_hold_up_the_others(
    world: BackfillWorld, clients: Any
) -> None:
    under_way(world)
    world.begin(backfill(backfillId="october"))
    world.lambdas.status[execution_of(1)] = "FAILED"
    failing = RuntimeError("no")
    clients.use("lambda", world.lambdas)
    clients.break_once("lambda", "get_durable_execution", failing, after=False)
    with pytest.raises(BackfillsIncomplete, match="1 left"):
        world.upkeep.sweep()
    world.upkeep.sweep()
    assert world.item.generation == 2


@pytest.mark.parametrize("what", ["resume", "reap"])
def test_killed_at_any_outside_call_a_repeat_starts_one_execution(
    cloud: Any, clients: Any, what: str
) -> None:
    lambdas = Executions()
    fate = doomed(clients, lambdas)
    world = BackfillWorld(cloud, lambdas)

    def act() -> None:
        if what == "reap":
            world.upkeep.sweep()
        else:
            world.control(RESUME)

    for call in itertools.count(1):
        for after in (False, True):
            world.forget()
            lambdas.started.clear()
            under_way(world)
            if what != "reap":
                world.control(PAUSE)
                world.next(2, 0)
                world.end()
            lambdas.status[execution_of(1)] = "FAILED"
            fate.kill_at(call, after=after)
            try:
                repeated(act)
            except BackfillsIncomplete:
                world.upkeep.sweep()
            met = fate.calls >= call
            fate.spare()
            assert len(lambdas.started) == 1, (call, after)
            item = world.item
            assert (item.generation, item.starting) == (2, False)
            assert item.execution_arn == execution_of(2)
        if not met:
            assert call > 3
            return


def test_the_reaper_does_both(
    world: BackfillWorld, lambda_context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKFILL_FUNCTION", "backfill:live")
    under_way(world)
    message = {"backfillId": "november", "action": "pause"}
    event = {"detail-type": reaper.CONTROL_BACKFILL, "detail": message}
    assert reaper.handler(event, lambda_context)["outcome"] == "DONE"  # type: ignore[index]
    reaper.handler({**event, "detail": {**message, "action": "resume"}}, lambda_context)
    assert world.item.generation == 2

    world.lambdas.status[execution_of(2)] = "FAILED"
    detail = {"durableExecutionArn": execution_of(2), "status": "FAILED"}
    reaper.handler({"detail-type": reaper.STATUS_CHANGE, "detail": detail}, lambda_context)
    assert world.item.generation == 3
    world.lambdas.status[execution_of(3)] = "TIMED_OUT"
    reaper.handler({"detail-type": "Scheduled Event"}, lambda_context)
    assert world.item.generation == 4
