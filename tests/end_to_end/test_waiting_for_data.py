"""Partitions whose marker comes later, left out or never: durable waits, permissions enforced."""

from __future__ import annotations

from typing import Any

import pytest
from running_cloud import Item, RunningCloud, wait_until
from test_stopping_one_run import stop

from contracts.messages import StopOutcome

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.timeout(300),
]
CONTRACT = """\
name: {name}
source:
  prefix: landing/{name}/
  partition: dt=%Y-%m-%d/
  suffix: .csv
  ready: {{marker: _SUCCESS, {ready}}}
columns:
  - {{name: id, required: true}}
targets:
  dynamodb: {{key: [id]}}
limits: {{unitSeconds: 5}}
"""


def put(cloud: RunningCloud, key: str, body: str = "") -> None:
    cloud.cloud.client("s3").put_object(
        Bucket=cloud.outputs["DataBucketName"], Key=f"landing/{key}", Body=body.encode()
    )


def prepare(cloud: RunningCloud, name: str, ready: str) -> dict[str, Any]:
    """Two days, the first of which is ready; the message that asks for both."""
    text = CONTRACT.format(name=name, ready=ready)
    cloud.cloud.client("s3").put_object(
        Bucket=cloud.outputs["CodeBucketName"], Key=f"datasets/{name}.yaml", Body=text.encode()
    )
    for day in (1, 2):
        put(cloud, f"{name}/dt=2026-11-0{day}/a.csv", f"id\n{name}-{day}\n")
    put(cloud, f"{name}/dt=2026-11-01/_SUCCESS")
    times = {"startDateTime": "2026-11-01", "endDateTime": "2026-11-03"}
    return {"datasetName": name, "runId": name, **times}


def waiting(cloud: RunningCloud, run_id: str) -> Item:
    """The run while it waits in the long-running function."""

    def found() -> Item | None:
        run = cloud.run(run_id)
        if run is None or "LongRun" not in run["holder"]["S"]:
            return None
        return run if "waiting_for" in run else None

    return wait_until(found, f"run {run_id} to wait")


def ids(cloud: RunningCloud, run_id: str) -> list[str]:
    return sorted(item["id"]["S"] for item in cloud.stored(run_id))


def test_a_run_reads_a_partition_whose_marker_comes_later(cloud: RunningCloud) -> None:
    name = "ready_later"
    cloud.send(prepare(cloud, name, "otherwise: wait, waitSeconds: 120"))
    run = waiting(cloud, name)

    bucket = cloud.outputs["DataBucketName"]
    marker = f"s3://{bucket}/landing/{name}/dt=2026-11-02/_SUCCESS"
    assert run["waiting_for"]["S"] == f"the partition's marker {marker} is not there"
    assert run["status"]["S"] == "CLAIMED"
    assert ids(cloud, name) == []
    wait_until(cloud.queue_is_empty, "the message to be acknowledged")

    other = {"datasetName": "orders", "runId": "beside-one-that-waits"}
    cloud.send({**other, "startDateTime": "2026-11-01", "endDateTime": "2026-11-02"})
    cloud.await_run(other["runId"], "SUCCEEDED")
    still = cloud.run(name)
    assert still is not None
    assert still["status"]["S"] == "CLAIMED"

    put(cloud, f"{name}/dt=2026-11-02/b.csv", f"id\n{name}-3\n")
    put(cloud, f"{name}/dt=2026-11-02/_SUCCESS")
    ended = cloud.await_run(name, "SUCCEEDED")
    assert ids(cloud, name) == [f"{name}-{number}" for number in (1, 2, 3)]
    assert "waiting_for" not in ended


def test_a_run_whose_data_does_not_come_fails_and_says_what_was_missing(
    cloud: RunningCloud,
) -> None:
    name = "ready_never"
    cloud.send(prepare(cloud, name, "otherwise: wait, waitSeconds: 12"))
    ended = cloud.await_run(name, "FAILED")
    assert ended["reason"]["S"].startswith("not ready within 12 s: the partition's marker s3://")
    assert ended["reason"]["S"].count(f"landing/{name}/dt=2026-11-02/_SUCCESS") == 1
    assert ids(cloud, name) == []


def test_a_run_that_waits_is_stopped(cloud: RunningCloud) -> None:
    name = "ready_stopped"
    cloud.send(prepare(cloud, name, "otherwise: wait"))
    waiting(cloud, name)
    assert stop(cloud, name).outcome is StopOutcome.STOPPED
    ended = cloud.await_run(name, "STOPPED")
    assert ended["reason"]["S"] == "it was stopped on request: wrong input"


def test_a_partition_that_is_not_ready_is_left_out_by_name(cloud: RunningCloud) -> None:
    name = "ready_left_out"
    cloud.send(prepare(cloud, name, "otherwise: skip"))
    cloud.await_run(name, "SUCCEEDED")
    assert ids(cloud, name) == [f"{name}-1"]
    assert cloud.results(name)["notReady"] == {
        "count": 1,
        "marker": "_SUCCESS",
        "partitions": ["dt=2026-11-02/"],
    }


def test_a_partition_that_is_not_ready_fails_the_run_at_once(cloud: RunningCloud) -> None:
    name = "ready_or_fail"
    cloud.send(prepare(cloud, name, "otherwise: fail"))
    cloud.await_run(name, "FAILED")
    letter = cloud.dead_letter(name)
    reason = letter["MessageAttributes"]["Reason"]["StringValue"]
    assert f"landing/{name}/dt=2026-11-02/_SUCCESS is not there" in reason
