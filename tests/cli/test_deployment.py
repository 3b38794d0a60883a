"""Finding the deployment: a stack's outputs, or the local cloud of this directory."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from cli_world import World, pipeline

from cli.client.deployment import find_deployment
from cli.exit_codes import NOT_FOUND, CommandFailed
from local.local_cloud.http.front import Front

TEMPLATE = {
    "Parameters": {"RedshiftDatabase": {"Type": "String", "Default": "dev"}},
    "Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "q"}}},
    "Outputs": {"DataProcessingQueueUrl": {"Value": {"Ref": "Queue"}}},
}


@pytest.mark.usefixtures("world")
def test_a_stack_reports_its_outputs_and_parameters() -> None:
    cloudformation = boto3.client("cloudformation")
    cloudformation.create_stack(StackName="pipeline", TemplateBody=json.dumps(TEMPLATE))

    deployment = find_deployment("pipeline")

    assert not deployment.local
    assert deployment.output("DataProcessingQueueUrl").endswith("/q")
    assert deployment.parameters == {"RedshiftDatabase": "dev"}


@pytest.mark.usefixtures("world")
def test_a_stack_that_is_not_there() -> None:
    with pytest.raises(CommandFailed) as failed:
        find_deployment("nothing")

    assert failed.value.exit_code == NOT_FOUND
    assert "nothing" in failed.value.message


def test_an_output_that_is_missing_is_named(world: World) -> None:
    with pytest.raises(CommandFailed) as failed:
        world.deployment.output("NoSuchOutput")

    assert "NoSuchOutput" in failed.value.reason


def test_the_local_cloud_is_found_from_below(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    below = tmp_path / "src" / "steps"
    below.mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as server:
        endpoint = f"http://127.0.0.1:{server.getsockname()[1]}"
        _describe(tmp_path, endpoint)
        deployment = find_deployment(None, directory=below)

    assert deployment.local
    assert deployment.endpoint_url == endpoint
    assert deployment.client("sqs").meta.endpoint_url == endpoint


def test_another_endpoint_in_the_environment_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    _describe(tmp_path, "http://127.0.0.1:1")

    with pytest.raises(CommandFailed) as failed:
        find_deployment(None, directory=tmp_path)

    assert "AWS_ENDPOINT_URL" in failed.value.reason


def _describe(directory: Path, endpoint: str) -> None:
    (directory / ".local").mkdir()
    description = json.dumps(
        {"endpointUrl": endpoint, "outputs": {"LedgerTable": "ledger"}, "parameters": {}}
    )
    (directory / ".local" / "cloud.json").write_text(description)


@pytest.fixture
def front() -> Iterator[Front]:
    """The HTTP front of a local cloud that describes itself."""
    made = Front(0, 1)
    made.description = json.dumps(
        {"endpointUrl": "http://elsewhere", "outputs": {"LedgerTable": "ledger"}, "parameters": {}}
    ).encode()
    made.start()
    yield made
    made.stop()


def test_the_address_alone_finds_a_local_cloud(
    front: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"{front.url}/")
    deployment = find_deployment(None, directory=tmp_path)
    assert deployment.output("LedgerTable") == "ledger"
    assert deployment.endpoint_url == f"{front.url}/"
    _describe(tmp_path, "http://127.0.0.1:1")  # of another one
    assert find_deployment(None, directory=tmp_path).endpoint_url == f"{front.url}/"


def test_an_address_that_is_no_url_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "file:///etc")
    with pytest.raises(CommandFailed, match="no http URL"):
        find_deployment(None, directory=tmp_path)


def test_the_state_directory_finds_a_local_cloud(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("PIPELINE_STATE_DIR", "/none")
    with pytest.raises(CommandFailed, match="no local cloud runs with state in /none"):
        find_deployment(None, directory=tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as server:
        endpoint = f"http://127.0.0.1:{server.getsockname()[1]}"
        _describe(tmp_path, endpoint)
        monkeypatch.setenv("PIPELINE_STATE_DIR", str(tmp_path / ".local"))
        assert find_deployment(None, directory=Path("/")).endpoint_url == endpoint


@pytest.mark.parametrize("how", [["--state-dir", "/none"], ["--state-dir=/none"]])
def test_every_command_takes_a_state_directory(
    how: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIPELINE_STATE_DIR", "")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    for command in (["ls"], ["show", "run-1"], ["pools"]):
        result = pipeline(*command, *how)
        assert (result.exit_code, "state in /none" in result.output) == (4, True), result.output
    assert pipeline("ls", "--state-dir").exit_code == 2
