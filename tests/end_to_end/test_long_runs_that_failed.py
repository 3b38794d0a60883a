"""Long runs that fail: no message of theirs comes again, so others see to what follows."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from running_cloud import Item, RunningCloud, wait_until
from test_permanent_failures import BROKEN, GOOD, objects, run_request
from typer.testing import Result

from cli.exit_codes import SUCCEEDED
from contracts.ledger_items import ACTIVE_RUN
from contracts.run_request import RunRequest
from runs.long.execution_name import execution_name

__all__ = ["objects"]
pytestmark = [
    pytest.mark.cloud,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("end-to-end"),
]
Typed = Callable[..., Result]


@pytest.fixture
def pipeline(cloud: RunningCloud, signed: Any) -> Typed:
    """The command line of somebody who has OperatorPolicy and nothing else."""
    policy = cloud.outputs["OperatorPolicyArn"]
    typed: Typed = signed(cloud.cloud.permissions.credentials_for("long", attached=[policy]))
    return typed


def letters_of(pipeline: Typed, run_id: str) -> list[Item]:
    messages = json.loads(pipeline("dead-letters", "--json").stdout)["messages"]
    return [each for each in messages if each["runId"] == run_id]


@pytest.mark.usefixtures("objects")
def test_a_permanent_failure_is_a_dead_letter_whose_replay_goes_on_with_the_run(
    cloud: RunningCloud, pipeline: Typed
) -> None:
    run_id = "e2e-long-broken"
    cloud.send({**run_request(run_id, "2026-10-03"), "detached": True})
    failed = cloud.await_run(run_id, "FAILED")
    cloud.await_end(failed["holder"]["S"])
    wait_until(lambda: letters_of(pipeline, run_id) or None, "its dead letter")
    (letter,) = letters_of(pipeline, run_id)
    assert letter["messageId"] == f"{run_id}/1"
    assert letter["reason"].startswith("1 of 2 units failed")
    assert "the same message would fail in the same way" in letter["reason"]
    s3, bucket = cloud.cloud.client("s3"), cloud.outputs["DataBucketName"]
    copy = {"Bucket": bucket, "Key": f"landing/orders/{GOOD}/good.csv"}
    s3.copy_object(Bucket=bucket, Key=f"landing/orders/{BROKEN}/broken.csv", CopySource=copy)

    result = pipeline("dead-letters", "replay", run_id)

    assert result.exit_code == SUCCEEDED, result.output
    assert f"sent as run {run_id}" in result.output
    run = cloud.await_run(run_id, "SUCCEEDED")
    assert run["run_attempt"]["N"] == "2"
    units = {unit["item"]["S"]: unit["run_attempt"]["N"] for unit in cloud.ledger(run_id, "UNIT#")}
    assert units == {"UNIT#00000-000": "2", "UNIT#00000-001": "1"}
    assert letters_of(pipeline, run_id) == []


def test_the_next_attempt_of_a_run_whose_execution_died_begins_and_waits(
    cloud: RunningCloud, pipeline: Typed
) -> None:
    run_id = "e2e-long-died"
    died = dead_execution(cloud)
    put_run_held_by(cloud, run_id, died)

    sweep(cloud)

    run = cloud.run(run_id) or {}
    assert (run["status"]["S"], run["run_attempt"]["N"]) == ("CLAIMED", "2")
    name = execution_name(cloud.cloud.parameters["Environment"], "durable-pipeline", run_id, 2)
    assert f"/durable-execution/{name}/" in run["holder"]["S"]
    assert run["holder"]["S"].startswith(
        f"{cloud.outputs['LongRunFunctionArn'].rpartition(':')[0]}:1/"
    )
    shown = pipeline("status", run_id).output
    assert "waitsUntil" in shown
    assert "attempt 2 begins at" in " ".join(shown.split())
    sweep(cloud)
    assert cloud.run(run_id) == run, "it is waiting"
    assert pipeline("stop", run_id).exit_code == SUCCEEDED
    assert cloud.await_run(run_id, "STOPPED")["run_attempt"]["N"] == "2"


def dead_execution(cloud: RunningCloud) -> str:
    """An execution of the long-running function that failed before it could do anything."""
    started = cloud.cloud.client("lambda").invoke(
        FunctionName=cloud.outputs["LongRunFunctionArn"],
        InvocationType="Event",
        DurableExecutionName="e2e-died",
        Payload=json.dumps({"handedOverBy": "nobody"}).encode(),
    )
    execution: str = started["DurableExecutionArn"]
    assert cloud.await_end(execution)["Status"] == "FAILED"
    return execution


def put_run_held_by(cloud: RunningCloud, run_id: str, execution: str) -> None:
    request = RunRequest.from_json({**run_request(run_id, "2026-10-03"), "detached": True})
    values = {
        "run_id": run_id,
        "item": "RUN",
        "status": "RUNNING",
        "holder": execution,
        "request": request.canonical(),
        "dataset_name": "orders",
        "end_date_time": "2026-10-03T00:00:00Z",
        "claimed_at": "2026-10-03T00:00:00Z",
        "active": ACTIVE_RUN,
        "submitted_at": "2026-10-03T00:00:00Z",
    }
    item = {name: {"S": value} for name, value in values.items()} | {"run_attempt": {"N": "1"}}
    client, table = cloud.cloud.client("dynamodb"), cloud.outputs["LedgerTable"]
    client.put_item(TableName=table, Item=item)


def sweep(cloud: RunningCloud) -> None:
    response = cloud.cloud.client("lambda").invoke(
        FunctionName="durable-pipeline-ReaperFunction", Payload=b"{}"
    )
    assert "FunctionError" not in response, response["Payload"].read()


def test_nothing_of_it_was_denied(cloud: RunningCloud) -> None:
    denials = cloud.cloud.permissions.denials()
    assert [one for one in denials if "Reaper" in str(one) or "long" in str(one)] == []
