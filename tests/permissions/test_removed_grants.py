"""Grants taken out of the template for real: what fails, and how it is reported."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from running_cloud import ROOT, RunningCloud, wait_until

from local.local_cloud.cloud import LocalCloud
from local.local_cloud.permissions.denial import Denial
from local.local_cloud.template.intrinsics import TemplateError

pytestmark = [pytest.mark.cloud, pytest.mark.slow]

RECEIVE = "Action: [sqs:ReceiveMessage, sqs:DeleteMessage, sqs:GetQueueAttributes]"
TAKES_RUNS = f"{RECEIVE}\n                Resource: !GetAtt ProcessingQueue.Arn"
QUARANTINE = "Action: [s3:PutObject, s3:AbortMultipartUpload]"
INVOKE_CLAIM = """\
                ${ClaimRunFunction.Arn} ${ClaimRunFunction.Arn}:*
"""
OF_TOPIC = "\n            Resource: !GetAtt NotificationKey.Arn"
NOTIFY = f"Action: [kms:Decrypt, kms:GenerateDataKey]{OF_TOPIC}"


def template_without(tmp_path: Path, written: str, instead: str) -> Path:
    """The template with one text replaced, beside what it deploys."""
    content = (ROOT / "template.yaml").read_text("utf-8")
    assert content.count(written) == 1
    path = tmp_path / "template.yaml"
    path.write_text(content.replace(written, instead), "utf-8")
    for name in ("src", "layers"):
        (tmp_path / name).symlink_to(ROOT / name)
    return path


@contextmanager
def cloud_without(tmp_path: Path, written: str, instead: str) -> Iterator[RunningCloud]:
    template = template_without(tmp_path, written, instead)
    with LocalCloud(template, tmp_path / "state", port=0, redelivery_seconds=1) as local_cloud:
        yield RunningCloud(local_cloud)


def send(cloud: RunningCloud, run_id: str) -> None:
    message = json.loads((ROOT / "events" / "run.json").read_text("utf-8"))
    cloud.send({**message, "runId": run_id})


def first_denial(cloud: RunningCloud) -> Denial:
    found: list[Denial] = []

    def look() -> dict[str, bool] | None:
        found.extend(cloud.cloud.permissions.denials())
        return {"found": True} if found else None

    wait_until(look, "a denial")
    return found[0]


def test_without_receive_the_mapping_is_refused(tmp_path: Path) -> None:
    less = TAKES_RUNS.replace("sqs:ReceiveMessage, ", "")
    template = template_without(tmp_path, TAKES_RUNS, less)
    with pytest.raises(TemplateError, match="not authorized to perform: sqs:ReceiveMessage"):
        LocalCloud(template, tmp_path / "state", port=0).start()


def test_without_the_right_to_write_rejected_rows_validation_fails(tmp_path: Path) -> None:
    with cloud_without(tmp_path, QUARANTINE, "Action: s3:AbortMultipartUpload") as cloud:
        send(cloud, "denied-quarantine")
        denial = first_denial(cloud)
        assert denial.role in ("ValidateFunctionRole", "TransformFunctionRole")
        assert denial.action == "s3:PutObject"
        assert denial.resource.endswith("/quarantine/*")
        assert 'Resource: !Sub "${DataBucket.Arn}/quarantine/*"' in denial.lines


def test_without_the_right_to_invoke_an_execution_fails(tmp_path: Path) -> None:
    with cloud_without(tmp_path, INVOKE_CLAIM, "") as cloud:
        send(cloud, "denied-invoke")
        denial = first_denial(cloud)
        assert (denial.role, denial.action) == ("PipelineFunctionRole", "lambda:InvokeFunction")
        assert "Resource: !GetAtt ClaimRunFunction.Arn" in denial.lines

        def failed() -> dict[str, str] | None:
            arns = [found["DurableExecutionArn"] for found in cloud.executions("PipelineFunction")]
            events = [
                event
                for arn in arns
                for event in cloud.cloud.client("lambda").get_durable_execution_history(
                    DurableExecutionArn=arn, IncludeExecutionData=True
                )["Events"]
            ]
            text = json.dumps(events, default=str)
            return {"found": text} if "AccessDeniedException" in text else None

        assert (
            "is not authorized to perform: lambda:InvokeFunction"
            in wait_until(failed, "the failed invoke")["found"]
        )


def test_without_the_key_nothing_is_published(tmp_path: Path) -> None:
    with cloud_without(tmp_path, NOTIFY, f"Action: kms:Decrypt{OF_TOPIC}") as cloud:
        send(cloud, "denied-key")
        denial = first_denial(cloud)
        assert denial.role in ("NotifyFunctionRole", "RecordUnitFunctionRole")
        assert denial.action == "kms:GenerateDataKey"
        assert "Resource: !GetAtt NotificationKey.Arn" in denial.lines
        attributes = cloud.cloud.client("sqs").get_queue_attributes(
            QueueUrl=cloud.outputs["NotificationQueueUrl"],
            AttributeNames=["ApproximateNumberOfMessages"],
        )["Attributes"]
        assert attributes["ApproximateNumberOfMessages"] == "0"
