"""The commands as a person types them: what they print and their exit status."""

from __future__ import annotations

import itertools
import json
import re
import socket
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from cli_world import EXECUTION_ARN, History, World, pipeline
from test_words import replaced_words
from typer.testing import CliRunner

from cli.client.wheel import Pin
from cli.main import app
from contracts.times.backfill import AT_ONCE_AT_MOST

ROOT = Path(__file__).resolve().parents[2]
HELD = '{"datasetName":"orders","maxConcurrency":1,"runId":"run-1","startDateTime":"%s"%s}'
UNIT = {
    "run_id": "run-1",
    "item": "UNIT#00000-000",
    "status": "STORED",
    "source_url": "s3://data/landing/orders/part-0.csv",
    "rows": {"rows_in": 9, "filtered": 1, "rejected": 2, "removed": 1, "stored": 5},
}
JOB = {
    "run_id": "run-1",
    "item": "JOB#00000-000#clean#0001",
    "job_id": "20261120T081500Z-3f9c2a1b",
    "engine": "glue",
    "state": "SUCCEEDED",
    "service_id": "jr_1",
}


def leaves(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        inner = hasattr(command, "commands")
        if inner:
            yield from leaves(command, f"{prefix}{name} ")
        if not inner or command.invoke_without_command:
            yield f"{prefix}{name}", command


LEAVES: dict[str, Any] = dict(leaves(typer.main.get_command(app)))


@pytest.mark.parametrize("name", ["run", "backfill stop", "dead-letters"])
def test_a_paragraph_of_the_help_is_as_wide_as_the_terminal(name: str) -> None:
    shown = CliRunner().invoke(app, [*name.split(), "--help"], env={"COLUMNS": "80"})
    text = shown.output.partition("╭─")[0]
    lines = [line.strip() for line in text.splitlines()]
    assert lines
    for line, following in itertools.pairwise(lines):
        if line and following:  # of one paragraph: nothing more fitted
            assert len(f"{line} {following.split()[0]}") > 78, text


def test_help_says_how_many_windows_may_run_at_once() -> None:
    assert f"1 to {AT_ONCE_AT_MOST}." in " ".join(
        pipeline("backfill", "start", "-h").output.split()
    )


@pytest.mark.parametrize("name", LEAVES)
def test_the_help_of_a_command_and_of_each_option_can_stand_alone(name: str) -> None:
    command = LEAVES[name]
    shown = pipeline(*name.split(), "--help")
    assert shown.exit_code == 0
    assert f"Examples: pipeline {name}" in " ".join(shown.output.split())
    examples = re.findall(r"^  (pipeline .+)$", command.epilog, re.MULTILINE)
    assert examples
    options = {option for parameter in command.params for option in parameter.opts}
    for example in examples:
        assert example.startswith(f"pipeline {name}")
        assert set(re.findall(r"(?<!\S)(--[a-z-]+)", example)) <= options, example
    for text in [command.help, *(parameter.help for parameter in command.params)]:
        assert text, name
        assert text.rstrip().endswith((".", ")")), text
        assert replaced_words(text) == []
        assert "absent:" not in text


def test_without_a_deployment_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)

    result = pipeline("status", "run-1")

    assert result.exit_code == 4
    assert "make local" in result.output
    assert "--stack" in result.output


def test_a_local_cloud_that_no_longer_runs_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".local").mkdir()
    description = {"endpointUrl": "http://127.0.0.1:1", "outputs": {}, "parameters": {}}
    (tmp_path / ".local" / "cloud.json").write_text(json.dumps(description))
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.chdir(tmp_path)

    result = pipeline("dead-letters")

    assert result.exit_code == 4
    assert "no longer runs" in result.output


def test_run_sends_the_message_made_of_the_options(local: World) -> None:
    result = pipeline("run", "--dataset", "orders", "--start", "2026-11-01", "--query", "a > 1")

    assert result.exit_code == 0, result.output
    (body,) = local.sent()
    assert json.loads(body) == {
        "datasetName": "orders",
        "startDateTime": "2026-11-01",
        "query": "a > 1",
    }


def test_run_sends_a_file_as_it_is(local: World, tmp_path: Path) -> None:
    text = '{"data_source": "s3://data/x.csv",   "processing_type": "standard"}'
    (tmp_path / "message.json").write_text(text)

    result = pipeline("run", "message.json", "--json")

    assert result.exit_code == 0, result.output
    assert json.loads(result.output).keys() == {"messageId", "runId", "report"}
    assert local.sent() == [text]


def test_run_sends_nothing_that_would_be_refused(local: World) -> None:
    result = pipeline("run", "--dataset", "orders", "--start", "2026-11-02", "--end", "2026-11-01")

    assert result.exit_code == 2
    assert "endDateTime" in result.output
    assert local.sent() == []


def test_run_takes_a_file_or_options_but_not_both(local: World) -> None:
    result = pipeline("run", "message.json", "--dataset", "orders")

    assert result.exit_code == 2
    assert "datasetName" in result.output
    assert local.sent() == []


AUTO = ("run", "--dataset", "orders", "--start", "2026-11-01", "--run-id", "auto")


@pytest.fixture
def drawn_by_the_pipeline(local: World) -> Iterator[None]:
    """Have what is sent claimed at once, as the pipeline does."""
    queue = local.deployment.client("sqs")

    def claim(**sent: Any) -> None:
        message_id = sent["parsed"]["MessageId"]
        local.put({"run_id": message_id, "item": "DRAWN", "drawn_run_id": "20261120T081500Z-1"})

    queue.meta.events.register("after-call.sqs.SendMessage", claim)
    yield
    queue.meta.events.unregister("after-call.sqs.SendMessage", claim)


@pytest.mark.usefixtures("drawn_by_the_pipeline")
def test_run_prints_the_id_that_was_drawn() -> None:
    text, document = pipeline(*AUTO), pipeline(*AUTO, "--json")

    assert text.exit_code == 0, text.output
    assert "pipeline watch 20261120T081500Z-1" in text.output
    assert json.loads(document.output)["runId"] == "20261120T081500Z-1"


def test_run_says_how_to_find_an_id_that_is_not_drawn_yet(local: World) -> None:
    result = pipeline(*AUTO, "--timeout", "0")

    assert result.exit_code == 0, result.output
    (message_id,) = re.findall(r"pipeline show (\S+)", result.output)
    local.put({"run_id": message_id, "item": "DRAWN", "drawn_run_id": "20261120T081500Z-1"})
    found = pipeline("status", message_id)
    assert found.exit_code == 4
    assert "20261120T081500Z-1" in found.output


def test_run_with_wait_exits_with_the_runs_status(local: World) -> None:
    history = History()
    history.add("ExecutionStarted", "execution", details={})
    history.add("ExecutionSucceeded", "execution", details={})
    local.functions.histories[EXECUTION_ARN] = history
    same = HELD % ("2026-11-01T00:00:00Z", ',"toleratedFailurePercentage":0')
    local.put_run(status="SUCCEEDED", request=same)
    local.put(UNIT)
    message = ("--dataset", "orders", "--start", "2026-11-01", "--run-id", "run-1")

    result = pipeline("run", *message, "--wait")

    assert result.exit_code == 0, result.output
    assert "Run run-1 of orders SUCCEEDED" in result.output
    assert "started nothing new" in result.output


@pytest.mark.usefixtures("local")
def test_status_of_an_unknown_run() -> None:
    result = pipeline("status", "nobody")

    assert result.exit_code == 4
    assert "nobody" in result.output


def test_status_shows_the_run(local: World) -> None:
    local.put_run(status="FAILED", reason="1 of 3 units failed")

    assert "1 of 3 units failed" in pipeline("status", "run-1").output
    assert json.loads(pipeline("status", "run-1", "--json").output)["status"] == "FAILED"


def test_status_says_what_a_run_waits_for(local: World) -> None:
    marker = "the partition's marker s3://data/landing/orders/dt=2026-11-01/_SUCCESS is not there"
    times = dict(waiting_since="2026-11-01T00:00:00Z", waiting_until="2026-11-02T00:00:00Z")
    local.put_run(status="CLAIMED", waiting_for=marker, **times)

    shown = json.loads(pipeline("status", "run-1", "--json").output)
    assert (shown["waitingFor"], shown["waitingUntil"]) == (marker, "2026-11-02T00:00:00Z")
    text = pipeline("status", "run-1").output
    assert "waitingFor" in text
    assert "_SUCCESS" in "".join(text.split())


def test_status_that_follows_exits_with_the_runs_status(local: World) -> None:
    local.put_run(status="FAILED", reason="1 of 3 units failed")

    result = pipeline("status", "run-1", "--follow")

    assert result.exit_code == 1
    assert "Run run-1 of orders FAILED: 1 of 3 units failed" in result.output


def test_units_add_up(local: World) -> None:
    local.put_run()
    local.put(UNIT)

    result = pipeline("units", "run-1")

    assert result.exit_code == 0
    assert "part-0.csv" in result.output
    assert "total" in result.output
    assert "NO" not in result.output
    assert json.loads(pipeline("units", "run-1", "--json").output)["rows"]["stored"] == 5


def test_jobs_are_shown_with_their_ids(local: World) -> None:
    local.put_run()
    local.put(JOB)

    assert "20261120T081500Z-3f9c2a1b" in pipeline("jobs", "run-1").output
    (job,) = json.loads(pipeline("jobs", "run-1", "--json").output)["jobs"]
    assert job["serviceId"] == "jr_1"


def test_history_by_run_and_by_execution(local: World) -> None:
    local.put_run()
    history = History()
    history.add("ExecutionStarted", "execution", details={})
    claim = {
        "outcome": "CLAIMED",
        "status": "CLAIMED",
        "runAttempt": 1,
        "holder": EXECUTION_ARN,
        "endDateTime": "2026-11-02T00:00:00Z",
    }
    history.invoke("a", "claim-run", json.dumps(claim))
    local.functions.histories[EXECUTION_ARN] = history

    for name in ("run-1", EXECUTION_ARN):
        result = pipeline("history", name)
        assert result.exit_code == 0, result.output
        assert "claim-run" in result.output
        assert "CLAIMED, attempt 1" in result.output
    document = json.loads(pipeline("history", "run-1", "--json").output)
    assert document["operations"][0]["name"] == "claim-run"


def test_a_history_that_is_gone_is_reported(local: World) -> None:
    local.put_run()

    result = pipeline("history", "run-1")

    assert result.exit_code == 4
    assert "retention" in result.output


def test_dead_letters_with_their_reasons(local: World) -> None:
    assert "empty" in pipeline("dead-letters").output
    reason = "run request: startDateTime: is required [see README.md]"
    local.put_dead_letter("{}", Reason=reason, MessageId="m")

    assert reason in " ".join(pipeline("dead-letters").output.split())
    (letter,) = json.loads(pipeline("dead-letters", "--json").output)["messages"]
    assert letter["reason"] == reason


def test_a_message_that_was_delivered_too_often_has_the_reason_of_its_run(local: World) -> None:
    local.put_dead_letter('{"runId": "run-1"}')
    (unknown,) = json.loads(pipeline("dead-letters", "--json").output)["messages"]
    assert (unknown["reason"], unknown["runId"]) == (None, "run-1")

    local.put_run(status="FAILED", run_attempt=3, reason="1 of 2 units failed; no place at Glue")

    (letter,) = json.loads(pipeline("dead-letters", "--json").output)["messages"]
    assert letter["reason"] == (
        "delivered too often; run run-1 is FAILED after attempt 3: 1 of 2 units failed; no place"
        " at Glue"
    )
    assert "no place at Glue" in " ".join(pipeline("dead-letters").output.split())


def test_so_has_one_that_named_no_run_or_whose_id_was_drawn(local: World) -> None:
    request = {"datasetName": "orders", "startDateTime": "2026-11-01"}
    for number, body in enumerate((request, {**request, "runId": "auto"})):
        local.put_dead_letter(json.dumps(body))
        messages = json.loads(pipeline("dead-letters", "--json").output)["messages"]
        (sent,) = [each for each in messages if json.loads(each["body"]) == body]
        run_id = f"drawn-{number}" if number else sent["messageId"]
        local.put({"run_id": sent["messageId"], "item": "DRAWN", "drawn_run_id": run_id})
        local.put_run(run_id, status="FAILED", reason=f"reason {number}")

    letters = json.loads(pipeline("dead-letters", "--json").output)["messages"]

    assert {letter["reason"].rpartition(": ")[2] for letter in letters} == {"reason 0", "reason 1"}
    assert "drawn-1" in {letter["runId"] for letter in letters}


CONTRACT = """\
name: orders
source: {prefix: landing/orders/}
columns:
  - {name: order_id, type: string, required: true}
  - {name: amount, type: 'decimal(12,2)'}
targets: {dynamodb: {key: [order_id]}}
"""


def test_a_valid_contract_shows_the_columns_of_its_result(tmp_path: Path) -> None:
    file = tmp_path / "orders.yaml"
    file.write_text(CONTRACT)

    result = pipeline("dataset", "check", str(file))

    assert result.exit_code == 0, result.output
    assert "decimal(12,2)" in result.output
    document = json.loads(pipeline("dataset", "check", str(file), "--json").output)
    assert document["valid"] is True


def test_a_broken_contract_reports_every_problem(tmp_path: Path) -> None:
    file = tmp_path / "orders.yaml"
    file.write_text(CONTRACT.replace("decimal(12,2)", "money").replace("source:", "sauce:"))

    result = pipeline("dataset", "check", str(file))

    assert result.exit_code == 2
    assert "money" in result.output
    assert "sauce" in result.output
    document = json.loads(pipeline("dataset", "check", str(file), "--json").output)
    assert document["valid"] is False


ENRICH = "arn:aws:lambda:us-east-1:000000000000:function:enrich"


def test_a_check_notes_what_a_changed_default_does_to_a_contract(tmp_path: Path) -> None:
    file = tmp_path / "orders.yaml"
    with_transform = CONTRACT + "transform: SELECT * FROM valid\n"
    file.write_text(with_transform)
    assert "note: a row that the transform" in pipeline("dataset", "check", str(file)).output
    (note,) = json.loads(pipeline("dataset", "check", str(file), "--json").output)["notes"]
    assert "onTransformError: fail" in note
    file.write_text(with_transform + "onTransformError: fail\n")
    assert "note:" not in pipeline("dataset", "check", str(file)).output
    assert json.loads(pipeline("dataset", "check", str(file), "--json").output)["notes"] == []


@pytest.mark.parametrize(
    ("allowed", "status"), [(f"{ENRICH}-2, {ENRICH}", 0), (f"{ENRICH}-2", 2), (None, 0)]
)
def test_a_function_is_held_against_what_the_deployment_allows_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: str | None, status: int
) -> None:
    jobs = "jobs:\n  - {stage: enrich, engine: lambda, function: enrich}\n"
    file = tmp_path / "orders.yaml"
    file.write_text(CONTRACT + jobs)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        if allowed is not None:
            url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            about = {"outputs": {}, "parameters": {"JobFunctionArns": allowed}, "endpointUrl": url}
            (tmp_path / ".local").mkdir()
            (tmp_path / ".local" / "cloud.json").write_text(json.dumps(about))

        result = pipeline("dataset", "check", str(file))

    assert result.exit_code == status, result.output
    if status:
        text = " ".join(result.output.split())
        assert "jobs[0].function: on the local cloud that runs here" in text
        assert "function enrich is not allowed" in text


def test_a_contract_that_is_not_there() -> None:
    result = pipeline("dataset", "check", "datasets/nothing.yaml")

    assert result.exit_code == 2
    assert "cannot be read" in result.output


def test_upload_brings_contracts_scripts_and_sample_data(local: World) -> None:
    local.deployment.client("s3").create_bucket(Bucket="code")

    urls = json.loads(pipeline("upload", "--sample", "--json").output)["urls"]

    assert "s3://code/datasets/orders.yaml" in urls
    assert "s3://code/jobs/clean_csv.py" in urls
    assert f"s3://code/{Pin().key}" in urls  # a text in its place, without which the job fails
    assert "s3://data/landing/orders/dt=2026-11-01/orders-1.csv" in urls
    for url in urls:
        bucket, _, key = url.removeprefix("s3://").partition("/")
        assert local.deployment.client("s3").head_object(Bucket=bucket, Key=key)


def test_message_files_name_the_bucket_of_the_deployment(local: World) -> None:
    result = pipeline("run", str(ROOT / "events" / "one-object.json"))

    assert result.exit_code == 0, result.output
    (body,) = local.sent()
    assert json.loads(body)["inputUrl"].startswith("s3://data/landing/")


def test_a_run_id_that_is_taken_by_other_content_is_not_sent(local: World) -> None:
    held = HELD % ("2026-10-01T00:00:00Z", ',"toleratedFailurePercentage":0')
    local.put_run(status="SUCCEEDED", request=held)

    result = pipeline("run", "--dataset", "orders", "--start", "2026-11-01", "--run-id", "run-1")

    assert result.exit_code == 2
    assert "startDateTime" in result.output
    assert "datasetName" not in result.output
    assert local.sent() == []


def test_an_unchecked_conflict_is_followed_to_its_refusal(local: World) -> None:
    local.put_run(status="SUCCEEDED", request=HELD % ("2026-10-01T00:00:00Z", ""))
    options = ("--dataset", "orders", "--start", "2026-11-01", "--run-id", "run-1")

    result = pipeline("run", *options, "--unchecked", "--wait", "--timeout", "0")

    assert result.exit_code == 5  # nothing responds here; but the earlier success is not reported
    assert "SUCCEEDED" not in result.output


@pytest.mark.parametrize("arguments", [["-h"], ["ls", "-h"], ["dead-letters", "replay", "-h"]])
def test_help_has_a_short_name(arguments: list[str]) -> None:
    result = pipeline(*arguments)
    assert (result.exit_code, "Usage: pipeline" in result.output) == (0, True)


def test_the_version_is_that_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert pipeline("--version").output == f"pipeline {project['version']}\n"
