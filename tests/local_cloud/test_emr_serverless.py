"""EMR Serverless: job runs are processes, and the API describes them as the service does."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from job_services import BUCKET, ENVIRONMENT, World, is_alive, wait_until, world

from local.local_cloud.jobs.emr_serverless import EmrServerlessService
from local.local_cloud.jobs.emr_serverless_runs import Run, RunRequest
from local.local_cloud.jobs.job_queue import Phase, QueuedJob

APPLICATION = "00local000000001"
ROLE = "arn:aws:iam::000000000000:role/emr"
SLEEP = "import time; time.sleep(60)"


class Serverless:
    """An application under test and its client."""

    def __init__(self, world: World, service: EmrServerlessService) -> None:
        self.world, self.service, self.events = world, service, world.events
        self.client = world.client("emr-serverless")

    def start(self, source: str, *arguments: str, parameters: str = "", **request: Any) -> str:
        script = self.world.put_script(source)
        spark: dict[str, Any] = {"entryPoint": script, "entryPointArguments": list(arguments)}
        if parameters:
            spark["sparkSubmitParameters"] = parameters
        response = self.client.start_job_run(
            applicationId=APPLICATION,
            executionRoleArn=ROLE,
            jobDriver={"sparkSubmit": spark},
            **request,
        )
        return str(response["jobRunId"])

    def run(self, run_id: str) -> dict[str, Any]:
        response = self.client.get_job_run(applicationId=APPLICATION, jobRunId=run_id)
        found: dict[str, Any] = response["jobRun"]
        return found

    def state(self, run_id: str) -> str:
        return str(self.run(run_id)["state"])

    def ended(self, run_id: str) -> dict[str, Any]:
        wait_until(lambda: self.state(run_id) in ("SUCCESS", "FAILED", "CANCELLED"))
        return self.run(run_id)


@pytest.fixture
def serverless(moto_endpoint: str, tmp_path: Path) -> Iterator[Serverless]:
    with world(moto_endpoint) as around:
        service = EmrServerlessService(
            around.front.url, tmp_path / "emr", around.events, ENVIRONMENT
        )
        service.start()
        service.add_application(APPLICATION, max_concurrent_runs=2)
        around.front.add_rest("emr-serverless", service)
        try:
            yield Serverless(around, service)
        finally:
            service.stop()


@pytest.mark.cloud
def test_a_job_run_is_a_process_and_its_output_goes_where_it_asks(serverless: Serverless) -> None:
    run_id = serverless.start(
        """
        import json, os, sys
        print(json.dumps({"argv": sys.argv[1:], "spark": os.environ["PYSPARK_SUBMIT_ARGS"]}))
        print("said", file=sys.stderr)
        """,
        *("--JOB_ID", "j 1"),
        parameters="--conf spark.a='1 2' --conf spark.executor.memory=8g",
        name="j1 key",
        configurationOverrides={
            "monitoringConfiguration": {
                "s3MonitoringConfiguration": {"logUri": f"s3://{BUCKET}/logs/"},
                "cloudWatchLoggingConfiguration": {"enabled": True, "logStreamNamePrefix": "p"},
            }
        },
    )
    run = serverless.ended(run_id)
    assert (run["state"], run["name"], run["executionRole"]) == ("SUCCESS", "j1 key", ROLE)
    assert run["createdAt"] <= run["startedAt"] <= run["endedAt"]
    assert run["jobDriver"]["sparkSubmit"]["entryPointArguments"] == ["--JOB_ID", "j 1"]

    place = f"applications/{APPLICATION}/jobs/{run_id}/SPARK_DRIVER"
    stored = serverless.world.s3.get_object(Bucket=BUCKET, Key=f"logs/{place}/stdout.gz")
    seen = json.loads(gzip.decompress(stored["Body"].read()))
    assert seen["argv"] == ["--JOB_ID", "j 1"]
    assert "'spark.a=1 2'" in seen["spark"]
    assert "8g" not in seen["spark"]
    stream = serverless.world.client("logs").get_log_events(
        logGroupName="/aws/emr-serverless", logStreamName=f"p/{place}/stderr"
    )
    assert [event["message"] for event in stream["events"]] == ["said"]


@pytest.mark.cloud
def test_each_change_of_a_job_run_is_an_event(serverless: Serverless) -> None:
    run_id = serverless.start("")
    wait_until(lambda: serverless.events.states("jobRunId", run_id)[-1:] == ["SUCCESS"])
    assert serverless.events.states("jobRunId", run_id) == ["SUBMITTED", "RUNNING", "SUCCESS"]
    event = serverless.events.received[-1]
    assert event["source"] == "aws.emr-serverless"
    assert event["detail-type"] == "EMR Serverless Job Run State Change"
    assert event["detail"]["applicationId"] == APPLICATION
    assert event["detail"]["previousState"] == "RUNNING"


@pytest.mark.cloud
def test_a_job_run_that_raises_fails_with_the_reason(serverless: Serverless) -> None:
    run = serverless.ended(serverless.start("raise ValueError('row 7: no such column')"))
    assert run["state"] == "FAILED"
    assert "ValueError: row 7: no such column" in run["stateDetails"]


@pytest.mark.cloud
def test_a_token_starts_one_job_run_however_often_it_comes(serverless: Serverless) -> None:
    first = serverless.start(SLEEP, clientToken="key-1")
    assert serverless.start(SLEEP, clientToken="key-1") == first
    with pytest.raises(serverless.client.exceptions.ConflictException):
        serverless.start(SLEEP, "--other", clientToken="key-1")
    runs = serverless.client.list_job_runs(applicationId=APPLICATION)["jobRuns"]
    assert [run["id"] for run in runs] == [first]


@pytest.mark.cloud
def test_a_job_run_that_is_cancelled_is_killed(serverless: Serverless, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    run_id = serverless.start(
        f"""
        import os, pathlib, time
        pathlib.Path({str(pid_file)!r}).write_text(str(os.getpid()))
        time.sleep(60)
        """
    )
    wait_until(lambda: pid_file.exists() and bool(pid_file.read_text()))
    serverless.client.cancel_job_run(applicationId=APPLICATION, jobRunId=run_id)
    assert serverless.ended(run_id)["state"] == "CANCELLED"
    assert not is_alive(int(pid_file.read_text()))
    serverless.client.cancel_job_run(applicationId=APPLICATION, jobRunId=run_id)  # harmless


@pytest.mark.cloud
def test_job_runs_over_the_applications_limit_are_queued(serverless: Serverless) -> None:
    running = [serverless.start(SLEEP) for _ in range(2)]
    wait_until(lambda: [serverless.state(run) for run in running] == ["RUNNING"] * 2)
    waiting = serverless.start("")  # its script takes the place of theirs, which they have by now
    assert serverless.state(waiting) == "QUEUED"
    serverless.client.cancel_job_run(applicationId=APPLICATION, jobRunId=running[0])
    assert serverless.ended(waiting)["state"] == "SUCCESS"


@pytest.mark.cloud
def test_job_runs_are_listed_newest_first_by_states_times_and_pages(
    serverless: Serverless,
) -> None:
    ids = [serverless.start("", name=f"run {n}") for n in range(3)]
    for run_id in ids:
        serverless.ended(run_id)
    pages = serverless.client.get_paginator("list_job_runs").paginate(
        applicationId=APPLICATION, PaginationConfig={"PageSize": 2}
    )
    runs = [run for page in pages for run in page["jobRuns"]]
    assert [run["name"] for run in runs] == ["run 2", "run 1", "run 0"]
    hour_ago = datetime.now(UTC) - timedelta(hours=1)

    def found(**query: Any) -> int:
        response = serverless.client.list_job_runs(applicationId=APPLICATION, **query)
        return len(response["jobRuns"])

    assert found(states=["SUCCESS", "FAILED"], createdAtAfter=hour_ago) == 3
    assert found(states=["RUNNING"]) == 0
    assert found(createdAtBefore=hour_ago) == 0


def test_a_job_run_that_ran_too_long_is_reported_as_cancelled() -> None:
    request = RunRequest.of(
        {
            "clientToken": "t",
            "executionRoleArn": ROLE,
            "jobDriver": {"sparkSubmit": {"entryPoint": "s3://a/b.py"}},
            "executionTimeoutMinutes": 5,
        }
    )
    job = QueuedJob("r", lambda _: pytest.fail("is not run"), phase=Phase.TIMED_OUT)
    shown = Run("r", APPLICATION, request, job).describe()
    assert shown["state"] == "CANCELLED"
    assert "timeout of 5 minutes" in shown["stateDetails"]


def test_the_application_can_be_asked_for_and_unknown_ones_are_not_found(
    serverless: Serverless,
) -> None:
    response = serverless.client.get_application(applicationId=APPLICATION)["application"]
    assert (response["state"], response["schedulerConfiguration"]["maxConcurrentRuns"]) == (
        "STARTED",
        2,
    )
    missing = serverless.client.exceptions.ResourceNotFoundException
    with pytest.raises(missing):
        serverless.client.get_application(applicationId="00nope")
    with pytest.raises(missing):
        serverless.run("00nope")


def test_what_is_not_emulated_is_refused_by_name(serverless: Serverless) -> None:
    with pytest.raises(ClientError, match="emr-serverless ListApplications"):
        serverless.client.list_applications()
    with pytest.raises(ClientError, match="retryPolicy"):
        serverless.start("", retryPolicy={"maxAttempts": 2})
    with pytest.raises(ClientError, match="other than sparkSubmit"):
        serverless.client.start_job_run(
            applicationId=APPLICATION, executionRoleArn=ROLE, jobDriver={"hive": {"query": "x"}}
        )
