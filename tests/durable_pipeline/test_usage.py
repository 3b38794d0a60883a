"""What the orchestrator counts of what a run uses, and hands to the steps that record it."""

from __future__ import annotations

from typing import Any

import pytest
from world import Deployment, World, error_named, sqs_event

from contracts.costs.usage import METERED, USAGE
from contracts.errors import Throttled
from durable_pipeline import app

RUN: dict[str, Any] = {"datasetName": "orders", "startDateTime": "2026-11-01", "runId": "r-1"}


@pytest.fixture
def metered(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Steps that say that each call has used a hundred of something."""
    handler = world.handler

    def with_usage(operation: str) -> Any:
        inner = handler(operation)

        def handle(payload: dict[str, Any], context: Any) -> Any:
            assert payload[METERED] is True
            response = inner(payload, context)
            return {**(response or {}), USAGE: {f"lambda-mb-ms:{operation}": 100}}

        return handle

    monkeypatch.setattr(world, "handler", with_usage)
    return world


def test_a_units_end_says_what_its_steps_and_jobs_have_used(
    metered: World, deployment: Deployment
) -> None:
    metered.job_responses["clean"] = [{"usage": {"glue-dpu-ms": 7}} for _ in range(3)]
    deployment.run(sqs_event(RUN))

    (usage,) = {str(unit["usage"]) for unit in metered.units.values()}
    unit = metered.units["00000-000"]
    found = dict(unit["usage"])
    assert found.pop("operations") == unit["operations"] == metered.planned_operations, usage
    assert found.pop("written-bytes") > 500
    assert found.pop("orchestrator-invocations") == metered.planned_operations - 2
    requests = {name: amount for name, amount in found.items() if "requests" in name}
    assert requests == {
        "lambda-requests:submit-job": 1,
        "lambda-requests:validate": 1,
        "lambda-requests:transform": 1,
        "lambda-requests:store-dynamodb": 1,
    }
    assert found["lambda-mb-ms:validate"] == 100
    assert found["glue-dpu-ms"] == 7


def test_a_step_that_is_tried_again_counts_again(metered: World, deployment: Deployment) -> None:
    metered.objects = 1
    metered.fail("validate", Throttled("slow down"))
    deployment.run(sqs_event(RUN))

    usage = metered.units["00000-000"]["usage"]
    assert usage["lambda-requests:validate"] == 2
    assert usage["lambda-failed:validate"] == 1
    assert usage["lambda-mb-ms:validate"] == 100
    assert usage["operations"] == metered.planned_operations + 2  # the wait, and the call


def test_a_step_that_lambda_throttles_is_counted_apart_as_it_is_not_billed(
    metered: World, deployment: Deployment
) -> None:
    metered.objects = 1
    for _ in range(2):
        metered.fail("validate", error_named("TooManyRequestsException", "Rate exceeded"))
    deployment.run(sqs_event(RUN))

    usage = metered.units["00000-000"]["usage"]
    assert usage["lambda-throttled:validate"] == 2
    assert usage["lambda-requests:validate"] == 1
    assert "lambda-failed:validate" not in usage


def test_jobs_of_an_earlier_attempt_are_said_apart(metered: World, deployment: Deployment) -> None:
    metered.objects = 1
    metered.claim = {"outcome": "TAKEN_OVER", "runAttempt": 2}
    metered.job_responses["clean"] = [{"usage": {"glue-dpu-ms": 7}, "attempt": 3}]
    deployment.run(sqs_event(RUN))

    unit = metered.units["00000-000"]
    assert unit["adopted"] == {"glue-dpu-ms": 7}
    assert "glue-dpu-ms" not in unit["usage"]


def test_the_runs_end_says_what_it_used_beside_its_units(
    metered: World, deployment: Deployment
) -> None:
    deployment.run(sqs_event(RUN))
    (record,) = metered.payloads("record-run")

    usage = record["usage"]
    assert usage["lambda-requests:claim-run"] == 1
    assert usage["lambda-requests:record-run"] == 1
    assert usage["lambda-mb-ms:list-urls"] == 100
    assert "lambda-requests:validate" not in usage
    assert usage["sqs-requests"] == 3, "the message is sent, received and deleted"
    # start, context, claim, notify, load, list; context, map, record
    assert usage["operations"] == 9


def test_shards_say_what_they_used_beside_their_units(
    metered: World, deployment: Deployment
) -> None:
    metered.objects, metered.units_per_shard = 4, 2
    deployment.run(RUN, app.handle_run)
    (record,) = metered.payloads("record-run")
    # claim, notify, load, list, freeze-plan, two shards, record, and the start of each of three
    # executions; in both shards read-shard and the map
    assert record["usage"]["operations"] == 5 + 2 + 1 + 3 + 2 + 2
    # freeze-plan and read-shard are of the same function
    assert record["usage"]["lambda-requests:list-urls"] == 1 + 1 + 2


def test_steps_of_an_earlier_release_that_say_nothing_are_counted_without_their_time(
    world: World, deployment: Deployment
) -> None:
    deployment.run(sqs_event(RUN))
    usage = world.units["00000-000"]["usage"]
    assert usage["lambda-requests:validate"] == 1
    assert "lambda-mb-ms:validate" not in usage


def test_a_limit_of_the_request_goes_to_who_decides_and_who_counts(
    world: World, deployment: Deployment
) -> None:
    deployment.run(sqs_event({**RUN, "maxCost": 2.5}))
    starts = [each["start"] for each in world.payloads("submit-job")]
    assert [each["maxCost"] for each in starts] == [2.5] * 3
    assert all(unit["countsCost"] for unit in world.units.values())


def test_units_that_the_limit_keeps_from_beginning_end_the_run(
    world: World, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = world._start_unit

    def decide(payload: dict[str, Any]) -> dict[str, Any]:
        if payload["unitId"] == "00000-000":
            return begun(payload)
        return {"begin": False, "reason": "COST", "why": "planned"}

    monkeypatch.setattr(world, "_start_unit", decide)
    deployment.run(sqs_event({**RUN, "maxCost": 2.5}))
    assert world.count("validate") == 1
    assert world.count("start-run") == 0, "no other execution tries to begin them"
    (record,) = world.payloads("record-run")
    # The run says so of the two that asked and were refused: their records do not.
    assert record["usage"]["lambda-requests:submit-job"] == 2


def test_functions_that_are_jobs_are_counted_though_nobody_reports_their_time(
    world: World, deployment: Deployment
) -> None:
    world.objects = 1
    world.jobs[0] |= {"engine": "lambda"}
    deployment.run(sqs_event(RUN))
    assert world.units["00000-000"]["usage"]["lambda-jobs"] == 1
