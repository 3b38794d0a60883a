"""Jobs that wait for a place: what they cost, where their run is executed, and in which order."""

from __future__ import annotations

import json
import random
import threading
from typing import Any

import pytest
from world import Deployment, World, error_named, sqs_event

from contracts.manifest import ManifestSummary
from contracts.messages import Claim, LoadedDataset, LoadedJob
from contracts.run_request import RunRequest
from durable_pipeline.plan import Plan

RUN: dict[str, Any] = {"datasetName": "orders", "startDateTime": "2026-11-01", "runId": "r-1"}
OTHER: dict[str, Any] = {**RUN, "datasetName": "readings", "runId": "r-2"}


SIDE_BY_SIDE = 10


class OnePlace:
    """A pool of one place: whoever has none waits, and any of them may be the next.

    A job ends once all others that can wait do.
    """

    def __init__(self, world: World, deployment: Deployment, seed: int) -> None:
        self.deployment = deployment
        self.left = world.objects
        self.waiting: list[tuple[str, dict[str, Any]]] = []
        self.waited: list[str] = []
        self.lock = threading.Lock()
        self.dice = random.Random(seed)  # noqa: S311 - a test's order
        responses: list[Any] = [self.submit] * world.objects
        world.job_responses["clean"] = responses

    def submit(self, callback_id: str, status: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            self.waiting.append((callback_id, status))
            self.waited.append(status["jobId"])
            self._end_one()
        return {"state": "SUBMITTED"}

    def _end_one(self) -> None:
        if self.waiting and len(self.waiting) == min(SIDE_BY_SIDE, self.left):
            job = self.waiting.pop(self.dice.randrange(len(self.waiting)))
            self.left -= 1
            threading.Timer(0.01, self._report, job).start()

    def _report(self, callback_id: str, status: dict[str, Any]) -> None:
        self.deployment.runner.send_callback_success(callback_id, json.dumps(status).encode())
        with self.lock:
            self._end_one()


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_job_costs_two_operations_whatever_the_contention(
    deployment: Deployment, world: World, seed: int
) -> None:
    world.objects = 18
    pool = OnePlace(world, deployment, seed)

    execution = deployment.run(sqs_event({**RUN, "maxConcurrency": SIDE_BY_SIDE}))

    operations = execution.operations()
    assert (operations["await-job"], operations["submit-job"]) == (18, 18)
    assert not {"check-job", "cancel-job", "job-backoff"} & operations.keys()
    assert (world.count("submit-job"), world.unit_status()) == (18, {"STORED": 18})
    assert len(pool.waited) == 18


def test_a_job_says_its_pool_how_long_it_may_wait_and_its_runs_priority(
    deployment: Deployment, world: World
) -> None:
    world.objects, world.targets = 1, ["redshift"]
    world.jobs[0] |= {"pool": "night", "queueSeconds": 60}

    deployment.run(sqs_event({**RUN, "priority": "high"}))

    submitted = {payload["key"]["stage"]: payload for payload in world.submissions()}
    waiting = {
        stage: (payload.get("pool"), payload["queueSeconds"], payload["priority"])
        for stage, payload in submitted.items()
    }
    assert waiting == {
        "clean": ("night", 60, "high"),
        "store-redshift": (None, 7200, "high"),
        "record-run": (None, 7200, "high"),
    }


def test_a_contract_that_was_loaded_by_a_step_of_before_waits_as_before(
    deployment: Deployment, world: World
) -> None:
    world.objects = 1
    world.jobs[0] = {"stage": "clean", "engine": "glue", "timeoutSeconds": 900, "attempts": 2}
    world.job_responses["clean"] = [{"state": "FAILED"}]

    execution = deployment.run(sqs_event(RUN))

    assert "job-backoff" not in execution.operations()
    (first, second) = world.payloads("submit-job")
    assert not {"queueSeconds", "pool"} & (first.keys() | second.keys())
    assert first["priority"] == "normal"


def test_the_tries_of_a_job_wait_as_its_contract_says(deployment: Deployment, world: World) -> None:
    world.objects = 1
    world.jobs[0] |= {"attempts": 4, "retryDelaySeconds": 1500}
    world.job_responses["clean"] = [{"state": "FAILED"}] * 3

    execution = deployment.run(sqs_event({**RUN, "detached": False}))

    waits = [
        (wait.wait_details.scheduled_end_timestamp - wait.start_timestamp).total_seconds()
        for wait in execution.named("job-backoff")
    ]
    assert [round(seconds) for seconds in waits] == [1500, 3000, 3600]
    assert world.unit_status() == {"STORED": 1}


@pytest.mark.parametrize("response", ["TransientFailure", "Throttled", "TooManyRequestsException"])
def test_a_submission_that_meets_what_passes_is_repeated_while_it_may_wait(
    deployment: Deployment, world: World, response: str
) -> None:
    """Its time to run, a minute, would be over after fewer calls."""
    world.objects = 1
    world.jobs[0] |= {"timeoutSeconds": 60}
    # The first one leaves the unit begun; one that cannot even ask is left to another execution.
    world.fail("submit-job", *map(error_named, ["Throttled", *[response] * 19]))

    deployment.run(sqs_event(RUN))

    assert world.count("submit-job") == 21
    assert world.unit_status() == {"STORED": 1}


def test_a_full_pool_delays_no_message_of_another_dataset(
    deployment: Deployment, world: World
) -> None:
    world.pools_full = {"orders"}

    execution = deployment.run(sqs_event(RUN, OTHER))

    assert execution.response == {"batchItemFailures": []}
    (handed_over,) = world.payloads("start-run")
    assert handed_over["request"]["runId"] == "r-1"
    assert {payload["key"]["runId"] for payload in world.payloads("submit-job")} == {"r-2"}


def test_a_direct_start_whose_pool_is_full_is_handed_over(
    deployment: Deployment, world: World
) -> None:
    world.pools_full = {"orders"}

    execution = deployment.run(RUN)

    assert execution.response == {"runId": "r-1", "handedOverTo": "arn:test-r-1-1"}


def plan(
    *jobs: dict[str, Any], detached: bool | None = None, units: int = 1, **dataset: Any
) -> Plan:
    asked = {**RUN, "detached": detached, "maxConcurrency": 100 if units > 1 else None}
    request = RunRequest.model_validate(asked)
    known = {"name": "orders", "version": "1", "unit_seconds": 60, "targets": ()}
    chain = tuple(
        LoadedJob.model_validate({"stage": "clean", "engine": "glue", "timeout_seconds": 60, **job})
        for job in jobs
    )
    return Plan(
        request=request,
        claim=Claim.model_validate(
            {
                "outcome": "CLAIMED",
                "runAttempt": 1,
                "endDateTime": "2026-11-20",
                "holder": "arn:1",
                "status": "CLAIMED",
            }
        ),
        dataset=LoadedDataset.model_validate({**known, "jobs": chain, **dataset}),
        manifest=ManifestSummary.model_validate(
            {
                "manifestUrl": "s3://data/m",
                "objects": units,
                "totalBytes": 1,
                "shardSizes": [units],
                "pending": [(0, units)],
            }
        ),
    )


@pytest.mark.parametrize(
    ("jobs", "long"),
    [
        ([{"attempts": 3, "retry_delay_seconds": 180}], False),  # 60 + 180 + 360 = 600
        ([{"attempts": 3, "retry_delay_seconds": 181}], True),
        ([{"attempts": 2, "retry_delay_seconds": 270}] * 2, False),  # of the whole chain
        ([{"attempts": 2, "retry_delay_seconds": 271}] * 2, True),
        ([{"attempts": 1, "retry_delay_seconds": 3600}], False),  # it waits after no try
        ([{"attempts": 10}], False),  # a history of before: no waits
    ],
)
def test_a_run_whose_tries_outlast_the_batch_is_long(
    jobs: list[dict[str, Any]], long: bool
) -> None:
    assert plan(*jobs).is_long(600) is long


def test_what_other_runs_have_taken_counts_against_its_tries() -> None:
    patient = plan({"attempts": 2, "retry_delay_seconds": 30})
    assert not patient.is_long(600, seconds_taken=510)
    assert patient.is_long(600, seconds_taken=511)
    assert patient.seconds() == 60, "waits between tries are no expected work"


def test_units_take_as_long_as_so_many_side_by_side_as_the_deployment_allows() -> None:
    """Above that is asked where the bound was lowered, or nothing was asked for items."""
    many = plan(units=40)
    assert many.seconds() == 60
    assert many.seconds(4) == 600
    assert not many.is_long(600, units_side_by_side=4)
    assert many.is_long(600, units_side_by_side=3)


@pytest.mark.parametrize(("detached", "long"), [(None, True), (True, True), (False, False)])
def test_a_full_pool_makes_a_run_long_unless_its_request_decides(
    detached: bool | None, long: bool
) -> None:
    assert plan(pools_full=True, detached=detached).is_long(600) is long
