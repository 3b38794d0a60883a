"""One template deployed over another: data stays, code and permissions are those of the new one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from accepting_clients import AcceptingClients

from local.local_cloud.cloud import LocalCloud
from local.local_cloud.deploy.deployer import deploy
from local.local_cloud.deploy.stack import Stack
from local.local_cloud.deploy.storage import only_adds_indexes
from local.local_cloud.template.intrinsics import TemplateError
from local.local_cloud.template.loader import load_template

FIXTURES = Path(__file__).parent / "fixtures"
pytestmark = pytest.mark.cloud
ABOUT_ITSELF = """
import os

def work(event, context):
    return {"code": CODE, "label": os.environ.get("LABEL", ""), "version": context.function_version}

record_event = work
"""
RECORDER = "      Handler: small_app.record_event\n"


def tree(directory: Path, code: int, *changes: tuple[str, str]) -> Path:
    """The small template in a directory of its own, with functions that return this number."""
    (directory / "functions").mkdir(parents=True)
    app = ABOUT_ITSELF.replace("CODE", str(code))
    (directory / "functions" / "small_app.py").write_text(app, "utf-8")
    template = (FIXTURES / "small.yaml").read_text("utf-8")
    for written, instead in changes:
        assert template.count(written) == 1, written
        template = template.replace(written, instead)
    path = directory / "template.yaml"
    path.write_text(template, "utf-8")
    return path


def labelled(label: str) -> tuple[str, str]:
    """Another variable of the function that has versions."""
    return RECORDER, f"{RECORDER}      Environment: {{ Variables: {{ LABEL: {label} }} }}\n"


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[LocalCloud]:
    with LocalCloud(tree(tmp_path / "first", 1), tmp_path / "state", port=0) as running:
        yield running


def invoke(cloud: LocalCloud, name: str, qualifier: str = "$LATEST") -> dict[str, Any]:
    response = cloud.client("lambda").invoke(
        FunctionName=f"durable-pipeline-{name}", Qualifier=qualifier, Payload=b"{}"
    )
    result: dict[str, Any] = json.loads(response["Payload"].read())
    return result


def test_data_stays_and_functions_have_the_new_code(cloud: LocalCloud, tmp_path: Path) -> None:
    table, s3 = cloud.outputs["Table"], cloud.client("s3")
    bucket = cloud.outputs["BucketArn"].rpartition(":")[2]
    cloud.client("dynamodb").put_item(TableName=table, Item={"id": {"S": "stored"}})
    s3.put_object(Bucket=bucket, Key="stored", Body=b"1")
    assert invoke(cloud, "Worker")["code"] == 1

    queue = ("  DeadLetters:\n", "  Extra:\n    Type: AWS::SQS::Queue\n\n  DeadLetters:\n")
    output = ("  IntakeUrl:\n", "  ExtraUrl:\n    Value: !Ref Extra\n  IntakeUrl:\n")
    before = dict(cloud.outputs)
    cloud.update(tree(tmp_path / "second", 2, queue, output))

    assert invoke(cloud, "Worker")["code"] == 2
    assert cloud.client("dynamodb").get_item(TableName=table, Key={"id": {"S": "stored"}})["Item"]
    assert s3.get_object(Bucket=bucket, Key="stored")["Body"].read() == b"1"
    assert {**cloud.outputs, "ExtraUrl": ""} == {**before, "ExtraUrl": ""}
    cloud.client("sqs").send_message(QueueUrl=cloud.outputs["ExtraUrl"], MessageBody="new")
    written = json.loads((tmp_path / "state" / "cloud.json").read_text("utf-8"))
    assert written["outputs"] == cloud.outputs


def test_earlier_versions_stay_and_what_is_unchanged_makes_none(
    cloud: LocalCloud, tmp_path: Path
) -> None:
    cloud.update(tmp_path / "first" / "template.yaml")
    assert invoke(cloud, "Recorder", "live")["version"] == "1"
    cloud.update(tree(tmp_path / "second", 2, labelled("second")))
    cloud.update(tree(tmp_path / "third", 3, labelled("third")))

    published = {version: invoke(cloud, "Recorder", version) for version in ("1", "2", "3", "live")}

    assert published == {
        "1": {"code": 1, "label": "", "version": "1"},
        "2": {"code": 2, "label": "second", "version": "2"},
        "3": (newest := {"code": 3, "label": "third", "version": "3"}),
        "live": newest,
    }
    configuration = cloud.client("lambda").get_function_configuration(
        FunctionName="durable-pipeline-Recorder", Qualifier="2"
    )
    assert configuration["Environment"]["Variables"]["LABEL"] == "second"


def test_permissions_and_rules_are_those_of_the_new_template(
    cloud: LocalCloud, tmp_path: Path
) -> None:
    operator = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "dynamodb:Scan", "Resource": "*"}],
    }
    somebody = cloud.permissions.credentials_for("somebody", operator)
    worker = cloud.permissions.credentials("durable-pipeline-WorkerRole", "worker")
    put: dict[str, Any] = {"TableName": cloud.outputs["Table"], "Item": {"id": {"S": "1"}}}
    cloud.client_signing_as(worker, "dynamodb").put_item(**put)

    less = ("            Action: dynamodb:PutItem\n", "            Action: dynamodb:GetItem\n")
    other = ("    Default: good\n", "    Default: other\n")
    cloud.update(tree(tmp_path / "second", 2, less, other))

    client = cloud.client_signing_as(worker, "dynamodb")
    with pytest.raises(client.exceptions.ClientError, match="not authorized to perform"):
        client.put_item(**put)
    assert [denial.action for denial in cloud.permissions.denials()] == ["dynamodb:PutItem"]
    assert "dynamodb:PutItem" in [call.action for call in cloud.permissions.calls()]
    scanned = cloud.client_signing_as(somebody, "dynamodb").scan(TableName=cloud.outputs["Table"])
    assert scanned["Count"] == 1
    rule = cloud.client("events").describe_rule(Name="durable-pipeline-RecorderMine")
    assert json.loads(rule["EventPattern"])["detail"]["kind"] == [{"prefix": "other"}]


REFUSED = {
    "Records .*a change by an update": [
        ("AttributeName: id, KeyType", "AttributeName: key, KeyType")
    ],
    "DeadLetters .*its removal by an update": [
        ("  DeadLetters:\n    Type: AWS::SQS::Queue\n", ""),
        ("        deadLetterTargetArn: !GetAtt DeadLetters.Arn\n", ""),
        ("      RedrivePolicy:\n        maxReceiveCount: !Ref Attempts\n", ""),
        ("  DeadLettersUrl:\n    Value: !Ref DeadLetters\n", ""),
    ],
}


@pytest.mark.parametrize("message", sorted(REFUSED))
def test_an_update_that_would_lose_data_is_refused(tmp_path: Path, message: str) -> None:
    first = deployed(tree(tmp_path / "first", 1))
    with pytest.raises(TemplateError, match=message):
        deployed(tree(tmp_path / "second", 2, *REFUSED[message]), first)


def deployed(path: Path, earlier: Stack | None = None) -> Stack:
    """A deployment of which nothing runs."""
    template = load_template(path, {}, "durable-pipeline")
    stack = Stack(
        "durable-pipeline", template.directory, AcceptingClients(), "http://front/", no_jobs
    )
    stack.earlier = earlier
    deploy(template, stack)
    return stack


def no_jobs(_name: str, _properties: object) -> list[str]:
    return []


def test_a_table_may_get_further_indexes_and_nothing_else() -> None:
    def table(*indexes: str, **more: Any) -> tuple[str, dict[str, Any]]:
        keys = [{"AttributeName": name, "AttributeType": "S"} for name in ("id", *indexes)]
        made = [{"IndexName": name, "KeySchema": [name]} for name in indexes]
        return "AWS::DynamoDB::Table", {
            "AttributeDefinitions": keys,
            "GlobalSecondaryIndexes": made,
            **more,
        }

    assert only_adds_indexes(table("a"), table("a", "b"))
    assert not only_adds_indexes(table("a", "b"), table("a"))
    assert not only_adds_indexes(table("a"), table("a", "b", KeySchema=["other"]))
    assert not only_adds_indexes(table("a"), ("AWS::S3::Bucket", {}))
