"""Many messages at once, good and bad, repeated and contradicting: each is accounted for.

By default there are few, and `make test-messages` sends 10,000 (`MESSAGES`).
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest
from running_cloud import ROOT, Item, RunningCloud, wait_until

from local.local_cloud.cloud import LocalCloud

MESSAGES: Final = int(os.environ.get("MESSAGES", "40"))
PATIENCE_SECONDS: Final = 60 + 2 * MESSAGES
pytestmark = [pytest.mark.cloud, pytest.mark.timeout(PATIENCE_SECONDS + 240)]
CONTRACT: Final = """\
name: small
source: {prefix: landing/small/, suffix: .csv, partition: "dt=%Y-%m-%d/"}
columns:
  - {name: id, type: string, required: true}
  - {name: value, type: integer}
targets: {dynamodb: {key: [id]}}
limits: {unitSeconds: 10, objectMegabytes: 256}
"""
KINDS: Final = ("small", "empty", "bad", "double", "conflicting")


@pytest.fixture
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    directory = tmp_path_factory.mktemp("many-messages")
    parameters = {"RedshiftWorkgroupName": ""}
    with LocalCloud(ROOT / "template.yaml", directory, port=0, parameters=parameters) as local:
        running = RunningCloud(local, with_sample=False)
        code = running.outputs["CodeBucketName"]
        local.client("s3").put_object(
            Bucket=code, Key="datasets/small.yaml", Body=CONTRACT.encode()
        )
        yield running


def request(number: int, bucket: str) -> dict[str, Any]:
    """One message; those of a kind are every fifth."""
    kind = KINDS[number % len(KINDS)]
    if kind == "bad":
        run = f"run-{number}"
        return {"datasetName": f"unknown-{number}", "runId": run, "startDateTime": "2026-11-01"}
    if kind == "double":
        return request(number - KINDS.index("double"), bucket)  # of a small one
    if kind == "conflicting":
        return {**request(number - 3, bucket), "endDateTime": "2020-01-03"}  # with an empty one
    run = {"datasetName": "small", "runId": f"run-{number}"}
    if kind == "small":
        return {**run, "inputUrl": f"s3://{bucket}/landing/small/dt=2026-11-01/{number}.csv"}
    return {**run, "startDateTime": "2020-01-01", "endDateTime": "2020-01-02"}


def body(number: int, bucket: str) -> str:
    """The message's text; every second bad one is not JSON."""
    text = json.dumps(request(number, bucket))
    return text[:-1] if is_broken(number) else text


def is_broken(number: int) -> bool:
    return KINDS[number % len(KINDS)] == "bad" and number % 2 == 1


def put_objects(cloud: RunningCloud, numbers: range) -> None:
    s3, bucket = cloud.cloud.client("s3"), cloud.outputs["DataBucketName"]
    with ThreadPoolExecutor(4) as pool:
        for number in numbers:
            key = f"landing/small/dt=2026-11-01/{number}.csv"
            body = f"id,value\nrow-{number},{number}\n".encode()
            pool.submit(s3.put_object, Bucket=bucket, Key=key, Body=body)


def send(cloud: RunningCloud, bodies: Sequence[str]) -> None:
    sqs, url = cloud.cloud.client("sqs"), cloud.outputs["DataProcessingQueueUrl"]
    for first in range(0, len(bodies), 10):
        entries = [
            {"Id": str(place), "MessageBody": body}
            for place, body in enumerate(bodies[first : first + 10])
        ]
        assert not sqs.send_message_batch(QueueUrl=url, Entries=entries).get("Failed")


def dead_letters(cloud: RunningCloud) -> Counter[str]:
    sqs, url = cloud.cloud.client("sqs"), cloud.outputs["DeadLetterQueueUrl"]
    found: Counter[str] = Counter()
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            found[message["Body"]] += 1
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found


def ledger_items(cloud: RunningCloud, prefix: str) -> dict[str, list[Item]]:
    """The items of the ledger whose key begins so, by run."""
    pages = cloud.cloud.client("dynamodb").get_paginator("scan")
    found: dict[str, list[Item]] = {}
    for page in pages.paginate(TableName=cloud.outputs["LedgerTable"]):
        for item in page["Items"]:
            if item["item"]["S"].startswith(prefix):
                found.setdefault(item["run_id"]["S"], []).append(item)
    return found


def test_each_of_many_messages_is_accounted_for(cloud: RunningCloud) -> None:
    bucket = cloud.outputs["DataBucketName"]
    put_objects(cloud, range(0, MESSAGES, len(KINDS)))
    bodies = [body(number, bucket) for number in range(MESSAGES)]
    send(cloud, bodies)
    wait_until(
        lambda: {} if cloud.queue_is_empty() else None, "the queue to be empty", PATIENCE_SECONDS
    )

    runs, units = ledger_items(cloud, "RUN"), ledger_items(cloud, "UNIT#")
    letters = dead_letters(cloud)
    rows = Counter(
        item["id"]["S"]
        for page in cloud.cloud.client("dynamodb")
        .get_paginator("scan")
        .paginate(TableName=cloud.outputs["ProcessedDataTable"])
        for item in page["Items"]
    )
    expected_rows, refused = set(), Counter[str]()
    for number in range(MESSAGES):
        kind, run = KINDS[number % len(KINDS)], f"run-{number}"
        status = [item["status"]["S"] for item in runs.pop(run, [])]
        if kind == "small":
            assert status == ["SUCCEEDED"], f"{run} is {status}"
            (unit,) = units.pop(run)
            assert unit["status"]["S"] == "STORED", f"the unit of {run} is {unit}"
            expected_rows.add(f"row-{number}")
        elif kind == "empty":
            assert status == ["SKIPPED"], f"{run} is {status}"
        elif kind == "bad":
            assert status == ([] if is_broken(number) else ["FAILED"]), f"{run} is {status}"
            refused[bodies[number]] += 1
        elif kind == "conflicting":  # or what it contradicts, whichever came second
            pair = bodies[number - 3], bodies[number]
            (second,) = (body for body in pair if letters[body])
            refused[second] += 1
    assert rows == dict.fromkeys(expected_rows, 1)
    assert letters == refused
    assert not runs
    assert not units
