"""Units begin or are left to the next execution, as their first step says."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any, Final

import pytest
from world import Deployment, World, error_named, sqs_event

from contracts.manifest import UNITS_PER_EXECUTION, units_per_shard
from contracts.messages import LoadedDataset
from contracts.messages import operations as limits
from durable_pipeline import app
from durable_pipeline.plan import operations_per_unit

RUN: dict[str, Any] = {"datasetName": "orders", "startDateTime": "2026-11-01", "runId": "r-1"}
PARALLEL = {**RUN, "maxConcurrency": 10}
REAL_LIMITS: Final = "COUNTED_UNITS" in os.environ  # `make test-counts`


def executions(deployment: Deployment) -> list[Any]:
    """All executions of the deployment, the first one first."""
    found: list[Any] = deployment.runner._store.list_all()
    return found


def operations(execution: Any) -> int:
    return len(execution.operations) - 1  # the execution itself is not counted


def contexts(execution: Any) -> list[str]:
    """Ids of the units that an execution had a context for."""
    names = [str(operation.name) for operation in execution.operations]
    return [name.removeprefix("unit-") for name in names if name.startswith("unit-")]


def began_in(world: World) -> dict[str, list[str]]:
    """By execution, the units that began there."""
    found: dict[str, list[str]] = {}
    for payload in world.ends:
        found.setdefault(payload["executionArn"], []).append(payload["unitId"])
    return found


def fail_often(world: World, units: int, times: int, step: str = "validate") -> None:
    for number in range(units):
        errors = [error_named("TransientFailure")] * times
        world.fail(step, *errors, unit=f"00000-{number:03d}")


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that allows an execution few operations: the same rules, in less time."""
    values = {"OPERATIONS": 600, "PLANNED": 150, "EXTRA": 350, "ENDING": 30}
    for name, value in values.items():
        monkeypatch.setattr(limits, name, value)


class TestOperationsLeft:
    @pytest.mark.slow
    @pytest.mark.usefixtures("few")
    def test_units_that_an_execution_does_not_begin_another_one_does(
        self, deployment: Deployment, world: World
    ) -> None:
        world.objects = world.units_per_shard = 20
        fail_often(world, 20, 4)  # each unit costs twice as much as planned

        execution = deployment.run(PARALLEL, app.handle_run)

        assert execution.response["status"] == "SUCCEEDED"
        assert world.unit_status() == {"STORED": 20}
        begun = began_in(world)
        assert len(begun) >= 2
        assert Counter(unit for units in begun.values() for unit in units) == Counter(
            world.units.keys()
        )
        assert all(operations(each) <= limits.OPERATIONS for each in executions(deployment))
        assert [each["event"] for each in world.payloads("notify")] == ["run-started", "run-ended"]

    @pytest.mark.slow
    @pytest.mark.usefixtures("few")
    @pytest.mark.parametrize("at_once", [1, 10])
    def test_a_shard_that_an_earlier_release_has_frozen_is_more_than_one_execution(
        self, deployment: Deployment, world: World, at_once: int
    ) -> None:
        """Its units are more than may ask in one execution of today."""
        may_ask = limits.PLANNED // limits.planned_for(world.planned_operations)
        units = world.objects = world.units_per_shard = may_ask + 5

        deployment.run({**RUN, "maxConcurrency": at_once}, app.handle_run)

        assert world.unit_status() == {"STORED": units}
        in_order = [f"00000-{number:03d}" for number in range(units)]
        begun = [sorted(units) for units in began_in(world).values()]
        assert sorted(begun) == [in_order[:may_ask], in_order[may_ask:]]

    @pytest.mark.slow
    @pytest.mark.usefixtures("few")
    def test_those_that_have_begun_come_to_their_end(
        self, deployment: Deployment, world: World
    ) -> None:
        """Every unit uses what it may: the worst there is."""
        world.objects = world.units_per_shard = 12
        fail_often(world, 12, 30, "transform")

        deployment.run({**PARALLEL, "toleratedFailurePercentage": 100}, app.handle_run)

        assert world.unit_status() == {"FAILED": 12}  # none is left running
        errors = {unit["failure"]["errorType"] for unit in world.units.values()}
        assert errors == {"TransientFailure"}
        assert all(operations(each) <= limits.OPERATIONS for each in executions(deployment))

    @pytest.mark.slow
    def test_repeats_of_a_recorded_end_are_operations_too(
        self, deployment: Deployment, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each unit costs twice as much as planned, after it has given back the rest."""
        values = {"OPERATIONS": 300, "PLANNED": 200, "EXTRA": 40, "ENDING": 20}
        for name, value in values.items():
            monkeypatch.setattr(limits, name, value)
        world.objects = world.units_per_shard = 20
        for number in range(20):
            world.lose_ends(f"00000-{number:03d}", 4)

        deployment.run(RUN, app.handle_run)

        assert world.unit_status() == {"STORED": 20}
        assert len(executions(deployment)) > 1
        assert all(operations(each) <= limits.OPERATIONS for each in executions(deployment))

    @pytest.mark.slow
    @pytest.mark.usefixtures("few")
    def test_the_queues_function_hands_over_what_it_does_not_begin(
        self, deployment: Deployment, world: World
    ) -> None:
        world.objects = world.units_per_shard = 30
        world.unit_seconds = 1
        fail_often(world, 30, 4)

        execution = deployment.run(sqs_event({**PARALLEL, "detached": False}))

        assert execution.response == {"batchItemFailures": []}
        (handed_over,) = world.payloads("start-run")
        assert handed_over["request"]["runId"] == "r-1"
        assert world.count("record-run") == 0  # the next holder ends the run
        assert 0 < world.unit_status()["STORED"] < 30

    def test_the_rest_of_a_run_that_was_handed_over_is_what_has_not_ended(
        self, deployment: Deployment, world: World
    ) -> None:
        deployment.run(
            {"request": RUN, "runAttempt": 1, "handedOverBy": "arn:queue"}, app.handle_run
        )
        (listed,) = world.payloads("list-urls")
        assert listed["handedOver"] is True

    def test_an_execution_in_which_nothing_begins_ends_the_run_by_name(
        self, deployment: Deployment, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(limits, "OPERATIONS", 100)
        world.objects = 3

        execution = deployment.run(RUN, app.handle_run)

        assert execution.status == "FAILED"
        (recorded,) = world.payloads("record-run")
        assert recorded["status"] == "FAILED"
        assert "3 units of shard 0 could not begin" in recorded["reason"]
        assert execution.operations()["run-shard"] == 1

    def test_a_unit_that_could_not_ask_is_asked_again_in_another_execution(
        self, deployment: Deployment, world: World
    ) -> None:
        world.fail("start-unit", *[error_named("Throttled")] * 3, unit="00000-001")

        execution = deployment.run(RUN, app.handle_run)

        assert execution.response["status"] == "SUCCEEDED"
        assert world.unit_status() == {"STORED": 3}
        assert execution.operations()["run-shard"] == 1

    def test_a_unit_that_can_never_begin_has_failed(
        self, deployment: Deployment, world: World
    ) -> None:
        world.fail("start-unit", error_named("NotFound", "no manifest"), unit="00000-001")

        deployment.run(RUN, app.handle_run)

        assert world.unit_status() == {"STORED": 2, "FAILED": 1}
        assert world.units["00000-001"]["failure"]["message"] == "no manifest"

    @pytest.mark.usefixtures("few")
    def test_normally_every_unit_of_a_shard_begins_where_it_was_to(
        self, deployment: Deployment, world: World
    ) -> None:
        world.objects = limits.PLANNED // limits.planned_for(world.planned_operations)
        deployment.run(PARALLEL, app.handle_run)
        assert world.unit_status() == {"STORED": world.objects}
        assert len(executions(deployment)) == 1

    def test_the_count_of_a_unit_is_what_the_service_counts(
        self, deployment: Deployment, world: World
    ) -> None:
        world.objects, world.targets = 1, ["files", "dynamodb", "redshift"]
        fail_often(world, 1, 2)
        none = deployment.run(RUN, app.handle_run)
        (end,) = world.ends
        of_unit = descendants(executions(deployment)[0], "unit-00000-000")
        assert none.status == "SUCCEEDED"
        assert end["operations"] == len(of_unit) + 1  # with the context itself
        assert end["operations"] == world.planned_operations + 4

    def test_a_batch_hands_over_the_run_that_does_not_fit_beside_the_others(
        self, deployment: Deployment, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(limits, "PLANNED", 5 * world.planned_operations)
        deployment.run(sqs_event(RUN, {**RUN, "runId": "r-2"}))
        assert [each["request"]["runId"] for each in world.payloads("start-run")] == ["r-2"]
        assert world.unit_status() == {"STORED": 3}

    @pytest.mark.slow
    def test_an_execution_of_many_retries_never_exceeds_its_operations(
        self, deployment: Deployment, world: World, request: pytest.FixtureRequest
    ) -> None:
        """Nothing is lost, either: those under way finish, the others begin in the next one."""
        units = 200 if REAL_LIMITS else 30
        if not REAL_LIMITS:
            request.getfixturevalue("few")
        world.objects = world.units_per_shard = units
        fail_often(world, units, 4)
        fail_often(world, units, 3, "transform")

        execution = deployment.run(PARALLEL, app.handle_run)

        assert execution.response["status"] == "SUCCEEDED"
        assert world.unit_status() == {"STORED": units}
        counts = [operations(each) for each in executions(deployment)]
        assert len(counts) >= 2
        assert limits.OPERATIONS / 2 < max(counts) <= limits.OPERATIONS
        begun = began_in(world)
        assert Counter(unit for units in begun.values() for unit in units) == Counter(
            world.units.keys()
        )


def descendants(execution: Any, name: str) -> list[Any]:
    """The operations inside a context."""
    (context,) = [each for each in execution.operations if each.name == name]
    return [each for each in execution.operations if each.parent_id == context.operation_id]


class TestFailFast:
    def test_no_more_units_begin_once_too_many_have_failed(
        self, deployment: Deployment, world: World
    ) -> None:
        world.objects = 4
        world.fail("validate", error_named("InvalidData"), unit="00000-001")
        deployment.run(sqs_event({**RUN, "failFast": True}))
        assert world.unit_status() == {"STORED": 1, "FAILED": 1, "NOT_STARTED": 2}
        assert world.count("validate") == 2

    def test_elsewhere_the_next_object_follows_whatever_became_of_the_one_before(
        self, deployment: Deployment, world: World
    ) -> None:
        world.objects = 4
        world.fail("validate", error_named("InvalidData"), unit="00000-001")
        deployment.run(sqs_event(RUN))
        assert world.unit_status() == {"STORED": 3, "FAILED": 1}

    @pytest.mark.parametrize(("asked", "tolerated"), [({}, 15), ({"failFast": False}, None)])
    def test_arrays_fail_fast_by_default(
        self, deployment: Deployment, world: World, asked: dict[str, Any], tolerated: int | None
    ) -> None:
        world.of_items = True
        request = {
            "datasetName": "orders",
            "inputUrl": "s3://bucket/a.json",
            "runId": "r-1",
            **asked,
        }
        deployment.run(sqs_event(request))
        assert {each.get("toleratedLosses") for each in world.starts()} == {tolerated}

    def test_further_shards_are_not_even_started(
        self, deployment: Deployment, world: World
    ) -> None:
        world.objects, world.units_per_shard = 6, 2
        world.fail("validate", error_named("InvalidData"), unit="00001-000")
        execution = deployment.run({**RUN, "failFast": True}, app.handle_run)
        assert execution.operations()["run-shard"] == 2
        assert world.unit_status() == {"STORED": 2, "FAILED": 1, "NOT_STARTED": 1}

    def test_units_of_a_run_that_is_to_stop_do_not_begin(
        self, deployment: Deployment, world: World
    ) -> None:
        world.stopping = True
        deployment.run(sqs_event(RUN))
        assert world.unit_status() == {"NOT_STARTED": 3}
        assert world.count("start-run") == 0


def test_a_step_of_before_returns_nothing_and_the_unit_begins(
    deployment: Deployment, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a stack is updated, the orchestrator may be newer than the steps: flow 2."""
    world.claim = {**world.claim, "unitFlow": 2}
    monkeypatch.setattr(
        world,
        "_start_unit",
        lambda payload: world.units.update({payload["unitId"]: {"status": "RUNNING"}}),
    )
    deployment.run(sqs_event(RUN))
    assert world.unit_status() == {"STORED": 3}


def test_a_shard_is_no_larger_than_what_begins() -> None:
    """The arithmetic of `contracts.messages.operations`."""
    assert limits.OPERATIONS == 3000
    least = LoadedDataset.from_json(
        {"name": "n", "version": "v", "unitSeconds": 1, "jobs": [], "targets": ["files"]}
    )
    units = units_per_shard(operations_per_unit(least))
    assert units * max(operations_per_unit(least), limits.ASKING) <= limits.PLANNED
    assert limits.PLANNED + limits.EXTRA + limits.ENDING <= limits.OPERATIONS - 100


@pytest.mark.parametrize("at_once", [1, 10, 25, 26, UNITS_PER_EXECUTION])
def test_units_have_operations_for_their_end_and_some_retries_however_many_are_at_once(
    at_once: int,
) -> None:
    spent = limits.planned_operations(at_once) + limits.for_retries(at_once)
    assert spent == limits.PLANNED + limits.EXTRA
    of_each = limits.allowance(8, at_once) - 8
    assert of_each * at_once <= limits.for_retries(at_once)
    assert of_each >= limits.RESERVED_FROM_STAGES + 10
    assert units_per_shard(8, at_once) * 8 <= limits.planned_operations(at_once)


def test_forty_units_at_once_all_begin_where_they_were_to(
    deployment: Deployment, world: World
) -> None:
    world.objects = 60
    deployment.run({**RUN, "maxConcurrency": UNITS_PER_EXECUTION}, app.handle_run)
    assert world.unit_status() == {"STORED": 60}
    assert 10 < world.most_running <= UNITS_PER_EXECUTION
    assert len(executions(deployment)) == 1


def test_what_is_not_for_units_is_reserved() -> None:
    """Too little, and an execution that needs it all exceeds what the service allows."""
    outside = limits.reserved(used_outside=40, others=0, further_runs=0)
    assert outside == 40 + limits.ENDING
    assert limits.reserved(40, others=7, further_runs=0) == outside + 7 * limits.ASKING
    further = limits.reserved(40, others=0, further_runs=2)
    assert further == outside + 2 * limits.ENDING_OF_A_FURTHER_RUN
