"""Objects that arrive by being uploaded, and arrays whose items are units, on the local cloud."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from running_cloud import ROOT, Item, RunningCloud, wait_until

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.timeout(180),
]
EVENT = (ROOT / "events" / "eventbridge-object-created.json").read_text()


def put(cloud: RunningCloud, key: str, body: bytes) -> str:
    """Upload an object into the data bucket; return its URL."""
    bucket = cloud.outputs["DataBucketName"]
    cloud.cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=body)
    return f"s3://{bucket}/{key}"


def reading(number: int, value: Any = 1.5) -> dict[str, Any]:
    return {"id": f"sensor-{number}", "recorded_at": "2026-11-01T00:00:00Z", "value": value}


def csv_of(*numbers: int) -> bytes:
    rows = "".join(f"sensor-{number},2026-11-01T00:00:00Z,1.5,C\n" for number in numbers)
    return f"id,recorded_at,value,unit\n{rows}".encode()


def array_of(prefix: int, good: int, bad: int) -> bytes:
    items = [reading(prefix + number) for number in range(good)]
    items += [reading(prefix + good + number, "broken") for number in range(bad)]
    return json.dumps(items, indent=1).encode()


def runs_over(cloud: RunningCloud, url: str) -> list[Item]:
    response = cloud.cloud.client("dynamodb").scan(
        TableName=cloud.outputs["LedgerTable"],
        FilterExpression="#item = :run AND contains(#request, :url)",
        ExpressionAttributeNames={"#item": "item", "#request": "request"},
        ExpressionAttributeValues={":run": {"S": "RUN"}, ":url": {"S": url}},
    )
    items: list[Item] = response["Items"]
    return items


def run_over(cloud: RunningCloud, url: str, *statuses: str) -> Item:
    """The one run over this object, once it has one of these statuses."""

    def found() -> Item | None:
        runs = runs_over(cloud, url)
        return next((run for run in runs if run["status"]["S"] in statuses), None)

    run = wait_until(found, f"a run over {url} to be {' or '.join(statuses)}")
    assert len(runs_over(cloud, url)) == 1
    return run


def event_of(cloud: RunningCloud, key: str) -> Item:
    """EventBridge's event about an object."""
    event: Item = json.loads(EVENT)
    event["detail"]["bucket"]["name"] = cloud.outputs["DataBucketName"]
    event["detail"]["object"]["key"] = key
    return event


@contextmanager
def standard_reading(cloud: RunningCloud, prefix: str) -> Iterator[None]:
    """The contract of uploads that name no dataset covers another prefix meanwhile."""
    s3 = cloud.cloud.client("s3")
    place = {"Bucket": cloud.outputs["CodeBucketName"], "Key": "datasets/standard.yaml"}
    text = s3.get_object(**place)["Body"].read().decode()
    s3.put_object(**place, Body=text.replace("landing/standard/", prefix).encode())
    try:
        yield
    finally:
        s3.put_object(**place, Body=text.encode())


def item_results(cloud: RunningCloud, run_id: str) -> list[dict[str, Any]]:
    s3, bucket = cloud.cloud.client("s3"), cloud.outputs["DataBucketName"]
    pages = s3.get_paginator("list_objects_v2")
    keys = [
        found["Key"]
        for page in pages.paginate(Bucket=bucket, Prefix=f"runs/{run_id}/items/results/")
        for found in page.get("Contents", [])
    ]
    return [json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read()) for key in keys]


def test_an_upload_under_the_landing_prefix_starts_a_run_and_no_other_does(
    uploads: RunningCloud,
) -> None:
    elsewhere = put(uploads, "archive/readings.csv", csv_of(1))
    landed = put(uploads, "landing/standard/day one/ä+b.csv", csv_of(1, 2, 3))

    run = run_over(uploads, landed, "SUCCEEDED", "FAILED")

    assert run["status"]["S"] == "SUCCEEDED", run.get("reason")
    assert run["rows"]["M"]["stored"]["N"] == "3"
    assert run["run_id"]["S"].startswith("upload-")
    assert runs_over(uploads, elsewhere) == []


def test_an_event_that_comes_twice_starts_one_run(uploads: RunningCloud) -> None:
    with_rule_off = "outside/readings.csv"  # nothing but our two messages reports it
    url = put(uploads, with_rule_off, csv_of(7))
    with standard_reading(uploads, "outside/"):
        for _ in range(2):
            uploads.send(event_of(uploads, with_rule_off))

        run = run_over(uploads, url, "SUCCEEDED")
    last = put(uploads, "landing/standard/after-both.csv", csv_of(8))
    run_over(uploads, last, "SUCCEEDED")
    (again,) = runs_over(uploads, url)
    assert again["run_attempt"]["N"] == run["run_attempt"]["N"] == "1"


def test_an_upload_that_no_contract_covers_is_skipped_and_says_why(uploads: RunningCloud) -> None:
    url = put(uploads, "beside/readings.csv", csv_of(9))
    uploads.send(event_of(uploads, "beside/readings.csv"))

    run = run_over(uploads, url, "SKIPPED")

    assert 'does not begin with "landing/standard/"' in run["reason"]["S"]
    assert "a message with its inputUrl processes it" in run["reason"]["S"]


def test_each_item_of_an_array_has_its_own_result(uploads: RunningCloud) -> None:
    url = put(uploads, "arrays/good.json", array_of(1000, good=35, bad=10))

    uploads.send(
        {"datasetName": "standard", "inputUrl": url, "runId": "e2e-items", "itemsPerBatch": 10}
    )
    run = uploads.await_run("e2e-items", "SUCCEEDED", "FAILED")

    assert run["status"]["S"] == "SUCCEEDED", run.get("reason")
    assert {name: value["N"] for name, value in run["items"]["M"].items()} == {
        "total": "45",
        "stored": "35",
        "rejected": "10",
        "failed": "0",
        "not_started": "0",
    }
    results = item_results(uploads, "e2e-items")
    assert [result["index"] for result in results] == list(range(45))
    assert Counter(result["status"] for result in results) == {"STORED": 35, "REJECTED": 10}
    assert results[40]["errors"][0]["column"] == "value"
    assert results[40]["item"] == reading(1040, "broken")
    assert len(uploads.stored("e2e-items")) == 35
    assert len(uploads.ledger("e2e-items", "UNIT#")) == 5
    assert uploads.results("e2e-items")["items"]["rejected"] == 10


def test_an_uploaded_array_is_a_run_over_its_items(uploads: RunningCloud) -> None:
    url = put(uploads, "landing/standard/array.json", array_of(2000, good=3, bad=1))

    run = run_over(uploads, url, "SUCCEEDED", "FAILED")

    assert run["status"]["S"] == "SUCCEEDED", run.get("reason")
    results = item_results(uploads, run["run_id"]["S"])
    assert [result["status"] for result in results] == ["STORED"] * 3 + ["REJECTED"]


def test_a_breach_of_the_tolerated_share_is_reported_to_the_notification_queue(
    uploads: RunningCloud,
) -> None:
    url = put(uploads, "arrays/bad.json", array_of(3000, good=4, bad=6))

    uploads.send({"datasetName": "standard", "inputUrl": url, "runId": "e2e-breach"})
    run = uploads.await_run("e2e-breach", "FAILED", "SUCCEEDED")

    assert run["status"]["S"] == "FAILED"
    assert "6 of 10 items" in run["reason"]["S"]
    assert "tolerated 50%" in run["reason"]["S"]

    def reported() -> Item | None:
        events = uploads.ledger("e2e-breach", "EVENT#")
        return next((event for event in events if "run-ended" in event["item"]["S"]), None)

    assert wait_until(reported, "the breach to reach the notification queue's consumer")
    letter = uploads.dead_letter("e2e-breach")
    assert "6 of 10 items" in letter["MessageAttributes"]["Reason"]["StringValue"]
    assert len(uploads.stored("e2e-breach")) == 4
