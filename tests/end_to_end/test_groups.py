"""Two hundred small objects in four units, on the deployed template."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from running_cloud import RunningCloud
from test_waiting_for_data import ids, put

from cli.exit_codes import SUCCEEDED

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.timeout(400),
]
NAME: Final = "small_files"
OBJECTS: Final = 200
BAD: Final = 77
CONTRACT: Final = f"""\
name: {NAME}
source: {{prefix: landing/{NAME}/, partition: dt=%Y-%m-%d/, group: {{objects: 50}}}}
columns:
  - {{name: id, required: true}}
  - {{name: n, type: integer, required: true}}
targets:
  files: {{prefix: results/{NAME}/}}
  dynamodb: {{key: [id], provenance: true}}
  redshift: {{table: {NAME}, key: [id]}}
limits: {{unitSeconds: 5, rejectedPercentage: 20}}
"""
ASKED: Final = {"startDateTime": "2026-11-01", "endDateTime": "2026-11-03"}


def name_of(number: int) -> str:
    return f"{NAME}/dt=2026-11-0{1 + number // 150}/{number:03d}.csv"


def body_of(number: int) -> str:
    return f"id,n\nshared,{number}\nid-{number},{number}\n"


def ids_of(numbers: set[int]) -> list[str]:
    return sorted({"shared"} | {f"id-{number}" for number in numbers})


@pytest.fixture
def pipeline(cloud: RunningCloud, signed: Any) -> Any:
    """The commands, as an operator may use them."""
    policies = [cloud.outputs[f"Operator{what}PolicyArn"] for what in ("", "Upkeep")]
    return signed(cloud.cloud.permissions.credentials_for("groups", attached=policies))


def test_small_objects_share_units_whose_functions_are_killed(
    cloud: RunningCloud, pipeline: Any
) -> None:
    cloud.cloud.client("s3").put_object(
        Bucket=cloud.outputs["CodeBucketName"], Key=f"datasets/{NAME}.yaml", Body=CONTRACT.encode()
    )
    for number in range(OBJECTS):
        put(cloud, name_of(number), body_of(number))
    put(cloud, name_of(BAD), "id,n\nx,no number\n")
    good = set(range(OBJECTS)) - {BAD}

    tolerant = {"toleratedFailurePercentage": 1, "maxConcurrency": 2}
    cloud.send({"datasetName": NAME, "runId": "groups-1", **tolerant, **ASKED})
    cloud.await_run("groups-1", "RUNNING")
    cloud.kill_functions()
    cloud.await_run("groups-1", "SUCCEEDED", patience=200)

    results = cloud.results("groups-1")
    assert results["units"] == {"total": 4, "stored": 4, "failed": 0, "notStarted": 0}
    assert results["objects"] == {"total": 200, "stored": 199, "failed": 1, "notStarted": 0}
    (bad,) = results["failedObjects"]
    assert bad["url"].endswith(name_of(BAD))
    assert results["rows"]["rowsIn"] == results["rows"]["stored"] == 2 * len(good)
    assert ids(cloud, "groups-1") == ids_of(good)
    (count, newest, *_), *_ = cloud.query(
        f"SELECT COUNT(*), MAX(CASE WHEN id = 'shared' THEN n END) FROM {NAME}"
    )
    assert (int(count), int(newest)) == (len(good) + 1, OBJECTS - 1)
    found = pipeline("where", "id-60", "--dataset", NAME, "--json")
    assert found.exit_code == SUCCEEDED, found.output
    shown = json.loads(found.stdout)
    assert (shown["unitId"], shown["objectState"], shown["lines"]) == ("00000-001", "SAME", [3])
    assert shown["sourceUrl"].endswith(name_of(60))
    assert "50 objects, 1 failed" in pipeline("units", "groups-1").output

    put(cloud, name_of(BAD), body_of(BAD))
    retried = pipeline("run", "--retry-of", "groups-1", "--run-id", "groups-2", "--wait")

    assert retried.exit_code == SUCCEEDED, retried.output
    assert cloud.results("groups-2")["objects"]["stored"] == 1
    assert ids(cloud, "groups-2") == ["id-77", "shared"]  # the later run is the newer one
    assert [d for d in cloud.cloud.permissions.denials() if "groups" in str(d)] == []


CLEANED: Final = "cleaned_files"
OF_JOBS: Final = 24
UNREADABLE: Final = 5


def test_a_job_reads_a_unit_at_once_and_an_object_that_it_cannot_read_is_isolated(
    cloud: RunningCloud, pipeline: Any
) -> None:
    """The shipped Glue job, three units of eight objects; functions are killed meanwhile."""
    contract = CONTRACT.replace(NAME, CLEANED).replace("{objects: 50}", "{objects: 8}")
    contract += "jobs:\n  - {stage: clean, glueJob: clean-csv, timeoutSeconds: 300}\n"
    cloud.cloud.client("s3").put_object(
        Bucket=cloud.outputs["CodeBucketName"],
        Key=f"datasets/{CLEANED}.yaml",
        Body=contract.encode(),
    )
    names = [f"{CLEANED}/dt=2026-11-01/{number:03d}.csv" for number in range(OF_JOBS)]
    for number, name in enumerate(names):
        put(cloud, name, body_of(number))
    put(cloud, names[UNREADABLE], "a header,without the columns\n1,2\n")

    tolerant = {"toleratedFailurePercentage": 10, "maxConcurrency": 2}
    cloud.send({"datasetName": CLEANED, "runId": "cleaned-1", **tolerant, **ASKED})
    cloud.await_run("cleaned-1", "RUNNING")
    cloud.kill_functions()
    cloud.await_run("cleaned-1", "SUCCEEDED", patience=300)

    results = cloud.results("cleaned-1")
    assert results["units"] == {"total": 3, "stored": 3, "failed": 0, "notStarted": 0}
    assert results["objects"] == {"total": 24, "stored": 23, "failed": 1, "notStarted": 0}
    (bad,) = results["failedObjects"]
    assert bad["url"].endswith(names[UNREADABLE])
    assert (bad["stage"], bad["errorType"]) == ("clean", "JobFailed")
    assert names[UNREADABLE] in bad["message"]
    good = set(range(OF_JOBS)) - {UNREADABLE}
    assert ids(cloud, "cleaned-1") == ids_of(good)
    jobs = [job["stage"]["S"] for job in cloud.ledger("cleaned-1", "JOB#")]
    halves = ("0000-0003", "0004-0007", "0004-0005", "0004-0004", "0005-0005", "0006-0007")
    assert sorted(job for job in jobs if job.startswith("clean")) == sorted(
        [*["clean"] * 3, *(f"clean.{half}" for half in halves)]
    )
    shown = pipeline("units", "cleaned-1").output
    assert "8 objects, 1 failed" in shown
    assert [d for d in cloud.cloud.permissions.denials() if "groups" in str(d)] == []
