"""A job is submitted once and awaited by callback; silence and deadlines are looked into."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from world import Deployment, World, error_named, sqs_event

RUN: dict[str, Any] = {"datasetName": "orders", "startDateTime": "2026-11-01", "runId": "r-1"}
JobResponse = Callable[[str, dict[str, Any]], dict[str, Any]]


@pytest.fixture
def world() -> World:
    world = World()
    world.objects = 1
    return world


@pytest.fixture
def short_heartbeat(world: World) -> Deployment:
    return Deployment(world, heartbeat_seconds=1)


def running(callback_id: str, status: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001
    return {"state": "RUNNING"}


def ending(deployment: Deployment, after: float = 0.05, **response: Any) -> JobResponse:
    """A running job whose end the watcher reports a little later."""

    def start(callback_id: str, status: dict[str, Any]) -> dict[str, Any]:
        payload = json.dumps({**status, **response}).encode()
        timer = threading.Timer(
            after, lambda: deployment.runner.send_callback_success(callback_id, payload)
        )
        timer.start()
        return {"state": "SUBMITTED"}

    return start


def test_a_job_costs_two_operations(deployment: Deployment, world: World) -> None:
    world.job_responses["clean"] = [ending(deployment)]

    operations = deployment.run(sqs_event(RUN)).operations()

    assert (operations["await-job"], operations["submit-job"]) == (1, 1)
    assert world.count("check-job") == 0
    assert world.unit_status() == {"STORED": 1}
    assert world.units["00000-000"]["jobIds"] == ["job-00000-000-clean-1"]


def test_a_job_that_has_ended_at_submission_is_not_waited_for(
    deployment: Deployment, world: World
) -> None:
    deployment.run(sqs_event(RUN))

    assert world.unit_status() == {"STORED": 1}


def test_a_failed_job_fails_its_unit_with_the_jobs_error(
    deployment: Deployment, world: World
) -> None:
    log = {"logUrl": "https://logs", "consoleUrl": "https://jobs", "logTail": "x" * 1999 + "!"}
    world.job_responses["clean"] = [ending(deployment, state="FAILED", error="row 7: no id", **log)]

    deployment.run(sqs_event(RUN))

    assert world.units["00000-000"]["failure"] == {
        "stage": "clean",
        "errorType": "JobFailed",
        "message": "job job-00000-000-clean-1: row 7: no id",
        "jobId": "job-00000-000-clean-1",
        **log,
        "logTail": "x" * 999 + "!",  # as much of it as a checkpoint can well carry
    }


def test_a_failed_job_is_tried_again_as_a_new_job_where_the_contract_says(
    deployment: Deployment, world: World
) -> None:
    world.jobs[0]["attempts"] = 3
    world.job_responses["clean"] = [{"state": "FAILED"}, ending(deployment, state="FAILED")]

    deployment.run(sqs_event(RUN))

    assert [payload["key"]["attempt"] for payload in world.payloads("submit-job")] == [1, 2, 3]
    assert world.unit_status() == {"STORED": 1}
    assert len(world.units["00000-000"]["jobIds"]) == 3


def test_a_cancelled_job_is_not_tried_again(deployment: Deployment, world: World) -> None:
    world.jobs[0]["attempts"] = 3
    world.job_responses["clean"] = [{"state": "CANCELLED"}]

    deployment.run(sqs_event(RUN))

    assert world.count("submit-job") == 1
    assert world.units["00000-000"]["failure"]["errorType"] == "JobCancelled"


def test_a_full_engine_is_waited_for(deployment: Deployment, world: World) -> None:
    world.fail("submit-job", *[error_named("EngineFull") for _ in range(12)])

    execution = deployment.run(sqs_event(RUN))

    assert execution.response == {"batchItemFailures": []}
    assert world.count("submit-job") == 13
    assert len({payload["callbackId"] for payload in world.payloads("submit-job")}) == 1


def test_without_a_watcher_the_orchestrator_asks_by_itself(
    short_heartbeat: Deployment, world: World
) -> None:
    world.job_responses["clean"] = [running, running, {"state": "SUCCEEDED"}]

    execution = short_heartbeat.run(sqs_event(RUN))

    assert world.count("check-job") == 2
    assert execution.operations()["await-job"] == 3
    callbacks = {payload["callbackId"] for payload in world.payloads("check-job")}
    assert len(callbacks) == 2  # each look registers a new callback, for a watcher that comes back
    assert world.unit_status() == {"STORED": 1}


def test_a_watcher_that_comes_back_returns_the_new_callback(
    short_heartbeat: Deployment, world: World
) -> None:
    world.job_responses["clean"] = [running, ending(short_heartbeat)]

    short_heartbeat.run(sqs_event(RUN))

    assert world.count("check-job") == 1
    assert world.unit_status() == {"STORED": 1}


def test_a_job_past_its_deadline_is_cancelled_and_its_unit_timed_out(
    short_heartbeat: Deployment, world: World
) -> None:
    world.job_responses["clean"] = [running, {"state": "RUNNING", "overdue": True}]

    short_heartbeat.run(sqs_event(RUN))

    assert world.count("cancel-job") == 1
    assert world.units["00000-000"]["failure"]["errorType"] == "JobTimedOut"
    assert "deadline of 900 s" in world.units["00000-000"]["failure"]["message"]


def test_a_job_that_ended_just_before_its_deadline_check_is_not_cancelled(
    short_heartbeat: Deployment, world: World
) -> None:
    world.job_responses["clean"] = [running, {"state": "SUCCEEDED", "overdue": True}]

    short_heartbeat.run(sqs_event(RUN))

    assert world.count("cancel-job") == 0
    assert world.unit_status() == {"STORED": 1}


def test_a_missing_run_row_in_the_warehouse_does_not_change_the_outcome(
    deployment: Deployment, world: World
) -> None:
    world.targets = ["redshift"]
    failed = {"state": "FAILED", "error": 'relation "pipeline_runs" does not exist'}
    world.job_responses["record-run"] = [failed]

    execution = deployment.run(sqs_event(RUN))

    assert execution.response == {"batchItemFailures": []}
    assert world.payloads("notify")[-1]["result"]["status"] == "SUCCEEDED"


@pytest.mark.parametrize("recorded_again", [True, False])
def test_a_run_says_that_the_warehouse_lacks_its_rows(
    deployment: Deployment, world: World, *, recorded_again: bool
) -> None:
    world.targets = ["redshift"]
    missing = 'relation "pipeline_runs" does not exist'
    world.job_responses["record-run"] = [{"state": "FAILED", "error": missing}]
    if not recorded_again:
        world.fail("record-run", None, error_named("NotFound"))

    deployment.run(sqs_event(RUN))

    first, again = world.payloads("record-run")
    assert "warehouseError" not in first
    assert missing in again["warehouseError"]
    result = world.payloads("notify")[-1]["result"]
    assert (result["status"], missing in result["warehouseError"]) == ("SUCCEEDED", True)


def test_a_load_that_fails_for_reasons_unknown_is_tried_three_times(
    deployment: Deployment, world: World
) -> None:
    world.targets, world.objects = ["redshift"], 1
    world.job_responses["store-redshift"] = [{"state": "FAILED", "error": "XX000"}] * 9

    deployment.run(sqs_event(RUN))

    loads = [p for p in world.submissions() if p["key"]["stage"] == "store-redshift"]
    assert [load["key"]["attempt"] for load in loads] == [1, 2, 3]
    assert world.unit_status() == {"FAILED": 1}


def test_the_runs_own_rows_are_tried_again_after_a_conflict(
    deployment: Deployment, world: World
) -> None:
    world.targets = ["redshift"]
    world.job_responses["record-run"] = [{"state": "FAILED", "error": "1023"}] * 2

    execution = deployment.run(sqs_event(RUN))

    assert execution.operations()["job-backoff"] == 2
    reported = [p for p in world.payloads("submit-job") if p["key"]["stage"] == "record-run"]
    assert len(reported) == 3


def test_a_load_that_conflicts_with_another_is_tried_again(
    deployment: Deployment, world: World
) -> None:
    world.targets = ["redshift"]
    world.job_responses["store-redshift"] = [{"state": "FAILED", "error": "1023"}] * 2

    execution = deployment.run(sqs_event(RUN))

    assert world.unit_status() == {"STORED": 1}
    assert execution.operations()["job-backoff"] == 2


def test_throttling_does_not_end_the_wait_for_a_place(deployment: Deployment, world: World) -> None:
    errors = ["EngineFull"] * 6 + ["TransientFailure", "Throttled"] * 5 + ["Conflict"]
    world.fail("submit-job", *[error_named(name) for name in errors])

    execution = deployment.run(sqs_event(RUN))

    assert execution.response == {"batchItemFailures": []}
    assert world.count("submit-job") == len(errors) + 1


def test_a_service_that_cannot_be_asked_does_not_fail_the_unit_while_its_job_runs(
    short_heartbeat: Deployment, world: World
) -> None:
    world.job_responses["clean"] = [running, {"state": "SUCCEEDED"}]
    world.fail("check-job", *[error_named("Throttled") for _ in range(8)])

    short_heartbeat.run(sqs_event(RUN))

    assert world.count("check-job") == 9
    assert world.unit_status() == {"STORED": 1}


def test_a_job_that_says_that_its_input_is_the_reason_is_not_tried_again(
    deployment: Deployment, world: World
) -> None:
    world.jobs[0]["attempts"] = 3
    error = {"error": "InvalidData: no CSV", "errorCode": "INVALID_DATA"}
    world.job_responses["clean"] = [{"state": "FAILED", **error}]

    deployment.run(sqs_event(RUN))

    assert world.count("submit-job") == 1
    failure = world.units["00000-000"]["failure"]
    assert (failure["errorType"], failure["errorCode"]) == ("JobFailed", "INVALID_DATA")


def test_a_crash_after_a_wait_for_a_place_is_tried_again(
    deployment: Deployment, world: World
) -> None:
    """Waiting uses up no other try."""
    names = ["EngineFull"] * 3 + ["Sandbox.Timedout", "EngineFull", "Runtime.ExitError"]
    world.fail("submit-job", *[error_named(name) for name in names])

    deployment.run(sqs_event(RUN))

    assert world.count("submit-job") == len(names) + 1
    assert world.unit_status() == {"STORED": 1}


@pytest.mark.parametrize("step", ["submit-job", "check-job"])
def test_a_job_that_cannot_be_followed_any_more_is_stopped(
    short_heartbeat: Deployment, world: World, step: str
) -> None:
    world.job_responses["clean"] = [running, running]
    world.fail(step, *[error_named("PipelineError")] * (2 if step == "submit-job" else 1))

    short_heartbeat.run(sqs_event(RUN))

    (cancel,) = world.payloads("cancel-job")
    assert cancel["reason"].startswith(f"{step} failed:")
    unit = world.units["00000-000"]
    assert unit["failure"]["stage"] == step
    assert unit["failure"]["jobId"] == "job-00000-000-clean-1"
    assert unit["jobIds"] == ["job-00000-000-clean-1"]


def test_one_that_had_succeeded_all_the_same_is_gone_on_with(
    short_heartbeat: Deployment, world: World
) -> None:
    world.job_responses["clean"] = [running]
    world.cancelled_as = {"state": "SUCCEEDED"}
    world.fail("check-job", error_named("PipelineError"))

    short_heartbeat.run(sqs_event(RUN))

    assert world.unit_status() == {"STORED": 1}


def test_a_job_of_another_holder_is_not_stopped(deployment: Deployment, world: World) -> None:
    world.fail("submit-job", error_named("OwnershipLost"))

    deployment.run(sqs_event(RUN))

    assert world.count("cancel-job") == 0


def test_a_job_that_cannot_be_cancelled_has_timed_out_all_the_same(
    short_heartbeat: Deployment, world: World
) -> None:
    world.job_responses["clean"] = [running, {"state": "RUNNING", "overdue": True}]
    world.fail("cancel-job", error_named("PipelineError"))

    short_heartbeat.run(sqs_event(RUN))

    failure = world.units["00000-000"]["failure"]
    assert (failure["stage"], failure["errorType"]) == ("clean", "JobTimedOut")
    assert "could not be cancelled" in failure["message"]


def test_one_after_another_the_next_object_follows_a_success_a_failure_and_a_time_out(
    short_heartbeat: Deployment, world: World
) -> None:
    world.objects = 4
    world.job_responses["clean"] = [
        ending(short_heartbeat, state="FAILED", error="no such luck"),
        running,
        {"state": "RUNNING", "overdue": True},
        ending(short_heartbeat),
        ending(short_heartbeat),
    ]

    short_heartbeat.run(sqs_event({**RUN, "maxConcurrency": 1}))

    submitted = [payload["key"]["unitId"] for payload in world.payloads("submit-job")]
    assert submitted == sorted(submitted)
    assert world.units["00000-001"]["failure"]["errorType"] == "JobTimedOut"
    assert world.unit_status() == {"FAILED": 2, "STORED": 2}
