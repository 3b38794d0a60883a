"""A job that is a function of the user's own: submitted, invoked, its end carried on."""

from __future__ import annotations

from typing import Any

import pytest
from replays import replay
from world import Deployment, World, error_named, sqs_event

RUN: dict[str, Any] = {"datasetName": "orders", "startDateTime": "2026-11-01", "runId": "r-1"}
UNIT = "00000-000"


@pytest.fixture
def world() -> World:
    world = World()
    world.objects = 1
    world.jobs = [job("enrich")]
    return world


def job(stage: str, attempts: int = 1, engine: str = "lambda") -> dict[str, Any]:
    return {"stage": stage, "engine": engine, "timeoutSeconds": 300, "attempts": attempts}


def ends(payload: dict[str, Any]) -> list[tuple[str, int, str]]:
    found = payload.get("endedJobs", [])
    return [(end["key"]["stage"], end["key"]["attempt"], end["state"]) for end in found]


def test_it_costs_two_operations_and_its_end_goes_with_the_next_step(
    deployment: Deployment, world: World
) -> None:
    operations = deployment.run(sqs_event(RUN)).operations()

    assert (operations["submit-job"], operations["invoke-function"]) == (1, 1)
    assert operations["await-job"] == 0
    (event,) = world.function_calls
    assert event["JOB_ID"] == "job-00000-000-enrich-1"
    (validated,) = world.payloads("validate")
    assert validated["inputUrl"] == event["OUTPUT_URL"]
    assert ends(validated) == [("enrich", 1, "SUCCEEDED")]
    assert world.units[UNIT]["status"] == "STORED"
    assert world.units[UNIT]["endedJobs"] == [], "validate has recorded it"
    assert world.units[UNIT]["jobIds"] == ["job-00000-000-enrich-1"]


def test_a_units_planned_operations_are_those_that_it_takes(
    deployment: Deployment, world: World
) -> None:
    world.jobs = [job("enrich"), job("again")]
    world.of_items = True

    execution = deployment.run(sqs_event(RUN))

    counted = execution.operations()
    names = ("submit-job", "invoke-function", "validate", "transform")
    names += ("store-dynamodb", "record-items", "end-unit", f"unit-{UNIT}")
    taken = sum(counted[name] for name in names)
    assert (taken, world.payloads("list-urls")[0]["unitsPerShard"]) == (10, 2000 // taken)


def test_an_error_is_the_jobs_with_its_type_message_and_stack(
    deployment: Deployment, world: World
) -> None:
    world.function_errors = [ValueError("row 3: no id")]

    deployment.run(sqs_event(RUN))

    failure = world.units[UNIT]["failure"]
    assert (failure["stage"], failure["errorType"]) == ("enrich", "JobFailed")
    assert failure["message"] == "job job-00000-000-enrich-1: ValueError: row 3: no id"
    assert failure["jobId"] == "job-00000-000-enrich-1"
    (end,) = world.units[UNIT]["endedJobs"]
    assert (end["state"], end["error"]) == ("FAILED", "ValueError: row 3: no id")
    assert world.count("validate") == 0


@pytest.mark.parametrize(
    "error",
    [
        error_named("Sandbox.Timedout", "RequestId: 1 Error: Task timed out after 3.00 seconds"),
        error_named("Unknown", "2026-11-20T08:00:00Z 1 Task timed out after 3.00 seconds"),
        type("ChainedInvoke.Timeout", (Exception,), {"__module__": "builtins"})("too long"),
    ],
)
def test_a_functions_own_time_out_is_the_jobs_and_not_tried_again(
    deployment: Deployment, world: World, error: Exception
) -> None:
    world.jobs = [job("enrich", attempts=3)]
    world.function_errors = [error]

    deployment.run(sqs_event(RUN))

    assert len(world.function_calls) == 1
    assert world.units[UNIT]["failure"]["errorType"] == "JobTimedOut"
    assert ends(world.units[UNIT]) == [("enrich", 1, "TIMED_OUT")]


def test_a_failed_function_is_tried_again_as_a_new_job(
    deployment: Deployment, world: World
) -> None:
    world.jobs = [job("enrich", attempts=3)]
    world.function_errors = [ValueError("a"), error_named("Throttled"), None]

    deployment.run(sqs_event(RUN))

    assert [event["JOB_ID"][-1] for event in world.function_calls] == ["1", "2", "3"]
    assert [ends(payload) for payload in world.payloads("submit-job")] == [
        [],
        [("enrich", 1, "FAILED")],
        [("enrich", 2, "FAILED")],
    ]
    assert world.unit_status() == {"STORED": 1}


def test_a_throttled_invoke_waits_for_a_place_and_is_the_same_job(
    deployment: Deployment, world: World
) -> None:
    throttled = error_named("TooManyRequestsException", "Rate exceeded")
    world.function_errors = [throttled] * 4

    execution = deployment.run(sqs_event(RUN))

    assert world.count("submit-job") == 1
    assert execution.operations()["invoke-function"] == 5
    assert len({event["JOB_ID"] for event in world.function_calls}) == 1
    assert world.unit_status() == {"STORED": 1}
    usage = world.units[UNIT]["usage"]
    assert (usage["lambda-throttled:invoke-function"], usage["lambda-jobs"]) == (4, 1)


@pytest.mark.parametrize("name", ["ResourceNotFoundException", "AccessDeniedException"])
def test_what_lambda_refuses_is_not_tried_again(
    deployment: Deployment, world: World, name: str
) -> None:
    world.jobs = [job("enrich", attempts=3)]
    world.function_errors = [error_named(name, "no")]

    deployment.run(sqs_event(RUN))

    assert len(world.function_calls) == 1
    assert world.units[UNIT]["failure"]["message"].endswith(f"{name}: no")


def test_one_that_has_ended_before_is_not_invoked_again(
    deployment: Deployment, world: World
) -> None:
    """The run was taken over: submit-job found the job, and its output, of an earlier attempt."""
    world.claim = {"outcome": "TAKEN_OVER", "runAttempt": 2}
    world.job_responses["enrich"] = [{"state": "SUCCEEDED"}]

    deployment.run(sqs_event(RUN))

    assert world.function_calls == []
    assert world.unit_status() == {"STORED": 1}


@pytest.mark.parametrize("error", ["RunStopped", "NotConfigured", "OwnershipLost"])
def test_what_submit_job_refuses_is_not_invoked(
    deployment: Deployment, world: World, error: str
) -> None:
    world.fail("submit-job", *[error_named(error)] * 2)  # the first one leaves the unit begun

    deployment.run(sqs_event(RUN))

    assert world.function_calls == []
    assert world.count("cancel-job") == 0
    if error == "OwnershipLost":  # the unit is another's by now
        assert UNIT not in world.units
    else:
        assert world.units[UNIT]["failure"]["errorType"] == error


def test_ends_go_with_whatever_comes_next_in_a_chain(deployment: Deployment, world: World) -> None:
    """A job of another engine, here; and what a failed step did not record, the next one does."""
    world.jobs = [job("enrich"), job("clean", engine="glue"), job("last")]
    world.fail("validate", error_named("InvalidData"))

    deployment.run(sqs_event(RUN))

    assert [ends(payload) for payload in world.payloads("submit-job")] == [
        [],
        [("enrich", 1, "SUCCEEDED")],
        [],
    ]
    assert ends(world.payloads("validate")[0]) == [("last", 1, "SUCCEEDED")]
    assert ends(world.units[UNIT]) == [("last", 1, "SUCCEEDED")]


def test_batches_of_items_have_jobs_and_their_output_is_named(
    deployment: Deployment, world: World
) -> None:
    world.of_items = True

    deployment.run(sqs_event(RUN))

    (recorded,) = world.payloads("record-items")
    assert recorded["jobOutputUrl"] == world.function_calls[0]["OUTPUT_URL"]


def test_a_replay_invokes_nothing_again(deployment: Deployment, world: World) -> None:
    world.jobs = [job("enrich", attempts=2)]
    world.function_errors = [ValueError("a")]
    recording = deployment.run(sqs_event(RUN)).recording()

    output, recorder = replay(recording)

    assert output["Status"] == "SUCCEEDED"
    assert recorder.started() == []
