"""Runs that wait for their data: durable waits, in the long-running function only."""

from __future__ import annotations

from typing import Any

import pytest
from world import Deployment, World, error_named, sqs_event

from contracts.manifest import Waiting
from durable_pipeline import app

RUN: dict[str, Any] = {"datasetName": "orders", "startDateTime": "2026-11-01", "runId": "r-1"}
HANDED_OVER = {"request": RUN, "runAttempt": 1, "handedOverBy": "arn:first"}
MARKER = "the partition's marker s3://data/landing/orders/dt=2026-11-01/_SUCCESS is not there"


def waiting(seconds: int) -> Waiting:
    return Waiting(what=MARKER, look_again_seconds=seconds)


def test_a_run_that_has_to_wait_delays_no_message_of_another_dataset(
    deployment: Deployment, world: World
) -> None:
    world.waits["r-1"] = [waiting(10)]
    other = {**RUN, "datasetName": "visits", "runId": "r-2"}

    execution = deployment.run(sqs_event(RUN, other))

    assert execution.response == {"batchItemFailures": []}
    (started,) = world.payloads("start-run")
    assert started["request"]["runId"] == "r-1"
    (ended,) = world.payloads("record-run")
    assert ended["request"]["runId"] == "r-2"
    assert world.unit_status() == {"STORED": 3}
    assert execution.operations()["wait-until-ready"] == 0
    assert execution.operations()["list-urls"] == 2


def test_the_request_cannot_make_the_short_function_wait(
    deployment: Deployment, world: World
) -> None:
    world.waits["r-1"] = [waiting(10)]
    deployment.run(sqs_event({**RUN, "detached": False}))
    assert world.count("start-run") == 1


def test_a_direct_start_of_the_short_function_is_handed_over(
    deployment: Deployment, world: World
) -> None:
    world.waits["r-1"] = [waiting(10)]
    execution = deployment.run(RUN)
    assert execution.response["runId"] == "r-1"
    assert "handedOverTo" in execution.response
    assert execution.operations()["wait-until-ready"] == 0


@pytest.mark.parametrize("event", [HANDED_OVER, RUN], ids=["handed over", "started directly"])
def test_the_long_running_function_waits_as_long_as_the_step_says(
    deployment: Deployment, world: World, event: dict[str, Any]
) -> None:
    world.waits["r-1"] = [waiting(10), waiting(10), waiting(900)]

    execution = deployment.run(event, app.handle_run)

    assert execution.response["status"] == "SUCCEEDED"
    assert execution.operations()["wait-until-ready"] == 3
    assert execution.operations()["list-urls"] == 4
    assert world.unit_status() == {"STORED": 3}
    assert all(payload["mayWait"] for payload in world.payloads("list-urls"))


def test_a_run_that_waited_too_long_fails_with_what_was_missing(
    deployment: Deployment, world: World
) -> None:
    world.waits["r-1"] = [waiting(10)]
    why = f"not ready within 60 s: {MARKER}"
    world.fail("list-urls", None, error_named("NotFound", why))

    execution = deployment.run(HANDED_OVER, app.handle_run)

    assert execution.status == "FAILED"
    (recorded,) = world.payloads("record-run")
    assert (recorded["status"], recorded["reason"]) == ("FAILED", why)
    assert world.events() == ["run-ended"]


def test_a_look_that_fails_for_a_moment_is_repeated(deployment: Deployment, world: World) -> None:
    world.waits["r-1"] = [waiting(10)]
    world.fail("list-urls", None, error_named("TransientFailure"))
    execution = deployment.run(HANDED_OVER, app.handle_run)
    assert execution.response["status"] == "SUCCEEDED"
    assert execution.operations()["wait-until-ready"] == 1


def test_partitions_that_were_left_out_are_in_the_reason_of_a_skipped_run(
    deployment: Deployment, world: World
) -> None:
    world.objects = 0
    world.not_ready = {"count": 1, "marker": "_SUCCESS", "partitions": ["dt=2026-11-01/"]}
    deployment.run(sqs_event(RUN))
    (recorded,) = world.payloads("record-run")
    assert recorded["status"] == "SKIPPED"
    assert "1 partition was left out as not ready (dt=2026-11-01/: _SUCCESS" in recorded["reason"]
