"""Commands with `--stack`: a CloudFormation whose stack's outputs are those of the local cloud.

All other services are the local cloud's own, so this shows that commands find by the stack's
outputs what they find by the local cloud's file, and sign and speak as to AWS.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

import pytest
from running_cloud import RunningCloud
from typer.testing import CliRunner, Result

from cli.exit_codes import NOT_FOUND, SUCCEEDED
from cli.main import app

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("end-to-end"),
]
STACK = "durable-pipeline"


def stack_xml(cloud: RunningCloud) -> str:
    """The response to DescribeStacks."""
    outputs = "".join(
        f"<member><OutputKey>{name}</OutputKey><OutputValue>{escape(value)}</OutputValue></member>"
        for name, value in cloud.outputs.items()
    )
    parameters = "".join(
        f"<member><ParameterKey>{name}</ParameterKey>"
        f"<ParameterValue>{escape(str(value))}</ParameterValue></member>"
        for name, value in cloud.cloud.parameters.items()
    )
    return (
        "<DescribeStacksResponse><DescribeStacksResult><Stacks><member>"
        f"<StackName>{STACK}</StackName><StackStatus>UPDATE_COMPLETE</StackStatus>"
        "<CreationTime>2026-11-20T08:00:00Z</CreationTime>"
        f"<Outputs>{outputs}</Outputs><Parameters>{parameters}</Parameters>"
        "</member></Stacks></DescribeStacksResult></DescribeStacksResponse>"
    )


@pytest.fixture
def on_stack(cloud: RunningCloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Runs a command with --stack."""

    class CloudFormation(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            known = asked["Action"] == ["DescribeStacks"] and asked["StackName"] == [STACK]
            body = (
                stack_xml(cloud)
                if known
                else (
                    "<ErrorResponse><Error><Code>ValidationError</Code>"
                    "<Message>no such stack</Message></Error></ErrorResponse>"
                )
            )
            self.send_response(200 if known else 400)
            self.send_header("Content-Type", "text/xml")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: Any) -> None:
            """Nothing: tests read what commands print."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), CloudFormation)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.cloud.endpoint_url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDFORMATION", address)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")

    def command(*words: str, stack: str = STACK) -> Result:
        return CliRunner().invoke(app, [*words, "--stack", stack], env={"COLUMNS": "200"})

    yield command
    server.shutdown()
    server.server_close()


def test_a_run_is_started_followed_and_looked_at_by_the_stacks_name(on_stack: Any) -> None:
    run = ("--dataset", "orders", "--start", "2026-11-01", "--end", "2026-11-02")
    started = on_stack("run", *run, "--run-id", "on-stack", "--wait")
    assert started.exit_code == SUCCEEDED, started.output
    said = [line for line in started.stdout.splitlines() if "pipeline rejected on-stack" in line]
    assert said
    assert all(line.endswith(f" --stack {STACK}") for line in said), "they can be pasted"
    for words in (
        ("show", "on-stack"),
        ("show", "@last"),
        ("watch", "on-stack"),
        ("status", "on-stack"),
        ("results", "on-stack"),
        ("history", "on-stack"),
        ("units", "on-stack"),
        ("jobs", "on-stack"),
        ("logs", "on-stack", "--limit", "20"),
        ("rejected", "on-stack"),
        ("ls", "--since", "1h"),
        ("pools",),
        ("dead-letters",),
        ("purge", "on-stack", "--dry-run"),
        ("dead-letters", "ls"),
        ("schedules", "ls"),
        ("backfill", "ls"),
        ("backfill", "start", "orders", "--from", "2026-11-01", "--to", "2026-11-03", "--dry-run"),
    ):
        result = on_stack(*words)
        assert result.exit_code == SUCCEEDED, (words, result.output)
        assert result.stdout.strip(), words
    assert json.loads(on_stack("show", "on-stack", "--json").stdout)["runId"] == "on-stack"
    ended = on_stack("stop", "on-stack")
    assert "nothing to stop: run on-stack has ended" in ended.stdout


def test_a_stack_that_is_not_there_is_said(on_stack: Any) -> None:
    result = on_stack("ls", stack="other")
    assert result.exit_code == NOT_FOUND
    assert "stack other cannot be read" in result.stderr
