"""Five designs that people bring along, each by its own commands; the AWS CLI's go by boto3.

Permissions are enforced.
"""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running_cloud import ROOT, Item, RunningCloud, wait_until

from contracts import layout
from contracts.output_manifest import OutputManifest, current_files
from local.local_cloud.cloud import LocalCloud
from steps.duck import connect

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("five-designs"),
]


# Design 3: a CSV in, a CSV out

LANDING = "landing/readings_csv/"
RESULTS = "results/readings_csv/"


@pytest.fixture(scope="module")
def uploading(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    """A cloud of its own: here uploads start runs, which the other designs' must not."""
    state_dir: Path = tmp_path_factory.mktemp("local-cloud")
    with LocalCloud(
        ROOT / "template.yaml",
        state_dir,
        port=0,
        parameters={"StartRunsOnUpload": "true"},
        redelivery_seconds=2,
    ) as local_cloud:
        yield RunningCloud(local_cloud)


def upload_csv(cloud: RunningCloud, key: str, body: str) -> str:
    """Put an object; the id of the run that its upload starts."""
    bucket = cloud.outputs["DataBucketName"]
    cloud.cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=body.encode())
    return run_over(cloud, key)


def run_over(cloud: RunningCloud, key: str) -> str:
    """The id of the run over an object, once it is claimed."""

    def found() -> str | None:
        answer = cloud.cloud.client("dynamodb").scan(
            TableName=cloud.outputs["LedgerTable"],
            FilterExpression="#item = :run AND contains(#request, :key)",
            ExpressionAttributeNames={"#item": "item", "#request": "request"},
            ExpressionAttributeValues={":run": {"S": "RUN"}, ":key": {"S": key}},
        )
        return next((run["run_id"]["S"] for run in answer["Items"]), None)

    run_id: Any = wait_until(found, f"a run over {key}")
    return str(run_id)


def files_of(cloud: RunningCloud, run_id: str) -> dict[str, list[dict[str, str]]]:
    """The run's files in the output bucket, by key: their rows, as a reader of CSV has them."""
    s3, bucket = cloud.cloud.client("s3"), cloud.outputs["OutputBucketName"]
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=RESULTS)
    keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
    return {
        key: list(
            csv.DictReader(
                io.StringIO(s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode())
            )
        )
        for key in keys
        if f"/{run_id}-" in key
    }


def noted(cloud: RunningCloud, run_id: str) -> list[str]:
    """The events of a run that the consumer of the notification queue has noted."""
    answer = cloud.cloud.client("dynamodb").query(
        TableName=cloud.outputs["LedgerTable"],
        KeyConditionExpression="run_id = :run AND begins_with(#item, :prefix)",
        ExpressionAttributeNames={"#item": "item"},
        ExpressionAttributeValues={":run": {"S": run_id}, ":prefix": {"S": "EVENT#"}},
    )
    return [json.dumps(item) for item in answer["Items"]]


def test_the_commands_of_the_readme_turn_the_samples_csv_into_files(
    uploading: RunningCloud,
) -> None:
    """`aws s3 cp s3://…/landing/standard/readings.csv s3://…/landing/readings_csv/`."""
    bucket = uploading.outputs["DataBucketName"]
    uploading.cloud.client("s3").copy_object(
        Bucket=bucket,
        Key=f"{LANDING}readings.csv",
        CopySource={"Bucket": bucket, "Key": "landing/standard/readings.csv"},
    )
    run_id = run_over(uploading, f"{LANDING}readings.csv")
    uploading.await_run(run_id, "SUCCEEDED")
    ((key, rows),) = files_of(uploading, run_id).items()
    assert key == f"{RESULTS}unit=C/{run_id}-00000-000-00000.csv"
    assert (len(rows), list(rows[0])) == (100, ["id", "recorded_at", "value"])


def test_an_uploaded_csv_becomes_csv_files_and_its_notification_is_consumed(
    uploading: RunningCloud,
) -> None:
    body = (
        "id,recorded_at,value,unit\n"
        "a,2026-11-01T00:00:00Z,1.500,C\n"
        "b,2026-11-01T01:00:00+01:00,-2,C\n"
        '"c, ""the third""",2026-11-01T00:00:00Z,70,F\n'
        "a,2026-11-01T00:00:00Z,1.500,C\n"
        + "".join(f"d{number},2026-11-01T00:00:00Z,{number},C\n" for number in range(20))
        + "x,2026-11-01T00:00:00Z,1,K\n"
    )
    run_id = upload_csv(uploading, f"{LANDING}day one.csv", body)
    run = uploading.await_run(run_id, "SUCCEEDED", "FAILED")
    assert run["status"]["S"] == "SUCCEEDED", run.get("reason")
    rows = {name: int(count["N"]) for name, count in run["rows"]["M"].items()}
    counts = (rows["rows_in"], rows["rejected"], rows["removed"], rows["stored"])
    assert counts == (25, 1, 1, 23)

    files = files_of(uploading, run_id)
    assert sorted(files) == [
        f"{RESULTS}unit=C/{run_id}-00000-000-00000.csv",
        f"{RESULTS}unit=F/{run_id}-00000-000-00000.csv",
    ]
    in_celsius, in_fahrenheit = (files[key] for key in sorted(files))
    assert in_fahrenheit == [
        {"id": 'c, "the third"', "recorded_at": "2026-11-01T00:00:00Z", "value": "70.000"}
    ]
    assert len(in_celsius) == 22
    assert in_celsius[1] == {
        "id": "b",
        "recorded_at": "2026-11-01T00:00:00Z",
        "value": "-2.000",
    }
    assert uploading.stored(run_id) == []
    (outcome,) = uploading.results(run_id)["outcomes"]
    assert outcome["outputs"]["tables"] == [f"files:{RESULTS}"]

    def consumed() -> Item | None:
        events = noted(uploading, run_id)
        return {"events": events} if any("run-ended" in event for event in events) else None

    wait_until(consumed, "the consumer to note the run's end")


def test_a_repeat_of_a_unit_with_fewer_files_removes_the_others(uploading: RunningCloud) -> None:
    """As after a job that answers otherwise; by the deployed function, with its own rights."""
    rows = ["id,recorded_at,value,unit", "a,2026-11-01T00:00:00Z,1,C", "b,2026-11-01T00:00:00Z,2,F"]
    run_id = upload_csv(uploading, f"{LANDING}again.csv", "\n".join(rows) + "\n")
    uploading.await_run(run_id, "SUCCEEDED")
    celsius, fahrenheit = sorted(files_of(uploading, run_id))

    def store(attempt: int) -> Item:
        message = {"runId": run_id, "unitId": "00000-000", "runAttempt": attempt}
        answer = uploading.cloud.client("lambda").invoke(
            FunctionName=uploading.outputs["StoreFilesFunctionArn"], Payload=json.dumps(message)
        )
        assert "FunctionError" not in answer, answer["Payload"].read()
        stored: Item = json.loads(answer["Payload"].read())
        return stored

    assert store(attempt=1)["files"] == 2
    assert sorted(files_of(uploading, run_id)) == [celsius, fahrenheit]

    bucket = uploading.outputs["DataBucketName"]
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file, connect() as maker:
        maker.execute(
            "COPY (SELECT 'a' AS id, TIMESTAMP '2026-11-01' AS recorded_at,"
            f" 3::DECIMAL(12,3) AS value, 'C' AS unit) TO '{file.name}' (FORMAT parquet)"
        )
        key = f"{layout.output_prefix(run_id, '00000-000')}part-00000.parquet"
        uploading.cloud.client("s3").upload_file(file.name, bucket, key)
    for _ in range(2):  # the second finds that the other file is gone already
        assert store(attempt=2)["files"] == 1
        ((left, (row,)),) = files_of(uploading, run_id).items()
        assert (left, row["value"]) == (celsius, "3.000")


def test_a_csv_that_fails_leaves_no_files_and_lies_in_the_dead_letter_queue(
    uploading: RunningCloud,
) -> None:
    run_id = upload_csv(
        uploading, f"{LANDING}broken.csv", "id,recorded_at,value,unit\na,never,1,C\n"
    )
    uploading.await_run(run_id, "FAILED")
    letter = uploading.dead_letter("broken.csv")
    assert json.loads(letter["Body"])["detail"]["object"]["key"] == f"{LANDING}broken.csv"
    assert files_of(uploading, run_id) == {}


DAYS = "archive/readings_days/"
DAYS_RESULTS = "results/readings_days/"


def current(cloud: RunningCloud) -> dict[str, list[str]]:
    """What a reader of the manifests sees: the ids of rows, by the folder of their file."""
    s3, bucket = cloud.cloud.client("s3"), cloud.outputs["OutputBucketName"]

    def body(key: str) -> str:
        return str(s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode())

    prefix = f"{DAYS_RESULTS}{layout.MANIFESTS}"
    found = s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    manifests = [OutputManifest.from_json(json.loads(body(each["Key"]))) for each in found]
    rows: dict[str, list[str]] = {}
    for file in current_files(manifests):
        ids = [row["id"] for row in csv.DictReader(io.StringIO(body(file.key)))]
        rows.setdefault(file.key.removeprefix(DAYS_RESULTS).partition("/")[0], []).extend(ids)
    return rows


def test_a_second_run_over_a_range_replaces_the_first_ones_partitions(
    uploading: RunningCloud,
) -> None:
    cloud = uploading
    s3, bucket = cloud.cloud.client("s3"), cloud.outputs["DataBucketName"]
    contract = (ROOT / "datasets" / "readings_csv.yaml").read_text()
    contract = contract.replace("landing/readings_csv/", DAYS).replace(
        "partitionBy: [unit]", "partitionBy: [unit], replace: partition"
    )
    s3.put_object(
        Bucket=cloud.outputs["CodeBucketName"],
        Key="datasets/readings_days.yaml",
        Body=contract.replace("readings_csv", "readings_days").encode(),
    )
    request = {"datasetName": "readings_days", "startDateTime": "2020-01-01"}
    rows = {"a": "a,2026-11-01T00:00:00Z,1,C\n", "f": "f,2026-11-01T00:00:00Z,1,F\n"}

    def run(run_id: str, **objects: str) -> dict[str, Any]:
        for name, body in objects.items():
            text = f"id,recorded_at,value,unit\n{body}"
            s3.put_object(Bucket=bucket, Key=f"{DAYS}{name}.csv", Body=text.encode())
        cloud.send({**request, "runId": run_id})
        ended = cloud.await_run(run_id, "SUCCEEDED", "FAILED")
        assert ended["status"]["S"] == "SUCCEEDED", ended.get("reason")
        result = cloud.results(run_id)
        url = result["files"]["manifestUrl"]
        output = cloud.outputs["OutputBucketName"]
        assert url == f"s3://{output}/{DAYS_RESULTS}_runs/{run_id}.json"
        body = s3.get_object(Bucket=output, Key=url.removeprefix(f"s3://{output}/"))["Body"].read()
        manifest: dict[str, Any] = json.loads(body)
        return {**manifest, "result": result["files"]}

    first = run("days-1", one=rows["a"], two=rows["f"])
    assert [(file["key"], file["rows"], file["partition"]) for file in first["files"]] == [
        (f"{DAYS_RESULTS}unit=C/days-1-00000-000-00000.csv", 1, {"unit": "C"}),
        (f"{DAYS_RESULTS}unit=F/days-1-00000-001-00000.csv", 1, {"unit": "F"}),
    ]
    assert (first["complete"], first["rows"], first["supersedes"]) == (True, 2, [])
    assert first["asked"]["startDateTime"] == "2020-01-01T00:00:00Z"
    assert current(cloud) == {"unit=C": ["a"], "unit=F": ["f"]}

    second = run("days-2", one=rows["a"] + rows["a"].replace("a", "b", 1))

    assert second["supersedes"] == ["days-1"]
    assert second["result"]["removed"] == 2
    assert current(cloud) == {"unit=C": ["a", "b"], "unit=F": ["f"]}
    listed = s3.list_objects_v2(Bucket=cloud.outputs["OutputBucketName"], Prefix=DAYS_RESULTS)
    names = [found["Key"].removeprefix(DAYS_RESULTS) for found in listed["Contents"]]
    assert names == [
        "_runs/days-1.json",
        "_runs/days-2.json",
        "unit=C/days-2-00000-000-00000.csv",
        "unit=F/days-2-00000-001-00000.csv",
    ]
