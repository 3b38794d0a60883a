"""Logs are read backwards page by page and forward as they come: each line once, few at a time."""

from __future__ import annotations

import contextlib
import gzip
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from cli_world import World

from cli.client.job_logs import JobLogs
from cli.client.ledger import JobRow, LedgerView
from cli.client.log_lines import Chosen, LogLine
from cli.client.logs import RunLogs

STEPS = "/aws/lambda/durable-pipeline/steps"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
MILLISECONDS = int(NOON.timestamp() * 1000)
ENDED = {"ended_at": "2026-11-20T12:00:09Z", "submitted_at": "2026-11-20T12:00:01Z"}
AT_END = MILLISECONDS + 9_000


def put_lines(group: str, stream: str, *lines: tuple[int, str]) -> None:
    logs = boto3.client("logs")
    for make, names in (
        (logs.create_log_group, {"logGroupName": group}),
        (logs.create_log_stream, {"logGroupName": group, "logStreamName": stream}),
    ):
        try:
            make(**names)
        except logs.exceptions.ResourceAlreadyExistsException:
            continue
    events = [{"timestamp": MILLISECONDS + after, "message": text} for after, text in lines]
    logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


def said(message: str, **more: Any) -> str:
    return json.dumps({"level": "INFO", "message": message, "run_id": "run-1", **more})


@pytest.fixture
def logged(local: World) -> World:
    """A run of an hour whose steps have logged 250 lines, ten of each moment."""
    local.deployment.__dict__["_clients"]["logs"] = boto3.client("logs")
    local.put_run(
        status="SUCCEEDED", claimed_at="2026-11-20T12:00:00Z", ended_at="2026-11-20T13:00:00Z"
    )
    lines = [(144_000 * (n // 10), said(f"line {n}")) for n in range(250)]
    put_lines(STEPS, "ValidateFunction", *lines)
    return local


def logs_of(world: World, **chosen: Any) -> RunLogs:
    deployment = replace(world.deployment, stack_name="durable-pipeline", endpoint_url="http://x")
    run = LedgerView(deployment.client("dynamodb"), "ledger").run("run-1")
    assert run is not None
    return RunLogs(deployment, run, Chosen(**chosen), jobs_at_most=20)


def texts(lines: Any) -> list[str]:
    return [line.message for line in lines]


def test_pages_backwards_hold_every_line_once_though_many_are_of_one_moment(logged: World) -> None:
    logs = logs_of(logged)
    pages: list[list[str]] = []
    place, more = None, True
    while more:
        page = logs.before(place, 33)
        pages.append(texts(page.lines))
        place, more = page.lines[0].place, page.more

    assert {len(page) for page in pages[:-1]} == {33}
    assert sum(reversed(pages), []) == [f"line {n}" for n in range(250)]


def test_what_follows_a_page_is_what_came_since(logged: World) -> None:
    logs = logs_of(logged)
    logs.go_on_after(logs.before(None, 5).lines)
    assert logs.lines() == []

    put_lines(STEPS, "TransformFunction", (3_456_500, said("one more")))
    assert texts(logs.lines()) == ["one more"]
    assert logs.lines() == []


def test_lines_are_chosen_by_text_and_by_their_level(logged: World) -> None:
    put_lines(STEPS, "NotifyFunction", (5, json.dumps({"level": "ERROR", "message": "Broken"})))
    put_lines(STEPS, "NotifyFunction", (6, said("more", level="ERROR", exception="KeyError: x")))

    assert texts(logs_of(logged, text="line 24").before(None, 100).lines) == [
        "line 24",
        *(f"line {n}" for n in range(240, 250)),
    ]
    assert texts(logs_of(logged, bad=True).before(None, 100).lines) == ["more"]
    assert texts(logs_of(logged, text="keyerror").before(None, 100).lines) == ["more"]


def test_no_place_is_refused(logged: World) -> None:
    for place in ("odd", "12 a b", f"{'9' * 14}x a b"):
        with pytest.raises(ValueError, match="no place"):
            logs_of(logged).before(place, 5)


# -- jobs of each engine


class OneCluster:
    """EMR: where the logs of the cluster are, if that may be known."""

    def __init__(self, log_uri: str | None, refuses: str | None = None) -> None:
        self.log_uri, self.refuses, self.asked = log_uri, refuses, 0

    def describe_cluster(self, ClusterId: str) -> dict[str, Any]:  # noqa: N803
        self.asked += 1
        if self.refuses:
            error = {"Error": {"Code": self.refuses, "Message": "no"}}
            raise ClientError(error, "DescribeCluster")
        return {"Cluster": {"Id": ClusterId, "LogUri": self.log_uri}}


def job(engine: str, **more: Any) -> JobRow:
    known = dict(unit_id="00000-000", stage="clean", attempt=1, job_id="j-1", state="FAILED")
    return JobRow(**{**known, **ENDED, "engine": engine, **more})


def put_gzip(world: World, bucket: str, key: str, text: str) -> None:
    s3 = world.deployment.client("s3")
    with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key=key, Body=gzip.compress(text.encode()))


def read(world: World, one: JobRow) -> list[LogLine]:
    return sorted(
        JobLogs(world.deployment).between(one, MILLISECONDS, AT_END + 1),
        key=lambda line: line.place,
    )


def with_client(world: World, service: str, client: Any) -> None:
    world.deployment.__dict__["_clients"][service] = client


def test_an_emr_serverless_job_has_the_drivers_output_below_its_own(local: World) -> None:
    of_run = "runs/run-1/jobs/logs/applications/app/jobs/jr-1/SPARK_DRIVER"
    put_gzip(local, "own", f"{of_run}/stdout.gz", "read\nwrote\n")
    put_gzip(local, "own", f"{of_run}/stderr.gz", "\n".join(str(n) for n in range(12)))
    one = job(
        "emr-serverless", target="app", service_id="jr-1", output_url="s3://own/runs/run-1/jobs/"
    )

    assert texts(read(local, one)) == ["read", "wrote", *map(str, range(12))]
    assert {line.at for line in read(local, one)} == {AT_END}
    assert read(local, replace(one, ended_at=None)) == []


@pytest.mark.parametrize(("engine", "service_id"), [("emr", "s-1"), ("emr-ssm", "c-1/s-1")])
def test_an_emr_step_has_the_files_below_the_clusters_log_uri(
    local: World, engine: str, service_id: str
) -> None:
    put_gzip(local, "cluster-logs", "emr/j-CLUSTER/steps/s-1/stderr.gz", "Traceback\nKeyError: 'a'")
    cluster = OneCluster("s3n://cluster-logs/emr/")
    with_client(local, "emr", cluster)
    one = job(engine, target="j-CLUSTER", service_id=service_id)
    logs = JobLogs(local.deployment)

    for _ in range(2):
        found = logs.between(one, MILLISECONDS, AT_END + 1)
        assert texts(found) == ["Traceback", "KeyError: 'a'"]
    assert cluster.asked == 1


def test_a_log_that_may_not_be_read_says_what_is_needed(local: World) -> None:
    with_client(local, "emr", OneCluster(None, refuses="AccessDeniedException"))

    (line,) = read(local, job("emr", target="j-CLUSTER", service_id="s-1"))

    assert "elasticmapreduce:DescribeCluster on the cluster" in line.message
    assert line.level == "WARNING"


def test_another_error_of_a_service_is_no_line(local: World) -> None:
    with_client(local, "emr", OneCluster(None, refuses="InternalServerError"))

    with pytest.raises(ClientError):
        read(local, job("emr", target="j-CLUSTER", service_id="s-1"))


def test_a_damaged_log_file_is_said_in_a_line(local: World) -> None:
    key = "out/logs/applications/app/jobs/jr-1/SPARK_DRIVER/stdout.gz"
    put_gzip(local, "own", key, "fine")
    local.deployment.client("s3").put_object(Bucket="own", Key=key, Body=b"no gzip")

    (line,) = read(
        local, job("emr-serverless", target="app", service_id="jr-1", output_url="s3://own/out/")
    )

    assert "cannot be read" in line.message


def test_of_a_function_those_lines_are_shown_that_name_the_job_or_its_output(local: World) -> None:
    with_client(local, "logs", boto3.client("logs"))
    put_lines(
        "/aws/lambda/enrich",
        "2026/11/20/[3]0f",
        (1_000, "began j-1"),
        (2_000, "writing s3://own/out/part"),
        (3_000, "began j-2"),
    )
    arn = "arn:aws:lambda:us-east-1:000000000000:function:enrich:3"

    found = read(local, job("lambda", target=arn, output_url="s3://own/out/"))

    assert texts(found) == ["began j-1", "writing s3://own/out/part"]


def test_redshift_has_no_log_which_is_said(local: World) -> None:
    one = job("redshift", error="column a is missing", service_id="q-1")

    assert read(local, one) == []
    (line,) = JobLogs(local.deployment).ends(one, with_tail=True)
    assert "column a is missing; Redshift writes no log of a load" in line.message


def test_a_jobs_json_is_shown_as_a_steps_is(local: World) -> None:
    with_client(local, "logs", boto3.client("logs"))
    text = json.dumps({"message": "wrote", "level": "WARNING", "jobId": "j-1", "rowsOut": 7})
    put_lines("/aws-glue/jobs/output", "jr-1", (1, text), (2, "{no JSON"))

    first, second = read(local, job("glue", service_id="jr-1"))

    assert (first.message, first.level, first.fields) == ("wrote", "WARNING", {"rowsOut": 7})
    assert second.message == "{no JSON"


def test_a_job_is_asked_for_the_time_only_in_which_it_may_log(
    logged: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look at a Glue job's output takes four requests."""
    ran = dict(submitted_at="2026-11-20T12:20:00Z", ended_at="2026-11-20T12:21:00Z")
    key = {"run_id": "run-1", "item": "JOB#00000-000#clean#0001", "job_id": "j-1"}
    logged.put({**key, **ran, "engine": "glue", "state": "SUCCEEDED", "service_id": "jr-1"})
    asked: list[int] = []
    read_job = JobLogs.between

    def between(logs: JobLogs, job: JobRow, start: int, end: int) -> Any:
        asked.append(start)
        return read_job(logs, job, start, end)

    monkeypatch.setattr(JobLogs, "between", between)
    logs = logs_of(logged)

    logs.go_on_after(logs.before(None, 5).lines)
    logs.lines()
    assert asked == []
    assert len(logs.before(None, 500).lines) == 251
    assert len(asked) >= 1


def test_more_jobs_than_are_read_at_once_leave_the_steps_lines(logged: World) -> None:
    ended = str(NOON + timedelta(seconds=9)).replace("+00:00", "Z").replace(" ", "T")
    for number in range(120):
        logged.put(
            {
                "run_id": "run-1",
                "item": f"JOB#00000-{number:03d}#clean#0001",
                "job_id": f"j-{number:03d}",
                "engine": "redshift",
                "state": "SUCCEEDED",
                "ended_at": ended,
            }
        )
    found = logs_of(logged).before(None, 500).lines
    assert len([line for line in found if line.job_id]) == 20
    assert len([line for line in found if not line.job_id]) == 250
    of_one = logs_of(logged, unit="00000-119").before(None, 500).lines
    assert [line.job_id for line in of_one] == ["j-119"]
