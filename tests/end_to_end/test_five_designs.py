"""Five designs that people bring along, each by the commands that README.md tells them to type.

One running cloud for all, permissions enforced. A design's commands are taken out of the README
(`commands_of`) and typed in a shell (`Terminal`); the AWS CLI's calls go by boto3.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running_cloud import ROOT, Item, RunningCloud, wait_until
from spark_stand_in import no_spark
from typed_commands import Terminal, commands_of, commands_of_designs

from local import sample_data
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

MAKE_RUN, INVOKE, INVOKE_ASYNC = commands_of("EMR steps")
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
    So the ledger's deadline is moved, and the timer of AWS's testing SDK is run out by hand.
    """
    cloud.cloud.client("dynamodb").update_item(
        TableName=cloud.outputs["LedgerTable"],
        Key={"run_id": job["run_id"], "item": job["item"]},
        UpdateExpression="SET deadline = :past",
        ExpressionAttributeValues={":past": {"N": "1"}},
    )
    engine = cloud.cloud.functions._engine
    assert engine is not None
    engine.executor._on_callback_heartbeat_timeout(job["execution"]["S"], job["callback_id"]["S"])


@pytest.mark.usefixtures("exports")
def test_parameters_in_and_every_object_goes_through_a_step_that_ssm_submits(
    cloud: RunningCloud, terminal: Terminal, mailbox: Mailbox
) -> None:
    with no_spark(cloud):
        answer = json.loads(terminal.type(INVOKE))

    assert "FunctionError" not in answer, answer
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
        submitted = [job for job in jobs if "service_id" in job]  # its deadline stands by then
        return next((job for job in submitted if job["job_id"]["S"] in str(names)), None)

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


@pytest.mark.spark
@pytest.mark.timeout(600)
def test_make_run_takes_the_parameters_through_spark(terminal: Terminal) -> None:
    report = json.loads(terminal.type(MAKE_RUN))

    assert (report["status"], report["addsUp"]) == ("SUCCEEDED", True)
    exports = sample_data.make_exports(
        orders=sample_data.ORDERS_IN_SMALL_EXPORTS, prefix=sample_data.EXPORTS_FOR_EMR
    )
    assert report["rows"]["rowsIn"] == exports.rows
    assert report["rows"]["filtered"] > 0
    assert report["rows"]["stored"] > 0


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
        told = terminal.type(pipeline_run)

    (run_id,) = set(re.findall(rf"Run ({DRAWN_ID}): SUCCEEDED", told))
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


@pytest.mark.spark
@pytest.mark.timeout(600)
def test_make_run_takes_one_id_through_both_jobs(terminal: Terminal) -> None:
    make_run, _pipeline_run = commands_of("Glue Python")
    report = json.loads(terminal.type(make_run))

    assert (report["status"], report["addsUp"]) == ("SUCCEEDED", True)
    assert re.fullmatch(DRAWN_ID, report["runId"])
    ((run,), units) = (answer["rows"] for answer in report["warehouse"])
    assert (run["run_id"], len(units)) == (report["runId"], 2)


# Design 3: a CSV in, a CSV out


# Design 4: a JSON file of items


# Design 5: {"data_source": …, "processing_type": …}
