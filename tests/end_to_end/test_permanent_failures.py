"""What would fail again in the same way: one delivery, and no second try by a later attempt."""

from __future__ import annotations

import time
from typing import Any

import pytest
from running_cloud import RunningCloud

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(180)]

BROKEN = "dt=2026-10-01"
GOOD = "dt=2026-10-02"


@pytest.fixture
def objects(cloud: RunningCloud) -> Any:
    """Two objects of days of their own: one is no CSV of the contract, one is as it should be."""
    s3, bucket = cloud.cloud.client("s3"), cloud.outputs["DataBucketName"]
    listed = s3.list_objects_v2(Bucket=bucket, Prefix="landing/orders/dt=2026-11-01/")["Contents"]
    sample = s3.get_object(Bucket=bucket, Key=listed[0]["Key"])["Body"].read()
    keys = [f"landing/orders/{BROKEN}/broken.csv", f"landing/orders/{GOOD}/good.csv"]
    for key, body in zip(keys, (b"not,the,columns\n1,2,3\n", sample), strict=True):
        s3.put_object(Bucket=bucket, Key=key, Body=body)
    yield
    for key in keys:
        s3.delete_object(Bucket=bucket, Key=key)


def run_request(run_id: str, last_day: str) -> dict[str, Any]:
    range_ = {"startDateTime": "2026-10-01", "endDateTime": last_day}
    return {"datasetName": "orders", **range_, "runId": run_id}


def await_empty_queue(cloud: RunningCloud) -> None:
    deadline = time.monotonic() + 60
    while not cloud.queue_is_empty():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.usefixtures("objects")
def test_a_broken_object_costs_one_delivery_and_one_job(cloud: RunningCloud) -> None:
    executions = len(cloud.executions("PipelineFunction"))

    message_id = cloud.send(run_request("e2e-broken", "2026-10-02"))
    letter = cloud.dead_letter("e2e-broken")
    await_empty_queue(cloud)

    run = cloud.run("e2e-broken")
    assert run is not None
    assert (run["status"]["S"], run["run_attempt"]["N"]) == ("FAILED", "1")
    attributes = letter["MessageAttributes"]
    assert attributes["MessageId"]["StringValue"] == message_id
    assert attributes["RunId"]["StringValue"] == "e2e-broken"
    reason = attributes["Reason"]["StringValue"]
    assert reason.startswith("1 of 1 units failed")
    assert f"{BROKEN}/broken.csv, line 1: the header lacks" in reason
    assert "the same message would fail in the same way" in reason
    jobs = cloud.ledger("e2e-broken", "JOB#00000-000#")
    assert [job["state"]["S"] for job in jobs] == ["FAILED"], "although it has two tries"
    assert len(cloud.executions("PipelineFunction")) == executions + 1
    assert cloud.results("e2e-broken")["permanent"] is True


@pytest.mark.usefixtures("objects")
def test_a_later_attempt_leaves_failed_what_would_fail_again(cloud: RunningCloud) -> None:
    with cloud.job_failing_for(GOOD):
        cloud.send(run_request("e2e-both", "2026-10-03"))
        first = cloud.await_run("e2e-both", "FAILED")
    assert cloud.results("e2e-both")["permanent"] is False, "a job that fails may pass"

    letter = cloud.dead_letter("e2e-both")
    await_empty_queue(cloud)

    assert first["run_attempt"]["N"] == "1"
    run = cloud.run("e2e-both")
    assert run is not None
    assert run["status"]["S"] == "FAILED"
    assert int(run["run_attempt"]["N"]) >= 2
    broken, good = cloud.ledger("e2e-both", "UNIT#")
    assert (broken["status"]["S"], broken["run_attempt"]["N"]) == ("FAILED", "1")
    assert (good["status"]["S"], good["run_attempt"]["N"]) == ("STORED", run["run_attempt"]["N"])
    assert len(cloud.ledger("e2e-both", "JOB#00000-000#")) == 1
    reason = letter["MessageAttributes"]["Reason"]["StringValue"]
    assert "1 of 2 units failed" in reason
    assert "the header lacks" in reason
    units = run["units"]["M"]
    assert (units["stored"]["N"], units["failed"]["N"]) == ("1", "1")


@pytest.mark.usefixtures("objects")
def test_a_corrected_object_is_run_again_under_the_same_run(cloud: RunningCloud) -> None:
    """As a dead letter that is sent again does, with the id of its run."""
    request = run_request("e2e-corrected", "2026-10-02")
    cloud.send(request)
    cloud.dead_letter("e2e-corrected")
    s3, bucket = cloud.cloud.client("s3"), cloud.outputs["DataBucketName"]
    copy = {"Bucket": bucket, "Key": f"landing/orders/{GOOD}/good.csv"}

    cloud.send(request)
    cloud.dead_letter("e2e-corrected")
    unchanged = cloud.ledger("e2e-corrected", "UNIT#")
    s3.copy_object(Bucket=bucket, Key=f"landing/orders/{BROKEN}/broken.csv", CopySource=copy)
    cloud.send(request)

    run = cloud.await_run("e2e-corrected", "SUCCEEDED")
    assert run["run_attempt"]["N"] == "3"
    assert [unit["run_attempt"]["N"] for unit in unchanged] == ["1"]
    assert [job["attempt"]["N"] for job in cloud.ledger("e2e-corrected", "JOB#")][:1] == ["1"]
