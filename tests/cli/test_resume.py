"""`pipeline resume`: its request to the deployment, the message it sends, and what it reports."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import pytest
from cli_world import World, pipeline
from json_documents import document

from cli.client import decisions
from cli.commands import resume as resume_command
from cli.exit_codes import FAILED, NOT_FOUND, REFUSED, STILL_RUNNING, SUCCEEDED

REQUEST = '{"datasetName":"orders","runId":"run-1","startDateTime":"2026-11-01T00:00:00Z"}'
RESUMED = {"outcome": "RESUMED", "status": "FAILED", "runAttempt": 1, "request": REQUEST}


class Reaper:
    """Takes one call after another and returns the same response."""

    def __init__(self, response: Any, real: Any, **more: Any) -> None:
        self.response, self.real, self.more = response, real, more
        self.asked: list[dict[str, Any]] = []

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803
        assert FunctionName == "reaper"
        self.asked.append(json.loads(Payload))
        return {"Payload": io.BytesIO(json.dumps(self.response).encode()), **self.more}

    def __getattr__(self, operation: str) -> Any:
        return getattr(self.real, operation)


@pytest.fixture
def deployed(world: World, monkeypatch: pytest.MonkeyPatch) -> Any:
    def with_reaper(response: Any, **more: Any) -> Reaper:
        if isinstance(response, dict):
            response = {"runId": "run-1", **response}
        reaper = Reaper(response, world.functions, **more)
        clients = {name: world.deployment.client(name) for name in ("sqs", "dynamodb", "s3")}
        outputs = {**world.deployment.outputs, "ReaperFunctionArn": "reaper"}
        deployment = replace(
            world.deployment, outputs=outputs, _clients={**clients, "lambda": reaper}
        )
        monkeypatch.setattr(resume_command, "find_deployment", lambda *_: deployment)
        return reaper

    return with_reaper


def test_the_decision_is_taken_back_and_then_the_message_is_sent(
    world: World, deployed: Any
) -> None:
    reaper = deployed(RESUMED)

    result = pipeline("resume", "run-1")

    assert result.exit_code == SUCCEEDED, result.output
    assert "run run-1 is resumed; its message is sent" in result.output
    assert "pipeline status --follow run-1" in result.output
    assert reaper.asked == [{"detail-type": "Resume Run", "detail": {"runId": "run-1"}}]
    assert world.sent() == [REQUEST]


@pytest.mark.parametrize(
    ("response", "code", "text"),
    [
        ({"outcome": "RUNNING", "status": "RUNNING", "runAttempt": 2}, SUCCEEDED, "at attempt 2"),
        ({"outcome": "ACTIVE", "status": "RUNNING"}, REFUSED, "was not stopped; it is RUNNING"),
        (
            {"outcome": "ACTIVE", "status": "RUNNING", "stopping": True},
            REFUSED,
            "still being stopped",
        ),
        ({"outcome": "ENDED", "status": "SUCCEEDED"}, REFUSED, "it has ended, SUCCEEDED"),
        (
            {"outcome": "SUPERSEDED", "status": "STOPPED", "supersededBy": "run-2"},
            REFUSED,
            "run run-2 has superseded run run-1",
        ),
        ({"outcome": "UNKNOWN"}, NOT_FOUND, "no run run-1 in the ledger"),
    ],
)
def test_each_outcome_has_its_exit_status_and_only_one_sends_anything(
    world: World, deployed: Any, response: dict[str, Any], code: int, text: str
) -> None:
    deployed(response)

    result = pipeline("resume", "run-1")

    assert (result.exit_code, text in result.output) == (code, True), result.output
    assert world.sent() == []


def test_killed_before_the_message_was_sent_a_repeat_sends_it(
    world: World, deployed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed(RESUMED)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(decisions, "send_message", killed)
    assert pipeline("resume", "run-1").exit_code == 130
    assert world.sent() == []
    monkeypatch.undo()
    deployed(RESUMED)

    assert pipeline("resume", "run-1").exit_code == SUCCEEDED
    assert world.sent() == [REQUEST]


def test_json_is_the_document(world: World, deployed: Any) -> None:
    deployed(RESUMED)

    found = document("resume", pipeline("resume", "run-1", "--json").stdout)

    assert found.pop("messageId")
    assert found == {
        "runId": "run-1",
        "outcome": "RESUMED",
        "status": "FAILED",
        "runAttempt": 1,
        "supersededBy": None,
        "endedAt": None,
        "report": None,
    }
    assert len(world.sent()) == 1


def test_json_of_a_run_that_has_ended_says_when(world: World, deployed: Any) -> None:
    deployed({"outcome": "ENDED", "status": "SUCCEEDED"})
    world.put_run(status="SUCCEEDED", ended_at="2026-11-20T08:15:00Z")
    document = json.loads(pipeline("resume", "run-1", "--json").output)
    assert document["endedAt"] == "2026-11-20T08:15:00Z"


def test_waiting_follows_the_attempt_that_is_to_come(world: World, deployed: Any) -> None:
    """Not the one that was stopped, which has ended."""
    world.put_run(status="FAILED", request=REQUEST)
    deployed(RESUMED)

    result = pipeline("resume", "run-1", "--wait", "--timeout", "0", "--json")

    assert result.exit_code == STILL_RUNNING
    found = document("resume", result.stdout)
    assert (found["report"]["status"], found["report"]["exitCode"]) == ("UNKNOWN", STILL_RUNNING)


def test_waiting_for_a_run_that_was_resumed_before_follows_it(world: World, deployed: Any) -> None:
    world.put_run(status="SUCCEEDED", run_attempt=2, request=REQUEST)
    deployed({"outcome": "RUNNING", "status": "RUNNING", "runAttempt": 2})

    result = pipeline("resume", "run-1", "--wait")

    assert result.exit_code == SUCCEEDED, result.output
    assert "Run run-1 of orders SUCCEEDED" in result.output


def test_an_earlier_release_is_named_as_the_reason(deployed: Any) -> None:
    deployed(None)

    result = pipeline("resume", "run-1")

    assert result.exit_code == NOT_FOUND
    assert "cannot resume a single run" in result.output


def test_an_error_of_the_deployment_is_reported_as_it_is(world: World, deployed: Any) -> None:
    error = {"errorType": "Conflict", "errorMessage": "run run-1 changed again and again"}
    deployed(error, FunctionError="Unhandled")

    result = pipeline("resume", "run-1")

    assert result.exit_code == FAILED
    assert "it is not known whether run run-1 is being resumed: run run-1 changed" in result.output
    assert world.sent() == []
