"""Shards of a large run: side by side, by small messages, with bounded executions."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from aws_durable_execution_sdk_python import InvokeError
from counted_executions import SETTINGS, CountedCloud
from hypothesis import given
from hypothesis import strategies as st
from world import Deployment, World, error_named, sqs_event

from contracts.manifest import UNITS_PER_EXECUTION, packed_positions, unpacked_positions
from contracts.run_request import MAX_CONCURRENCY, MAX_QUERY_CHARACTERS, RunRequest
from contracts.steps import function_variable, step_functions
from durable_pipeline import app
from durable_pipeline.settings import Settings
from durable_pipeline.sharding import lanes
from durable_pipeline.sharding.lanes import SHARDS_PER_EXECUTION, Processed, Share

RUN: dict[str, Any] = {"datasetName": "orders", "startDateTime": "2026-11-01", "runId": "r-1"}
MOST_OPERATIONS, MOST_BYTES = 2_500, 50_000_000


def parallel(units: int, **fields: Any) -> RunRequest:
    return RunRequest.from_json({**RUN, "maxConcurrency": units, **fields})


@given(st.integers(1, MAX_CONCURRENCY))
def test_no_more_are_side_by_side_than_were_asked_for(units: int) -> None:
    share = Share(units)
    assert share.lanes == -(-units // 40)
    assert units - share.lanes < share.lanes * share.of_each <= units
    assert 1 <= share.of_each <= UNITS_PER_EXECUTION


@given(st.sets(st.integers(0, 299)))
def test_positions_are_packed_into_few_digits(positions: set[int]) -> None:
    assert unpacked_positions(packed_positions(positions)) == sorted(positions)
    assert len(packed_positions(positions)) <= 75


@pytest.fixture(scope="module", params=[1, MAX_CONCURRENCY])
def cloud(request: pytest.FixtureRequest) -> CountedCloud:
    world = World()
    world.objects = 1_000_000
    cloud = CountedCloud(world, real=lambda shard: shard in (0, 299, 300, 3999))
    query = "x" * MAX_QUERY_CHARACTERS
    cloud.run(parallel(request.param, query=query, toleratedFailurePercentage=100))
    return cloud


class TestAMillionObjects:
    """Ungrouped, each with a job and a store; the executions of some shards are run in full."""

    @pytest.mark.slow
    def test_every_execution_is_far_from_what_the_service_allows(self, cloud: CountedCloud) -> None:
        """Retries included, of which three are planned for each shard that is throttled."""
        for kind, counts in cloud.executions:
            retries = 6 * counts.operations["run-shard"] + 6 * counts.operations["run-shards"]
            assert counts.total + retries <= MOST_OPERATIONS, (kind, counts.operations)
            assert counts.written < MOST_BYTES, kind
        kinds = [kind for kind, _ in cloud.executions]
        shards = len(cloud.world.shard_sizes)
        assert kinds.count("shards") == -(-shards // SHARDS_PER_EXECUTION) > 1
        assert kinds.count("shard") == 4

    @pytest.mark.slow
    def test_every_shard_is_started_once_and_in_order(self, cloud: CountedCloud) -> None:
        assert cloud.started == list(range(len(cloud.world.shard_sizes)))

    @pytest.mark.slow
    def test_a_shards_message_is_small(self, cloud: CountedCloud) -> None:
        of_shards = [message for message in cloud.messages if "shard" in message]
        assert max(len(json.dumps(message)) for message in of_shards) < 1000
        assert max(len(json.dumps(message)) for message in cloud.messages) < 1000

    @pytest.mark.slow
    def test_the_units_of_a_shard_are_those_of_its_manifest(self, cloud: CountedCloud) -> None:
        size = cloud.world.shard_sizes[0]
        assert sum(unit.startswith("03999-") for unit in cloud.world.units) == size
        assert cloud.world.unit_status() == {"STORED": 4 * size}


def test_shards_run_side_by_side_and_share_what_was_asked_for() -> None:
    world = World()
    world.objects, world.units_per_shard = 1000, 40
    cloud = CountedCloud(world)
    cloud.run(parallel(250))
    assert cloud.at_once == {"shards": {7}, "units": {35}}
    assert world.unit_status() == {"STORED": 1000}
    (listed,) = [each for each in world.payloads("list-urls") if "kind" not in each]
    assert listed["shardsAtOnce"] == 7


def test_one_after_another_as_before() -> None:
    world = World()
    world.objects, world.units_per_shard = 10, 4
    cloud = CountedCloud(world)
    cloud.run(parallel(1))
    assert cloud.at_once == {"shards": set(), "units": {1}}
    assert cloud.started == [0, 1, 2]
    assert sorted(world.units, key=list(world.units).index) == sorted(world.units)


def test_no_more_begin_side_by_side_on_the_sdks_own_executor(
    deployment: Deployment, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "UNITS_PER_EXECUTION", 2)
    world.objects, world.units_per_shard = 18, 3
    execution = deployment.run({**RUN, "maxConcurrency": 5}, app.handle_run)
    assert execution.response["status"] == "SUCCEEDED"
    assert world.unit_status() == {"STORED": 18}
    assert world.most_running <= 5
    assert execution.operations()["shards"] == 1


def test_more_shards_than_one_execution_starts(
    deployment: Deployment, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "SHARDS_PER_EXECUTION", 3)
    world.objects, world.units_per_shard = 14, 2
    world.fail("validate", *[error_named("TransientFailure")] * 5, unit="00004-001")

    execution = deployment.run(RUN, app.handle_run)

    assert execution.response["status"] == "SUCCEEDED"
    assert world.unit_status() == {"STORED": 14}
    assert execution.operations()["run-shards"] == 3
    assert execution.operations()["run-shard"] == 1  # of the one unit that failed for now
    assert [key[1] for key in world.plans] == [1, 2]


@pytest.mark.parametrize("units", [1, 100])
def test_a_run_that_failed_fast_starts_no_unit_of_further_shards(units: int) -> None:
    world = World()
    world.objects, world.units_per_shard = 200, 20
    world.fail("validate", *[error_named("InvalidData")] * 3)
    cloud = CountedCloud(world)
    cloud.run(parallel(units, failFast=True))
    further = {unit: end["status"] for unit, end in world.units.items() if unit[:5] != "00000"}
    # Of several shards at once, each says so by its first unit; one after another, none is reached.
    shards = range(1, 10) if units > 1 else ()
    assert further == {f"{shard:05d}-000": "NOT_STARTED" for shard in shards}


def test_an_execution_that_lambda_throttles_is_started_again_and_counted() -> None:
    world = World()
    world.objects, world.units_per_shard = 4, 2
    cloud = CountedCloud(world)
    throttled = InvokeError("rate exceeded", "TooManyRequestsException")

    def when_shards_begin(payload: dict[str, Any]) -> Any:
        cloud.errors = [throttled, throttled, None]
        return normal(payload)

    normal = world._list_urls
    world._list_urls = lambda payload: (  # type: ignore[method-assign]
        when_shards_begin(payload) if payload.get("kind") == "freeze-plan" else normal(payload)
    )
    cloud.run(parallel(1))
    assert world.unit_status() == {"STORED": 4}
    assert [name for name, _ in cloud.waits] == ["run-shard-backoff-1", "run-shard-backoff-2"]
    assert 30 <= cloud.waits[0][1] <= 60 <= cloud.waits[1][1] <= 120
    assert (
        "executions of shards were throttled",
        {"run_id": "r-1", "throttled": 2},
    ) in cloud.logged
    (record,) = world.payloads("record-run")
    assert record["usage"]["lambda-throttled:executions"] == 2


def test_a_manifest_of_before_is_processed_with_messages_of_before(
    deployment: Deployment, world: World
) -> None:
    world.packs, world.objects, world.units_per_shard = False, 5, 2

    execution = deployment.run({**RUN, "maxConcurrency": 100}, app.handle_run)

    assert execution.response["status"] == "SUCCEEDED"
    assert world.unit_status() == {"STORED": 5}
    assert world.plans == {}
    assert execution.operations()["run-shard"] == 3


def test_a_message_above_the_deployments_bound_is_refused_before_anything_starts(
    deployment: Deployment, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_deployment = replace(SETTINGS, units_side_by_side=20)
    monkeypatch.setattr(app, "use_settings", lambda _settings: None)
    monkeypatch.setattr(app, "settings", lambda: of_deployment)
    message = {**RUN, "maxConcurrency": 21}
    deployment.run(sqs_event(message, {**message, "runId": "r-2", "maxConcurrency": 20}))
    (rejected,) = world.payloads("reject-message")
    assert "above the 20 units side by side that this deployment allows" in rejected["reason"]
    assert [each["request"]["runId"] for each in world.payloads("claim-run")] == ["r-2"]


def test_the_bound_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in step_functions():
        monkeypatch.setenv(function_variable(name), name)
    assert Settings.from_environment().units_side_by_side == MAX_CONCURRENCY
    monkeypatch.setenv("MAX_UNITS_SIDE_BY_SIDE", "7")
    assert Settings.from_environment().units_side_by_side == 7


def test_a_run_never_has_more_at_once_than_the_bound() -> None:
    """One that was not refused, as its request came by another way, or as the bound was lowered."""
    world = World()
    world.objects, world.units_per_shard = 1000, 50
    cloud = CountedCloud(world)
    cloud.settings = replace(SETTINGS, units_side_by_side=90)
    cloud.run(parallel(1000))
    assert cloud.at_once == {"shards": {3}, "units": {30}}


def test_what_became_of_shards_adds_up() -> None:
    first = Processed(failed_for_now={1: packed_positions([0, 5])}, throttled=1)
    second = Processed(failed_for_now={1: packed_positions([6]), 0: "1"}, halted=True, throttled=2)
    both = Processed.from_json(first.and_then(second).to_json())
    assert (both.halted, both.throttled) == (True, 3)
    assert both.passing == {0: ((0, 1),), 1: ((0, 1), (5, 7))}
