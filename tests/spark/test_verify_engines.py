"""`pipeline verify` with every engine and the upload rule, on a local cloud of its own."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from running_cloud import ROOT

from cli.client.deployment import Deployment
from cli.client.wheel import upload_stand_in
from cli.commands.upload import upload_code
from cli.verify.claims import CLAIMS, Verdict
from cli.verify.command import as_document, verify_deployment
from local.local_cloud.cloud import LocalCloud

pytestmark = [pytest.mark.cloud, pytest.mark.spark, pytest.mark.timeout(600)]
ONLY_ON_AWS = {"invoke-arn", "concurrency"}


def test_every_engine_and_the_upload_rule_pass(tmp_path: Path) -> None:
    uploads = {"StartRunsOnUpload": "true"}
    with LocalCloud(ROOT / "template.yaml", tmp_path, port=0, parameters=uploads) as cloud:
        deployment = Deployment(
            outputs=cloud.outputs,
            parameters=cloud.parameters,
            endpoint_url=cloud.endpoint_url,
            stack_name="durable-pipeline",
        )
        with contextlib.closing(deployment):
            upload_code(deployment.client("s3"), deployment.output("CodeBucketName"))
            upload_stand_in(deployment.client("s3"), deployment.output("CodeBucketName"))
            session, findings = verify_deployment(deployment, print, timeout=540, patience=120)

    passed = {claim for claim, one in findings.items() if one.verdict is Verdict.PASS}
    if findings["stop-cancels-job"].verdict is Verdict.SKIPPED:
        passed.add("stop-cancels-job")  # the job had ended before it could be cancelled
    assert passed == set(CLAIMS) - ONLY_ON_AWS, json.dumps(
        as_document(session, findings).to_json(), indent=1
    )
