"""The durable function of backfills, with the real step and a real ledger; runs are planned."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from aws_cloud import _environment, clients, cloud
from aws_durable_execution_sdk_python.lambda_service import Operation
from backfill_world import BackfillWorld, backfill, limits
from control_fakes import Executions
from replays import reopened, replay_handler
from world import Execution, closing_runner, error_named

from contracts.messages import BACKFILL_OPERATIONS, BackfillAction
from contracts.run import RunStatus
from contracts.run_request import RunRequest
from contracts.times.backfill import BackfillRequest, BackfillStatus
from durable_pipeline import backfill as orchestrator
from durable_pipeline.settings import BackfillSettings, Settings
from runs.backfills.lanes import WINDOWS_PER_EXECUTION
from runtime.handler import use_clock
from steps import backfill_windows

__all__ = ["_environment", "clients", "cloud"]
LONG_RUN = "long-run"
WINDOWS = "backfill-windows"


class Backfills:
    """Executions of the function, one at a time."""

    def __init__(self, world: BackfillWorld) -> None:
        self.world = world
        self.before_run: Callable[[RunRequest], object] = lambda _request: None
        self.step_errors: list[Exception | None] = []
        orchestrator.use_settings(
            BackfillSettings(
                steps=Settings(functions={WINDOWS: WINDOWS}), long_run_function=LONG_RUN
            )
        )

    def run(self, request: BackfillRequest, generation: int = 1, **more: Any) -> Execution:
        """One execution, to its end."""
        event = {"request": request.to_json(), **more}
        if generation > 1:
            event |= {"generation": generation}
        with closing_runner(orchestrator.handle_backfill) as runner:
            runner.register_function(WINDOWS, self._step)
            runner.register_function(LONG_RUN, self._long_run)
            result = runner.run(
                input=json.dumps(event),
                execution_timeout=600,
                function_name="backfill",
                execution_name=f"november-{generation}",
            )
            return Execution(result, runner._store.list_all()[0])

    def _step(self, payload: dict[str, Any], _context: Any) -> Any:
        error = self.step_errors.pop(0) if self.step_errors else None
        if error is not None:
            raise error
        return backfill_windows.handler(payload, SimpleNamespace(aws_request_id="r"))

    def _long_run(self, payload: dict[str, Any], _context: Any) -> dict[str, Any]:
        request = RunRequest.from_json(payload)
        self.before_run(request)
        self.world.run(request)
        return {"runId": request.run_id}


@pytest.fixture
def backfills(cloud: Any, clients: Any) -> Any:
    lambdas = Executions()
    clients.use("lambda", lambdas)
    world = BackfillWorld(cloud, lambdas)
    use_clock(world.clock)
    yield Backfills(world)
    use_clock()


def test_each_window_costs_two_operations(backfills: Backfills) -> None:
    execution = backfills.run(backfill(endDateTime="2026-11-11"))
    assert execution.response["status"] == "SUCCEEDED"
    assert execution.response["counts"]["done"] == 10
    assert execution.operations() == {
        "begin-backfill": 1,
        "run-lanes": 1,
        "lane-0": 1,
        "windows": 1,
        "next-window": 11,
        "run-window": 10,
        "end-backfill": 1,
    }


def test_a_thousand_windows_stay_far_below_what_an_execution_may_have(
    backfills: Backfills, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what twenty take, as each takes as many; the next execution goes on with the rest."""
    windows, lanes = 20, 10
    request = backfill(endDateTime="2026-11-02", window="1h", atOnce=lanes, only="all")
    with limits(monkeypatch, WINDOWS_PER_EXECUTION=windows):
        execution = backfills.run(request)
        used = sum(execution.operations().values())
        counted = sum(lane.operations for lane in backfills.world.item.lanes.values())
        assert len(backfills.world.executed) == len(set(backfills.world.executed)) == windows
        assert execution.response["counts"]["left"] == 4
        assert len(backfills.world.lambdas.started) == 1
        backfills.run(request, 2)
    assert backfills.world.item.status is BackfillStatus.SUCCEEDED
    assert len(set(backfills.world.executed)) == 24
    outside = 3 * lanes + 5  # a lane's context and its last step; and those of the execution
    assert 2 * windows < used <= 2 * windows + outside
    assert counted <= used
    assert 2 * WINDOWS_PER_EXECUTION + outside < BACKFILL_OPERATIONS < 2500


def test_as_many_windows_as_asked_run_side_by_side(backfills: Backfills) -> None:
    running: Counter[str] = Counter()

    def count(_request: RunRequest) -> None:
        running["most"] = max(running["most"], backfills.world.states.count("r"))

    backfills.before_run = count
    backfills.run(backfill(endDateTime="2026-11-11", atOnce=3))
    assert running["most"] == 3
    assert backfills.world.states == "s" * 10


def test_a_failed_run_does_not_end_it(backfills: Backfills) -> None:
    backfills.world.outcomes["2026-11-02"] = RunStatus.FAILED

    def fail(request: RunRequest) -> None:
        if request.run_id.endswith("20261103T000000Z"):
            raise error_named("InvalidRequest", "no such column")

    backfills.before_run = fail
    execution = backfills.run(backfill(endDateTime="2026-11-05"))
    assert execution.status == "FAILED"
    assert execution.error.message == "backfill november failed: 2 of 4 windows failed"
    assert backfills.world.states == "sffs"
    assert backfills.world.item.reasons == {"2": "InvalidRequest: no such column"}


def test_a_run_that_lambda_throttles_is_invoked_again(backfills: Backfills) -> None:
    errors = [error_named("TooManyRequestsException", "Rate exceeded")] * 2

    def throttle(_request: RunRequest) -> None:
        if errors:
            raise errors.pop()

    backfills.before_run = throttle
    execution = backfills.run(backfill())
    assert execution.response["status"] == "SUCCEEDED"
    assert execution.operations()["run-window"] > 3


def test_a_run_whose_execution_died_is_waited_for(backfills: Backfills) -> None:
    """The reaper begins its next attempt elsewhere; the window is over when that is."""
    world = backfills.world
    world.outcomes["2026-11-01"] = RunStatus.RUNNING
    looks: list[str] = []

    def step(payload: dict[str, Any], context: Any) -> Any:
        if payload.get("ended", {}).get("number") == 0:
            looks.append(payload["kind"])
            if len(looks) == 3:
                request = backfill().run_request(backfill().windows()[0])
                world.put_run(request, RunStatus.SUCCEEDED)
        return Backfills._step(backfills, payload, context)

    backfills._step = step  # type: ignore[method-assign]
    execution = backfills.run(backfill())
    assert execution.response["status"] == "SUCCEEDED"
    assert execution.operations()["wait-for-run"] == 2
    assert world.executed.count("bf-november-20261101T000000Z") == 1


def test_paused_it_ends_and_the_next_execution_goes_on(backfills: Backfills) -> None:
    world = backfills.world

    def pause(request: RunRequest) -> None:
        if request.run_id.endswith("20261102T000000Z"):
            world.control(BackfillAction.PAUSE)

    backfills.before_run = pause
    assert backfills.run(backfill()).response["status"] == "PAUSED"
    assert world.states == "ss."
    backfills.before_run = lambda _request: None
    world.control(BackfillAction.RESUME)
    assert backfills.run(backfill(), 2).response["status"] == "SUCCEEDED"
    assert len(world.executed) == 3


def test_an_execution_waits_first_where_the_one_before_died(backfills: Backfills) -> None:
    execution = backfills.run(backfill(), waitSeconds=60)
    names = [operation["Name"] for operation in execution.recording()["operations"][1:3]]
    assert names == ["wait-for-attempt", "begin-backfill"]


def test_a_step_that_dies_is_called_again(backfills: Backfills) -> None:
    backfills.step_errors = [None, *[error_named("TransientFailure")] * 2, None, None]
    execution = backfills.run(backfill())
    assert execution.response["status"] == "SUCCEEDED"
    assert len(backfills.world.executed) == 3


def test_where_no_lane_gets_a_window_the_execution_fails(backfills: Backfills) -> None:
    """So that the reaper begins the next one, after a while."""
    backfills.step_errors = [None, *[error_named("NotConfigured", "no index")] * 20]
    execution = backfills.run(backfill(atOnce=2))
    assert execution.status == "FAILED"
    assert "no index" in execution.error.message
    assert backfills.world.item.status is BackfillStatus.RUNNING


def test_a_history_is_replayed_from_any_point(backfills: Backfills) -> None:
    """Killed after any operation, the next invocation makes the same ones again, and goes on."""
    execution = backfills.run(backfill(atOnce=2))
    recording = execution.recording()
    operations = [Operation.from_json_dict(item) for item in recording["operations"]]
    whole = replay_handler(recording["arn"], operations, orchestrator.handle_backfill)
    assert json.loads(whole[0]["Result"])["status"] == "SUCCEEDED"
    assert whole[1].started() == []
    for count in range(1, len(operations)):
        _, recorder = replay_handler(
            recording["arn"], reopened_up_to(operations, count), orchestrator.handle_backfill
        )
        known = {each.operation_id for each in operations}
        assert {update.operation_id for update in recorder.updates} <= known


def reopened_up_to(operations: list[Operation], count: int) -> list[Operation]:
    """The state after so many operations: contexts that hold later ones have not ended."""
    left = operations[:count]
    lost = {each.parent_id for each in operations[count:]}
    while True:
        parents = {each.parent_id for each in left if each.operation_id in lost}
        if parents <= lost:
            break
        lost |= parents
    return [reopened(each) if each.operation_id in lost else each for each in left]
