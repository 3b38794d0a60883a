"""Five designs that people bring along, each by the commands in docs/designs.md.

On the clouds of conftest.py, permissions enforced; `make run`, which runs Spark, is typed in
tests/spark/test_every_engine.py. A design's commands are taken out of
that page (`commands_of`) and typed in a shell (`Terminal`); the AWS CLI's calls go by boto3.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
import tempfile
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from running_cloud import ROOT, Item, RunningCloud, wait_until
from spark_stand_in import no_spark
from typed_commands import Terminal, commands_of, commands_of_designs

from contracts import layout
from contracts.output.manifest import OutputManifest, current_files
from local import sample_data
from tabular.workspace import connect

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.timeout(300),
]


@pytest.fixture
def terminal(cloud: RunningCloud, tmp_path: Path) -> Terminal:
    return Terminal(cloud, tmp_path)


def test_every_design_has_its_commands() -> None:
    designs = commands_of_designs()
    assert len(designs) == 5
    assert all(designs.values()), designs


def ended(cloud: RunningCloud, run_id: str) -> Item:
    return cloud.await_run(run_id, "SUCCEEDED", "FAILED", "STOPPED", "SKIPPED")


class Mailbox:
    """A queue that gets what is published on the topic."""

    def __init__(self, cloud: RunningCloud) -> None:
        self._sqs = cloud.cloud.client("sqs")
        self._url = self._sqs.create_queue(QueueName="mailbox")["QueueUrl"]
        named = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        cloud.cloud.client("sns").subscribe(
            TopicArn=cloud.outputs["NotificationTopicArn"],
            Protocol="sqs",
            Endpoint=named["Attributes"]["QueueArn"],
        )
        self._news: list[Item] = []

    def result(self, run_id: str, units: int) -> Item:
        """The run's result as published, after the start and end of the run and of every unit."""
        wanted = {"run-started": 1, "unit-started": units, "unit-ended": units, "run-ended": 1}

        def found() -> Item | None:
            batch = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10)
            for message in batch.get("Messages", []):
                self._news.append(json.loads(json.loads(message["Body"])["Message"]))
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
            news = [one for one in self._news if one["runId"] == run_id]
            if Counter(one["event"] for one in news) != wanted:
                return None
            return next(one["result"] for one in news if one["event"] == "run-ended")

        return wait_until(found, f"the notifications of {run_id}")


@pytest.fixture(scope="module")
def mailbox(cloud: RunningCloud) -> Mailbox:
    return Mailbox(cloud)


# Design 1: parameters in, EMR through SSM, one object after another

_MAKE_RUN, INVOKE, INVOKE_ASYNC = commands_of("EMR steps")
OBJECTS = 4


@pytest.fixture(scope="module")
def exports(cloud: RunningCloud) -> None:
    """Some more objects, small ones."""
    small = sample_data.make_exports(
        days=OBJECTS, orders=10, prefix=sample_data.EXPORTS_FOR_EMR
    ).files
    for file in small:
        cloud.cloud.client("s3").put_object(
            Bucket=cloud.outputs["DataBucketName"], Key=file.key, Body=file.body
        )


def steps_of(cloud: RunningCloud, run_id: str) -> list[Item]:
    """The run's jobs on EMR, in the order of their submission."""
    jobs = [job for job in cloud.ledger(run_id, "JOB#") if job["engine"]["S"] == "emr-ssm"]
    return sorted(jobs, key=lambda job: job["submitted_at"]["S"])


def assert_submitted_by_command(cloud: RunningCloud, job: Item) -> None:
    """The job's step id is what its command, sent to `SsmInstanceId`, has written."""
    command_id, step_id = job["service_id"]["S"].split("/")
    invocation = cloud.cloud.client("ssm").get_command_invocation(
        CommandId=command_id, InstanceId=cloud.cloud.parameters["SsmInstanceId"]
    )
    assert job["job_id"]["S"] in invocation["Comment"]
    assert json.loads(invocation["StandardOutputContent"]) == {"StepIds": [step_id]}
    step = cloud.cloud.client("emr").describe_step(
        ClusterId=cloud.cloud.parameters["EmrClusterId"], StepId=step_id
    )["Step"]
    assert job["job_id"]["S"] in step["Name"]


def assert_one_after_another(jobs: list[Item], units: list[str]) -> None:
    """Each job was submitted after the one before had ended, in the order of the units."""
    assert list(dict.fromkeys(job["item"]["S"].split("#")[1] for job in jobs)) == units
    times = [(job["submitted_at"]["S"], job["ended_at"]["S"]) for job in jobs]
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(times)), times


def let_it_be_late(cloud: RunningCloud, job: Item) -> None:
    """Have a running job's deadline pass, and the silence after which the orchestrator looks.

    Both take minutes: no dataset may give a job less than one, and a callback is silent for two.
    So the ledger's deadline is moved, and the timer of AWS's testing SDK is run out by hand. It is
    moved by little: a job that goes on long after it is given up by the watcher, uncancelled.
    """
    just_now = int(time.time()) - 1
    cloud.cloud.client("dynamodb").update_item(
        TableName=cloud.outputs["LedgerTable"],
        Key={"run_id": job["run_id"], "item": job["item"]},
        UpdateExpression="SET deadline = :past",
        ExpressionAttributeValues={":past": {"N": str(just_now)}},
    )
    engine = cloud.cloud.functions._engine
    assert engine is not None
    engine.executor._on_callback_heartbeat_timeout(job["execution"]["S"], job["callback_id"]["S"])


@pytest.mark.usefixtures("exports")
def test_parameters_in_and_every_object_goes_through_a_step_that_ssm_submits(
    cloud: RunningCloud, terminal: Terminal, mailbox: Mailbox
) -> None:
    with no_spark(cloud):
        response = json.loads(terminal.type(INVOKE))

    assert "FunctionError" not in response, response
    result = json.loads((terminal.directory / "result.json").read_text())
    assert (result["status"], result["units"]["total"]) == ("SUCCEEDED", OBJECTS)
    jobs = steps_of(cloud, result["runId"])
    assert_one_after_another(jobs, [f"00000-{number:03d}" for number in range(OBJECTS)])
    for job in jobs:
        assert_submitted_by_command(cloud, job)
    stored = cloud.stored(result["runId"])
    assert len(stored) == result["rows"]["stored"] > 0
    assert {item["index"]["S"] for item in stored} == {"large-orders"}
    assert mailbox.result(result["runId"], OBJECTS) == result


@pytest.mark.usefixtures("exports")
def test_after_a_job_that_failed_and_one_that_was_late_the_next_objects_go_on(
    cloud: RunningCloud, terminal: Terminal, mailbox: Mailbox
) -> None:
    failing, late = "00000-001", "00000-002"

    def running() -> Item | None:
        jobs = [job for job in steps_of(cloud, run_id) if f"#{late}#" in job["item"]["S"]]
        steps = cloud.cloud.client("emr").list_steps(
            ClusterId=cloud.cloud.parameters["EmrClusterId"], StepStates=["RUNNING"]
        )["Steps"]
        names = [step["Name"] for step in steps]
        begun = [job for job in jobs if job["state"]["S"] == "RUNNING"]
        return next((job for job in begun if job["job_id"]["S"] in str(names)), None)

    with no_spark(cloud, failing=(failing,), hanging=(late,)):
        started = json.loads(terminal.type(INVOKE_ASYNC))
        run_id = started["DurableExecutionArn"].split("/")[-2][-40:]
        let_it_be_late(cloud, wait_until(running, f"the job of {late} to run"))
        ended(cloud, run_id)

    jobs = steps_of(cloud, run_id)
    assert_one_after_another(jobs, [f"00000-{number:03d}" for number in range(OBJECTS)])
    assert [job["state"]["S"] for job in jobs] == [
        "SUCCEEDED", "FAILED", "FAILED", "TIMED_OUT", "SUCCEEDED",
    ]  # fmt: skip
    units = {unit["item"]["S"]: unit for unit in cloud.ledger(run_id, "UNIT#")}
    assert [unit["status"]["S"] for unit in units.values()] == [
        "STORED", "FAILED", "FAILED", "STORED",
    ]  # fmt: skip
    errors = [unit["failure"]["M"]["error_type"]["S"] for unit in list(units.values())[1:3]]
    assert errors == ["JobFailed", "JobTimedOut"]
    news = mailbox.result(run_id, OBJECTS)
    assert (news["status"], news["units"]["failed"]) == ("FAILED", 2)


# Design 2: one id through Glue Python, Glue Spark, Redshift

DRAWN_ID = r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}"
OF_ONE_RUN = re.search(
    r"### One run by its id.*?```sql\n(.*?)```", (ROOT / "docs" / "stores.md").read_text(), re.S
)


def found_by_its_id(cloud: RunningCloud, run_id: str) -> list[list[Any]]:
    """What the query of docs/stores.md finds."""
    assert OF_ONE_RUN
    return cloud.query(OF_ONE_RUN[1].replace("20261128T214133Z-06542013", run_id))


def test_one_id_is_in_both_jobs_their_outputs_the_load_and_the_runs_row(
    cloud: RunningCloud, terminal: Terminal
) -> None:
    _make_run, pipeline_run = commands_of("Glue Python")
    with no_spark(cloud):
        reported = terminal.type(pipeline_run)

    (run_id,) = set(re.findall(rf"Run ({DRAWN_ID}) of \w+ SUCCEEDED", reported))
    glue, s3 = cloud.cloud.client("glue"), cloud.cloud.client("s3")
    jobs = [job for job in cloud.ledger(run_id, "JOB#") if job["engine"]["S"] == "glue"]
    assert [job["stage"]["S"] for job in jobs] == ["clean", "enrich"] * 2
    for job in jobs:
        run = glue.get_job_run(JobName=job["target"]["S"], RunId=job["service_id"]["S"])["JobRun"]
        assert run["Arguments"]["--RUN_ID"] == run_id
        bucket, _, prefix = job["output_url"]["S"].removeprefix("s3://").partition("/")
        assert prefix.startswith(f"runs/{run_id}/")
        report = json.load(s3.get_object(Bucket=bucket, Key=f"{prefix}report.json")["Body"])
        assert report["runId"] == run_id
    assert cloud.stored(run_id) == []

    rows = found_by_its_id(cloud, run_id)
    assert {(row[0], row[1]) for row in rows} == {(run_id, "SUCCEEDED")}
    stages = [(row[3], row[4]) for row in rows]
    for unit in ("00000-000", "00000-001"):
        assert [stage for of, stage in stages if of == unit] == [
            "clean",
            "enrich",
            "store-redshift",
        ]
    loaded = [int(row[-1]) for row in rows if row[4] == "store-redshift"]
    count = "SELECT count(*) FROM public.orders_glue WHERE run_id = '{}'"
    assert [[sum(loaded)]] == cloud.query(count.format(run_id))
    assert sum(loaded) == int(rows[0][2]) > 0


def test_a_redelivered_message_finds_the_id_that_was_drawn_for_it(
    cloud: RunningCloud, terminal: Terminal
) -> None:
    one_day = "--dataset orders_glue --start 2026-11-01 --end 2026-11-02"
    with no_spark(cloud, failing=("00000-000",)):
        sent = json.loads(terminal.type(f"pipeline run {one_day} --run-id auto --json"))
        run_id = sent["runId"]
        assert re.fullmatch(DRAWN_ID, run_id)
        cloud.await_run(run_id, "FAILED")
    with no_spark(cloud):
        run = cloud.await_run(run_id, "SUCCEEDED")

    assert int(run["run_attempt"]["N"]) > 1
    (drawn,) = cloud.ledger(sent["messageId"], "DRAWN")
    assert drawn["drawn_run_id"]["S"] == run_id
    assert {row[0] for row in found_by_its_id(cloud, run_id)} == {run_id}


# Design 3: a CSV in, a CSV out


LANDING = "landing/readings_csv/"
RESULTS = "results/readings_csv/"


def upload_csv(uploads: RunningCloud, key: str, body: str) -> str:
    """Put an object; return the id of the run that its upload starts."""
    bucket = uploads.outputs["DataBucketName"]
    uploads.cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=body.encode())
    return run_of_upload(uploads, key)


def run_of_upload(uploads: RunningCloud, key: str) -> str:
    def found() -> str | None:
        response = uploads.cloud.client("dynamodb").scan(
            TableName=uploads.outputs["LedgerTable"],
            FilterExpression="#item = :run AND contains(#request, :key)",
            ExpressionAttributeNames={"#item": "item", "#request": "request"},
            ExpressionAttributeValues={":run": {"S": "RUN"}, ":key": {"S": key}},
        )
        return next((run["run_id"]["S"] for run in response["Items"]), None)

    run_id: Any = wait_until(found, f"a run over {key}")
    return str(run_id)


def files_of(uploads: RunningCloud, run_id: str) -> dict[str, list[dict[str, str]]]:
    """The run's files in the output bucket, by key: their rows, as a reader of CSV has them."""
    s3, bucket = uploads.cloud.client("s3"), uploads.outputs["OutputBucketName"]
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=RESULTS)
    keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
    return {
        key: list(
            csv.DictReader(
                io.StringIO(s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode())
            )
        )
        for key in keys
        if f"/{run_id}-" in key
    }


def noted(uploads: RunningCloud, run_id: str) -> list[str]:
    """The events of a run that the consumer of the notification queue has noted."""
    response = uploads.cloud.client("dynamodb").query(
        TableName=uploads.outputs["LedgerTable"],
        KeyConditionExpression="run_id = :run AND begins_with(#item, :prefix)",
        ExpressionAttributeNames={"#item": "item"},
        ExpressionAttributeValues={":run": {"S": run_id}, ":prefix": {"S": "EVENT#"}},
    )
    return [json.dumps(item) for item in response["Items"]]


def test_an_uploaded_csv_becomes_csv_files_and_its_notification_is_consumed(
    uploads: RunningCloud, tmp_path: Path
) -> None:
    copy, look = commands_of("a CSV in")
    terminal = Terminal(uploads, tmp_path)
    body = (
        "id,recorded_at,value,unit\n"
        "a,2026-11-01T00:00:00Z,1.500,C\n"
        "b,2026-11-01T01:00:00+01:00,-2,C\n"
        '"c, ""the third""",2026-11-01T00:00:00Z,70,F\n'
        "a,2026-11-01T00:00:00Z,1.500,C\n"
        + "".join(f"d{number},2026-11-01T00:00:00Z,{number},C\n" for number in range(20))
        + "x,2026-11-01T00:00:00Z,1,K\n"
    )
    (terminal.directory / "test.csv").write_text(body)
    terminal.type(copy)
    run_id = run_of_upload(uploads, f"{LANDING}test.csv")
    run = uploads.await_run(run_id, "SUCCEEDED", "FAILED")
    assert run["status"]["S"] == "SUCCEEDED", run.get("reason")
    rows = {name: int(count["N"]) for name, count in run["rows"]["M"].items()}
    counts = (rows["rows_in"], rows["rejected"], rows["removed"], rows["stored"])
    assert counts == (25, 1, 1, 23)

    files = files_of(uploads, run_id)
    assert sorted(files) == [
        f"{RESULTS}unit=C/{run_id}-00000-000-00000.csv",
        f"{RESULTS}unit=F/{run_id}-00000-000-00000.csv",
    ]
    listed = terminal.type(look)
    assert all(key in listed for key in files), listed
    in_celsius, in_fahrenheit = (files[key] for key in sorted(files))
    assert in_fahrenheit == [
        {"id": 'c, "the third"', "recorded_at": "2026-11-01T00:00:00Z", "value": "70.000"}
    ]
    assert len(in_celsius) == 22
    assert in_celsius[1] == {
        "id": "b",
        "recorded_at": "2026-11-01T00:00:00Z",
        "value": "-2.000",
    }
    assert uploads.stored(run_id) == []
    (outcome,) = uploads.results(run_id)["outcomes"]
    assert outcome["outputs"]["tables"] == [f"files:{RESULTS}"]

    def consumed() -> Item | None:
        events = noted(uploads, run_id)
        return {"events": events} if any("run-ended" in event for event in events) else None

    wait_until(consumed, "the consumer to note the run's end")


def test_a_repeat_of_a_unit_with_fewer_files_removes_the_others(uploads: RunningCloud) -> None:
    """As after a job whose output differs; by the deployed function, with its own rights."""
    rows = ["id,recorded_at,value,unit", "a,2026-11-01T00:00:00Z,1,C", "b,2026-11-01T00:00:00Z,2,F"]
    run_id = upload_csv(uploads, f"{LANDING}again.csv", "\n".join(rows) + "\n")
    uploads.await_run(run_id, "SUCCEEDED")
    celsius, fahrenheit = sorted(files_of(uploads, run_id))

    def store(attempt: int) -> Item:
        message = {"runId": run_id, "unitId": "00000-000", "runAttempt": attempt}
        response = uploads.cloud.client("lambda").invoke(
            FunctionName="durable-pipeline-StoreFilesFunction", Payload=json.dumps(message)
        )
        assert "FunctionError" not in response, response["Payload"].read()
        stored: Item = json.loads(response["Payload"].read())
        return stored

    assert store(attempt=1)["files"] == 2
    assert sorted(files_of(uploads, run_id)) == [celsius, fahrenheit]

    bucket = uploads.outputs["DataBucketName"]
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file, connect() as maker:
        maker.execute(
            "COPY (SELECT 'a' AS id, TIMESTAMP '2026-11-01' AS recorded_at,"
            f" 3::DECIMAL(12,3) AS value, 'C' AS unit) TO '{file.name}' (FORMAT parquet)"
        )
        key = f"{layout.output_prefix(run_id, '00000-000')}part-00000.parquet"
        uploads.cloud.client("s3").upload_file(file.name, bucket, key)
    for _ in range(2):  # the second finds that the other file is gone already
        assert store(attempt=2)["files"] == 1
        ((left, (row,)),) = files_of(uploads, run_id).items()
        assert (left, row["value"]) == (celsius, "3.000")


def test_a_csv_that_fails_leaves_no_files_and_lies_in_the_dead_letter_queue(
    uploads: RunningCloud,
) -> None:
    run_id = upload_csv(uploads, f"{LANDING}broken.csv", "id,recorded_at,value,unit\na,never,1,C\n")
    uploads.await_run(run_id, "FAILED")
    letter = uploads.dead_letter("broken.csv")
    assert json.loads(letter["Body"])["detail"]["object"]["key"] == f"{LANDING}broken.csv"
    assert files_of(uploads, run_id) == {}


DAYS = "archive/readings_days/"
DAYS_RESULTS = "results/readings_days/"


def current(uploads: RunningCloud) -> dict[str, list[str]]:
    """What a reader of the manifests sees: the ids of rows, by the folder of their file."""
    s3, bucket = uploads.cloud.client("s3"), uploads.outputs["OutputBucketName"]

    def body(key: str) -> str:
        return str(s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode())

    prefix = f"{DAYS_RESULTS}{layout.MANIFESTS}"
    found = s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    manifests = [OutputManifest.from_json(json.loads(body(each["Key"]))) for each in found]
    rows: dict[str, list[str]] = {}
    for file in current_files(manifests):
        ids = [row["id"] for row in csv.DictReader(io.StringIO(body(file.key)))]
        rows.setdefault(file.key.removeprefix(DAYS_RESULTS).partition("/")[0], []).extend(ids)
    return rows


def test_a_second_run_over_a_range_replaces_the_first_ones_partitions(
    uploads: RunningCloud,
) -> None:
    s3, bucket = uploads.cloud.client("s3"), uploads.outputs["DataBucketName"]
    contract = (ROOT / "datasets" / "readings_csv.yaml").read_text()
    contract = contract.replace("landing/readings_csv/", DAYS).replace(
        "partitionBy: [unit]", "partitionBy: [unit], replace: partition"
    )
    s3.put_object(
        Bucket=uploads.outputs["CodeBucketName"],
        Key="datasets/readings_days.yaml",
        Body=contract.replace("readings_csv", "readings_days").encode(),
    )
    request = {"datasetName": "readings_days", "startDateTime": "2020-01-01"}
    rows = {"a": "a,2026-11-01T00:00:00Z,1,C\n", "f": "f,2026-11-01T00:00:00Z,1,F\n"}

    def run(run_id: str, **objects: str) -> dict[str, Any]:
        for name, body in objects.items():
            text = f"id,recorded_at,value,unit\n{body}"
            s3.put_object(Bucket=bucket, Key=f"{DAYS}{name}.csv", Body=text.encode())
        uploads.send({**request, "runId": run_id})
        ended = uploads.await_run(run_id, "SUCCEEDED", "FAILED")
        assert ended["status"]["S"] == "SUCCEEDED", ended.get("reason")
        result = uploads.results(run_id)
        url = result["files"]["manifestUrl"]
        output = uploads.outputs["OutputBucketName"]
        assert url == f"s3://{output}/{DAYS_RESULTS}_runs/{run_id}.json"
        body = s3.get_object(Bucket=output, Key=url.removeprefix(f"s3://{output}/"))["Body"].read()
        manifest: dict[str, Any] = json.loads(body)
        return {**manifest, "result": result["files"]}

    first = run("days-1", one=rows["a"], two=rows["f"])
    assert [(file["key"], file["rows"], file["partition"]) for file in first["files"]] == [
        (f"{DAYS_RESULTS}unit=C/days-1-00000-000-00000.csv", 1, {"unit": "C"}),
        (f"{DAYS_RESULTS}unit=F/days-1-00000-001-00000.csv", 1, {"unit": "F"}),
    ]
    assert (first["complete"], first["rows"], first["supersedes"]) == (True, 2, [])
    assert first["asked"]["startDateTime"] == "2020-01-01T00:00:00Z"
    assert current(uploads) == {"unit=C": ["a"], "unit=F": ["f"]}

    second = run("days-2", one=rows["a"] + rows["a"].replace("a", "b", 1))

    assert second["supersedes"] == ["days-1"]
    assert second["result"]["removed"] == 2
    assert current(uploads) == {"unit=C": ["a", "b"], "unit=F": ["f"]}
    listed = s3.list_objects_v2(Bucket=uploads.outputs["OutputBucketName"], Prefix=DAYS_RESULTS)
    names = [found["Key"].removeprefix(DAYS_RESULTS) for found in listed["Contents"]]
    assert names == [
        "_runs/days-1.json",
        "_runs/days-2.json",
        "unit=C/days-2-00000-000-00000.csv",
        "unit=F/days-2-00000-001-00000.csv",
    ]


# Design 4: a JSON file of items


def item_results(cloud: RunningCloud, run_id: str) -> list[Any]:
    """`aws s3 cp --recursive`: what came of each item."""
    s3, bucket = cloud.cloud.client("s3"), cloud.outputs["DataBucketName"]
    prefix = f"runs/{run_id}/items/results/"
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
    return [json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read()) for key in keys]


def reading(number: int, value: str = "1.5") -> dict[str, str]:
    time = "2026-11-01T00:00:00Z"
    return {"id": f"item-{number}", "recorded_at": time, "value": value, "unit": "celsius"}


def test_items_go_ten_at_a_time_and_too_many_failures_are_notified(cloud: RunningCloud) -> None:
    sqs = cloud.cloud.client("sqs")
    inbox = sqs.create_queue(QueueName="items-inbox")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=inbox, AttributeNames=["QueueArn"])
    cloud.cloud.client("sns").subscribe(
        TopicArn=cloud.outputs["NotificationTopicArn"],
        Protocol="sqs",
        Endpoint=arn["Attributes"]["QueueArn"],
    )
    items = [reading(number, "broken" if number % 5 < 3 else "1.5") for number in range(25)]

    bucket, key = cloud.outputs["DataBucketName"], "arrays/items.json"
    s3 = cloud.cloud.client("s3")
    s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(items, indent=1).encode())
    message = {"datasetName": "standard", "runId": "items-of-standard", "itemsPerBatch": 10}
    cloud.send({**message, "inputUrl": f"s3://{bucket}/{key}"})
    run = cloud.await_run("items-of-standard", "FAILED", "SUCCEEDED")

    assert run["status"]["S"] == "FAILED"
    assert "15 of 25 items" in run["reason"]["S"]
    assert len(cloud.ledger("items-of-standard", "UNIT#")) == 3
    results = item_results(cloud, "items-of-standard")
    assert [result["item"] for result in results] == items
    assert Counter(result["status"] for result in results) == {"STORED": 10, "REJECTED": 15}

    def reported() -> Item | None:
        batch = sqs.receive_message(QueueUrl=inbox, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        news = [json.loads(json.loads(one["Body"])["Message"]) for one in batch.get("Messages", [])]
        ends = [one for one in news if one["event"] == "run-ended"]
        return next((one for one in ends if one["runId"] == "items-of-standard"), None)

    assert "15 of 25 items" in wait_until(reported, "the notification")["result"]["reason"]


def test_the_samples_items_are_stored(terminal: Terminal) -> None:
    (run,) = commands_of("JSON file of items")
    shown = terminal.type(run)
    assert re.search(r"Run [0-9a-f-]+ of \w+ SUCCEEDED", shown), shown


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
    """The run's items by their id, each attribute as a text."""
    return texts_of(cloud.stored(run_id))


def texts_of(items: list[Item]) -> dict[str, dict[str, str]]:
    return {
        item["id"]["S"]: {name: next(iter(value.values())) for name, value in item.items()}
        for item in items
    }


def test_an_object_is_named_by_its_key_and_its_items_say_where_they_come_from(
    cloud: RunningCloud, terminal: Terminal
) -> None:
    copy, send, scan = commands_of("processing_type")
    (terminal.directory / "test.csv").write_text(TEST_CSV)

    terminal.type(copy)
    run_id = json.loads(terminal.type(send))["MessageId"]
    run = ended(cloud, run_id)
    found = json.loads(terminal.type(scan))["Items"]

    assert run["status"]["S"] == "SUCCEEDED", run
    items = texts_of([item for item in found if item["run_id"]["S"] == run_id])
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
