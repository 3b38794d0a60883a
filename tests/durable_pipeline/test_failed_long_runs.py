"""A long run that fails goes to the dead-letter queue: no message of it comes again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from world import Deployment, World, error_named, sqs_event

from contracts.messages import WOULD_FAIL_AGAIN
from durable_pipeline import app

RUN: dict[str, Any] = {"datasetName": "orders", "startDateTime": "2026-11-01", "runId": "r-1"}
HANDED_OVER = {"request": RUN, "runAttempt": 2, "handedOverBy": "arn:batch"}


@pytest.fixture(autouse=True)
def attempt(world: World) -> None:
    world.claim = {"outcome": "CLAIMED", "runAttempt": 2}


def test_one_whose_failures_are_permanent_is_rejected_at_once(
    deployment: Deployment, world: World
) -> None:
    world.permanent = True
    world.fail("validate", error_named("InvalidData"), unit="00000-001")

    execution = deployment.run(HANDED_OVER, app.handle_run)

    assert execution.status == "FAILED"
    (letter,) = world.payloads("reject-message")
    assert (letter["messageId"], letter["runId"]) == ("r-1/2", "r-1")
    assert json.loads(letter["body"]).items() >= RUN.items() - {("startDateTime", "2026-11-01")}
    assert letter["reason"] == f"1 failed; {WOULD_FAIL_AGAIN}"
    assert [name for name, _ in world.calls][-3:] == ["record-run", "notify", "reject-message"]


def test_one_that_failed_in_all_its_rounds_has_the_id_of_its_last_attempt(
    deployment: Deployment, world: World
) -> None:
    errors = [error_named("TransientFailure", "no response")] * 50
    world.fail("validate", *errors, unit="00000-001")
    deployment.run(HANDED_OVER, app.handle_run)
    (letter,) = world.payloads("reject-message")
    assert letter["messageId"] == "r-1/4"
    assert "replay this letter" in letter["reason"]


def test_so_is_one_that_fails_before_its_units(deployment: Deployment, world: World) -> None:
    world.fail("load-dataset", error_named("InvalidDataset", "column amount: no such type"))
    deployment.run(HANDED_OVER, app.handle_run)
    (letter,) = world.payloads("reject-message")
    assert letter["reason"].startswith("column amount: no such type")


def test_one_that_was_started_directly_is_rejected_too(
    deployment: Deployment, world: World
) -> None:
    world.fail("validate", error_named("InvalidData"))
    deployment.run(RUN, app.handle_run)
    assert len(world.payloads("reject-message")) == 1


@pytest.mark.parametrize("status", ["SUCCEEDED", "STOPPED"])
def test_one_that_ended_otherwise_is_not(
    deployment: Deployment, world: World, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    normal = world._record_run

    def ended(payload: dict[str, Any]) -> dict[str, Any]:
        response = normal(payload)
        return {**response, "result": {**response["result"], "status": status}}

    monkeypatch.setattr(world, "_record_run", ended)
    deployment.run(HANDED_OVER, app.handle_run)
    assert world.payloads("reject-message") == []


def test_a_run_of_the_queue_that_may_pass_is_delivered_again(
    deployment: Deployment, world: World
) -> None:
    world.permanent = False
    world.fail("validate", error_named("InvalidData"))
    execution = deployment.run(sqs_event(RUN))
    assert execution.response == {"batchItemFailures": [{"itemIdentifier": "m-1"}]}
    assert world.payloads("reject-message") == []


def test_a_letter_that_cannot_be_sent_changes_nothing(deployment: Deployment, world: World) -> None:
    """The execution fails as it would, which wakes the reaper; that sends it."""
    world.fail("validate", error_named("InvalidData"))
    world.fail("reject-message", *[error_named("NotFound", "no such queue")] * 9)
    execution = deployment.run(HANDED_OVER, app.handle_run)
    assert execution.status == "FAILED"
    assert "run r-1 failed" in execution.error.message


def test_the_attempt_after_an_execution_that_died_waits_before_it_claims(
    deployment: Deployment, world: World
) -> None:
    execution = deployment.run({**HANDED_OVER, "waitSeconds": 60}, app.handle_run)
    (waits,), (claims,) = execution.named("wait-for-attempt"), execution.named("claim-run")
    assert waits.end_timestamp <= claims.start_timestamp
    (claim,) = world.payloads("claim-run")
    assert claim["handedOverBy"] == "arn:batch"


def test_one_that_was_handed_over_does_not_wait(deployment: Deployment) -> None:
    execution = deployment.run(HANDED_OVER, app.handle_run)
    assert "wait-for-attempt" not in execution.operations()
