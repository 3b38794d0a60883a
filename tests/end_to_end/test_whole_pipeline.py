"""A message in, stored rows out: the deployed template as it stands, on the local cloud."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from running_cloud import RunningCloud

from runs.long.execution_name import execution_name

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.timeout(180),
]


def run_request(run_id: str, **fields: Any) -> dict[str, Any]:
    one_day = {"startDateTime": "2026-11-01", "endDateTime": "2026-11-02"}
    return {"datasetName": "orders", **one_day, "runId": run_id, **fields}


def test_a_message_in_and_stored_rows_out(cloud: RunningCloud) -> None:
    three_days = {"endDateTime": "2026-11-04", "maxConcurrency": 2}

    cloud.send(run_request("e2e-rows", **three_days))
    run = cloud.await_run("e2e-rows", "SUCCEEDED", "FAILED")

    assert run["status"]["S"] == "SUCCEEDED", run
    rows = {name: int(value["N"]) for name, value in run["rows"]["M"].items()}
    assert rows["rows_in"] == cloud.sample.rows
    assert rows["rejected"] == cloud.sample.rejected
    assert rows["stored"] == cloud.sample.valid == len(cloud.stored("e2e-rows"))
    in_warehouse = "SELECT count(*) FROM public.orders WHERE run_id = 'e2e-rows'"
    assert cloud.query(in_warehouse) == [[cloud.sample.valid]]


@pytest.fixture(scope="module")
def execution(cloud: RunningCloud) -> str:
    """The ended durable execution of the run `e2e-one-day`."""
    cloud.send(run_request("e2e-one-day"))
    arn: str = cloud.await_run("e2e-one-day", "SUCCEEDED")["holder"]["S"]
    cloud.await_end(arn)  # its row in the warehouse, and for the first run its table, come last
    return arn


@pytest.mark.usefixtures("execution")
def test_the_run_has_its_own_row_in_the_warehouse(cloud: RunningCloud) -> None:
    sql = "SELECT status, rows_stored FROM public.pipeline_runs WHERE run_id = 'e2e-one-day'"
    assert cloud.query(sql) == [["SUCCEEDED", len(cloud.stored("e2e-one-day"))]]


def test_the_history_is_read_by_the_ordinary_api(cloud: RunningCloud, execution: str) -> None:
    pages = cloud.cloud.client("lambda").get_paginator("get_durable_execution_history")
    events = [e for page in pages.paginate(DurableExecutionArn=execution) for e in page["Events"]]

    named = {event.get("Name") for event in events}
    assert {"claim-run", "load-dataset", "list-urls", "submit-job", "await-job"} <= named
    assert {"validate", "transform", "store-dynamodb", "store-redshift", "record-run"} <= named


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("{ this is not JSON: e2e-1", "not JSON"),
        ({"datasetName": "orders", "runId": "e2e-2"}, "startDateTime"),
        (run_request("e2e-3", datasetName="ordres"), "did you mean orders?"),
        (run_request("e2e-4", startDateTime="last week"), "ISO 8601"),
        (run_request("e2e-5", endDateTime="2026-10-01"), "must be after"),
        (run_request("e2e-6", maxConcurrency="two", datasetname="x"), "whole number"),
    ],
)
def test_a_bad_message_is_stored_with_its_reason(
    cloud: RunningCloud, body: dict[str, Any] | str, reason: str
) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    message_id = cloud.send(text)

    letter = cloud.dead_letter(text[-20:])

    assert letter["Body"] == text
    assert reason in letter["MessageAttributes"]["Reason"]["StringValue"]
    assert letter["MessageAttributes"]["MessageId"]["StringValue"] == message_id


def test_a_bad_message_does_not_take_its_neighbour_along(cloud: RunningCloud) -> None:
    cloud.cloud.client("sqs").send_message_batch(
        QueueUrl=cloud.outputs["DataProcessingQueueUrl"],
        Entries=[
            {"Id": "bad", "MessageBody": "e2e-neighbour is bad"},
            {"Id": "good", "MessageBody": json.dumps(run_request("e2e-neighbour"))},
        ],
    )

    assert cloud.await_run("e2e-neighbour", "SUCCEEDED", "FAILED")["status"]["S"] == "SUCCEEDED"
    assert cloud.dead_letter("e2e-neighbour is bad")


@pytest.mark.usefixtures("execution")
def test_a_redelivered_message_starts_nothing_new(cloud: RunningCloud) -> None:
    first = cloud.run("e2e-one-day")
    executions = len(cloud.executions("PipelineFunction"))

    cloud.send(run_request("e2e-one-day"))
    deadline = time.monotonic() + 60
    while len(cloud.executions("PipelineFunction")) == executions:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    while cloud.executions("PipelineFunction")[0]["Status"] == "RUNNING":
        time.sleep(0.1)

    assert first is not None
    assert cloud.run("e2e-one-day") == first
    assert len(cloud.ledger("e2e-one-day", "JOB#00000-000#clean")) == 1


def test_a_failed_run_is_taken_over_by_its_redelivered_message(cloud: RunningCloud) -> None:
    with cloud.job_failing_for("dt=2026-11-01"):
        cloud.send(run_request("e2e-again", endDateTime="2026-11-03"))
        failed = cloud.await_run("e2e-again", "FAILED")

    taken_over = cloud.await_run("e2e-again", "SUCCEEDED")

    assert "no such luck" in failed["reason"]["S"]
    assert int(taken_over["run_attempt"]["N"]) >= 2
    attempts = [item["run_attempt"]["N"] for item in cloud.ledger("e2e-again", "UNIT#")]
    assert int(attempts[0]) >= 2  # the unit that had failed
    assert attempts[1:] == ["1", "1"]  # stored before, and left alone


def test_a_long_run_is_handed_to_the_twin(cloud: RunningCloud) -> None:
    cloud.send(run_request("e2e-detached", detached=True))
    run = cloud.await_run("e2e-detached", "SUCCEEDED")

    assert "LongRunFunction" in run["holder"]["S"]
    names = [item["DurableExecutionName"] for item in cloud.executions("LongRunFunction")]
    assert execution_name("dev", "durable-pipeline", "e2e-detached", 1) in names
    assert int(run["run_attempt"]["N"]) == 1


def test_a_run_survives_the_death_of_its_functions(cloud: RunningCloud) -> None:
    cloud.send(run_request("e2e-killed", endDateTime="2026-11-03"))
    cloud.await_run("e2e-killed", "RUNNING", "SUCCEEDED")

    killed = cloud.kill_functions()

    assert killed > 0
    run = cloud.await_run("e2e-killed", "SUCCEEDED", "FAILED")
    assert run["status"]["S"] == "SUCCEEDED", run
    assert len(cloud.stored("e2e-killed")) == int(run["rows"]["M"]["stored"]["N"]) > 0


def test_an_upload_of_nothing_in_range_is_skipped(cloud: RunningCloud) -> None:
    cloud.send(run_request("e2e-empty", startDateTime="2020-01-01", endDateTime="2020-02-01"))

    run = cloud.await_run("e2e-empty", "SKIPPED")

    assert "no objects" in run["reason"]["S"]
