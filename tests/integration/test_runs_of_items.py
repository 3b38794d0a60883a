"""Runs over a JSON array with the real step functions: every item has its result, once."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from deployed_steps import DeployedSteps
from world import error_named, sqs_event

RUN: dict[str, Any] = {
    "datasetName": "standard",
    "inputUrl": "s3://data-bucket/landing/standard/readings.json",  # a tenth of it is broken
    "runId": "r-1",
    "itemsPerBatch": 20,
}
DONE = {"batchItemFailures": []}
BACK_TO_THE_QUEUE = {"batchItemFailures": [{"itemIdentifier": "m-1"}]}


@pytest.fixture(autouse=True)
def _no_warehouse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAREHOUSE", "false")


def results(deployed: DeployedSteps, run_id: str = "r-1") -> list[dict[str, Any]]:
    keys = deployed.cloud.keys(f"runs/{run_id}/items/results/")
    return [deployed.cloud.read_json(key) for key in keys]


def statuses(deployed: DeployedSteps, run_id: str = "r-1") -> Counter[str]:
    return Counter(result["status"] for result in results(deployed, run_id))


@pytest.mark.slow
def test_every_item_has_its_result_and_the_run_counts_them(deployed: DeployedSteps) -> None:
    execution = deployed.run(sqs_event(RUN))

    assert execution.response == DONE
    assert [result["index"] for result in results(deployed)] == list(range(100))
    assert statuses(deployed) == {"STORED": 90, "REJECTED": 10}
    run = deployed.run_item("r-1")
    assert run["items"] == {
        "total": 100,
        "stored": 90,
        "rejected": 10,
        "failed": 0,
        "not_started": 0,
    }
    assert run["units"]["total"] == 5
    assert run["rows"]["stored"] == len(deployed.stored_rows()) == 90
    document = deployed.cloud.read_json("runs/r-1/results.json")
    assert document["items"]["rejected"] == 10


@pytest.mark.slow
def test_the_share_of_lost_items_decides_about_the_run(deployed: DeployedSteps) -> None:
    strict = deployed.run(sqs_event({**RUN, "toleratedFailurePercentage": 9}))

    assert strict.response == DONE  # again, the same items would be rejected
    (letter,) = deployed.cloud.dead_letters()
    assert "10 of 100 items" in letter["MessageAttributes"]["Reason"]["StringValue"]
    run = deployed.run_item("r-1")
    assert run["status"] == "FAILED"
    assert "10 of 100 items" in run["reason"]
    assert "tolerated 9%" in run["reason"]


@pytest.mark.slow
@pytest.mark.parametrize("operation", ["validate", "store-dynamodb", "record-items", "end-unit"])
def test_a_step_that_dies_after_its_work_is_repeated_to_the_same_end(
    deployed: DeployedSteps, operation: str
) -> None:
    deaths = [error_named("TransientFailure", "died after its work")]

    def die(name: str, payload: dict[str, Any]) -> None:
        step = "record-unit" if operation == "end-unit" else operation
        if name == step and payload.get("kind", "end") == "end" and deaths:
            raise deaths.pop()

    deployed.after_step = die

    execution = deployed.run(sqs_event(RUN))

    assert (execution.response, deaths) == (DONE, [])
    assert statuses(deployed) == {"STORED": 90, "REJECTED": 10}
    assert deployed.run_item("r-1")["items"]["total"] == 100
    assert len(deployed.stored_rows()) == 90


@pytest.mark.slow
def test_a_run_that_is_taken_over_does_the_missing_batches_again(deployed: DeployedSteps) -> None:
    def fail(name: str, payload: dict[str, Any]) -> None:
        if name == "transform" and payload["unitId"] == "00000-003":
            raise error_named("PipelineError", "failed by the test")

    deployed.after_step = fail
    strict = {**RUN, "toleratedFailurePercentage": 10}
    first = deployed.run(sqs_event(strict), name="first")
    after_first = statuses(deployed)
    deployed.after_step = lambda _name, _payload: None

    second = deployed.run(sqs_event(strict), name="second")

    assert (first.response, second.response) == (BACK_TO_THE_QUEUE, DONE)
    assert after_first == {"STORED": 72, "REJECTED": 10, "FAILED": 18}
    assert statuses(deployed) == {"STORED": 90, "REJECTED": 10}
    run = deployed.run_item("r-1")
    assert (run["status"], run["run_attempt"]) == ("SUCCEEDED", 2)
    assert run["items"] == {
        "total": 100,
        "stored": 90,
        "rejected": 10,
        "failed": 0,
        "not_started": 0,
    }


@pytest.mark.slow
def test_a_retried_run_does_the_missing_batches_under_their_own_indexes(
    deployed: DeployedSteps,
) -> None:
    def fail(name: str, payload: dict[str, Any]) -> None:
        if name == "transform" and payload["unitId"] == "00000-003":
            raise error_named("InvalidData", "failed by the test")

    deployed.after_step = fail
    deployed.run(sqs_event(RUN), name="first")
    deployed.after_step = lambda _name, _payload: None

    retry = deployed.run(sqs_event({**RUN, "runId": "r-2", "retryOf": "r-1"}), name="second")

    assert retry.response == DONE
    assert [result["index"] for result in results(deployed, "r-2")] == list(range(60, 80))
    run = deployed.run_item("r-2")
    assert run["items"] == {"total": 20, "stored": 18, "rejected": 2, "failed": 0, "not_started": 0}
    assert json.loads(run["request"])["retryOf"] == "r-1"


@pytest.mark.slow
def test_an_item_that_no_store_takes_is_rejected_and_its_batch_is_stored(
    deployed: DeployedSteps,
) -> None:
    items = [
        {"id": f"s{number}", "recorded_at": "2026-11-01T00:00:00Z", "value": number}
        for number in range(9)
    ]
    items[3]["value"] = "much"
    items[5]["id"], items[5]["value"] = "s1", 7  # the key of the second item once more
    items[7]["id"] = "x" * 2100
    deployed.cloud.put("landing/standard/few.json", json.dumps(items))
    url = "s3://data-bucket/landing/standard/few.json"

    execution = deployed.run(sqs_event({**RUN, "inputUrl": url}))

    assert execution.response == DONE
    found = results(deployed)
    rejected = {result["index"]: result["errors"][0] for result in found if result["errors"]}
    assert {index: why["rule"] for index, why in rejected.items()} == {
        3: "type",
        5: "key-unique",
        7: "key-size",
    }
    assert rejected[5]["reason"].startswith("2 rows have the key id s1, recorded_at 2026-11-01")
    assert statuses(deployed) == {"STORED": 6, "REJECTED": 3}
    run = deployed.run_item("r-1")
    assert run["items"] == {"total": 9, "stored": 6, "rejected": 3, "failed": 0, "not_started": 0}
    assert (run["rows"]["stored"], run["rows"]["rejected"]) == (6, 3)
    assert sorted(float(item["value"]["N"]) for item in deployed.stored_rows()) == [
        0,
        1,
        2,
        4,
        6,
        8,
    ]
    (outcome,) = deployed.cloud.read_json("runs/r-1/results.json")["outcomes"]
    quarantine = "s3://data-bucket/quarantine/standard/r-1/00000-000"
    assert outcome["outputs"]["quarantineUrl"] == f"{quarantine}.jsonl"
    assert outcome["outputs"]["setAsideUrl"] == f"{quarantine}-transform.jsonl"
    assert {finding["rule"] for finding in run["findings"]} == {"type", "key-unique", "key-size"}
