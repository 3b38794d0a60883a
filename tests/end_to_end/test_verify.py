"""`pipeline verify` on the local cloud: every claim that can be shown here passes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator

import pytest
from running_cloud import RunningCloud

from cli.deployment import Deployment
from cli.upload import upload_code
from cli.verify.claims import CLAIMS, Verdict
from cli.verify.command import as_document, verify_deployment

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("end-to-end"),
]
# Engines that need Spark are run by tests/spark.
WITHOUT_SPARK = {"EmrClusterId": "", "EmrServerlessApplicationId": ""}
NOT_CONFIGURED = {
    "emr-engine",
    "emr-event",
    "emr-ssm-engine",
    "emr-serverless-engine",
    "emr-serverless-event",
}
ONLY_ON_AWS = {"invoke-arn", "alarms", "alarm-metrics", "own-metrics", "concurrency"}
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
    yield made
    made.close()


def test_every_claim_passes_or_says_why_it_is_not_shown(
    cloud: RunningCloud, deployment: Deployment
) -> None:
    lines: list[str] = []

    session, findings = verify_deployment(deployment, lines.append, timeout=240, patience=90)

    said = {claim: finding.verdict for claim, finding in findings.items()}
    evidence = json.dumps(as_document(session, findings), indent=1)
    assert {claim for claim in said if said[claim] is Verdict.FAIL} == set(), evidence
    assert {claim for claim in said if said[claim] is Verdict.NOT_SHOWN} == ONLY_ON_AWS, evidence
    assert {one for one in said if said[one] is Verdict.NOT_CONFIGURED} == NOT_CONFIGURED
    assert {claim for claim in said if said[claim] is Verdict.SKIPPED} == SWITCHED_OFF, evidence
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
        assert all(key.startswith(("runs/", "quarantine/")) for key in ours), ours
    for name in ("plain", "glue"):
        assert cloud.stored(f"verify-{probe_id}-{name}") == []


def test_a_job_that_fails_and_a_missing_output_fail_their_claims(
    cloud: RunningCloud, deployment: Deployment
) -> None:
    outputs = {name: arn for name, arn in deployment.outputs.items() if "JobWatcher" not in name}
    broken = dataclasses.replace(deployment, outputs=outputs)

    with cloud.job_failing_for("/verify/"):
        session, findings = verify_deployment(broken, lambda _: None, timeout=120, patience=2)

    document = as_document(session, findings)
    failed = {one["id"] for one in document["claims"] if one["verdict"] == "fail"}
    assert {"known-rows", "glue-modules", "alarm-metrics"} <= failed, document
    assert "JobWatcherFunctionArn" in findings["alarm-metrics"].evidence
    assert "no such luck" in findings["glue-modules"].evidence
    assert findings["copy-role"].verdict is Verdict.PASS
