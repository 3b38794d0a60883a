"""Runs whose units hold several objects, with the real step functions: into all three targets."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from typing import Any, Final

import pytest
from aws_cloud import OUTPUT_BUCKET
from deployed_steps import DeployedSteps
from small_groups import (
    DONE,
    OBJECTS,
    RUN,
    all_of,
    contract,
    die_once,
    dynamodb_rows,
    key_of,
    put,
    put_all,
)
from world import sqs_event

from stores.versions import place_in

CONTRACT: Final = contract("{objects: 5}")
BAD: Final = "id,n\na,1\nb,-1\nc,-2\n"  # two of three rows are rejected: too many


@pytest.fixture(autouse=True)
def _small(deployed: DeployedSteps) -> None:
    put_all(deployed, CONTRACT)


def file_rows(deployed: DeployedSteps) -> Counter[str]:
    s3, keys = deployed.cloud.client("s3"), deployed.cloud.keys("results/small/r-1", OUTPUT_BUCKET)
    bodies = [s3.get_object(Bucket=OUTPUT_BUCKET, Key=key)["Body"].read() for key in keys]
    texts = [io.StringIO(body.decode(), newline="") for body in bodies]
    return Counter(row["id"] for text in texts for row in csv.DictReader(text))


def lines_of(deployed: DeployedSteps, key: str) -> list[dict[str, Any]]:
    found = deployed.cloud.client("s3").get_object(Bucket=deployed.cloud.data_bucket, Key=key)
    return [json.loads(line) for line in found["Body"].read().splitlines()]


@pytest.mark.slow
def test_three_units_of_twelve_objects_store_what_twelve_would(deployed: DeployedSteps) -> None:
    execution = deployed.run(sqs_event(RUN))

    assert execution.response == DONE
    run, units = deployed.run_item("r-1"), deployed.items("r-1", "UNIT#")
    assert run["status"] == "SUCCEEDED"
    assert (run["units"]["stored"], run["units"]["total"]) == (3, 3)
    assert run["objects"] == {"total": 12, "stored": 12, "failed": 0, "not_started": 0}
    assert [unit["objects"]["stored"] for unit in units] == [5, 5, 2]
    assert run["rows"]["rows_in"] == run["rows"]["stored"] == 36
    assert [unit["rows"]["stored"] for unit in units] == [15, 15, 6]
    stored = dynamodb_rows(deployed)
    assert stored.keys() == all_of(set(range(OBJECTS)))
    assert stored["shared"]["n"]["N"] == "11"
    assert place_in(stored["shared"]["version"]["S"]) == 1
    assert stored["7-a"]["source_key"]["S"] == key_of(7)
    assert file_rows(deployed) == {**Counter(all_of(set(range(OBJECTS)))), "shared": OBJECTS}
    (shared,) = deployed.redshift.rows("SELECT n, version FROM small WHERE id = 'shared'")
    assert shared == [11, stored["shared"]["version"]["S"]]
    assert deployed.redshift.rows("SELECT COUNT(*) FROM small") == [[25]]
    operations = execution.operations()
    steps = ("validate", "transform", "store-files", "store-dynamodb", "store-redshift")
    assert [operations[step] for step in steps] == [3] * 5
    assert len([job for job in deployed.items("r-1", "JOB#") if "00000-" in job["item"]]) == 3


@pytest.mark.slow
def test_a_bad_object_is_left_out_named_and_counted_and_a_retry_runs_it_alone(
    deployed: DeployedSteps,
) -> None:
    put(deployed, 6, BAD)
    deployed.cloud.client("s3").put_object(
        Bucket=deployed.cloud.data_bucket, Key=key_of(3), Body=b"\xff\xfe\x00 no text"
    )

    execution = deployed.run(sqs_event({**RUN, "toleratedFailurePercentage": 20}))

    assert execution.response == DONE
    run, units = deployed.run_item("r-1"), deployed.items("r-1", "UNIT#")
    assert (run["status"], run["outcome"]) == ("SUCCEEDED", "SUCCEEDED_WITH_LOSSES")
    assert run["objects"] == {"total": 12, "stored": 10, "failed": 2, "not_started": 0}
    assert [unit["status"] for unit in units] == ["STORED"] * 3
    assert [unit["objects"]["failed"] for unit in units] == [1, 1, 0]
    good = set(range(OBJECTS)) - {3, 6}
    assert dynamodb_rows(deployed).keys() == all_of(good)
    assert run["rows"]["rows_in"] == run["rows"]["stored"] == 30
    (bad,) = units[1]["failed_objects"]
    assert bad["url"] == f"s3://data-bucket/{key_of(6)}"
    assert bad["error_type"] == "InvalidData"
    assert "2 of 3 rows are rejected" in bad["message"]
    rejects = lines_of(deployed, "quarantine/small/r-1/00000-001.jsonl")
    assert {(row["source"], row["line"]) for row in rejects} == {
        (bad["url"], line) for line in (3, 4)
    }
    document = deployed.cloud.read_json("runs/r-1/results.json")
    named = {each["url"] for each in document["failedObjects"]}
    assert named == {f"s3://data-bucket/{key_of(number)}" for number in (3, 6)}
    (finding,) = [each for each in document["findings"] if each["rule"] == "minimum"]
    assert finding["example"] == f"unit 00000-001, {bad['url']} line 3: -1"
    assert document["outcomes"][1]["outputs"]["quarantineUrl"].endswith("00000-001.jsonl")
    outcomes = deployed.cloud.read_json("runs/r-1/units/00000-001/objects.json")["objects"]
    assert [one["url"].endswith("006.csv") for one in outcomes if "failure" in one] == [True]

    put(deployed, 6)
    deployed.run(sqs_event({**RUN, "runId": "r-2", "retryOf": "r-1"}), name="execution-2")

    run, (unit,) = deployed.run_item("r-2"), deployed.items("r-2", "UNIT#")
    assert run["objects"] == {"total": 2, "stored": 1, "failed": 1, "not_started": 0}
    assert unit["objects"]["stored"] == 1
    assert dynamodb_rows(deployed).keys() == all_of(good | {6})
    (letter,) = deployed.cloud.dead_letters()  # the other one is still no text
    assert key_of(3) in letter["MessageAttributes"]["Reason"]["StringValue"]


@pytest.mark.slow
def test_with_bad_object_fail_a_bad_object_fails_its_unit(deployed: DeployedSteps) -> None:
    strict = CONTRACT.replace("{objects: 5}", "{objects: 5, badObject: fail}")
    deployed.cloud.put("datasets/small.yaml", strict, deployed.cloud.code_bucket)
    put(deployed, 6, BAD)

    deployed.run(sqs_event(RUN))

    run, units = deployed.run_item("r-1"), deployed.items("r-1", "UNIT#")
    assert run["status"] == "FAILED"
    assert [unit["status"] for unit in units] == ["STORED", "FAILED", "STORED"]
    assert run["objects"] == {"total": 12, "stored": 7, "failed": 5, "not_started": 0}
    assert "5 of 12 objects failed" in run["reason"]
    assert key_of(6) in units[1]["failure"]["message"]
    assert dynamodb_rows(deployed).keys() == all_of({0, 1, 2, 3, 4, 10, 11})


@pytest.mark.slow
def test_the_message_groups_too_and_only_new_objects_are_counted(deployed: DeployedSteps) -> None:
    asked = {**RUN, "objectsPerUnit": 4, "onlyNew": True}
    deployed.run(sqs_event(asked))
    put(deployed, 20)

    deployed.run(sqs_event({**asked, "runId": "r-2"}), name="execution-2")

    assert [unit["objects"]["stored"] for unit in deployed.items("r-1", "UNIT#")] == [4, 4, 4]
    run = deployed.run_item("r-2")
    assert (run["already_stored"], run["objects"]["stored"]) == (12, 1)


@pytest.mark.slow
def test_one_object_a_unit_leaves_nothing_of_groups_behind(deployed: DeployedSteps) -> None:
    deployed.run(sqs_event({**RUN, "objectsPerUnit": 1}))

    units = deployed.items("r-1", "UNIT#")
    assert len(units) == OBJECTS
    assert not any({"objects", "objects_url", "failed_objects"} & unit.keys() for unit in units)
    assert deployed.cloud.keys("runs/r-1/manifest/groups/") == []
    assert "objects" not in deployed.run_item("r-1")
    assert "objects" not in deployed.cloud.read_json("runs/r-1/results.json")


@pytest.mark.slow
@pytest.mark.parametrize("operation", ["list-urls", "validate", "transform", "store-dynamodb"])
def test_a_step_that_dies_after_its_work_is_repeated_to_the_same_end(
    deployed: DeployedSteps, operation: str
) -> None:
    put(deployed, 6, BAD)
    deaths = die_once(deployed, operation)

    execution = deployed.run(sqs_event({**RUN, "toleratedFailurePercentage": 10}))

    assert (execution.response, deaths) == (DONE, [])
    objects = deployed.run_item("r-1")["objects"]
    assert objects == {"total": 12, "stored": 11, "failed": 1, "not_started": 0}
    assert dynamodb_rows(deployed).keys() == all_of(set(range(OBJECTS)) - {6})
