"""Runs whose units hold several objects and have a job: the shipped one, and the real steps."""

from __future__ import annotations

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
from world import error_named, sqs_event

JOBS: Final = "jobs: [{stage: clean, glueJob: clean-csv, timeoutSeconds: 600}]"
CONTRACT: Final = contract("{objects: 8}", JOBS)


@pytest.fixture(autouse=True)
def _small(deployed: DeployedSteps) -> None:
    put_all(deployed, CONTRACT)


def stages(deployed: DeployedSteps, unit: str, run_id: str = "r-1") -> list[str]:
    """The jobs of a unit's chain, as they were submitted."""
    jobs = deployed.items(run_id, f"JOB#{unit}#clean")
    return [job["stage"] for job in sorted(jobs, key=lambda job: job["job_id"])]


@pytest.mark.slow
def test_one_job_reads_all_objects_of_a_unit(deployed: DeployedSteps) -> None:
    """And a row is rejected by its own object's rows only: `unique` is of an object."""
    put(deployed, 2, "id,n\nshared,2\nbroken\n2-a,100\n2-b,200\n")

    execution = deployed.run(sqs_event(RUN))

    assert execution.response == DONE
    run, units = deployed.run_item("r-1"), deployed.items("r-1", "UNIT#")
    assert run["status"] == "SUCCEEDED"
    assert run["objects"] == {"total": 12, "stored": 12, "failed": 0, "not_started": 0}
    assert (run["rows"]["rows_in"], run["rows"]["rejected"], run["rows"]["stored"]) == (37, 1, 36)
    assert [stages(deployed, unit) for unit in ("00000-000", "00000-001")] == [["clean"]] * 2
    given = sorted(job["Arguments"]["--INPUT_URLS"] for job in deployed.glue.runs)
    units_of_run = "s3://data-bucket/runs/r-1/units/"
    assert [url.removeprefix(units_of_run) for url in given] == [
        "00000-000/inputs/0000-0007.json",
        "00000-001/inputs/0000-0003.json",
    ]
    stored = dynamodb_rows(deployed)
    assert stored.keys() == all_of(set(range(OBJECTS)))
    assert stored["shared"]["n"]["N"] == "11"
    assert stored["7-a"]["source_key"]["S"] == key_of(7)
    assert stored["7-a"]["job_id"]["S"] in {job["job_id"] for job in deployed.items("r-1", "JOB#")}
    (shared,) = deployed.redshift.rows("SELECT n FROM small WHERE id = 'shared'")
    assert shared == [11]
    assert len(deployed.cloud.keys("results/small/r-1", OUTPUT_BUCKET)) == 2, "a file for each unit"
    operations = execution.operations()
    assert [operations[step] for step in ("validate", "store-redshift")] == [2, 2]
    assert operations["submit-job"] == 3, "one of them for the run's own row in the warehouse"
    assert [unit["objects"]["stored"] for unit in units] == [8, 4]
    rejects = deployed.cloud.read_json("quarantine/small/r-1/00000-000.jsonl")
    assert rejects["object"] == rejects["source"] == f"s3://data-bucket/{key_of(2)}"


@pytest.mark.slow
@pytest.mark.parametrize("operation", ["submit-job", "validate", "transform"])
def test_a_step_that_dies_after_its_work_is_repeated_to_the_same_end(
    deployed: DeployedSteps, operation: str
) -> None:
    deaths = die_once(deployed, operation)

    execution = deployed.run(sqs_event(RUN))

    assert (execution.response, deaths) == (DONE, [])
    assert deployed.run_item("r-1")["objects"]["stored"] == OBJECTS
    assert dynamodb_rows(deployed).keys() == all_of(set(range(OBJECTS)))
    assert len(deployed.glue.runs) == 2


@pytest.mark.slow
def test_an_object_that_the_job_cannot_read_is_left_out_and_the_others_are_stored(
    deployed: DeployedSteps,
) -> None:
    put(deployed, 5, b"\xff\xfe\x00 no text")

    execution = deployed.run(sqs_event({**RUN, "toleratedFailurePercentage": 20}))

    assert execution.response == DONE
    run, units = deployed.run_item("r-1"), deployed.items("r-1", "UNIT#")
    assert (run["status"], run["outcome"]) == ("SUCCEEDED", "SUCCEEDED_WITH_LOSSES")
    assert run["objects"] == {"total": 12, "stored": 11, "failed": 1, "not_started": 0}
    assert [unit["status"] for unit in units] == ["STORED"] * 2
    good = set(range(OBJECTS)) - {5}
    assert dynamodb_rows(deployed).keys() == all_of(good)
    assert run["rows"]["rows_in"] == run["rows"]["stored"] == 33
    parts = ("0000-0003", "0004-0007", "0004-0005", "0004-0004", "0005-0005", "0006-0007")
    assert sorted(stages(deployed, "00000-000")) == sorted(
        ["clean", *(f"clean.{part}" for part in parts)]
    )
    assert stages(deployed, "00000-001") == ["clean"]
    assert len(deployed.glue.runs) == 8
    jobs = [job for job in deployed.items("r-1", "JOB#00000-000#clean")]
    assert len({job["job_id"] for job in jobs}) == len(jobs) == 7
    (bad,) = units[0]["failed_objects"]
    assert bad["url"] == f"s3://data-bucket/{key_of(5)}"
    assert (bad["stage"], bad["error_type"]) == ("clean", "JobFailed")
    assert "clean_csv: InvalidData: " in bad["message"]
    assert key_of(5) in bad["message"]
    document = deployed.cloud.read_json("runs/r-1/results.json")
    assert [each["url"] for each in document["failedObjects"]] == [bad["url"]]
    assert len(deployed.redshift.rows("SELECT id FROM small")) == 1 + 2 * len(good)
    assert len(deployed.cloud.keys("results/small/r-1", OUTPUT_BUCKET)) == 2, "a file for each unit"

    put(deployed, 5)
    deployed.run(sqs_event({**RUN, "runId": "r-2", "retryOf": "r-1"}), name="execution-2")

    assert deployed.run_item("r-2")["objects"]["stored"] == 1
    assert dynamodb_rows(deployed).keys() == all_of(set(range(OBJECTS)))


@pytest.mark.slow
def test_with_bad_object_fail_its_job_fails_the_unit(deployed: DeployedSteps) -> None:
    strict = CONTRACT.replace("{objects: 8}", "{objects: 8, badObject: fail}")
    deployed.cloud.put("datasets/small.yaml", strict, deployed.cloud.code_bucket)
    put(deployed, 5, b"\xff\xfe\x00 no text")

    deployed.run(sqs_event(RUN))

    units = deployed.items("r-1", "UNIT#")
    assert [unit["status"] for unit in units] == ["FAILED", "STORED"]
    assert units[0]["failure"]["stage"] == "clean"
    assert key_of(5) in units[0]["failure"]["message"]
    assert stages(deployed, "00000-000") == ["clean"]
    assert deployed.run_item("r-1")["objects"]["failed"] == 8


@pytest.mark.slow
@pytest.mark.parametrize("nth", range(1, 8))
def test_a_submission_of_a_part_that_dies_after_its_work_is_repeated_to_the_same_jobs(
    deployed: DeployedSteps, nth: int
) -> None:
    """Whichever it is: the unit's own job, or that of a part."""
    for number in range(8, OBJECTS):
        deployed.cloud.client("s3").delete_object(
            Bucket=deployed.cloud.data_bucket, Key=key_of(number)
        )
    put(deployed, 5, b"\xff\xfe\x00 no text")
    calls = [0]

    def die(name: str, payload: dict[str, Any]) -> None:
        if name == "submit-job" and payload["key"]["stage"].startswith("clean"):
            calls[0] += 1
            if calls[0] == nth:
                raise error_named("TransientFailure", "died after its work")

    deployed.after_step = die

    execution = deployed.run(sqs_event({**RUN, "toleratedFailurePercentage": 20}))

    assert execution.response == DONE
    assert calls[0] == 8
    assert len(deployed.glue.runs) == 7
    assert deployed.run_item("r-1")["objects"]["stored"] == 7
    assert dynamodb_rows(deployed).keys() == all_of(set(range(8)) - {5})
