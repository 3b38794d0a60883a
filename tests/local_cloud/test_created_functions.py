"""Functions and roles that are made by call, as the AWS CLI makes them, and what they may do."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.local_cloud.cloud import LocalCloud

pytestmark = pytest.mark.cloud

FIXTURES = Path(__file__).with_name("fixtures")
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
CODE = """
import boto3, os
def handler(event, context):
    if "bucket" in event:
        boto3.client("s3").put_object(Bucket=event["bucket"], Key="a", Body=b"a")
    print("it ran")
    return [VERSION, os.environ.get("WORD")]
"""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    state = tmp_path_factory.mktemp("created")
    with LocalCloud(FIXTURES / "small.yaml", state, port=0, stack_name="small") as cloud:
        cloud.client("s3").create_bucket(Bucket="mine")
        yield cloud


@pytest.fixture(scope="module")
def role(cloud: LocalCloud) -> str:
    iam = cloud.client("iam")
    made = iam.create_role(RoleName="enricher", AssumeRolePolicyDocument=json.dumps(TRUST))
    arn: str = made["Role"]["Arn"]
    return arn


def zipped(version: int = 1, name: str = "enrich.py") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, CODE.replace("VERSION", str(version)))
    return file.getvalue()


def create(cloud: LocalCloud, name: str, role: str, **changes: Any) -> Any:
    given: dict[str, Any] = {
        "FunctionName": name,
        "Runtime": "python3.13",
        "Handler": "enrich.handler",
        "Role": role,
        "Code": {"ZipFile": zipped()},
        "Timeout": 30,
        "Environment": {"Variables": {"WORD": "word"}},
    }
    return cloud.client("lambda").create_function(**given | changes)


def invoked(cloud: LocalCloud, name: str, **event: str) -> Any:
    response = cloud.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
    return json.loads(response["Payload"].read())


def test_a_created_function_is_described_runs_and_logs(cloud: LocalCloud, role: str) -> None:
    created = create(cloud, "enrich", role)

    assert created["FunctionArn"] == "arn:aws:lambda:us-east-1:000000000000:function:enrich"
    found = cloud.client("lambda").get_function_configuration(FunctionName="enrich")
    assert (found["Timeout"], found["Role"], found["State"]) == (30, role, "Active")
    assert invoked(cloud, "enrich") == [1, "word"]
    events = cloud.client("logs").filter_log_events(logGroupName="/aws/lambda/enrich")["events"]
    assert "it ran" in [event["message"].strip() for event in events]


def test_it_may_do_what_its_role_is_granted_then_and_no_more(cloud: LocalCloud, role: str) -> None:
    create(cloud, "writer", role)
    assert "AccessDenied" in json.dumps(invoked(cloud, "writer", bucket="mine"))

    statement = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::mine/*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam = cloud.client("iam")
    iam.put_role_policy(RoleName="enricher", PolicyName="write", PolicyDocument=policy)
    assert invoked(cloud, "writer", bucket="mine") == [1, "word"]
    assert iam.get_role_policy(RoleName="enricher", PolicyName="write")["PolicyDocument"]

    iam.delete_role_policy(RoleName="enricher", PolicyName="write")
    assert "AccessDenied" in json.dumps(invoked(cloud, "writer", bucket="mine"))


def test_changed_code_and_configuration_are_those_of_the_next_call(
    cloud: LocalCloud, role: str
) -> None:
    create(cloud, "changing", role)
    assert invoked(cloud, "changing") == [1, "word"]
    client = cloud.client("lambda")

    client.update_function_code(FunctionName="changing", ZipFile=zipped(2))
    variables = {"Variables": {"WORD": "other"}}
    client.update_function_configuration(FunctionName="changing", Environment=variables)
    assert invoked(cloud, "changing") == [2, "other"]

    cloud.client("s3").put_object(Bucket="mine", Key="code.zip", Body=zipped(3))
    client.update_function_code(FunctionName="changing", S3Bucket="mine", S3Key="code.zip")
    assert invoked(cloud, "changing") == [3, "other"]

    client.delete_function(FunctionName="changing")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        invoked(cloud, "changing")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"Role": "arn:aws:iam::000000000000:role/nobody"}, "cannot be assumed by Lambda"),
        ({"Code": {"ZipFile": b"no zip"}}, "Could not unzip"),
        ({"Code": {"S3Bucket": "mine", "S3Key": "gone.zip"}}, "Error occurred while GetObject"),
        ({"Timeout": 901}, "Timeout must be 1 to 900"),
        ({"Runtime": "nodejs22.x"}, "does not emulate the runtime nodejs22.x"),
        ({"VpcConfig": {"SubnetIds": []}}, "does not emulate VpcConfig"),
        ({"FunctionName": "enrich"}, "Function already exist: enrich"),
    ],
)
def test_what_it_does_not_create_is_refused_by_name(
    cloud: LocalCloud, role: str, changes: dict[str, Any], problem: str
) -> None:
    if "FunctionName" in changes and "enrich" not in cloud.functions._host.functions:
        create(cloud, "enrich", role)
    with pytest.raises(ClientError, match=problem):
        create(cloud, "refused", role, **changes)


def test_the_templates_functions_and_roles_stay_as_they_are(cloud: LocalCloud) -> None:
    client, iam = cloud.client("lambda"), cloud.client("iam")
    spec = next(iter(cloud.functions._host.functions.values()))
    with pytest.raises(ClientError, match="a function of the template"):
        client.update_function_code(FunctionName=spec.name, ZipFile=zipped())
    name = spec.role_arn.rpartition("/")[2]
    with pytest.raises(ClientError, match="a role of the template"):
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps(TRUST))


def test_a_policy_that_cannot_be_evaluated_changes_nothing(cloud: LocalCloud, role: str) -> None:
    iam = cloud.client("iam")
    with pytest.raises(ClientError, match="MalformedPolicyDocument"):
        iam.put_role_policy(RoleName="enricher", PolicyName="p", PolicyDocument="{")
    with pytest.raises(ClientError, match="is unknown"):
        iam.attach_role_policy(RoleName="enricher", PolicyArn="arn:aws:iam::aws:policy/Nothing")
    with pytest.raises(ClientError, match="EntityAlreadyExists"):
        iam.create_role(RoleName="enricher", AssumeRolePolicyDocument=json.dumps(TRUST))
    with pytest.raises(ClientError, match="NoSuchEntity"):
        iam.delete_role_policy(RoleName="nobody", PolicyName="p")
    basic = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    iam.attach_role_policy(RoleName="enricher", PolicyArn=basic)
    assert iam.get_role(RoleName="enricher")["Role"]["Arn"] == role
