"""Spark scripts on EMR, by SSM and on EMR Serverless, by the deployed functions' own adapters.

A script that succeeds on EMR, by SSM and on Glue is run by what people type.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from running_cloud import ROOT, RunningCloud, wait_until
from typed_commands import Terminal, commands_of

from local import sample_data
from local.local_cloud.cloud import LocalCloud

pytestmark = [pytest.mark.cloud, pytest.mark.spark, pytest.mark.timeout(600)]
BROKEN = "raise ValueError('row 7: no such country')\n"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    state_dir: Path = tmp_path_factory.mktemp("local-cloud")
    with LocalCloud(ROOT / "template.yaml", state_dir, port=0) as local_cloud:
        running = RunningCloud(local_cloud)
        s3, outputs = local_cloud.client("s3"), local_cloud.outputs
        for file in sample_data.make_exports(orders=60).files:
            s3.put_object(Bucket=outputs["DataBucketName"], Key=file.key, Body=file.body)
        s3.put_object(Bucket=outputs["CodeBucketName"], Key="jobs/broken.py", Body=BROKEN)
        yield running


@pytest.fixture(scope="module")
def mailbox(cloud: RunningCloud) -> str:
    """The URL of a queue that gets what is published."""
    sqs = cloud.cloud.client("sqs")
    url: str = sqs.create_queue(QueueName="mailbox")["QueueUrl"]
    response = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    arn = response["Attributes"]["QueueArn"]
    cloud.cloud.client("sns").subscribe(
        TopicArn=cloud.outputs["NotificationTopicArn"],
        Protocol="sqs",
        Endpoint=arn,
    )
    return url


def run_on(cloud: RunningCloud, name: str, **second_job: Any) -> dict[str, Any]:
    """Run the shipped chain with another second job; return the RUN item."""
    contract = yaml.safe_load((ROOT / "datasets" / "orders_spark.yaml").read_text())
    contract["name"] = name
    contract["jobs"][1] = {"stage": "enrich", "timeoutSeconds": 300, **second_job}
    contract["targets"] = {"dynamodb": {"key": ["order_id"]}}
    cloud.cloud.client("s3").put_object(
        Bucket=cloud.outputs["CodeBucketName"],
        Key=f"datasets/{name}.yaml",
        Body=yaml.safe_dump(contract),
    )
    one_day = {"startDateTime": "2026-11-01", "endDateTime": "2026-11-02"}
    cloud.send({"datasetName": name, "runId": name, **one_day})
    return cloud.await_run(name, "SUCCEEDED", "FAILED", "SKIPPED")


def announced(cloud: RunningCloud, mailbox: str, run_id: str) -> dict[str, Any]:
    """The run's `run-ended` notification."""

    def found() -> dict[str, Any] | None:
        sqs = cloud.cloud.client("sqs")
        batch = sqs.receive_message(QueueUrl=mailbox, MaxNumberOfMessages=10)
        for message in batch.get("Messages", []):
            news: dict[str, Any] = json.loads(json.loads(message["Body"])["Message"])
            sqs.delete_message(QueueUrl=mailbox, ReceiptHandle=message["ReceiptHandle"])
            if (news["event"], news["runId"]) == ("run-ended", run_id):
                return news
        return None

    return wait_until(found, f"the notification of {run_id}")


def test_the_second_job_of_a_chain_runs_on_emr_serverless(cloud: RunningCloud) -> None:
    run = run_on(cloud, "orders-chain", engine="emr-serverless", script="jobs/orders_spark.py")

    assert run["status"]["S"] == "SUCCEEDED", run
    clean, enrich = (
        next(job for job in cloud.ledger("orders-chain", "JOB#") if job["stage"]["S"] == stage)
        for stage in ("clean", "enrich")
    )
    assert (clean["engine"]["S"], enrich["engine"]["S"]) == ("glue", "emr-serverless")
    assert enrich["input_url"] == clean["output_url"]
    assert enrich["run_id"] == clean["run_id"]
    stored = cloud.stored("orders-chain")
    assert len(stored) == int(run["rows"]["M"]["stored"]["N"]) > 0
    assert {item["job_id"]["S"] for item in stored} == {enrich["job_id"]["S"]}


@pytest.mark.parametrize("engine", ["emr", "emr-ssm", "emr-serverless"])
def test_what_a_failed_job_wrote_is_in_every_record_of_it(
    cloud: RunningCloud, mailbox: str, engine: str
) -> None:
    name = f"broken-{engine}"
    run_on(cloud, name, engine=engine, script="jobs/broken.py")

    (job,) = (item for item in cloud.ledger(name, "JOB#") if item["stage"]["S"] == "enrich")
    assert job["state"]["S"] == "FAILED"
    assert "row 7: no such country" in job["log_tail"]["S"]
    assert job["console_url"]["S"].startswith("https://")
    assert job["log_url"]["S"]
    (outcome,) = cloud.results(name)["outcomes"]
    assert "row 7: no such country" in outcome["failure"]["logTail"]
    (failed,) = announced(cloud, mailbox, name)["result"]["failures"]
    assert "row 7: no such country" in failed["failure"]["logTail"]
    assert failed["failure"]["consoleUrl"].startswith("https://")


# What people type. `make run` takes the cloud that runs already.


@pytest.fixture
def terminal(cloud: RunningCloud, tmp_path: Path) -> Terminal:
    terminal = Terminal(cloud, tmp_path)
    terminal.environment["STATE_DIR"] = str(tmp_path / ".local")
    return terminal


def rows_of(query: dict[str, Any]) -> list[dict[str, Any]]:
    return [dict(zip(query["columns"], row, strict=True)) for row in query["rows"]]


def test_a_chain_of_two_engines_accounts_for_every_row_of_the_source(terminal: Terminal) -> None:
    report = json.loads(terminal.type("make run ARGS=events/run-spark.json"))

    assert (report["status"], report["addsUp"]) == ("SUCCEEDED", True)
    files = sample_data.make_exports().files
    assert report["rows"] == {
        "rowsIn": sum(file.rows for file in files),
        "filtered": 0,
        "rejected": sum(file.malformed + file.invalid for file in files),
        "removed": sum(file.outdated for file in files),
        "stored": sum(file.valid for file in files),
        "warned": 0,
        "superseded": 0,
    }
    # Both jobs of every unit, and its load; what is stored carries the id of the last of the chain.
    for unit in report["units"]:
        assert len(unit["jobIds"]) == 3
        assert len(set(unit["jobIds"])) == 3
    of_spark = {unit["jobIds"][1] for unit in report["units"]}
    assert {row["job_id"] for row in rows_of(report["warehouse"][1])} == of_spark


def test_the_parameters_of_a_design_go_through_steps_that_ssm_submits(terminal: Terminal) -> None:
    make_run, *_ = commands_of("EMR steps")
    report = json.loads(terminal.type(make_run))

    assert (report["status"], report["addsUp"]) == ("SUCCEEDED", True)
    exports = sample_data.make_exports(
        orders=sample_data.ORDERS_IN_SMALL_EXPORTS, prefix=sample_data.EXPORTS_FOR_EMR
    )
    assert report["rows"]["rowsIn"] == exports.rows
    assert report["rows"]["filtered"] > 0
    assert report["rows"]["stored"] > 0


def test_the_id_that_was_drawn_goes_through_both_jobs_of_glue(terminal: Terminal) -> None:
    make_run, _pipeline_run = commands_of("Glue Python")
    report = json.loads(terminal.type(make_run))

    assert (report["status"], report["addsUp"]) == ("SUCCEEDED", True)
    assert re.fullmatch("[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}", report["runId"])
    (run,), by_unit = map(rows_of, report["warehouse"])
    assert (run["run_id"], len(by_unit)) == (report["runId"], 2)
