"""`runId: auto`: everything after the claim goes by the id that it drew."""

from __future__ import annotations

from typing import Any

from world import Deployment, World, error_named, execution_arn, sqs_event

from durable_pipeline import app

AUTO: dict[str, Any] = {"datasetName": "orders", "startDateTime": "2026-11-01", "runId": "auto"}
FIRST, SECOND = "20261120T081500Z-00000000", "20261120T081500Z-00000001"


def run_ids(world: World) -> set[str]:
    """The ids that steps after the claim were called with."""
    found = set()
    for name, payload in world.calls:
        if name == "claim-run":
            continue
        keys = (payload, payload.get("request") or {}, payload.get("key") or {})
        found |= {key["runId"] for key in keys if "runId" in key}
    return found


def test_every_step_gets_the_drawn_id(deployment: Deployment, world: World) -> None:
    world.objects, world.targets = 1, ["dynamodb", "redshift"]

    execution = deployment.run(sqs_event(AUTO))

    assert execution.response == {"batchItemFailures": []}
    assert world.drawn == {"m-1": FIRST}
    assert run_ids(world) == {FIRST}
    assert world.events() == ["run-started", "run-ended"]


def test_an_id_that_a_message_names_is_not_drawn(deployment: Deployment, world: World) -> None:
    deployment.run(sqs_event({**AUTO, "runId": "r-1"}))

    assert "drawnFor" not in world.payloads("claim-run")[0]
    assert run_ids(world) == {"r-1"}


def test_two_messages_of_one_batch_are_two_runs(deployment: Deployment, world: World) -> None:
    world.objects = 1
    deployment.run(sqs_event(AUTO, AUTO))

    assert world.drawn == {"m-1": FIRST, "m-2": SECOND}
    assert run_ids(world) == {FIRST, SECOND}


def test_a_direct_start_draws_for_its_execution(deployment: Deployment, world: World) -> None:
    execution = deployment.run(AUTO, execution_name="nightly-7")

    assert world.drawn == {execution_arn("pipeline", "nightly-7"): FIRST}
    assert execution.response["runId"] == FIRST


def test_a_run_is_handed_over_under_the_drawn_id(deployment: Deployment, world: World) -> None:
    deployment.run(sqs_event({**AUTO, "detached": True}))

    (handed_over,) = world.payloads("start-run")
    assert handed_over["request"]["runId"] == FIRST


def test_a_run_handed_over_is_not_drawn_again(deployment: Deployment, world: World) -> None:
    world.objects = 5
    world.units_per_shard = 2

    execution = deployment.run(AUTO, app.handle_run)

    assert execution.response["runId"] == FIRST
    assert len(world.drawn) == 1
    assert world.count("claim-run") == 1
    assert run_ids(world) == {FIRST}


def test_a_refused_run_is_rejected_under_the_drawn_id(deployment: Deployment, world: World) -> None:
    world.fail("load-dataset", error_named("NotFound", "no dataset ordres"))
    deployment.run(sqs_event(AUTO))

    (rejected,) = world.payloads("reject-message")
    assert (rejected["runId"], rejected["messageId"]) == (FIRST, "m-1")


def test_a_claim_that_is_refused_has_no_run_id(deployment: Deployment, world: World) -> None:
    world.fail("claim-run", error_named("InvalidRequest", "retryOf names no run"))
    deployment.run(sqs_event(AUTO))

    (rejected,) = world.payloads("reject-message")
    assert "runId" not in rejected


def test_a_broken_message_is_not_named_auto(deployment: Deployment, world: World) -> None:
    deployment.run(sqs_event({**AUTO, "startDateTime": "soon"}))

    (rejected,) = world.payloads("reject-message")
    assert "runId" not in rejected


def test_a_run_that_stands_is_reported_by_its_drawn_id(
    deployment: Deployment, world: World
) -> None:
    world.claim = {"outcome": "LIVE", "runAttempt": 1}

    execution = deployment.run(AUTO)

    assert execution.response["runId"] == FIRST
    assert FIRST in execution.response["standing"]
