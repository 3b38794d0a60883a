"""`pipeline`, signed as somebody who has `OperatorPolicy` and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from running_cloud import RunningCloud
from test_whole_pipeline import run_request

from cli.exit_codes import FAILED, REFUSED, SUCCEEDED

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("end-to-end"),
]


def test_an_operator_may_do_what_every_command_does(
    cloud: RunningCloud, signed: Any, tmp_path: Path
) -> None:
    policies = [cloud.outputs[f"Operator{what}PolicyArn"] for what in ("", "Upkeep")]
    pipeline = signed(cloud.cloud.permissions.credentials_for("operator", attached=policies))
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
        ("ledger", "index"),
        ("ls",),
        ("show", "@last"),
        ("watch", "e2e-operator"),
        ("logs", "e2e-operator"),
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
