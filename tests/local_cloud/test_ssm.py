"""Run Command: commands really run in a shell, and can submit steps to EMR."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from job_services import ENVIRONMENT, World, is_alive, wait_until, world

from local.local_cloud.jobs.emr import EmrService
from local.local_cloud.jobs.ssm import SsmService

CLUSTER = "j-LOCAL1"
INSTANCE = "i-00000000000000001"
ENDED = ("Success", "Failed", "TimedOut", "Cancelled")


class Ssm:
    """An instance under test and its client; a cluster to send steps to."""

    def __init__(self, world: World, service: SsmService, emr: EmrService) -> None:
        self.world, self.service, self.emr, self.events = world, service, emr, world.events
        self.client = world.client("ssm")
        self.cluster = world.client("emr")

    def send(self, *commands: str, comment: str = "", **parameters: list[str]) -> str:
        response = self.client.send_command(
            DocumentName="AWS-RunShellScript",
            InstanceIds=[INSTANCE],
            Comment=comment,
            Parameters={"commands": list(commands), **parameters},
        )
        return str(response["Command"]["CommandId"])

    def invocation(self, command_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get_command_invocation(
            CommandId=command_id, InstanceId=INSTANCE
        )
        return found

    def ended(self, command_id: str) -> dict[str, Any]:
        wait_until(lambda: self.invocation(command_id)["Status"] in ENDED)
        return self.invocation(command_id)


@pytest.fixture
def ssm(moto_endpoint: str, tmp_path: Path) -> Iterator[Ssm]:
    with world(moto_endpoint) as around:
        url = around.front.url
        service = SsmService(url, tmp_path / "ssm", around.events, ENVIRONMENT)
        emr = EmrService(url, tmp_path / "emr", around.events, ENVIRONMENT)
        for each in (service, emr):
            each.start()
            around.front.add_json(each)
        service.add_instance(INSTANCE)
        emr.add_cluster(CLUSTER)
        try:
            yield Ssm(around, service, emr)
        finally:
            service.stop()
            emr.stop()


@pytest.mark.cloud
def test_a_command_is_a_shell_with_an_environment_of_its_own(
    ssm: Ssm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_HOST", "1")
    command_id = ssm.send("who=world", 'echo "$GREETING $who" $SECRET_OF_THE_HOST', "echo bad >&2")
    found = ssm.ended(command_id)
    assert (found["Status"], found["StatusDetails"]) == ("Success", "Success")
    assert found["StandardOutputContent"] == "hello world\n"
    assert found["StandardErrorContent"] == "bad\n"
    assert found["ResponseCode"] == 0
    assert found["ExecutionStartDateTime"] <= found["ExecutionEndDateTime"]
    wait_until(lambda: len(ssm.events.received) == 3)
    statuses = [event["detail"]["status"] for event in ssm.events.received]
    assert statuses == ["Pending", "InProgress", "Success"]
    assert ssm.events.received[0]["source"] == "aws.ssm"
    assert ssm.events.received[0]["detail"]["command-id"] == command_id


@pytest.mark.cloud
def test_a_command_submits_a_step_with_the_aws_command_and_reports_its_id(ssm: Ssm) -> None:
    script = ssm.world.put_script("import sys; assert sys.argv[1:] == ['--QUERY', \"it's > 1\"]")
    steps = [
        {
            "Type": "CUSTOM_JAR",
            "Name": "clean",
            "ActionOnFailure": "CONTINUE",
            "Jar": "command-runner.jar",
            "Args": ["spark-submit", script, "--QUERY", "it's > 1"],
        }
    ]
    words = ["aws", "emr", "add-steps", "--cluster-id", CLUSTER, "--steps", json.dumps(steps)]
    found = ssm.ended(ssm.send(shlex.join(words)))
    assert found["Status"] == "Success", found["StandardErrorContent"]
    [step_id] = json.loads(found["StandardOutputContent"])["StepIds"]

    def state() -> str:
        step = ssm.cluster.describe_step(ClusterId=CLUSTER, StepId=step_id)["Step"]
        return str(step["Status"]["State"])

    wait_until(lambda: state() == "COMPLETED")
    reported = ssm.ended(
        ssm.send(shlex.join([*words, "--query", "StepIds[0]", "--output", "text"]))
    )
    assert reported["StandardOutputContent"].startswith("s-")


@pytest.mark.cloud
def test_a_step_that_is_refused_fails_the_command_with_the_services_words(ssm: Ssm) -> None:
    step = {"Name": "x", "Jar": "command-runner.jar", "Args": ["spark-submit", "s3://a/b.py"]}
    command = ["aws", "emr", "add-steps", "--cluster-id", "j-NOPE", "--steps", json.dumps([step])]
    found = ssm.ended(ssm.send(shlex.join(command)))
    assert (found["Status"], found["ResponseCode"]) == ("Failed", 254)
    assert "Specified job flow ID does not exist" in found["StandardErrorContent"]


@pytest.mark.cloud
@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("aws s3 ls", "aws s3 ls is not emulated"),
        ("aws emr add-steps --cluster-id j-A --steps Type=Spark", "JSON only"),
        ('aws emr add-steps --cluster-id j-A --steps \'[{"Type":"HIVE"}]\'', "HIVE"),
        ('aws emr add-steps --cluster-id j-A --steps \'[{"Jarr":"x"}]\'', "Jarr"),
        ("aws emr add-steps --steps '[]'", "--cluster-id"),
    ],
)
def test_what_the_aws_command_does_not_know_it_refuses_by_name(
    ssm: Ssm, command: str, words: str
) -> None:
    found = ssm.ended(ssm.send(command))
    assert (found["Status"], found["ResponseCode"]) == ("Failed", 252)
    assert words in found["StandardErrorContent"]


@pytest.mark.cloud
def test_a_command_fails_with_the_exit_status_of_its_last_line(ssm: Ssm) -> None:
    found = ssm.ended(ssm.send("false", "exit 7"))
    assert (found["Status"], found["ResponseCode"]) == ("Failed", 7)


@pytest.mark.cloud
def test_a_command_runs_in_its_working_directory(ssm: Ssm, tmp_path: Path) -> None:
    found = ssm.ended(ssm.send("pwd", workingDirectory=[str(tmp_path)]))
    assert found["StandardOutputContent"].strip() == str(tmp_path)
    missing = ssm.ended(ssm.send("pwd", workingDirectory=["/nowhere/at/all"]))
    assert missing["Status"] == "Failed"
    assert "/nowhere/at/all" in missing["StandardErrorContent"]


@pytest.mark.cloud
def test_output_is_cut_at_what_the_service_shows(ssm: Ssm) -> None:
    command = "head -c 30000 /dev/zero | tr '\\0' x"
    found = ssm.ended(ssm.send(f"{command}; {command} >&2"))
    assert len(found["StandardOutputContent"]) == 24_000
    assert found["StandardOutputContent"].endswith("---Output truncated---")
    assert len(found["StandardErrorContent"]) == 8_000


@pytest.mark.cloud
def test_a_command_that_is_cancelled_is_killed(ssm: Ssm, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    command_id = ssm.send(f"echo $$ > {pid_file}.new; mv {pid_file}.new {pid_file}; sleep 60")
    wait_until(pid_file.exists)
    assert ssm.invocation(command_id)["Status"] == "InProgress"
    ssm.client.cancel_command(CommandId=command_id)
    assert ssm.ended(command_id)["Status"] == "Cancelled"
    assert not is_alive(int(pid_file.read_text()))
    ssm.client.cancel_command(CommandId=command_id)  # harmless


@pytest.mark.cloud
def test_a_command_that_outlives_its_execution_timeout_is_ended(ssm: Ssm) -> None:
    found = ssm.ended(ssm.send("sleep 60", executionTimeout=["0.1"]))
    assert (found["Status"], found["StatusDetails"]) == ("TimedOut", "Execution Timed Out")


@pytest.mark.cloud
def test_commands_are_found_by_their_comment_newest_first(ssm: Ssm) -> None:
    ids = [ssm.send("true", comment=f"job {n}") for n in range(3)]
    for command_id in ids:
        ssm.ended(command_id)
    listed = ssm.client.list_commands(InstanceId=INSTANCE)["Commands"]
    assert [command["Comment"] for command in listed] == ["job 2", "job 1", "job 0"]
    pages = ssm.client.get_paginator("list_command_invocations").paginate(
        InstanceId=INSTANCE, Details=True, PaginationConfig={"PageSize": 2}
    )
    invocations = [each for page in pages for each in page["CommandInvocations"]]
    assert [each["CommandId"] for each in invocations] == ids[::-1]
    assert invocations[0]["CommandPlugins"][0]["Status"] == "Success"
    hour_ago = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for key, count in (("InvokedAfter", 3), ("InvokedBefore", 0)):
        filters = [{"key": key, "value": hour_ago}, {"key": "Status", "value": "Success"}]
        assert len(ssm.client.list_commands(Filters=filters)["Commands"]) == count


def test_what_is_unknown_or_not_emulated_is_refused(ssm: Ssm) -> None:
    errors = ssm.client.exceptions
    send = ssm.client.send_command
    commands = {"commands": ["true"]}
    known = {"DocumentName": "AWS-RunShellScript", "Parameters": commands}
    with pytest.raises(errors.InvalidInstanceId):
        send(InstanceIds=["i-0000000000000000f"], **known)
    with pytest.raises(errors.InvalidDocument):
        send(InstanceIds=[INSTANCE], DocumentName="Other", Parameters=commands)
    with pytest.raises(errors.InvalidParameters):
        send(InstanceIds=[INSTANCE], DocumentName="AWS-RunShellScript")
    with pytest.raises(ClientError, match="not emulate Targets"):
        send(Targets=[{"Key": "tag:a", "Values": ["b"]}], **known)
    with pytest.raises(errors.InvalidCommandId):
        ssm.client.cancel_command(CommandId="0" * 36)
    with pytest.raises(ClientError, match="not emulate ssm ListDocuments"):
        ssm.client.list_documents()


def test_parameters_are_the_substrates(ssm: Ssm) -> None:
    ssm.client.put_parameter(Name="/a", Value="b", Type="String", Overwrite=True)
    assert ssm.client.get_parameter(Name="/a")["Parameter"]["Value"] == "b"
