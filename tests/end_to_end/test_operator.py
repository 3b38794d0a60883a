"""`pipeline`, signed as somebody who has `OperatorPolicy` and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from running_cloud import RunningCloud
from test_verify import WITHOUT_SPARK
from test_whole_pipeline import run_request
from typer.testing import CliRunner, Result

from cli.client import deployment as deployment_module
from cli.exit_codes import FAILED, REFUSED, SUCCEEDED
from cli.main import app

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("end-to-end"),
]
Operator = Callable[..., Result]


@pytest.fixture
def signed(
    cloud: RunningCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[dict[str, str]], Operator]:
    """Makes a command line that signs with these credentials."""
    where = tmp_path / deployment_module.CLOUD_FILE
    where.parent.mkdir()
    local = cloud.cloud
    document = {
        "endpointUrl": local.endpoint_url,
        "outputs": dict(local.outputs),
        "parameters": {**local.parameters, **WITHOUT_SPARK},
        "stackName": "durable-pipeline",
    }
    where.write_text(json.dumps(document))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)

    def command_line(credentials: dict[str, str]) -> Operator:
        def client(service: str, _endpoint: str | None, _region: str | None) -> Any:
            return cloud.cloud.client_signing_as(credentials, service)

        monkeypatch.setattr(deployment_module, "_client", client)
        return lambda *words: CliRunner().invoke(app, list(words), env={"COLUMNS": "200"})

    return command_line


def test_an_operator_may_do_what_every_command_does(
    cloud: RunningCloud, signed: Any, tmp_path: Path
) -> None:
    policy = cloud.outputs["OperatorPolicyArn"]
    pipeline = signed(cloud.cloud.permissions.credentials_for("operator", attached=[policy]))
    file = tmp_path / "message.json"
    file.write_text(json.dumps(run_request("e2e-operator")))
    rejected = str(tmp_path / "rejected.jsonl")
    assert pipeline("run", str(file), "--wait").exit_code == SUCCEEDED
    commands = (
        ("status", "e2e-operator"),
        ("history", "e2e-operator"),
        ("units", "e2e-operator"),
        ("jobs", "e2e-operator"),
        ("results", "e2e-operator"),
        ("rejected", "e2e-operator", "--out", rejected),
        ("resend", rejected, "--run", "e2e-operator"),
        ("dead-letters",),
        ("upload", "--sample"),
    )
    results = {command: pipeline(*command) for command in commands}
    cloud.put_sample()  # the command's sample has more rows, and other tests count them

    failed = {command: one.output for command, one in results.items() if one.exit_code}
    assert set(failed) <= {("resend", rejected, "--run", "e2e-operator")}, failed
    stopped = pipeline("stop", "e2e-operator")
    assert (stopped.exit_code, "nothing to stop" in stopped.output) == (REFUSED, True)
    assert [d for d in cloud.cloud.permissions.denials() if "operator" in str(d)] == []


def test_an_operator_may_verify(cloud: RunningCloud, signed: Any) -> None:
    policy = cloud.outputs["OperatorPolicyArn"]
    pipeline = signed(cloud.cloud.permissions.credentials_for("operator-2", attached=[policy]))

    result = pipeline("verify", "--json", "--timeout", "200", "--patience", "60")

    claims = json.loads(result.stdout)["claims"]
    denied = [claim for claim in claims if "not authorized" in json.dumps(claim)]
    assert denied == []
    assert [d for d in cloud.cloud.permissions.denials() if "operator-2" in str(d)] == []


def test_who_has_no_policy_is_denied_in_the_words_of_aws(signed: Any, cloud: RunningCloud) -> None:
    pipeline = signed(cloud.cloud.permissions.credentials_for("nobody"))

    result = pipeline("status", "e2e-operator")

    assert result.exit_code in (FAILED, REFUSED)
    said = f"{result.output} {result.exception}"
    assert "is not authorized to perform: dynamodb:GetItem" in said
