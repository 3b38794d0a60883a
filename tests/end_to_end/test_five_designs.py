"""Five designs that people bring along, each by its own commands; the AWS CLI's go by boto3.

One running cloud for all, permissions enforced.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from running_cloud import ROOT, Item, RunningCloud

from local.local_cloud.cloud import LocalCloud

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("five-designs"),
]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    state_dir: Path = tmp_path_factory.mktemp("local-cloud")
    with LocalCloud(ROOT / "template.yaml", state_dir, port=0, redelivery_seconds=2) as local_cloud:
        yield RunningCloud(local_cloud)


# Design 5: {"data_source": …, "processing_type": …}

TEST_CSV = """\
id,recorded_at,value,unit
design5-1,2026-11-01T00:00:00Z,21.5,celsius
design5-2,2026-11-01T00:00:00Z,70,fahrenheit
"""


def send_data_source(cloud: RunningCloud, data_source: str) -> str:
    """`aws sqs send-message --queue-url … --message-body …`; the run's id is the message's."""
    body = f'{{"data_source": "{data_source}", "processing_type": "standard"}}'
    return cloud.send(body)


def scanned(cloud: RunningCloud, run_id: str) -> dict[str, dict[str, str]]:
    """`aws dynamodb scan --table-name …`: the run's items, each attribute as a text."""
    return {
        item["id"]["S"]: {name: next(iter(value.values())) for name, value in item.items()}
        for item in cloud.stored(run_id)
    }


def ended(cloud: RunningCloud, run_id: str) -> Item:
    return cloud.await_run(run_id, "SUCCEEDED", "FAILED", "SKIPPED")


def test_an_object_is_named_by_its_key_and_its_items_say_where_they_come_from(
    cloud: RunningCloud,
) -> None:
    bucket = cloud.outputs["DataBucketName"]
    # aws s3 cp test.csv s3://BUCKET/landing/standard/
    cloud.cloud.client("s3").put_object(
        Bucket=bucket, Key="landing/standard/test.csv", Body=TEST_CSV.encode()
    )

    run_id = send_data_source(cloud, "test.csv")
    run = ended(cloud, run_id)

    assert run["status"]["S"] == "SUCCEEDED", run
    items = scanned(cloud, run_id)
    assert {name: item["unit"] for name, item in items.items()} == {
        "design5-1": "CELSIUS",
        "design5-2": "FAHRENHEIT",
    }
    assert {item["source_key"] for item in items.values()} == {"landing/standard/test.csv"}
    (execution,) = {item["execution_id"] for item in items.values()}
    assert cloud.await_end(execution)["Status"] == "SUCCEEDED"
    for item in items.values():
        processed, stored = (
            datetime.fromisoformat(item[name]) for name in ("processed_at", "stored_at")
        )
        assert processed <= stored
        assert item["processed_at"].endswith("Z")


def test_a_key_that_begins_with_a_slash_counts_from_the_root_of_the_bucket(
    cloud: RunningCloud,
) -> None:
    bucket = cloud.outputs["DataBucketName"]
    key = "archive/day one/ä+b%20c.csv"
    cloud.cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=TEST_CSV.encode())

    run_id = send_data_source(cloud, f"/{key}")
    run = ended(cloud, run_id)

    assert run["status"]["S"] == "SUCCEEDED", run
    assert {item["source_key"] for item in scanned(cloud, run_id).values()} == {key}


def test_an_object_that_is_not_there_is_refused_with_the_key_that_was_looked_for(
    cloud: RunningCloud,
) -> None:
    run_id = send_data_source(cloud, "missing.csv")

    letter = cloud.dead_letter("missing.csv")

    attributes = letter["MessageAttributes"]
    looked_for = f"s3://{cloud.outputs['DataBucketName']}/landing/standard/missing.csv"
    assert f"there is no object {looked_for}" in attributes["Reason"]["StringValue"]
    assert attributes["MessageId"]["StringValue"] == run_id
    assert json.loads(letter["Body"])["data_source"] == "missing.csv"
    assert ended(cloud, run_id)["status"]["S"] == "FAILED"
