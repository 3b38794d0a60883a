"""EMR: steps are processes, one after another, and the API describes them as EMR does."""

from __future__ import annotations

import gzip
import importlib.util
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from job_services import ENVIRONMENT, World, is_alive, wait_until, world

from local.local_cloud.http.operations import JsonService
from local.local_cloud.http.services import ServiceError
from local.local_cloud.jobs.emr import MOST_ACTIVE_STEPS, EmrService

CLUSTER = "j-LOCAL1"
SLEEP = "import time; time.sleep(60)"


class Emr:
    """A cluster under test and its client."""

    def __init__(self, world: World, service: EmrService) -> None:
        self.world, self.service, self.events = world, service, world.events
        self.client = world.client("emr")

    def step(self, script: str, *arguments: str, name: str = "clean", **changes: Any) -> Any:
        return {
            "Name": name,
            "ActionOnFailure": "CONTINUE",
            "HadoopJarStep": {
                "Jar": "command-runner.jar",
                "Args": ["spark-submit", "--deploy-mode", "cluster", script, *arguments],
            },
            **changes,
        }

    def add(self, source: str, *arguments: str, key: str = "jobs/script.py") -> str:
        step = self.step(self.world.put_script(source, key), *arguments)
        return self.add_steps(step)[0]

    def add_steps(self, *steps: Any) -> list[str]:
        response = self.client.add_job_flow_steps(JobFlowId=CLUSTER, Steps=list(steps))
        return list(response["StepIds"])

    def describe(self, step_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.describe_step(ClusterId=CLUSTER, StepId=step_id)["Step"]
        return found

    def state(self, step_id: str) -> str:
        return str(self.describe(step_id)["Status"]["State"])

    def ended(self, step_id: str) -> dict[str, Any]:
        wait_until(lambda: self.state(step_id) in ("COMPLETED", "FAILED", "CANCELLED"))
        return self.describe(step_id)

    def log(self, step_id: str, kind: str) -> str:
        uri = self.client.describe_cluster(ClusterId=CLUSTER)["Cluster"]["LogUri"]
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        key = f"{prefix}{CLUSTER}/steps/{step_id}/{kind}.gz"
        body = self.world.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return gzip.decompress(body).decode()


@pytest.fixture
def emr(moto_endpoint: str, tmp_path: Path) -> Iterator[Emr]:
    with world(moto_endpoint) as around:
        service = EmrService(around.front.url, tmp_path / "emr", around.events, ENVIRONMENT)
        service.start()
        service.add_cluster(CLUSTER)
        around.front.add_json(service)
        try:
            yield Emr(around, service)
        finally:
            service.stop()


def test_the_service_is_one_that_the_front_can_route_to(tmp_path: Path) -> None:
    service: JsonService = EmrService("http://127.0.0.1:1", tmp_path, print, {})
    assert (service.target_prefix, service.forwards) == ("ElasticMapReduce", False)
    with pytest.raises(ServiceError, match="does not emulate elasticmapreduce RunJobFlow"):
        service.call("RunJobFlow", {})


@pytest.mark.cloud
def test_a_step_is_a_process_with_its_arguments_and_an_environment_of_its_own(
    emr: Emr, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_HOST", "1")
    step_id = emr.add(
        """
        import json, os, sys
        print(json.dumps({"argv": sys.argv[1:], "env": dict(os.environ), "cwd": os.getcwd()}))
        """,
        *("--JOB_ID", "j 1", "--QUERY", "a > 'x y'"),
    )
    step = emr.ended(step_id)

    assert step["Status"]["State"] == "COMPLETED"
    timeline = step["Status"]["Timeline"]
    assert timeline["CreationDateTime"] <= timeline["StartDateTime"] <= timeline["EndDateTime"]
    seen = json.loads(emr.log(step_id, "stdout"))
    assert seen["argv"] == ["--JOB_ID", "j 1", "--QUERY", "a > 'x y'"]
    assert seen["env"]["AWS_ENDPOINT_URL"] == emr.world.front.url
    assert seen["env"]["GREETING"] == "hello"
    assert "SECRET_OF_THE_HOST" not in seen["env"]
    assert not Path(seen["cwd"]).exists()


@pytest.mark.cloud
@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("pyspark") is None or shutil.which("java") is None,
    reason="needs PySpark (the extra `spark`) and Java 17",
)
def test_a_step_that_asks_for_spark_gets_it_and_cancelling_ends_its_java_too(
    emr: Emr, tmp_path: Path
) -> None:
    pid_file = tmp_path / "pid"
    step_id = emr.add(
        f"""
        import pathlib, time
        from pyspark.sql import SparkSession
        spark = SparkSession.builder.appName("job").getOrCreate()
        print(spark.sparkContext.master, spark.range(5).repartition(3).count())
        java = spark._jvm.java.lang.ProcessHandle.current().pid()
        pathlib.Path({str(pid_file)!r}).write_text(str(java))
        time.sleep(60)
        """
    )
    wait_until(lambda: pid_file.exists() and bool(pid_file.read_text()), seconds=60)
    emr.client.cancel_steps(ClusterId=CLUSTER, StepIds=[step_id])
    assert emr.ended(step_id)["Status"]["State"] == "CANCELLED"
    assert emr.log(step_id, "stdout") == "local[1] 5\n"
    java = int(pid_file.read_text())
    wait_until(lambda: not is_alive(java))


@pytest.mark.cloud
def test_each_change_of_a_step_is_an_event(emr: Emr) -> None:
    step_id = emr.add("")
    emr.ended(step_id)
    wait_until(lambda: emr.events.states("stepId", step_id)[-1:] == ["COMPLETED"])
    assert emr.events.states("stepId", step_id) == ["PENDING", "RUNNING", "COMPLETED"]
    event = emr.events.received[-1]
    assert (event["source"], event["detail-type"]) == ("aws.emr", "EMR Step Status Change")
    assert event["detail"]["clusterId"] == CLUSTER
    assert event["detail"]["name"] == "clean"
    assert event["detail"]["actionOnFailure"] == "CONTINUE"
    assert event["detail"]["severity"] == "INFO"


@pytest.mark.cloud
def test_a_script_that_raises_fails_its_step_with_reason_log_and_event(emr: Emr) -> None:
    step_id = emr.add("raise ValueError('row 7: no such column')")
    status = emr.ended(step_id)["Status"]
    assert status["State"] == "FAILED"
    assert status["FailureDetails"]["Message"] == "ValueError: row 7: no such column"
    assert status["FailureDetails"]["LogFile"].endswith(f"/{CLUSTER}/steps/{step_id}/stderr.gz")
    assert "Traceback" in emr.log(step_id, "stderr")
    wait_until(lambda: emr.events.states("stepId", step_id)[-1:] == ["FAILED"])
    assert emr.events.received[-1]["detail"]["severity"] == "ERROR"


@pytest.mark.cloud
def test_a_step_with_a_timeout_of_its_own_is_ended_by_it(emr: Emr) -> None:
    step = emr.step(emr.world.put_script(SLEEP, "jobs/slow.py"))
    step["HadoopJarStep"]["Args"][:0] = ["timeout", "--foreground", "--kill-after=30", "1"]
    [step_id] = emr.add_steps(step)
    assert emr.ended(step_id)["Status"]["State"] == "FAILED"


@pytest.mark.cloud
def test_what_cannot_be_run_fails_the_step_not_the_call(emr: Emr) -> None:
    missing = emr.add_steps(emr.step("s3://code/jobs/nowhere.py"))[0]
    jars = emr.step("s3://code/jobs/script.py")
    jars["HadoopJarStep"]["Args"][1:3] = ["--jars", "s3://code/some.jar"]
    [unknown] = emr.add_steps(jars)
    assert "nowhere.py" in emr.ended(missing)["Status"]["FailureDetails"]["Message"]
    assert "--jars is not emulated" in emr.ended(unknown)["Status"]["FailureDetails"]["Message"]


@pytest.mark.cloud
def test_steps_run_one_after_another_in_the_order_they_came(emr: Emr, tmp_path: Path) -> None:
    gate, trace = tmp_path / "gate", tmp_path / "trace"
    first = emr.add(
        f"""
        import pathlib, time
        while not pathlib.Path({str(gate)!r}).exists():
            time.sleep(0.02)
        open({str(trace)!r}, "a").write("1")
        """,
        key="first.py",
    )
    later = [emr.add(f"open({str(trace)!r}, 'a').write('{n}')", key=f"{n}.py") for n in (2, 3)]
    wait_until(lambda: emr.state(first) == "RUNNING")
    assert [emr.state(step) for step in later] == ["PENDING", "PENDING"]
    cluster = emr.client.list_clusters()["Clusters"][0]
    assert (cluster["Id"], cluster["Status"]["State"]) == (CLUSTER, "RUNNING")
    gate.touch()
    assert emr.ended(later[1])["Status"]["State"] == "COMPLETED"
    assert trace.read_text() == "123"


@pytest.mark.cloud
def test_a_cluster_runs_as_many_steps_as_its_concurrency(emr: Emr) -> None:
    emr.service.add_cluster("j-WIDE", concurrency=2)
    script = emr.world.put_script(SLEEP)
    response = emr.client.add_job_flow_steps(JobFlowId="j-WIDE", Steps=[emr.step(script)] * 3)

    def states() -> list[str]:
        steps = emr.client.list_steps(ClusterId="j-WIDE", StepIds=response["StepIds"])["Steps"]
        return [step["Status"]["State"] for step in steps]

    wait_until(lambda: states() == ["PENDING", "RUNNING", "RUNNING"])
    described = emr.client.describe_cluster(ClusterId="j-WIDE")["Cluster"]
    assert described["StepConcurrencyLevel"] == 2


@pytest.mark.cloud
def test_steps_over_the_limit_of_256_active_ones_are_refused(emr: Emr) -> None:
    script = emr.world.put_script(SLEEP)
    emr.add_steps(*[emr.step(script)] * (MOST_ACTIVE_STEPS - 1))
    with pytest.raises(ClientError, match="Maximum number of active steps"):
        emr.add_steps(*[emr.step(script)] * 2)
    [last] = emr.add_steps(emr.step(script))
    with pytest.raises(ClientError, match="Maximum number of active steps"):
        emr.add_steps(emr.step(script))
    emr.client.cancel_steps(ClusterId=CLUSTER, StepIds=[last])
    emr.add_steps(emr.step(script))


@pytest.mark.cloud
def test_a_running_step_is_killed_by_cancelling_and_a_pending_one_never_starts(
    emr: Emr, tmp_path: Path
) -> None:
    pid_file = tmp_path / "pid"
    running = emr.add(
        f"""
        import os, pathlib, time
        pathlib.Path({str(pid_file)!r}).write_text(str(os.getpid()))
        time.sleep(60)
        """
    )
    pending = emr.add(SLEEP, key="other.py")
    wait_until(lambda: pid_file.exists() and bool(pid_file.read_text()))
    response = emr.client.cancel_steps(ClusterId=CLUSTER, StepIds=[pending, running, "s-UNKNOWN"])
    assert [item["Status"] for item in response["CancelStepsInfoList"]] == [
        "SUBMITTED",
        "SUBMITTED",
        "FAILED",
    ]
    assert emr.ended(running)["Status"]["State"] == "CANCELLED"
    assert emr.ended(pending)["Status"]["State"] == "CANCELLED"
    assert not is_alive(int(pid_file.read_text()))
    assert emr.events.states("stepId", pending) == ["PENDING", "CANCELLED"]
    again = emr.client.cancel_steps(ClusterId=CLUSTER, StepIds=[running])
    assert "already CANCELLED" in again["CancelStepsInfoList"][0]["Reason"]


@pytest.mark.cloud
def test_steps_are_listed_newest_first_by_ids_by_states_and_by_pages(emr: Emr) -> None:
    script = emr.world.put_script(SLEEP)
    ids = emr.add_steps(*[emr.step(script, name=f"step {n}") for n in range(60)])
    wait_until(lambda: emr.state(ids[0]) == "RUNNING")
    pages = list(emr.client.get_paginator("list_steps").paginate(ClusterId=CLUSTER))
    assert [len(page["Steps"]) for page in pages] == [50, 10]
    assert [step["Id"] for page in pages for step in page["Steps"]] == ids[::-1]

    some = emr.client.list_steps(ClusterId=CLUSTER, StepIds=ids[:10])["Steps"]
    assert [step["Name"] for step in some] == [f"step {n}" for n in range(9, -1, -1)]
    active = emr.client.list_steps(ClusterId=CLUSTER, StepStates=["RUNNING"])["Steps"]
    assert [step["Id"] for step in active] == ids[:1]

    for wrong in (ids[:11], ["s-UNKNOWN"]):
        with pytest.raises(emr.client.exceptions.InvalidRequestException):
            emr.client.list_steps(ClusterId=CLUSTER, StepIds=wrong)


def test_unknown_clusters_and_steps_are_refused(emr: Emr) -> None:
    with pytest.raises(ClientError, match="Specified job flow ID does not exist"):
        emr.client.add_job_flow_steps(JobFlowId="j-NOPE", Steps=[emr.step("s3://a/b.py")])
    with pytest.raises(emr.client.exceptions.InvalidRequestException, match="j-NOPE"):
        emr.client.list_steps(ClusterId="j-NOPE")
    with pytest.raises(emr.client.exceptions.InvalidRequestException, match="s-NOPE"):
        emr.describe("s-NOPE")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"HadoopJarStep": {"Jar": "s3://a/b.jar", "Args": []}}, "s3://a/b.jar"),
        ({"HadoopJarStep": {"Jar": "command-runner.jar", "Args": ["hive"]}}, "hive"),
        ({"HadoopJarStep": {"Jar": "command-runner.jar", "Args": ["timeout", "x"]}}, "timeout x"),
        ({"ActionOnFailure": "TERMINATE_CLUSTER"}, "TERMINATE_CLUSTER"),
        ({"Name": "n" * 257}, "256 characters"),
    ],
)
def test_steps_that_are_not_emulated_or_wrong_are_refused_by_name(
    tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    service = EmrService("http://127.0.0.1:1", tmp_path, print, {})
    service.add_cluster(CLUSTER)
    step = {
        "Name": "x",
        "HadoopJarStep": {"Jar": "command-runner.jar", "Args": ["spark-submit", "s3://a/b.py"]},
        **change,
    }
    with pytest.raises(ServiceError, match=words):
        service.call("AddJobFlowSteps", {"JobFlowId": CLUSTER, "Steps": [step]})


@pytest.mark.cloud
def test_stopping_the_service_leaves_no_process_and_reports_nobody(
    emr: Emr, tmp_path: Path
) -> None:
    pid_file = tmp_path / "pid"
    step_id = emr.add(
        f"""
        import os, pathlib, time
        pathlib.Path({str(pid_file)!r}).write_text(str(os.getpid()))
        time.sleep(60)
        """
    )
    wait_until(lambda: pid_file.exists() and bool(pid_file.read_text()))
    emr.service.stop()
    assert not is_alive(int(pid_file.read_text()))
    assert emr.events.states("stepId", step_id) == ["PENDING", "RUNNING"]
