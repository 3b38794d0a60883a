"""Glue: runs are processes, and the API describes them as Glue does."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pinned_job
import pytest
from job_services import BUCKET, ENVIRONMENT, Events, is_alive, wait_until
from json_services import make_client, served

from local.local_cloud.http.operations import JsonService
from local.local_cloud.http.services import ServiceError
from local.local_cloud.jobs import glue as glue_module
from local.local_cloud.jobs.glue import GlueService
from local.local_cloud.jobs.glue_python import Interpreter, interpreter_for
from local.local_cloud.jobs.job_logs import error_message
from local.local_cloud.jobs.retained_jobs import forget_oldest


class Glue:
    """The service under test, its client, and S3 for scripts."""

    def __init__(self, service: GlueService, events: Events, client: Any, s3: Any, logs: Any):
        self.service, self.events, self.client, self.s3, self.logs = (
            service,
            events,
            client,
            s3,
            logs,
        )

    def define(self, script: str, name: str = "clean", **properties: Any) -> list[str]:
        key = f"jobs/{name}.py"
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=textwrap.dedent(script).encode())
        return self.define_at(f"s3://{BUCKET}/{key}", name, **properties)

    def define_at(self, location: str, name: str = "clean", **properties: Any) -> list[str]:
        command = {"Name": "pythonshell", "ScriptLocation": location, "PythonVersion": "3.9"}
        return self.service.define_job(name, {"Command": command, "Role": "role", **properties})

    def start(self, name: str = "clean", **request: Any) -> str:
        return str(self.client.start_job_run(JobName=name, **request)["JobRunId"])

    def run(self, run_id: str, name: str = "clean") -> dict[str, Any]:
        found: dict[str, Any] = self.client.get_job_run(JobName=name, RunId=run_id)["JobRun"]
        return found

    def ended(self, run_id: str, name: str = "clean") -> dict[str, Any]:
        ends = ("SUCCEEDED", "FAILED", "STOPPED", "TIMEOUT")
        wait_until(lambda: self.run(run_id, name)["JobRunState"] in ends)
        return self.run(run_id, name)

    def state_is(self, run_id: str, state: str) -> None:
        wait_until(lambda: self.run(run_id)["JobRunState"] == state)


@pytest.fixture
def glue(moto_endpoint: str, tmp_path: Path) -> Iterator[Glue]:
    events = Events()
    service = GlueService(moto_endpoint, tmp_path / "glue", events, ENVIRONMENT)
    service.start()
    s3, logs = make_client("s3", moto_endpoint), make_client("logs", moto_endpoint)
    s3.create_bucket(Bucket=BUCKET)
    with served([service]) as endpoint:
        client = make_client("glue", endpoint)
        try:
            yield Glue(service, events, client, s3, logs)
        finally:
            service.stop()
            for each in (client, s3, logs):
                each.close()


def test_the_service_is_one_that_the_front_can_route_to(tmp_path: Path) -> None:
    service: JsonService = GlueService("http://127.0.0.1:1", tmp_path, Events(), {})
    assert (service.target_prefix, service.forwards) == ("AWSGlue", False)
    assert "StartJobRun" in service.operations
    with pytest.raises(ServiceError, match="does not emulate glue CreateTable"):
        service.call("CreateTable", {})


@pytest.mark.parametrize(
    ("stderr", "status", "message"),
    [
        ("Traceback …\n  File x\nValueError: bad row 7\n\n", 1, "ValueError: bad row 7"),
        ("ValueError: bad\nINFO Spark has stopped\n", 1, "ValueError: bad"),
        ("", 3, "Command failed with exit code 3"),
        ("\n", -9, "Command failed with signal 9"),
    ],
)
def test_a_failed_run_reports_its_error_or_the_last_line_of_its_error_output(
    stderr: str, status: int, message: str
) -> None:
    assert error_message(stderr, status) == message


def environment_in(repository: Path, lock: bytes = b"duckdb==1\n") -> Path:
    """An environment as `make setup-glue` leaves it, and the lock file beside it."""
    python = repository / ".venv-glue" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    stamp = {"glue-python-shell": hashlib.sha256(lock).hexdigest()}
    (repository / ".venv-glue" / "complete.json").write_text(json.dumps(stamp))
    (repository / "requirements").mkdir()
    (repository / "requirements" / "glue-python-shell.txt").write_bytes(lock)
    return python


def test_a_python_shell_job_has_the_environment_of_its_definition(tmp_path: Path) -> None:
    python = environment_in(tmp_path)
    assert interpreter_for("3.9", tmp_path) == Interpreter(python, "")


@pytest.mark.parametrize("spoilt", ["no environment", "incomplete", "another lock file"])
def test_without_it_this_python_runs_the_job_and_says_so(tmp_path: Path, spoilt: str) -> None:
    if spoilt != "no environment":
        environment_in(tmp_path)
    if spoilt == "incomplete":
        (tmp_path / ".venv-glue" / "complete.json").unlink()
    if spoilt == "another lock file":
        (tmp_path / "requirements" / "glue-python-shell.txt").write_text("duckdb==2\n")
    found = interpreter_for("3.9", tmp_path)
    assert found.path == Path(sys.executable)
    assert "not on Python 3.9" in found.note
    assert "make setup-glue" in found.note


def test_a_job_of_another_python_is_not_run_on_the_pinned_one(tmp_path: Path) -> None:
    environment_in(tmp_path)
    found = interpreter_for("3.6", tmp_path)
    assert found.path == Path(sys.executable)
    assert "not on Python 3.6" in found.note


@pytest.mark.cloud
def test_a_run_has_the_python_and_packages_that_the_template_pins(glue: Glue) -> None:
    pinned_job.interpreter()  # made, or the test is skipped by name
    script = "import duckdb, sys; print(duckdb.__version__, *sys.version_info[:2])"
    warnings = glue.define(script)
    run = glue.start()
    assert glue.ended(run)["JobRunState"] == "SUCCEEDED"
    assert warnings == []
    events = glue.logs.get_log_events(
        logGroupName="/aws-glue/python-jobs/output", logStreamName=run
    )["events"]
    assert [event["message"] for event in events] == [f"{pinned_job.DUCKDB} 3 9"]


@pytest.mark.cloud
def test_the_log_of_a_run_on_another_python_says_so(glue: Glue) -> None:
    script = "print('done')"
    command = {"Name": "pythonshell", "PythonVersion": "3.6"}
    location = f"s3://{BUCKET}/jobs/clean.py"
    glue.define(script)
    warnings = glue.define_at(location, Command={**command, "ScriptLocation": location})
    run = glue.start()
    assert glue.ended(run)["JobRunState"] == "SUCCEEDED"
    events = glue.logs.get_log_events(
        logGroupName="/aws-glue/python-jobs/error", logStreamName=run
    )["events"]
    assert ["not on Python 3.6" in event["message"] for event in events] == [True]
    assert ["not on Python 3.6" in warning for warning in warnings] == [True]


@pytest.mark.cloud
def test_a_run_is_a_process_with_glues_arguments_and_an_environment_of_its_own(
    glue: Glue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_HOST", "1")
    glue.define(
        """
        import json, os, sys
        print(json.dumps({"argv": sys.argv[1:], "env": dict(os.environ), "cwd": os.getcwd()}))
        """,
        DefaultArguments={"--TempDir": "s3://x/y", "--INDEX": "default"},
        NonOverridableArguments={"--MODE": "fixed"},
    )
    run_id = glue.start(Arguments={"--INDEX": "orders", "--MODE": "mine", "--QUERY": "a > 'x y'"})
    run = glue.ended(run_id)

    assert run["JobRunState"] == "SUCCEEDED"
    assert run["Arguments"]["--INDEX"] == "orders"  # so that a marker can be searched
    assert run["CompletedOn"] >= run["StartedOn"]
    wait_until(lambda: logged(glue, "output", run_id) != [])
    seen = json.loads(logged(glue, "output", run_id)[0])
    arguments = dict(zip(seen["argv"][::2], seen["argv"][1::2], strict=True))
    assert arguments == {
        "--JOB_NAME": "clean",
        "--JOB_RUN_ID": run_id,
        "--TempDir": "s3://x/y",
        "--INDEX": "orders",
        "--QUERY": "a > 'x y'",
        "--MODE": "fixed",
    }
    assert seen["env"]["GREETING"] == "hello"
    assert seen["env"]["AWS_ENDPOINT_URL"].startswith("http://127.0.0.1:")
    assert "SECRET_OF_THE_HOST" not in seen["env"]
    assert not Path(seen["cwd"]).exists()


def logged(glue: Glue, kind: str, run_id: str) -> list[str]:
    try:
        response = glue.logs.get_log_events(
            logGroupName=f"/aws-glue/python-jobs/{kind}", logStreamName=run_id
        )
    except glue.logs.exceptions.ResourceNotFoundException:
        return []
    return [event["message"] for event in response["events"]]


@pytest.mark.cloud
def test_a_script_that_raises_fails_its_run_with_the_reason_and_an_event(glue: Glue) -> None:
    glue.define("raise ValueError('row 7: no such column')")
    run = glue.ended(glue.start())
    assert run["JobRunState"] == "FAILED"
    assert run["ErrorMessage"] == "ValueError: row 7: no such column"
    wait_until(lambda: len(glue.events.received) == 1)
    (event,) = glue.events.received
    assert (event["source"], event["detail-type"]) == ("aws.glue", "Glue Job State Change")
    detail = event["detail"]
    assert detail["jobName"] == "clean"
    assert detail["jobRunId"] == run["Id"]
    assert (detail["state"], detail["severity"]) == ("FAILED", "ERROR")
    assert "row 7" in detail["message"]


@pytest.mark.cloud
def test_a_missing_script_fails_the_run_not_the_call(glue: Glue) -> None:
    glue.define_at(f"s3://{BUCKET}/jobs/nowhere.py")
    run = glue.ended(glue.start())
    assert run["JobRunState"] == "FAILED"
    assert f"s3://{BUCKET}/jobs/nowhere.py" in run["ErrorMessage"]
    assert "404" in run["ErrorMessage"]


def test_a_package_that_is_not_in_its_bucket_fails_the_run_until_it_is(glue: Glue) -> None:
    keys = ["wheels/one.whl", "wheels/two.whl"]
    packages = ", ".join(f"s3://{BUCKET}/{key}" for key in keys)
    glue.define("print('ran')", DefaultArguments={"--extra-py-files": packages})
    glue.s3.put_object(Bucket=BUCKET, Key=keys[0], Body=b"")

    run = glue.ended(glue.start())
    assert run["JobRunState"] == "FAILED"
    missing = f"--extra-py-files names s3://{BUCKET}/{keys[1]}, which cannot be read: "
    assert missing in run["ErrorMessage"]
    assert "404" in run["ErrorMessage"]
    assert "pipeline upload" in run["ErrorMessage"]

    glue.s3.put_object(Bucket=BUCKET, Key=keys[1], Body=b"")
    assert glue.ended(glue.start())["JobRunState"] == "SUCCEEDED"


@pytest.mark.cloud
def test_a_run_that_outlives_its_timeout_ends_as_timeout_with_its_whole_group(
    glue: Glue, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    glue.define(
        f"""
        import os, subprocess, time
        child = subprocess.Popen(["sleep", "60"])
        with open({str(pids)!r} + ".part", "w") as file:
            file.write(f"{{os.getpid()}} {{child.pid}}")
        os.rename({str(pids)!r} + ".part", {str(pids)!r})
        time.sleep(60)
        """,
        Timeout=0.08,  # minutes; enough to write the file on a busy machine
    )
    run = glue.ended(glue.start())
    assert run["JobRunState"] == "TIMEOUT"
    for pid in map(int, pids.read_text().split()):
        wait_until(lambda pid=pid: not is_alive(pid))
    wait_until(lambda: bool(glue.events.received))
    assert glue.events.received[0]["detail"]["severity"] == "WARN"


@pytest.mark.cloud
def test_a_run_can_be_stopped_and_an_ended_or_unknown_one_cannot(glue: Glue) -> None:
    glue.define("import time; time.sleep(60)")
    run_id = glue.start()
    glue.state_is(run_id, "RUNNING")
    response = glue.client.batch_stop_job_run(JobName="clean", JobRunIds=[run_id, "jr_unknown"])
    assert [item["JobRunId"] for item in response["SuccessfulSubmissions"]] == [run_id]
    assert response["Errors"][0]["ErrorDetail"]["ErrorCode"] == "EntityNotFoundException"
    assert glue.ended(run_id)["JobRunState"] == "STOPPED"
    again = glue.client.batch_stop_job_run(JobName="clean", JobRunIds=[run_id])
    assert "already STOPPED" in again["Errors"][0]["ErrorDetail"]["ErrorMessage"]


@pytest.mark.cloud
def test_a_script_that_ignores_the_request_to_stop_is_killed(glue: Glue, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    glue.define(
        f"""
        import pathlib, signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        pathlib.Path({str(ready)!r}).touch()
        time.sleep(60)
        """
    )
    run_id = glue.start()
    wait_until(ready.exists)
    glue.client.batch_stop_job_run(JobName="clean", JobRunIds=[run_id])
    assert glue.run(run_id)["JobRunState"] == "STOPPING"
    assert glue.ended(run_id)["JobRunState"] == "STOPPED"


@pytest.mark.cloud
def test_runs_over_the_jobs_limit_are_refused(glue: Glue) -> None:
    glue.define("import time; time.sleep(60)", ExecutionProperty={"MaxConcurrentRuns": "2"})
    glue.start()
    glue.start()
    with pytest.raises(glue.client.exceptions.ConcurrentRunsExceededException):
        glue.start()
    with pytest.raises(glue.client.exceptions.ConcurrentRunsExceededException):
        glue.start(JobRunQueuingEnabled=True)  # the job does not allow it


@pytest.mark.cloud
def test_with_queuing_in_job_and_run_a_run_over_the_limit_waits_for_its_turn(
    glue: Glue, tmp_path: Path
) -> None:
    may_end = tmp_path / "may-end"
    glue.define(
        f"""
        import pathlib, time
        while not pathlib.Path({str(may_end)!r}).exists():
            time.sleep(0.02)
        """,
        JobRunQueuingEnabled=True,
    )
    first = glue.start(JobRunQueuingEnabled=True)
    second = glue.start(JobRunQueuingEnabled=True)
    third = glue.start(JobRunQueuingEnabled=True)
    assert glue.run(second)["JobRunState"] == "WAITING"
    glue.client.batch_stop_job_run(JobName="clean", JobRunIds=[third])
    assert glue.run(third)["JobRunState"] == "STOPPED"
    may_end.touch()
    assert glue.ended(first)["JobRunState"] == "SUCCEEDED"
    assert glue.ended(second)["JobRunState"] == "SUCCEEDED"


@pytest.mark.cloud
def test_runs_are_listed_newest_first_page_by_page(glue: Glue) -> None:
    glue.define("", ExecutionProperty={"MaxConcurrentRuns": 3})
    started = [glue.start() for _ in range(3)]
    first = glue.client.get_job_runs(JobName="clean", MaxResults=2)
    newer = glue.start() if glue.ended(started[0]) else ""
    second = glue.client.get_job_runs(JobName="clean", NextToken=first["NextToken"])
    listed = [run["Id"] for page in (first, second) for run in page["JobRuns"]]
    assert listed == started[::-1]
    assert newer not in listed
    assert "NextToken" not in second
    for run_id in (*started, newer):
        glue.ended(run_id)


def test_jobs_are_described_as_they_were_defined(glue: Glue) -> None:
    warnings = glue.define("", Timeout=5, MaxRetries=1, Connections={"Connections": ["x"]})
    # Where .venv-glue is missing, one more says on which Python the job runs.
    assert warnings[:2] == [
        "Glue job clean: Connections is not emulated",
        "Glue job clean: MaxRetries is not emulated",
    ]
    job = glue.client.get_job(JobName="clean")["Job"]
    assert job["Command"]["ScriptLocation"] == f"s3://{BUCKET}/jobs/clean.py"
    assert job["Timeout"] == 5
    assert glue.client.list_jobs()["JobNames"] == ["clean"]
    assert [job["Name"] for job in glue.client.get_jobs()["Jobs"]] == ["clean"]
    batch = glue.client.batch_get_jobs(JobNames=["clean", "other"])
    assert batch["JobsNotFound"] == ["other"]


def test_an_unknown_job_or_run_is_not_found(glue: Glue) -> None:
    missing = glue.client.exceptions.EntityNotFoundException
    for call in (
        lambda: glue.client.start_job_run(JobName="nope"),
        lambda: glue.client.get_job_runs(JobName="nope"),
        lambda: glue.client.get_job(JobName="nope"),
    ):
        with pytest.raises(missing):
            call()
    glue.define("")
    with pytest.raises(missing):
        glue.run("jr_nope")


def test_a_command_that_is_not_emulated_is_refused_by_name(glue: Glue) -> None:
    with pytest.raises(ServiceError, match="not 'gluestreaming'"):
        glue.service.define_job("stream", {"Command": {"Name": "gluestreaming"}})


@pytest.mark.cloud
def test_a_spark_job_finds_local_spark_and_logs_where_spark_jobs_do(glue: Glue) -> None:
    glue.define(
        """
        import json, os, sys
        print(json.dumps({"spark": os.environ["PYSPARK_SUBMIT_ARGS"], "argv": sys.argv[1:]}))
        """,
        Command={"Name": "glueetl", "ScriptLocation": f"s3://{BUCKET}/jobs/clean.py"},
        DefaultArguments={"--conf": "spark.a=1 --conf spark.b=2"},
    )
    run = glue.ended(glue.start(Arguments={"--INDEX": "orders"}))
    assert (run["JobRunState"], run["LogGroupName"]) == ("SUCCEEDED", "/aws-glue/jobs")
    stream = glue.logs.get_log_events(logGroupName="/aws-glue/jobs/output", logStreamName=run["Id"])
    seen = json.loads(stream["events"][0]["message"])
    assert seen["spark"].startswith("--master 'local[1]' ")
    assert "--conf spark.a=1 --conf spark.b=2" in seen["spark"]
    assert seen["argv"][-2:] == ["--INDEX", "orders"]


@pytest.mark.cloud
def test_stopping_the_service_leaves_no_process(glue: Glue, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    glue.define(
        f"""
        import os, pathlib, time
        pathlib.Path({str(pid_file)!r}).write_text(str(os.getpid()))
        time.sleep(60)
        """
    )
    glue.start()
    wait_until(lambda: pid_file.exists() and bool(pid_file.read_text()))
    glue.service.stop()
    assert not is_alive(int(pid_file.read_text()))
    assert glue.events.received == []


@pytest.mark.cloud
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal")
def test_a_job_dies_with_the_cloud_even_when_that_is_killed(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    job = f"import os,time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    owner = f"""
import pathlib, sys
from local.local_cloud.processes import GroupProcess
tmp = pathlib.Path({str(tmp_path)!r})
process = GroupProcess([sys.executable, "-c", {job!r}], environment={{}}, directory=tmp,
                       stdout=tmp / "out", stderr=tmp / "err")
process.wait()
"""
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", owner], cwd=root) as process:  # noqa: S603
        wait_until(lambda: pid_file.exists() and bool(pid_file.read_text()))
        process.send_signal(signal.SIGKILL)
    wait_until(lambda: not is_alive(int(pid_file.read_text())))
    assert process.returncode == -signal.SIGKILL


def test_the_oldest_ended_runs_are_forgotten(glue: Glue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glue_module, "forget_oldest", partial(forget_oldest, retained=2))
    glue.define("")
    runs = []
    for _ in range(3):
        runs.append(glue.start())
        glue.ended(runs[-1])

    listed = glue.client.get_job_runs(JobName="clean")["JobRuns"]
    assert [run["Id"] for run in listed] == [runs[2], runs[1]]
    with pytest.raises(glue.client.exceptions.EntityNotFoundException):
        glue.run(runs[0])
