"""`pipeline verify` on the local cloud: every claim that can be shown here passes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from json_documents import document as json_document
from running_cloud import WITHOUT_SPARK, RunningCloud
from typer.testing import CliRunner

from cli.client.deployment import Deployment
from cli.client.wheel import upload_stand_in
from cli.commands.upload import upload_code
from cli.exit_codes import FAILED
from cli.main import app
from cli.verify.claims import CLAIMS, Verdict
from cli.verify.command import as_document, verify_deployment

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("end-to-end"),
]
# Engines that need Spark are run by tests/spark.
NOT_CONFIGURED = {
    "emr-engine",
    "emr-event",
    "emr-ssm-engine",
    "emr-serverless-engine",
    "emr-serverless-event",
}
ONLY_ON_AWS = {"invoke-arn", "concurrency"}
SWITCHED_OFF = {"upload-event"}  # StartRunsOnUpload is false by default


@pytest.fixture
def deployment(cloud: RunningCloud) -> Iterator[Deployment]:
    local = cloud.cloud
    made = Deployment(
        outputs=local.outputs,
        parameters={**local.parameters, **WITHOUT_SPARK},
        endpoint_url=local.endpoint_url,
        stack_name="durable-pipeline",
    )
    upload_code(made.client("s3"), made.output("CodeBucketName"))
    upload_stand_in(made.client("s3"), made.output("CodeBucketName"))
    yield made
    made.close()


def test_every_claim_passes_or_says_why_it_is_not_shown(
    cloud: RunningCloud, deployment: Deployment
) -> None:
    lines: list[str] = []

    session, findings = verify_deployment(deployment, lines.append, timeout=240, patience=90)

    said = {claim: finding.verdict for claim, finding in findings.items()}
    evidence = json.dumps(as_document(session, findings).to_json(), indent=1)
    assert {claim for claim in said if said[claim] is Verdict.FAIL} == set(), evidence
    assert {claim for claim in said if said[claim] is Verdict.NOT_SHOWN} == ONLY_ON_AWS, evidence
    assert {one for one in said if said[one] is Verdict.NOT_CONFIGURED} == NOT_CONFIGURED
    skipped = {claim for claim in said if said[claim] is Verdict.SKIPPED}
    # A job may have ended before it could be cancelled.
    assert skipped - {"stop-cancels-job"} == SWITCHED_OFF, evidence
    assert list(said) == list(CLAIMS)
    assert lines
    assert_removed(cloud, session.probe_id)
    assert not [line for line in session.left if "could not be removed" in line]


def assert_removed(cloud: RunningCloud, probe_id: str) -> None:
    s3 = cloud.cloud.client("s3")
    for bucket in ("DataBucketName", "CodeBucketName"):
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=cloud.outputs[bucket])
        keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
        ours = [key for key in keys if probe_id in key]
        assert all(key.startswith(("runs/", "quarantine/", "stored-objects/")) for key in ours), (
            ours
        )
    for name in ("plain", "glue"):
        assert cloud.stored(f"verify-{probe_id}-{name}") == []


@pytest.fixture
def broken_deployment(
    deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command finds this cloud here, without one of its outputs."""
    outputs = {name: arn for name, arn in deployment.outputs.items() if "JobWatcher" not in name}
    cloud = {
        "endpointUrl": deployment.endpoint_url,
        "outputs": outputs,
        "parameters": dict(deployment.parameters),
        "stackName": deployment.stack_name,
    }
    (tmp_path / ".local").mkdir()
    (tmp_path / ".local" / "cloud.json").write_text(json.dumps(cloud))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.delenv("PIPELINE_STACK", raising=False)


@pytest.mark.usefixtures("broken_deployment")
def test_failing_claims_end_the_command_with_one_and_are_in_its_document(
    cloud: RunningCloud,
) -> None:
    with cloud.job_failing_for("/verify/"):
        done = CliRunner().invoke(app, ["verify", "--json", "--timeout", "120", "--patience", "2"])

    assert done.exit_code == FAILED, done.output
    document = json_document("verify", done.stdout)
    claims = {one["id"]: one for one in document["claims"]}
    failed = {name for name, one in claims.items() if one["verdict"] == "fail"}
    assert {"known-rows", "glue-modules", "alarm-metrics"} <= failed, document
    assert "JobWatcherFunctionArn" in claims["alarm-metrics"]["evidence"]
    assert "no such luck" in claims["glue-modules"]["evidence"]
    assert claims["copy-role"]["verdict"] == "pass"
    assert document["left"]
    assert "glue-modules: fail" in done.stderr
