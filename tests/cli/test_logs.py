"""`pipeline logs`: the lines of a run's steps and jobs, in one stream."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from cli_world import World, pipeline
from json_documents import document, error_of

from cli.client.ledger import LedgerView
from cli.client.log_lines import Chosen, LogLine
from cli.client.logs import RunLogs
from cli.views.logs import log_text

STEPS = "/aws/lambda/durable-pipeline/steps"
OUTPUT = "/aws-glue/python-jobs/output"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
MILLISECONDS = int(NOON.timestamp() * 1000)


def put_lines(group: str, stream: str, *lines: tuple[int, str]) -> None:
    """Lines, each so many milliseconds after noon."""
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


def said(message: str, run_id: str = "run-1", **more: Any) -> str:
    return json.dumps({"level": "INFO", "message": message, "run_id": run_id, **more})


def put_job(world: World, unit: str, **more: Any) -> None:
    item = {
        "run_id": "run-1",
        "item": f"JOB#{unit}#clean#0001",
        "job_id": f"j-{unit}",
        "engine": "glue",
        "state": "RUNNING",
        "service_id": f"jr_{unit}",
        **more,
    }
    world.put(item)


@pytest.fixture
def logged(local: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A run whose steps and jobs have logged."""
    local.deployment.__dict__["_clients"]["logs"] = boto3.client("logs")
    monkeypatch.setattr("cli.client.logs.time.sleep", lambda _seconds: None)
    local.put_run(claimed_at="2026-11-20T12:00:00Z")
    put_job(local, "00000-000")
    ended = "2026-11-20T12:00:09Z"
    failed = dict(state="FAILED", ended_at=ended, error="no \x1b[1mmemory", log_tail="a\nb")
    put_job(local, "00000-001", engine="emr", log_url="https://log", **failed)
    put_lines(
        STEPS,
        "2026/11/20/[1]durable-pipeline-SubmitJobFunction-1AB/0f",
        (0, said("run claim")),
        (1_000, said("job submitted", unit_id="00000-000", job_id="j-00000-000", stage="clean")),
        (2_000, said("of another", run_id="run-10")),
        (3_000, "Traceback that names run-1"),
        (9_500, said("failed", unit_id="00000-001", exception="Traceback\nKeyError: 'a'")),
    )
    put_lines(OUTPUT, "jr_00000-000", (2_500, "read \x1b[31m500 rows"))
    put_lines(OUTPUT, "jr_of-another", (2_600, "read 7 rows"))
    return local


def texts(*arguments: str) -> list[str]:
    result = pipeline("logs", "run-1", *arguments)
    assert result.exit_code == 0, result.output
    return [" ".join(line.split()) for line in result.stdout.splitlines()]


@pytest.mark.usefixtures("logged")
def test_steps_and_jobs_are_one_stream_in_the_order_of_time() -> None:
    assert texts() == [
        "2026-11-20T12:00:00.000Z submit-job run claim",
        "2026-11-20T12:00:01.000Z submit-job 00000-000 job submitted job=j-00000-000 stage=clean",
        r"2026-11-20T12:00:02.500Z job clean 00000-000 read \x1b[31m500 rows",
        "2026-11-20T12:00:03.000Z submit-job Traceback that names run-1",
        "2026-11-20T12:00:09.000Z job clean 00000-001 a",
        "2026-11-20T12:00:09.000Z job clean 00000-001 b",
        r"2026-11-20T12:00:09.000Z job clean 00000-001 emr FAILED: no \x1b[1mmemory;"
        " its log: https://log",
        "2026-11-20T12:00:09.500Z submit-job 00000-001 failed",
        "| Traceback",
        "| KeyError: 'a'",
    ]


@pytest.mark.usefixtures("logged")
def test_lines_of_one_unit_or_one_job_are_chosen() -> None:
    assert {line.split()[3] for line in texts("--unit", "00000-000", "--limit", "1")} == {
        "00000-000"
    }
    of_job = texts("--job", "j-00000-001")
    assert len(of_job) == 3
    missing = pipeline("logs", "run-1", "--job", "j-9")
    assert (missing.exit_code, "has no job j-9" in missing.output) == (4, True)


@pytest.mark.usefixtures("logged")
def test_each_line_is_a_document() -> None:
    lines = pipeline("logs", "run-1", "--json").stdout.splitlines()
    found = [document("logs", line) for line in lines]
    assert found[1]["jobId"] == "j-00000-000"
    assert found[1]["attributes"]["stage"] == "clean"
    assert found[2]["message"] == "read \x1b[31m500 rows"
    assert "\x1b" not in lines[2]
    assert error_of(pipeline("logs", "none", "--json").stdout)["code"] == "NOT_FOUND"


@pytest.mark.usefixtures("logged")
def test_the_last_lines_say_how_many_there_are() -> None:
    result = pipeline("logs", "run-1", "--limit", "1")
    assert len([line for line in result.stdout.splitlines() if "2026" in line]) == 1
    assert "the last line; all: --limit 0" in result.output


def test_following_shows_each_line_once_and_ends_with_the_run(logged: World) -> None:
    run = LedgerView(logged.deployment.client("dynamodb"), "ledger").run("run-1")
    assert run is not None
    found = RunLogs(_named(logged), run, Chosen())
    looks = 0

    def later(_seconds: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 1:
            put_lines(STEPS, "ValidateFunction", (20_000, said("late", unit_id="00000-000")))
        else:
            logged.put_run(status="SUCCEEDED", claimed_at="2026-11-20T12:00:00Z")

    messages = [line.message for line in found.follow(later)]
    assert len(messages) == 9
    assert messages[-1] == "late"
    assert looks == 3


def _named(world: World) -> Any:
    return replace(world.deployment, stack_name="durable-pipeline", endpoint_url="http://x")


def test_a_run_without_lines_says_for_how_long_they_are_stored(local: World) -> None:
    local.deployment.__dict__["_clients"]["logs"] = boto3.client("logs")
    local.put_run(claimed_at="2026-11-20T12:00:00Z")
    result = pipeline("logs", "run-1")
    assert (result.exit_code, "LogRetentionDays" in result.output) == (0, True)


def test_a_long_value_is_shortened_for_people() -> None:
    line = LogLine(MILLISECONDS, "prepare", "done", fields={"statements": ["x" * 999], "n": 1})
    text = log_text(line).plain
    assert text.endswith("…  n=1")
    assert len(text) < 300


def test_messages_begin_in_the_same_column_whatever_function_has_logged() -> None:
    sources = ("validate", "notification-consumer", "job record-run")
    lines = [log_text(LogLine(MILLISECONDS, source, "said")).plain for source in sources]
    assert len({line.index("said") for line in lines}) == 1
