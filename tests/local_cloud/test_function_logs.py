"""Logs of functions by the API of CloudWatch Logs; those of jobs stay with the substrate."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.exceptions import ClientError

from local.local_cloud.function_logs import FunctionLogs, filter_of
from local.local_cloud.http.clients import ServiceClients
from local.local_cloud.http.front import Front
from local.local_cloud.http.services import ServiceError
from local.local_cloud.jobs.job_logs import put_log_stream

STEPS = "/aws/lambda/stack/steps"
START = int(datetime(2026, 11, 20, 8, 0, tzinfo=UTC).timestamp() * 1000)


def line(second: int, message: str) -> str:
    said = f"2026-11-20 08:00:{second:02d},000+0000"
    return json.dumps({"level": "INFO", "message": message, "timestamp": said})


@pytest.fixture(scope="module")
def logs(moto_endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    directory = tmp_path_factory.mktemp("logs")
    (directory / "validate.log").write_text(
        f"before any time\n{line(1, 'one r-1')}\n{line(3, 'three r-2')}\nTraceback:\n"
    )
    (directory / "notify.log").write_text(line(2, "two r-1") + "\n")
    port = urlsplit(moto_endpoint).port
    assert port is not None
    front = Front(0, port)
    clients = ServiceClients(moto_endpoint)
    groups = {STEPS: ["validate", "notify", "never-called"], "/aws/lambda/stack/other": []}
    front.add_json(FunctionLogs(groups, directory, clients))
    front.start()
    client = boto3.client(
        "logs",
        endpoint_url=front.url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106
    )
    yield client
    client.close()
    clients.close()
    front.stop()


def messages(found: dict[str, Any]) -> list[str]:
    return [event["message"] for event in found["events"]]


def test_lines_of_all_functions_of_a_group_are_found_in_order_of_time(logs: Any) -> None:
    found = logs.filter_log_events(logGroupName=STEPS, filterPattern='"r-1"')

    assert [json.loads(text)["message"] for text in messages(found)] == ["one r-1", "two r-1"]
    assert [event["logStreamName"] for event in found["events"]] == ["validate", "notify"]
    assert found["events"][0]["timestamp"] == START + 1000


def test_a_line_without_a_time_has_that_of_the_line_beside_it(logs: Any) -> None:
    found = logs.filter_log_events(logGroupName=STEPS, logStreamNames=["validate"])

    times = [event["timestamp"] - START for event in found["events"]]
    assert times == [1000, 1000, 3000, 3000]
    assert messages(found)[0] == "before any time"
    assert messages(found)[3] == "Traceback:"


def test_times_bound_what_is_found_and_pages_follow_each_other(logs: Any) -> None:
    late = logs.filter_log_events(logGroupName=STEPS, startTime=START + 2000, endTime=START + 2500)
    assert len(late["events"]) == 1

    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=STEPS, PaginationConfig={"PageSize": 2}
    )
    assert [len(page["events"]) for page in pages] == [2, 2, 1]


def test_a_stream_is_read_from_either_end(logs: Any) -> None:
    stream = {"logGroupName": STEPS, "logStreamName": "validate", "limit": 3}
    first = logs.get_log_events(**stream, startFromHead=True)
    rest = logs.get_log_events(**stream, nextToken=first["nextForwardToken"])
    last = logs.get_log_events(**stream)

    assert messages(first)[0] == "before any time"
    assert messages(rest) == ["Traceback:"]
    assert messages(last)[-1] == "Traceback:"
    assert len(messages(last)) == 3
    before = logs.get_log_events(**stream, nextToken=last["nextBackwardToken"])
    assert messages(before) == ["before any time"]
    with pytest.raises(ClientError, match="log stream does not exist"):
        logs.get_log_events(logGroupName=STEPS, logStreamName="never-called")


def test_streams_are_functions_that_have_logged(logs: Any) -> None:
    found = logs.describe_log_streams(logGroupName=STEPS, orderBy="LastEventTime", descending=True)

    assert [stream["logStreamName"] for stream in found["logStreams"]] == ["validate", "notify"]
    assert found["logStreams"][0]["lastEventTimestamp"] == START + 3000


def test_logs_of_jobs_are_the_substrates(logs: Any, moto_endpoint: str, tmp_path: Path) -> None:
    output = tmp_path / "output"
    output.write_text("cleaned\n")
    clients = ServiceClients(moto_endpoint)
    put_log_stream(clients, "/aws-glue/python-jobs/output", "jr_1", output)
    clients.close()

    job = {"logGroupName": "/aws-glue/python-jobs/output", "logStreamName": "jr_1"}
    assert messages(logs.get_log_events(**job)) == ["cleaned"]
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.get_log_events(logGroupName="/nobody", logStreamName="x")


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ("", ["ERROR a", "INFO a b", "INFO c"]),
        ("INFO a", ["INFO a b"]),
        ('"a b"', ["INFO a b"]),
        ("?ERROR ?c", ["ERROR a", "INFO c"]),
        ("INFO -c", ["INFO a b"]),
        ("INFO ?c", ["INFO a b", "INFO c"]),
    ],
)
def test_patterns_of_terms_match_as_documented(pattern: str, matched: list[str]) -> None:
    matches = filter_of(pattern)
    assert [text for text in ("ERROR a", "INFO a b", "INFO c") if matches(text)] == matched


@pytest.mark.parametrize("pattern", ['{ $.level = "ERROR" }', "[a, b]", "%ERROR|WARN%"])
def test_other_patterns_are_refused_by_name(logs: Any, pattern: str) -> None:
    with pytest.raises(ServiceError, match="patterns other than terms"):
        filter_of(pattern)
    with pytest.raises(ClientError, match="NotEmulated"):
        logs.filter_log_events(logGroupName=STEPS, filterPattern=pattern)
