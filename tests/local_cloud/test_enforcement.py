"""What a deployment has to allow before it works, and whose keys there are."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from botocore.exceptions import ClientError

from local.local_cloud.cloud import LocalCloud
from local.local_cloud.deploy.stack import Stack
from local.local_cloud.events.bus import Rule, Target
from local.local_cloud.http.clients import ServiceClients
from local.local_cloud.permissions.denial import Denial, denial_report
from local.local_cloud.permissions.enforcement import Enforcement
from local.local_cloud.permissions.guard import Mode
from local.local_cloud.template.intrinsics import TemplateError

FIXTURES = Path(__file__).parent / "fixtures"
pytestmark = pytest.mark.cloud


def changed(tmp_path: Path, change: Any) -> Path:
    """The small template, changed, beside its code."""

    class Loader(yaml.SafeLoader):
        pass

    def tagged(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> Any:
        name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
        if isinstance(node, yaml.ScalarNode):
            value: Any = loader.construct_scalar(node)
            return {name: value.split(".") if suffix == "GetAtt" else value}
        return {name: loader.construct_sequence(node, deep=True)}  # type: ignore[arg-type]

    Loader.add_multi_constructor("!", tagged)
    template = yaml.load((FIXTURES / "small.yaml").read_text("utf-8"), Loader)  # noqa: S506
    change(template["Resources"])
    path = tmp_path / "template.yaml"
    path.write_text(yaml.safe_dump(template), "utf-8")
    (tmp_path / "functions").symlink_to(FIXTURES / "functions")
    return path


def with_role(statement: dict[str, Any], trust: str = "lambda.amazonaws.com") -> Any:
    """A change that gives Worker a role with one statement."""

    def change(resources: dict[str, Any]) -> None:
        assumed = {
            "Effect": "Allow",
            "Principal": {"Service": trust},
            "Action": "sts:AssumeRole",
        }
        resources["WorkerOwnRole"] = {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [assumed]},
                "Policies": [
                    {
                        "PolicyName": "Own",
                        "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]},
                    }
                ],
            },
        }
        del resources["Worker"]["Properties"]["Policies"]
        resources["Worker"]["Properties"]["Role"] = {"Fn::GetAtt": ["WorkerOwnRole", "Arn"]}

    return change


ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def test_a_queue_is_not_consumed_without_the_right_to_receive(tmp_path: Path) -> None:
    puts = {"Effect": "Allow", "Action": "dynamodb:PutItem", "Resource": "*"}
    template = changed(tmp_path, with_role(puts))
    with pytest.raises(TemplateError) as caught:
        LocalCloud(template, tmp_path / "state", port=0).start()
    for action in ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"):
        assert f"not authorized to perform: {action}" in str(caught.value)


def test_a_role_that_lambda_cannot_assume_is_refused(tmp_path: Path) -> None:
    template = changed(tmp_path, with_role(ALL, trust="glue.amazonaws.com"))
    with pytest.raises(TemplateError, match="lambda.amazonaws.com is not authorized"):
        LocalCloud(template, tmp_path / "state", port=0).start()


def test_a_policy_that_cannot_be_evaluated_is_named_at_start(tmp_path: Path) -> None:
    condition = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    template = changed(tmp_path, with_role({**ALL, "Condition": condition}))
    with pytest.raises(TemplateError) as caught:
        LocalCloud(template, tmp_path / "state", port=0).start()
    assert "WorkerOwnRole Own" in str(caught.value)
    assert "aws:multifactorauthpresent cannot be evaluated" in str(caught.value)


def test_what_a_service_may_not_deliver_is_withheld_and_reported(tmp_path: Path) -> None:
    def change(resources: dict[str, Any]) -> None:
        del resources["NoticesQueuePolicy"]

    reported: list[Denial] = []
    template = changed(tmp_path, change)
    with LocalCloud(template, tmp_path / "state", port=0, on_denial=reported.append) as cloud:
        subscriptions = cloud.client("sns").list_subscriptions()["Subscriptions"]
        assert subscriptions == []
    (denial,) = reported
    assert (denial.who.partition(" ")[0], denial.action) == ("sns.amazonaws.com", "sqs:SendMessage")
    assert "Resource: !GetAtt NoticesQueue.Arn" in denial.lines
    assert "aws:SourceArn: !Ref Notices" in denial.lines
    assert denial.consequence == "nothing is delivered"


def by_worker(cloud: LocalCloud) -> None:
    """A call of Worker's role that nothing grants."""
    role = "arn:aws:iam::000000000000:role/durable-pipeline-WorkerRole"
    dynamodb = cloud.client_signing_as(cloud.permissions.credentials(role, "me"), "dynamodb")
    dynamodb.get_item(TableName=cloud.outputs["Table"], Key={"id": {"S": "x"}})


def test_a_warning_lists_what_enforcing_would_deny(tmp_path: Path) -> None:
    with LocalCloud(FIXTURES / "small.yaml", tmp_path, port=0, permissions="warn") as cloud:
        by_worker(cloud)
        (denial,) = cloud.permissions.denials()
        assert (denial.role, denial.action) == ("WorkerRole", "dynamodb:GetItem")
        text = "\n".join(denial_report(cloud.permissions.denials()))
        assert "me (role WorkerRole): dynamodb:GetItem on arn:aws:dynamodb:" in text
        assert "Resource: !GetAtt Records.Arn" in text


def test_switched_off_nothing_is_checked_or_recorded(tmp_path: Path) -> None:
    with LocalCloud(FIXTURES / "small.yaml", tmp_path, port=0, permissions="off") as cloud:
        by_worker(cloud)
        assert cloud.permissions.denials() == ()
        assert denial_report(cloud.permissions.denials()) == []
    assert json.loads((tmp_path / "calls.json").read_text("utf-8"))["calls"] == []


def test_the_command_shows_a_denial_when_it_happens_and_at_its_end(tmp_path: Path) -> None:
    def change(resources: dict[str, Any]) -> None:
        del resources["NoticesQueuePolicy"]

    template, state = changed(tmp_path, change), tmp_path / "state"
    errors = tmp_path / "errors"
    arguments = ["--template", str(template), "--port", "0", "--state-dir", str(state)]
    with (
        errors.open("w") as stderr,
        subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "local.local_cloud", *arguments],
            cwd=Path(__file__).resolve().parents[2],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        assert "The local cloud is running at" in process.stdout.readline()
        assert "denied: sns.amazonaws.com for arn:aws:sns:" in errors.read_text("utf-8")
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(30) == 0
    at_end = rest[rest.index("Calls that the template does not grant") :]
    assert at_end.count("sqs:SendMessage on") == 1
    assert "Resource: !GetAtt NoticesQueue.Arn" in at_end
    assert at_end.endswith("stopped\n")


@pytest.mark.parametrize("allowed", [True, False])
def test_an_event_reaches_a_target_that_accepts_its_rule(tmp_path: Path, allowed: bool) -> None:
    rule_arn = "arn:aws:events:us-east-1:000000000000:rule/r"
    queue_arn = "arn:aws:sqs:us-east-1:000000000000:q"
    stack = Stack("stack", tmp_path, ServiceClients("http://nowhere"), "http://q/", lambda *_: [])
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue_arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": rule_arn if allowed else f"{rule_arn}2"}},
    }
    stack.grants.add_resource_policy(queue_arn, {"Statement": [statement]}, "QueuePolicy")
    reported: list[Denial] = []
    enforcement = Enforcement(Mode.ENFORCE, reported.append)
    enforcement.deployed(stack, lambda *_: [])
    target = Target("t", queue_arn)
    assert enforcement.may_deliver(Rule("r", rule_arn, (target,)), target) is allowed
    assert [denial.consequence for denial in reported] == (
        [] if allowed else ["the event is dropped"]
    )


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Any:
    state = tmp_path_factory.mktemp("cloud")
    with LocalCloud(FIXTURES / "small.yaml", state, port=0) as running:
        yield running


def client(cloud: LocalCloud, service: str, key: str, token: str | None = None) -> Any:
    return boto3.client(
        service,
        endpoint_url=cloud.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key="test",
        aws_session_token=token,
    )


def test_a_key_reports_whose_it_is(cloud: LocalCloud) -> None:
    operator = cloud.client("sts").get_caller_identity()
    assert operator["Arn"] == "arn:aws:iam::000000000000:root"
    role = "arn:aws:iam::000000000000:role/durable-pipeline-WorkerRole"
    keys = cloud.client("sts").assume_role(RoleArn=role, RoleSessionName="me")["Credentials"]
    sts = client(cloud, "sts", keys["AccessKeyId"], keys["SessionToken"])
    assert sts.get_caller_identity()["Arn"] == (
        "arn:aws:sts::000000000000:assumed-role/durable-pipeline-WorkerRole/me"
    )


def test_a_role_that_is_not_there_cannot_be_assumed(cloud: LocalCloud) -> None:
    with pytest.raises(ClientError, match="sts:AssumeRole on resource"):
        cloud.client("sts").assume_role(
            RoleArn="arn:aws:iam::000000000000:role/nobody", RoleSessionName="me"
        )


def test_a_key_of_nobody_is_refused(cloud: LocalCloud) -> None:
    with pytest.raises(ClientError, match="UnrecognizedClientException"):
        client(cloud, "dynamodb", "AKIAUNKNOWN").list_tables()


def test_a_role_may_do_what_it_is_granted_and_nothing_else(cloud: LocalCloud) -> None:
    role = "arn:aws:iam::000000000000:role/durable-pipeline-WorkerRole"
    dynamodb = cloud.client_signing_as(cloud.permissions.credentials(role, "me"), "dynamodb")
    item = {"id": {"S": "by-role"}, "content": {"S": "1"}}
    dynamodb.put_item(TableName=cloud.outputs["Table"], Item=item)
    with pytest.raises(ClientError) as caught:
        dynamodb.get_item(TableName=cloud.outputs["Table"], Key={"id": {"S": "by-role"}})
    error = caught.value.response
    assert error["Error"]["Code"] == "AccessDeniedException"
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert "because no identity-based policy allows the dynamodb:GetItem action" in str(
        error["Error"]["Message"]
    )


def test_a_missing_object_is_forbidden_to_who_may_not_list(cloud: LocalCloud) -> None:
    bucket = cloud.outputs["BucketArn"].rpartition(":")[2]
    get = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    reader = cloud.permissions.credentials_for("reader", {"Statement": [get]})
    s3 = cloud.client_signing_as(reader, "s3")
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=bucket, Key="absent")
    assert caught.value.response["Error"]["Code"] == "AccessDenied"
    both = {**get, "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "*"}
    cloud.permissions.credentials_for("reader", {"Statement": [both]})
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=bucket, Key="absent")
    assert caught.value.response["Error"]["Code"] == "NoSuchKey"


def test_somebody_made_up_may_do_what_policies_say(cloud: LocalCloud) -> None:
    allowed = {"Effect": "Allow", "Action": "sqs:GetQueueAttributes", "Resource": "*"}
    variables = cloud.permissions.credentials_for("operator", {"Statement": [allowed]})
    sqs = cloud.client_signing_as(variables, "sqs")
    url = cloud.outputs["IntakeUrl"]
    assert sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    with pytest.raises(ClientError, match="assumed-role/operator/operator is not authorized"):
        sqs.send_message(QueueUrl=url, MessageBody="x")


def test_a_policy_that_is_not_understood_makes_nobody(cloud: LocalCloud) -> None:
    with pytest.raises(TemplateError, match="needs Action or NotAction"):
        cloud.permissions.credentials_for("broken", {"Statement": [{"Effect": "Allow"}]})
