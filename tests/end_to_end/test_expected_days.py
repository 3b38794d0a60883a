"""`expect` on the deployed template: a day that is not stored in time is announced and alarms."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from running_cloud import Item, RunningCloud, wait_until
from test_waiting_for_data import put

from cli.client.deployment import Deployment
from cli.health.diagnosis import Health
from cli.health.expectation_checks import expectations
from contracts.ledger_items import EXPECTED, ExpectedDayItem
from ledger.encoding import to_wire

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.timeout(300),
]
# Due at midnight: it has passed, whenever this runs.
CONTRACT = """\
name: {name}
source: {{prefix: landing/{name}/, partition: dt=%Y-%m-%d/}}
columns:
  - {{name: id, required: true}}
targets:
  dynamodb: {{key: [id]}}
limits: {{unitSeconds: 5}}
expect: {{by: "00:00"}}
"""
STORED, MISSING, NEW = "expected_stored", "expected_missing", "expected_new"


def run_day(cloud: RunningCloud, name: str, day: str, following: str) -> None:
    put(cloud, f"{name}/dt={day}/a.csv", "id\n1\n")
    times = {"startDateTime": day, "endDateTime": following}
    cloud.send({"datasetName": name, "runId": name, **times})
    cloud.await_run(name, "SUCCEEDED")


def expected_day(cloud: RunningCloud, name: str, day: str) -> Item:
    cloud.cloud.client("lambda").invoke(
        FunctionName="durable-pipeline-ReaperFunction", Payload=b"{}"
    )
    (item,) = cloud.ledger(EXPECTED, f"{name}#{day}")
    return item


def know_of_earlier(cloud: RunningCloud, name: str, day: str) -> None:
    """The contract is no new one: a day of its dataset was judged."""
    earlier = ExpectedDayItem(dataset_name=name, day=day, stored_by="earlier").to_item()
    table, dynamodb = cloud.outputs["LedgerTable"], cloud.cloud.client("dynamodb")
    dynamodb.put_item(TableName=table, Item=to_wire(earlier))


def alarms(cloud: RunningCloud) -> str | None:
    described = cloud.cloud.client("cloudwatch").describe_alarms()["MetricAlarms"]
    (alarm,) = (each for each in described if "DaysOverdue" in each["AlarmName"])
    return alarm["AlarmName"] if alarm["StateValue"] == "ALARM" else None


def diagnosed(cloud: RunningCloud) -> dict[str, str]:
    """What doctor finds, by dataset."""
    deployment = Deployment(outputs=cloud.outputs, endpoint_url=cloud.cloud.endpoint_url)
    try:
        found = expectations(deployment)
    finally:
        deployment.close()
    return {each.about: each.found for each in found if each.health is Health.PROBLEM}


def test_a_day_that_is_not_stored_is_announced_alarms_and_is_shown(cloud: RunningCloud) -> None:
    s3, bucket = cloud.cloud.client("s3"), cloud.outputs["CodeBucketName"]
    today = datetime.now(UTC).date()
    day, following = str(today - timedelta(days=1)), str(today)
    try:
        know_of_earlier(cloud, MISSING, str(today - timedelta(days=2)))
        for name in (STORED, MISSING, NEW):
            body = CONTRACT.format(name=name).encode()
            s3.put_object(Bucket=bucket, Key=f"datasets/{name}.yaml", Body=body)
            if name == STORED:
                run_day(cloud, name, day, following)

        stored = expected_day(cloud, STORED, day)
        missing = expected_day(cloud, MISSING, day)

        noted = expected_day(cloud, NEW, day)
        assert "announced_at" not in noted
        assert "contract_since" in noted
        s3.delete_object(Bucket=bucket, Key=f"datasets/{NEW}.yaml")

        assert stored["stored_by"]["S"] == STORED
        assert "announced_at" not in stored
        assert "announced_at" in missing
        assert missing["reason"]["S"].startswith("no run of it was claimed since")
        event = f"EVENT#{MISSING}/{day}/day-overdue"
        wait_until(lambda: cloud.ledger(EXPECTED, event) or None, "the consumer to take it")
        wait_until(lambda: alarms(cloud), "DaysOverdue to be raised")
        assert diagnosed(cloud).keys() == {f"dataset {MISSING}"}

        run_day(cloud, MISSING, day, following)
        assert diagnosed(cloud) == {}
        wait_until(
            lambda: "stored_after_by" in expected_day(cloud, MISSING, day),
            "the day to be announced as stored after all",
        )
        after = expected_day(cloud, MISSING, day)
        assert {name: after[name] for name in missing} == missing, "it is announced once"
        assert after["stored_after_by"]["S"] == MISSING
    finally:
        for name in (STORED, MISSING, NEW):
            s3.delete_object(Bucket=bucket, Key=f"datasets/{name}.yaml")
