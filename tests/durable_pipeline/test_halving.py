"""A job of several objects that fails runs over halves of them, until the bad ones are alone."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from world import Deployment, World, error_named, sqs_event

from contracts.manifest import units_per_shard
from contracts.messages import LoadedDataset
from contracts.messages.operations import JOBS_OF_PARTS
from contracts.source.unit_part import UnitPart, stage_and_part
from durable_pipeline.plan import operations_per_unit

RUN: dict[str, Any] = {"datasetName": "orders", "startDateTime": "2026-11-01", "runId": "r-1"}


@pytest.fixture
def world() -> World:
    world = World()
    world.objects, world.group = 1, 8
    return world


def jobs(world: World, stage: str = "clean") -> list[str]:
    """The jobs of a stage, in the order of their submission: the unit's, then its parts'."""
    stages = [payload["key"]["stage"] for payload in world.payloads("submit-job")]
    return [one.removeprefix(f"{stage}.") for one in stages if stage_and_part(one)[0] == stage]


def parts(world: World) -> list[tuple[int, int, bool]]:
    """What validate is to read: places, and whether a job has read them."""
    (message,) = world.payloads("validate")
    return [(one["first"], one["last"], "outputUrl" in one) for one in message["parts"]]


def test_a_job_that_succeeds_is_the_only_one(deployment: Deployment, world: World) -> None:
    deployment.run(sqs_event(RUN))
    assert jobs(world) == ["clean"]
    (message,) = world.payloads("validate")
    assert "parts" not in message
    assert message["inputUrl"] == "s3://data/00000-000/clean/1/"


def test_one_bad_object_of_eight_costs_six_further_jobs(
    deployment: Deployment, world: World
) -> None:
    world.bad["clean"] = {5}

    execution = deployment.run(sqs_event(RUN))

    assert jobs(world) == [
        "clean",
        *("0000-0003", "0004-0007"),
        *("0004-0005", "0004-0004", "0005-0005", "0006-0007"),
    ]
    assert parts(world) == [(0, 3, True), (4, 4, True), (5, 5, False), (6, 7, True)]
    (message,) = world.payloads("validate")
    assert message["parts"][2]["failure"] == {
        "stage": "clean",
        "errorType": "JobFailed",
        "message": "job job-00000-000-clean.0005-0005-1: object 5 is bad",
        "jobId": "job-00000-000-clean.0005-0005-1",
    }
    assert message["parts"][3]["outputUrl"] == "s3://data/00000-000/clean.0006-0007/1/"
    assert world.unit_status() == {"STORED": 1}
    operations = execution.operations()
    assert (operations["await-job"], operations["submit-job"]) == (7, 7)
    assert len({payload["key"]["stage"] for payload in world.payloads("submit-job")}) == 7


def test_rows_are_those_of_the_last_job_that_succeeded(
    deployment: Deployment, world: World
) -> None:
    world.bad["clean"] = {7}
    deployment.run(sqs_event(RUN))
    (transform,) = world.payloads("transform")
    assert transform["jobId"] == "job-00000-000-clean.0006-0006-1"
    assert len(world.units["00000-000"]["jobIds"]) == 7


def test_each_job_is_submitted_under_a_key_of_its_own(deployment: Deployment, world: World) -> None:
    world.bad["clean"] = {0, 1, 6}
    deployment.run(sqs_event(RUN))
    keys = [tuple(payload["key"].values()) for payload in world.payloads("submit-job")]
    assert len(set(keys)) == len(keys)
    assert len({payload["callbackId"] for payload in world.payloads("submit-job")}) == len(keys)
    assert [one for one in parts(world) if not one[2]] == [
        (0, 0, False),
        (1, 1, False),
        (6, 6, False),
    ]


def test_parts_go_on_along_the_chain_by_themselves(deployment: Deployment, world: World) -> None:
    """What one job has read together, the next one reads in the same parts, or in smaller ones."""
    world.jobs.append({**world.jobs[0], "stage": "enrich"})
    world.bad["clean"], world.bad["enrich"] = {1}, {7}

    deployment.run(sqs_event(RUN))

    of_enrich = [
        (payload["key"]["stage"].removeprefix("enrich."), payload["inputUrl"])
        for payload in world.payloads("submit-job")
        if payload["key"]["stage"].startswith("enrich")
    ]
    before = "s3://data/00000-000/clean"
    assert of_enrich == [
        ("0000-0000", f"{before}.0000-0000/1/"),
        ("0002-0003", f"{before}.0002-0003/1/"),
        ("0004-0007", f"{before}.0004-0007/1/"),
        ("0004-0005", f"{before}.0004-0007/1/"),
        ("0006-0007", f"{before}.0004-0007/1/"),
        ("0006-0006", f"{before}.0004-0007/1/"),
        ("0007-0007", f"{before}.0004-0007/1/"),
    ]
    (message,) = world.payloads("validate")
    failed = {one["first"]: one["failure"]["stage"] for one in message["parts"] if "failure" in one}
    assert failed == {1: "clean", 7: "enrich"}


def test_a_job_behind_one_that_has_read_all_is_halved_from_there(
    deployment: Deployment, world: World
) -> None:
    world.jobs.append({**world.jobs[0], "stage": "enrich"})
    world.bad["enrich"] = {0}
    deployment.run(sqs_event(RUN))
    assert jobs(world, "clean") == ["clean"]
    assert len(jobs(world, "enrich")) == 7


def test_several_objects_are_tried_once_and_a_single_one_as_the_contract_says(
    deployment: Deployment, world: World
) -> None:
    world.jobs[0] |= {"attempts": 3, "retryDelaySeconds": 0}
    world.group, world.bad["clean"] = 4, {2}
    deployment.run(sqs_event(RUN))
    assert jobs(world) == [
        *["clean"] * 3,
        *("0000-0001", "0002-0003"),
        *["0002-0002"] * 3,
        "0003-0003",
    ]


@pytest.mark.parametrize("bad", [{0, 1}, {1}])
def test_a_unit_of_which_no_object_is_left_fails_with_a_jobs_reason(
    deployment: Deployment, world: World, bad: set[int]
) -> None:
    world.group, world.bad["clean"] = max(bad) + 1, set(range(max(bad) + 1))
    deployment.run(sqs_event(RUN))
    failure = world.units["00000-000"]["failure"]
    assert (failure["stage"], failure["errorType"]) == ("clean", "JobFailed")
    assert "the jobs of all 2 objects failed; one of them: job " in failure["message"]
    assert world.count("validate") == 0


def test_a_unit_of_one_object_is_not_halved(deployment: Deployment, world: World) -> None:
    world.group, world.bad["clean"] = 1, {0}
    deployment.run(sqs_event(RUN))
    assert jobs(world) == ["clean"]
    assert world.units["00000-000"]["failure"]["message"].endswith("object 0 is bad")


@pytest.mark.parametrize("count", [200, 1000])
def test_jobs_that_fail_whatever_they_read_are_bounded(
    deployment: Deployment, world: World, count: int
) -> None:
    world.group, world.bad["clean"] = count, set(range(count))
    deployment.run(sqs_event(RUN))
    assert len(jobs(world)) == 1 + JOBS_OF_PARTS
    failure = world.units["00000-000"]["failure"]
    assert failure["stage"] == "clean"
    assert f"the job of all {count} objects failed, and {JOBS_OF_PARTS} jobs" in failure["message"]
    assert failure["message"].endswith("is bad")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bad", "further"),
    [({0}, 16), ({199}, 16), ({77}, 16), ({0, 199}, 30), ({0, 60, 120, 199}, 54)],
)
def test_bad_objects_of_two_hundred_cost_so_many_jobs_at_most(
    deployment: Deployment, world: World, bad: set[int], further: int
) -> None:
    world.group, world.bad["clean"] = 200, bad
    deployment.run(sqs_event(RUN))
    assert world.unit_status() == {"STORED": 1}
    assert {one[0] for one in parts(world) if not one[2]} == bad
    assert len(jobs(world)) - 1 <= further


@pytest.mark.parametrize(
    "response",
    [
        {"state": "TIMED_OUT", "error": "still running at its deadline"},
        {"state": "CANCELLED", "error": "as requested"},
        {"state": "FAILED", "error": "could not be submitted", "serviceId": None},
        {"state": "FAILED", "error": "refused", "errorCode": "NOT_INVOKED"},
    ],
)
def test_an_end_that_says_nothing_of_objects_fails_the_unit(
    deployment: Deployment, world: World, response: dict[str, Any]
) -> None:
    world.job_responses["clean"] = [response]
    deployment.run(sqs_event(RUN))
    assert jobs(world) == ["clean"]
    assert response["error"] in world.units["00000-000"]["failure"]["message"]


def test_a_part_whose_job_cannot_be_submitted_fails_the_unit(
    deployment: Deployment, world: World
) -> None:
    world.bad["clean"] = {5}
    world.fail("submit-job", None, None, error_named("NotConfigured", "no such job"))
    deployment.run(sqs_event(RUN))
    failure = world.units["00000-000"]["failure"]
    assert (failure["stage"], failure["errorType"]) == ("submit-job", "NotConfigured")
    assert len(jobs(world)) == 3


def test_where_the_contract_says_fail_the_job_fails_the_unit(
    deployment: Deployment, world: World
) -> None:
    """load-dataset says so by leaving out that units are halved."""
    world.bad["clean"] = {5}
    handler = world._load_dataset
    world._load_dataset = lambda payload: {**handler(payload), "halves": False}  # type: ignore[method-assign]
    deployment.run(sqs_event(RUN))
    assert jobs(world) == ["clean"]
    assert world.unit_status() == {"FAILED": 1}


def test_jobs_of_functions_are_halved_too(deployment: Deployment, world: World) -> None:
    world.jobs[0]["engine"] = "lambda"
    world.group = 2
    world.function_errors = [ValueError("no number"), None, ValueError("no number")]
    deployment.run(sqs_event(RUN))
    assert parts(world) == [(0, 0, True), (1, 1, False)]
    (message,) = world.payloads("validate")
    assert "no number" in message["parts"][1]["failure"]["message"]
    assert [end["key"]["stage"] for end in message["endedJobs"]] == ["clean.0001-0001"]
    ends = [
        (end["key"]["stage"], end["state"])
        for payload in world.payloads("submit-job")
        for end in payload.get("endedJobs", ())
    ]
    assert ends == [("clean", "FAILED"), ("clean.0000-0000", "SUCCEEDED")]


def test_jobs_that_end_while_nobody_runs_are_halved_alike(
    deployment: Deployment, world: World
) -> None:
    """The execution sleeps while each job runs, and is replayed from its beginning afterwards."""
    world.bad["clean"] = {2, 5}
    every = {"clean": (0, 7)} | {
        UnitPart(first, first + size - 1).stage("clean"): (first, first + size - 1)
        for size in (4, 2, 1)
        for first in range(0, 8, size)
    }
    for stage in every:
        world.job_responses[stage] = [_ending_later(deployment, world, stage)]

    execution = deployment.run(sqs_event(RUN))

    assert [one[0] for one in parts(world) if not one[2]] == [2, 5]
    assert world.unit_status() == {"STORED": 1}
    submitted = jobs(world)
    assert len(submitted) == len(set(submitted)) == 11
    assert execution.operations()["submit-job"] == 11


def _ending_later(deployment: Deployment, world: World, stage: str) -> Any:
    def start(callback_id: str, status: dict[str, Any]) -> dict[str, Any]:
        end = {**status, **world._of_group({"stage": stage, "attempt": 1})}
        payload = json.dumps(end).encode()
        send = deployment.runner.send_callback_success
        threading.Timer(0.05, lambda: send(callback_id, payload)).start()
        return {"state": "SUBMITTED"}

    return start


def loaded(**fields: Any) -> LoadedDataset:
    jobs = ({"stage": "clean", "engine": "glue", "timeoutSeconds": 900},)
    return LoadedDataset.from_json(
        {
            "name": "orders",
            "version": "1",
            "unitSeconds": 1,
            "jobs": jobs,
            "targets": ["dynamodb"],
            **fields,
        }
    )


def test_operations_of_halves_are_planned_where_units_are_halved_only() -> None:
    assert operations_per_unit(loaded()) == 6
    planned = operations_per_unit(loaded(halves=True))
    assert planned == 6 + 2 * JOBS_OF_PARTS
    assert [units_per_shard(planned, at_once) for at_once in (1, 40)] == [14, 11]


@pytest.mark.parametrize("bad", [{0, 60, 120, 199}, set(range(200))])
def test_forty_side_by_side_have_operations_for_all_halves(
    deployment: Deployment, world: World, bad: set[int]
) -> None:
    world.group, world.bad["clean"] = 200, bad
    deployment.run(sqs_event({**RUN, "maxConcurrency": 40}))
    (end,) = world.ends
    (start,) = world.starts()
    assert end["operations"] <= start["allowance"] < 6 + 2 * JOBS_OF_PARTS + 31
    several = len(bad) < 200
    assert world.unit_status() == {"STORED" if several else "FAILED": 1}
    assert several or f"{JOBS_OF_PARTS} jobs of" in world.units["00000-000"]["failure"]["message"]
