"""Runs whose rows become files, with the real step functions: beside other targets, and alone."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from aws_cloud import OUTPUT_BUCKET
from deployed_steps import ROOT, DeployedSteps
from world import error_named, sqs_event

from contracts import layout
from contracts.output.manifest import OutputManifest, current_files

RUN: dict[str, Any] = {"datasetName": "orders", "startDateTime": "2026-11-01", "runId": "r-1"}
ITEMS: dict[str, Any] = {
    "datasetName": "standard",
    "inputUrl": "s3://data-bucket/landing/standard/readings.json",
    "runId": "r-1",
    "itemsPerBatch": 20,
}
DONE = {"batchItemFailures": []}
PREFIX = "results/orders/"


def with_files(deployed: DeployedSteps, dataset: str, fields: str) -> None:
    """Give a shipped contract the target, beside those that it has."""
    text = (ROOT / "datasets" / f"{dataset}.yaml").read_text()
    target = f"targets:\n  files: {{prefix: {PREFIX}, {fields}}}\n"
    changed = text.replace("targets:\n", target)
    assert changed != text
    deployed.cloud.put(f"datasets/{dataset}.yaml", changed, deployed.cloud.code_bucket)


def file_rows(deployed: DeployedSteps) -> list[dict[str, str]]:
    """The rows of all files that count in the output bucket."""
    s3, cloud = deployed.cloud.client("s3"), deployed.cloud
    manifests = [
        OutputManifest.from_json(cloud.read_json(key, OUTPUT_BUCKET))
        for key in cloud.keys(f"{PREFIX}{layout.MANIFESTS}", OUTPUT_BUCKET)
    ]
    keys = [file.key for file in current_files(manifests)]
    bodies = (s3.get_object(Bucket=OUTPUT_BUCKET, Key=key)["Body"].read() for key in keys)
    return [
        row for body in bodies for row in csv.DictReader(io.StringIO(body.decode(), newline=""))
    ]


@pytest.mark.slow
def test_all_three_targets_hold_the_same_rows_behind_a_job(deployed: DeployedSteps) -> None:
    with_files(deployed, "orders", "partitionBy: [country, order_date]")

    execution = deployed.run(sqs_event({**RUN, "endDateTime": "2026-11-04"}))

    assert execution.response == DONE
    run, sample = deployed.run_item("r-1"), deployed.sample
    rows = run["rows"]
    assert rows["stored"] == sample.valid
    assert rows["rows_in"] == sum(
        rows[name] for name in ("filtered", "rejected", "removed", "stored")
    )
    ids = sorted(row["order_id"] for row in file_rows(deployed))
    assert ids == sorted(row["order_id"]["S"] for row in deployed.stored_rows())
    assert [[key] for key in ids] == deployed.redshift.rows(
        "SELECT order_id FROM orders ORDER BY order_id"
    )
    document = deployed.cloud.read_json("runs/r-1/results.json")
    assert {tuple(unit["outputs"]["tables"]) for unit in document["outcomes"]} == {
        (f"files:{PREFIX}", "dynamodb", "redshift:public.orders")
    }
    assert execution.operations()["store-files"] == len(sample.files)
    assert execution.operations()["publish-files"] == 1


@pytest.mark.slow
def test_a_bucket_that_cannot_be_written_fails_the_units_and_nothing_of_them_is_stored(
    deployed: DeployedSteps, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_files(deployed, "orders", "format: parquet")
    monkeypatch.setenv("OUTPUT_BUCKET", "no-such-bucket")

    deployed.run(sqs_event({**RUN, "endDateTime": "2026-11-02"}))

    assert deployed.run_item("r-1")["status"] == "FAILED"
    (unit,) = deployed.items("r-1", "UNIT#")
    failure = unit["failure"]
    assert (failure["stage"], failure["error_type"]) == ("store-files", "NotConfigured")
    assert "the output bucket no-such-bucket cannot be written" in failure["message"]
    assert deployed.stored_rows() == []
    assert deployed.redshift.rows("SELECT COUNT(*) FROM orders") == [[0]]


@pytest.mark.slow
def test_items_of_an_array_become_files_and_a_step_that_dies_after_its_work_repeats_itself(
    deployed: DeployedSteps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAREHOUSE", "false")
    with_files(deployed, "standard", "header: true")
    deaths = [error_named("TransientFailure", "died after its work")]

    def die(name: str, _payload: dict[str, Any]) -> None:
        if name == "store-files" and deaths:
            raise deaths.pop()

    deployed.after_step = die
    execution = deployed.run(sqs_event(ITEMS))

    assert (execution.response, deaths) == (DONE, [])
    assert deployed.run_item("r-1")["items"]["stored"] == 90
    assert len(file_rows(deployed)) == 90
    records = deployed.cloud.keys("runs/r-1/files/")
    assert sum(deployed.cloud.read_json(key)["rows"] for key in records) == 90
    names = [key.removeprefix(PREFIX) for key in deployed.cloud.keys(PREFIX, OUTPUT_BUCKET)]
    assert names == ["_runs/r-1.json", *(f"r-1-00000-00{unit}-00000.csv" for unit in range(5))]
