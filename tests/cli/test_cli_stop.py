"""`pipeline stop`: its request to the deployment, and how it reports the response."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import pytest
from cli_world import World, pipeline

from cli.commands import stop as stop_command
from cli.exit_codes import FAILED, NOT_FOUND, REFUSED, SUCCEEDED


class Reaper:
    """Takes one call and returns one response."""

    def __init__(self, response: Any, **more: Any) -> None:
        self.response, self.more = response, more
        self.asked: list[dict[str, Any]] = []

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803
        assert FunctionName == "reaper"
        self.asked.append(json.loads(Payload))
        return {"Payload": io.BytesIO(json.dumps(self.response).encode()), **self.more}


@pytest.fixture
def deployed(world: World, monkeypatch: pytest.MonkeyPatch) -> Any:
    def with_reaper(response: Any, **more: Any) -> Reaper:
        reaper = Reaper(response, **more)
        outputs = {**world.deployment.outputs, "ReaperFunctionArn": "reaper"}
        deployment = replace(world.deployment, outputs=outputs, _clients={"lambda": reaper})
        monkeypatch.setattr(stop_command, "find_deployment", lambda *_: deployment)
        return reaper

    return with_reaper


def test_the_decision_and_its_jobs_are_reported(deployed: Any) -> None:
    response = {
        "runId": "run-1",
        "outcome": "STOPPING",
        "status": "RUNNING",
        "reason": "wrong [input]",
        "jobsCancelled": ["job-1"],
        "jobsEndedBefore": {"job-3": "SUCCEEDED"},
        "jobsGoingOn": {"job-2": "GLUE says STOPPING"},
    }
    reaper = deployed(response)

    result = pipeline("stop", "run-1", "--reason", "wrong [input]")

    assert result.exit_code == SUCCEEDED, result.output
    assert result.output.splitlines() == [
        "run run-1 is being stopped: wrong [input]",
        "job job-1 was cancelled",
        "job job-3 had ended before, SUCCEEDED",
        "job job-2 is being cancelled: GLUE says STOPPING",
        "look at it: pipeline status --follow run-1",
    ]
    assert reaper.asked == [
        {"detail-type": "Stop Run", "detail": {"runId": "run-1", "reason": "wrong [input]"}}
    ]


@pytest.mark.parametrize(
    ("response", "code", "text"),
    [
        ({"outcome": "STOPPED", "status": "STOPPED"}, SUCCEEDED, "run run-1 is STOPPED"),
        ({"outcome": "ENDED", "status": "SUCCEEDED"}, REFUSED, "nothing to stop: run run-1 has"),
        ({"outcome": "UNKNOWN"}, NOT_FOUND, "no run run-1 in the ledger"),
    ],
)
def test_each_outcome_has_its_exit_status(
    deployed: Any, response: dict[str, Any], code: int, text: str
) -> None:
    deployed({"runId": "run-1", **response})

    result = pipeline("stop", "run-1")

    assert (result.exit_code, text in result.output) == (code, True), result.output


def test_a_run_that_was_stopped_before_says_when(world: World, deployed: Any) -> None:
    world.put_run("run-1", status="STOPPED", ended_at="2026-11-20T08:15:00Z")
    deployed({"runId": "run-1", "outcome": "STOPPED", "status": "STOPPED"})

    result = pipeline("stop", "run-1")

    assert (result.exit_code, "it ended at 2026-11-20T08:15:00Z" in result.output) == (0, True)


def test_json_is_the_response(deployed: Any) -> None:
    response = {"runId": "run-1", "outcome": "STOPPED", "status": "STOPPED", "reason": "wrong"}
    deployed(response)

    document = json.loads(pipeline("stop", "run-1", "--json").output)

    assert document == {
        **response,
        "requestedAt": None,
        "endedAt": None,
        "jobsCancelled": [],
        "jobsEndedBefore": [],
        "jobsBeingCancelled": [],
        "report": None,
    }


def test_an_error_of_the_deployment_is_reported_as_it_is(deployed: Any) -> None:
    error = {"errorType": "Conflict", "errorMessage": "run run-1 changed at every attempt"}
    deployed(error, FunctionError="Unhandled")

    result = pipeline("stop", "run-1")

    assert result.exit_code == FAILED
    assert "run run-1 changed at every attempt" in result.output


def test_an_earlier_release_is_named_as_the_reason(deployed: Any) -> None:
    """Its reaper takes the request for the schedule's, and returns nothing."""
    deployed(None)

    result = pipeline("stop", "run-1")

    assert result.exit_code == NOT_FOUND
    assert "cannot stop a single run" in result.output


def test_a_reason_that_is_too_long_is_refused_before_anything_is_asked(deployed: Any) -> None:
    reaper = deployed({})

    result = pipeline("stop", "run-1", "--reason", "x" * 501)

    assert result.exit_code == REFUSED
    assert "at most 500" in result.output
    assert reaper.asked == []


def test_a_run_that_has_ended_is_said_to_and_when_and_how(deployed: Any, world: World) -> None:
    deployed({"runId": "run-1", "outcome": "ENDED", "status": "SUCCEEDED"})
    ended = {"ended_at": "2026-11-20T08:15:00Z", "outcome": "SUCCEEDED_WITH_LOSSES"}
    rows = {"rows_in": 3, "stored": 2, "rejected": 1}
    world.put_run(status="SUCCEEDED", units={"total": 2, "stored": 2}, rows=rows, **ended)
    document = json.loads(pipeline("stop", "run-1", "--json").output)
    assert document["endedAt"] == "2026-11-20T08:15:00Z"
    text = pipeline("stop", "run-1").output
    assert "it ended at 2026-11-20T08:15:00Z: Run run-1 of orders SUCCEEDED" in text
    assert "2 of 2 units, 2 rows stored, 1 rejected" in text
