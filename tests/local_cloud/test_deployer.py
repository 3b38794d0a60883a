"""What of a template is created, what is only noted, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from local.local_cloud.deploy.deployer import deploy
from local.local_cloud.deploy.stack import Stack
from local.local_cloud.http.clients import ServiceClients
from local.local_cloud.http.services import ACCOUNT_ID, ServiceError
from local.local_cloud.lambdas.functions import DurableSpec
from local.local_cloud.template.intrinsics import TemplateError
from local.local_cloud.template.loader import load_template

SMALL = Path(__file__).parent / "fixtures" / "small.yaml"
QUEUES = "http://front/000000000000/"


@dataclass
class Jobs:
    """Stands for the Glue service."""

    defined: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def define(self, name: str, properties: Mapping[str, Any]) -> list[str]:
        if properties["Command"]["Name"] != "pythonshell":
            raise ServiceError("InvalidInputException", "only pythonshell is emulated")
        self.defined[name] = properties
        return ["nothing is bookmarked"]


@dataclass
class Deployed:
    stack: Stack
    outputs: dict[str, str]
    jobs: Jobs


Deploy = Callable[..., Deployed]


@pytest.fixture(autouse=True)
def _our_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """The account of the local cloud, which moto reads at every request."""
    monkeypatch.setenv("MOTO_ACCOUNT_ID", ACCOUNT_ID)


@pytest.fixture
def deploy_resources(moto_endpoint: str, tmp_path: Path) -> Iterator[Deploy]:
    """Deploys resources into an empty account."""
    clients = ServiceClients(moto_endpoint)
    _empty(moto_endpoint)
    (tmp_path / "code").mkdir()

    def deploy_them(resources: dict[str, Any], outputs: dict[str, Any] | None = None) -> Deployed:
        path = tmp_path / "template.yaml"
        content: dict[str, Any] = {"Resources": resources}
        if outputs:
            content["Outputs"] = {name: {"Value": value} for name, value in outputs.items()}
        path.write_text(yaml.safe_dump(content), "utf-8")
        return _deploy(path, clients)

    yield deploy_them
    clients.close()


def _empty(endpoint: str) -> None:
    requests.post(f"{endpoint}/moto-api/reset", timeout=10).raise_for_status()


def _deploy(path: Path, clients: ServiceClients) -> Deployed:
    template = load_template(path, {}, "stack")
    jobs = Jobs()
    stack = Stack("stack", template.directory, clients, QUEUES, jobs.define)
    return Deployed(stack, deploy(template, stack), jobs)


def function(**changes: Any) -> dict[str, Any]:
    code = {"S3Bucket": "local-code", "S3Key": "dir/code"}
    return {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "Runtime": "python3.13",
            "Handler": "app.handle",
            "Code": code,
            "Role": "arn:aws:iam::000000000000:role/r",
            **changes,
        },
    }


def test_queues_with_their_dead_letters(deploy_resources: Deploy) -> None:
    done = deploy_resources(
        {
            "Queue": {
                "Type": "AWS::SQS::Queue",
                "Properties": {
                    "VisibilityTimeout": "90",
                    "SqsManagedSseEnabled": True,
                    "RedrivePolicy": {
                        "deadLetterTargetArn": {"Fn::GetAtt": ["Dead", "Arn"]},
                        "maxReceiveCount": 3,
                    },
                },
            },
            "Dead": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "dead"}},
        },
        {"Url": {"Ref": "Queue"}, "Name": {"Fn::GetAtt": ["Queue", "QueueName"]}},
    )

    assert done.outputs == {"Url": f"{QUEUES}stack-Queue", "Name": "stack-Queue"}
    sqs = done.stack.clients.get("sqs")
    url = sqs.get_queue_url(QueueName="stack-Queue")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert attributes["VisibilityTimeout"] == "90"
    assert json.loads(attributes["RedrivePolicy"])["deadLetterTargetArn"].endswith(":dead")
    assert done.stack.warnings.lines() == (
        "nothing is encrypted locally: AWS::SQS::Queue SqsManagedSseEnabled (Queue)",
    )


def test_topics_with_subscriptions(deploy_resources: Deploy) -> None:
    done = deploy_resources(
        {
            "Queue": {"Type": "AWS::SQS::Queue"},
            "Topic": {
                "Type": "AWS::SNS::Topic",
                "Properties": {
                    "Subscription": [
                        {"Protocol": "sqs", "Endpoint": {"Fn::GetAtt": ["Queue", "Arn"]}}
                    ]
                },
            },
            "Mail": {
                "Type": "AWS::SNS::Subscription",
                "Properties": {
                    "TopicArn": {"Ref": "Topic"},
                    "Protocol": "email",
                    "Endpoint": "a@b.example",
                },
            },
        }
    )

    found = done.stack.clients.get("sns").list_subscriptions()["Subscriptions"]
    assert [item["Endpoint"].rpartition(":")[2] for item in found] == ["stack-Queue"]
    assert done.stack.warnings.lines() == ("no email is sent: AWS::SNS::Subscription (Mail)",)


def test_tables_with_indexes_and_expiry(deploy_resources: Deploy) -> None:
    key = [{"AttributeName": "a", "KeyType": "HASH"}]
    done = deploy_resources(
        {
            "Table": {
                "Type": "AWS::DynamoDB::Table",
                "Properties": {
                    "BillingMode": "PAY_PER_REQUEST",
                    "AttributeDefinitions": [
                        {"AttributeName": "a", "AttributeType": "S"},
                        {"AttributeName": "b", "AttributeType": "S"},
                    ],
                    "KeySchema": key,
                    "GlobalSecondaryIndexes": [
                        {
                            "IndexName": "by-b",
                            "KeySchema": [{"AttributeName": "b", "KeyType": "HASH"}],
                            "Projection": {"ProjectionType": "ALL"},
                        }
                    ],
                    "TimeToLiveSpecification": {"AttributeName": "t", "Enabled": True},
                    "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
                },
            }
        },
        {"Arn": {"Fn::GetAtt": ["Table", "Arn"]}},
    )

    dynamodb = done.stack.clients.get("dynamodb")
    found = dynamodb.describe_table(TableName="stack-Table")["Table"]
    assert [index["IndexName"] for index in found["GlobalSecondaryIndexes"]] == ["by-b"]
    expiry = dynamodb.describe_time_to_live(TableName="stack-Table")["TimeToLiveDescription"]
    assert expiry["AttributeName"] == "t"
    assert done.outputs["Arn"].endswith(":table/stack-Table")
    assert "there are no backups" in done.stack.warnings.lines()[0]


def test_buckets_with_versions_and_events(deploy_resources: Deploy) -> None:
    done = deploy_resources(
        {
            "Bucket": {
                "Type": "AWS::S3::Bucket",
                "Properties": {
                    "VersioningConfiguration": {"Status": "Enabled"},
                    "NotificationConfiguration": {
                        "EventBridgeConfiguration": {"EventBridgeEnabled": True}
                    },
                },
            }
        },
        {"Name": {"Ref": "Bucket"}},
    )

    name = done.outputs["Name"]
    versioning = done.stack.clients.get("s3").get_bucket_versioning(Bucket=name)
    assert versioning["Status"] == "Enabled"
    assert done.stack.bridged_buckets == [name] == ["stack-bucket-000000000000"]


def test_functions_are_collected_with_layers_versions_and_aliases(
    deploy_resources: Deploy, tmp_path: Path
) -> None:
    (tmp_path / "layer" / "python").mkdir(parents=True)
    done = deploy_resources(
        {
            "Layer": {
                "Type": "AWS::Lambda::LayerVersion",
                "Properties": {"Content": {"S3Bucket": "local-code", "S3Key": "dir/layer"}},
            },
            "F": function(
                Layers=[{"Ref": "Layer"}],
                Timeout="60",
                Environment={"Variables": {"NUMBER": 3, "FLAG": True}},
                DurableConfig={"ExecutionTimeout": 600, "RetentionPeriodInDays": 7},
            ),
            "V": {"Type": "AWS::Lambda::Version", "Properties": {"FunctionName": {"Ref": "F"}}},
            "A": {
                "Type": "AWS::Lambda::Alias",
                "Properties": {
                    "FunctionName": {"Ref": "F"},
                    "Name": "live",
                    "FunctionVersion": {"Fn::GetAtt": ["V", "Version"]},
                },
            },
        },
        {"Alias": {"Ref": "A"}, "Arn": {"Fn::GetAtt": ["F", "Arn"]}},
    )

    spec = done.stack.functions["stack-F"]
    assert spec.code_dirs == (tmp_path / "code", tmp_path / "layer" / "python")
    assert spec.environment == {"NUMBER": "3", "FLAG": "true"}
    assert spec.timeout_seconds == 60
    assert spec.durable == DurableSpec(600, 7)
    assert spec.aliases == {"live": "1"}
    assert done.outputs["Alias"] == done.outputs["Arn"] + ":live"


def mapping(**changes: Any) -> dict[str, Any]:
    return {
        "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 100}},
        "M": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {
                "EventSourceArn": {"Fn::GetAtt": ["Queue", "Arn"]},
                "FunctionName": {"Ref": "F"},
                **changes,
            },
        },
    }


def test_a_queue_mapping_is_read_in_full(deploy_resources: Deploy) -> None:
    done = deploy_resources(
        {
            "F": function(),
            **mapping(
                BatchSize="5",
                MaximumBatchingWindowInSeconds=1,
                FunctionResponseTypes=["ReportBatchItemFailures"],
                ScalingConfig={"MaximumConcurrency": 4},
            ),
        }
    )

    (found,) = done.stack.mappings
    assert (found.batch_size, found.window_seconds, found.maximum_concurrency) == (5, 1, 4)
    assert found.report_failures
    assert found.queue_url == f"{QUEUES}stack-Queue"


@pytest.mark.parametrize(
    ("function_changes", "mapping_changes", "words"),
    [
        ({"Timeout": 101}, {}, r"visibility timeout \(100 s\) is less than .* \(101 s\)"),
        ({"DurableConfig": {"ExecutionTimeout": 901}}, {}, "above 900 s cannot have"),
        ({"DurableConfig": {"ExecutionTimeout": 90}}, {}, "must name a version or alias"),
        ({}, {"BatchSize": 11}, "needs MaximumBatchingWindowInSeconds"),
        ({}, {"ScalingConfig": {"MaximumConcurrency": 1}}, "at least 2"),
        ({}, {"FilterCriteria": {"Filters": []}}, "not emulated: FilterCriteria"),
        ({}, {"EventSourceArn": "arn:aws:kinesis:x:y:z"}, "only standard SQS queues"),
        ({}, {"FunctionName": "other"}, "other is not a function of this template"),
        ({}, {"FunctionResponseTypes": ["Other"]}, "Other.* is not emulated"),
    ],
)
def test_a_mapping_that_the_service_would_refuse_is_refused(
    deploy_resources: Deploy,
    function_changes: dict[str, Any],
    mapping_changes: dict[str, Any],
    words: str,
) -> None:
    with pytest.raises(TemplateError, match=f"M .*{words}"):
        deploy_resources({"F": function(**function_changes), **mapping(**mapping_changes)})


def test_rules_and_schedules_are_collected(deploy_resources: Deploy) -> None:
    target = {"Id": "f", "Arn": {"Fn::GetAtt": ["F", "Arn"]}}
    done = deploy_resources(
        {
            "F": function(),
            "OnEvent": {
                "Type": "AWS::Events::Rule",
                "Properties": {"EventPattern": {"source": ["mine"]}, "Targets": [target]},
            },
            "Hourly": {
                "Type": "AWS::Events::Rule",
                "Properties": {
                    "ScheduleExpression": "rate(1 hour)",
                    "State": "DISABLED",
                    "Targets": [{**target, "Input": "{}"}],
                },
            },
            "Daily": {
                "Type": "AWS::Scheduler::Schedule",
                "Properties": {
                    "ScheduleExpression": "cron(0 3 * * ? *)",
                    "FlexibleTimeWindow": {"Mode": "OFF"},
                    "Target": {"Arn": {"Fn::GetAtt": ["F", "Arn"]}, "RoleArn": "arn:role"},
                },
            },
        }
    )

    rules = {rule.name: rule for rule in done.stack.rules}
    assert rules["stack-OnEvent"].pattern == {"source": ["mine"]}
    assert not rules["stack-Hourly"].enabled
    assert rules["stack-Hourly"].targets[0].input == "{}"
    assert rules["stack-Daily"].source == "aws.scheduler"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"EventPattern": {"source": "x"}}, "EventPattern source must be a list"),
        ({"EventPattern": None, "ScheduleExpression": "often"}, "ScheduleExpression 'often'"),
        ({"EventPattern": None}, "or ScheduleExpression is missing"),
        ({"EventBusName": "own"}, "only the default bus"),
        ({"Targets": [{"Id": "1", "Arn": "arn:aws:states:x:y:z"}]}, "targets are lambda, sqs, sns"),
        (
            {"Targets": [{"Id": "1", "Arn": "arn:aws:sqs:x:y:z", "InputTransformer": {}}]},
            r"not emulated: Targets\[0\].InputTransformer",
        ),
    ],
)
def test_a_rule_that_is_not_understood_is_refused(
    deploy_resources: Deploy, changes: dict[str, Any], words: str
) -> None:
    properties = {"EventPattern": {"source": ["mine"]}, **changes}
    present = {name: value for name, value in properties.items() if value is not None}

    with pytest.raises(TemplateError, match=f"R .*{words}"):
        deploy_resources({"R": {"Type": "AWS::Events::Rule", "Properties": present}})


def test_roles_and_policies_are_recorded(deploy_resources: Deploy) -> None:
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    assumed = {
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    done = deploy_resources(
        {
            "Role": {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "AssumeRolePolicyDocument": {"Statement": assumed},
                    "ManagedPolicyArns": [{"Ref": "Shared"}],
                    "Policies": [{"PolicyName": "own", "PolicyDocument": document}],
                },
            },
            "Shared": {
                "Type": "AWS::IAM::ManagedPolicy",
                "Properties": {"PolicyDocument": document},
            },
            "More": {
                "Type": "AWS::IAM::Policy",
                "Properties": {
                    "PolicyName": "more",
                    "PolicyDocument": document,
                    "Roles": [{"Ref": "Role"}],
                },
            },
        },
        {"Arn": {"Fn::GetAtt": ["Role", "Arn"]}},
    )

    assert done.outputs["Arn"] == "arn:aws:iam::000000000000:role/stack-Role"
    names = done.stack.clients.get("iam").list_role_policies(RoleName="stack-Role")["PolicyNames"]
    assert sorted(names) == ["more", "own"]
    policies = done.stack.grants.policies_of(done.outputs["Arn"]).policies
    assert [policy.name for policy in policies] == ["Role own", "More", "Shared"]
    assert done.stack.grants.problems == []
    assert done.stack.warnings.lines() == ()


def test_secrets_are_generated(deploy_resources: Deploy) -> None:
    done = deploy_resources(
        {
            "Secret": {
                "Type": "AWS::SecretsManager::Secret",
                "Properties": {
                    "GenerateSecretString": {
                        "SecretStringTemplate": '{"username": "u"}',
                        "GenerateStringKey": "password",
                        "PasswordLength": 20,
                        "ExcludePunctuation": True,
                    }
                },
            }
        },
        {"Arn": {"Ref": "Secret"}},
    )

    secrets = done.stack.clients.get("secretsmanager")
    value = json.loads(secrets.get_secret_value(SecretId=done.outputs["Arn"])["SecretString"])
    assert value["username"] == "u"
    assert len(value["password"]) == 20
    assert value["password"].isalnum()


def test_jobs_are_given_to_their_service_and_its_notes_stored(deploy_resources: Deploy) -> None:
    job = {
        "Type": "AWS::Glue::Job",
        "Properties": {"Command": {"Name": "pythonshell"}, "Role": "r"},
    }
    done = deploy_resources({"Job": job}, {"Name": {"Ref": "Job"}})

    assert done.outputs == {"Name": "stack-Job"}
    assert done.jobs.defined["stack-Job"]["Command"] == {"Name": "pythonshell"}
    assert done.stack.warnings.lines() == ("nothing is bookmarked: AWS::Glue::Job (Job)",)

    job["Properties"] = {"Command": {"Name": "glueetl"}}
    with pytest.raises(TemplateError, match="Job .*only pythonshell"):
        deploy_resources({"Job": job})


def test_alarms_are_noted(deploy_resources: Deploy) -> None:
    alarm = {"Type": "AWS::CloudWatch::Alarm", "Properties": {"Period": 60}}
    done = deploy_resources({"One": alarm, "Two": alarm})

    assert done.stack.warnings.lines() == (
        "alarms are evaluated only when described, and notify nobody: AWS::CloudWatch::Alarm (2)",
    )


def test_every_unknown_type_is_named_before_anything_is_created(deploy_resources: Deploy) -> None:
    with pytest.raises(TemplateError) as error:
        deploy_resources(
            {
                "Queue": {"Type": "AWS::SQS::Queue"},
                "Vm": {"Type": "AWS::EC2::Instance"},
                "Own": {"Type": "Custom::Thing"},
            }
        )

    assert "Vm: AWS::EC2::Instance is not emulated" in str(error.value)
    assert "Own: Custom::Thing is not emulated" in str(error.value)


@pytest.mark.parametrize(
    ("kind", "properties", "words"),
    [
        ("AWS::SQS::Queue", {"Colour": 1, "Size": 2}, "R .*not emulated: Colour, Size"),
        ("AWS::SQS::Queue", {"RedrivePolicy": {"Ref": "Nobody"}}, "R.RedrivePolicy: Ref Nobody"),
        ("AWS::SNS::Subscription", {"Protocol": "sqs"}, "R .*TopicArn is missing"),
        ("AWS::S3::Bucket", {"BucketName": "NOT VALID"}, "R (.|\\n)*Invalid bucket name"),
        (
            "AWS::S3::Bucket",
            {"NotificationConfiguration": {"LambdaConfigurations": []}},
            "not emulated: NotificationConfiguration.LambdaConfigurations",
        ),
        ("AWS::Lambda::Function", {"Runtime": "nodejs22.x"}, "nodejs22.x is not emulated"),
        ("AWS::Lambda::Function", {"PackageType": "Image"}, "Image is not emulated"),
        (
            "AWS::Lambda::Function",
            {"Runtime": "python3.13", "Handler": "a.b", "Code": {"ZipFile": "x"}},
            "must name a local directory",
        ),
    ],
)
def test_an_unknown_or_wrong_property_is_refused_by_name(
    deploy_resources: Deploy, kind: str, properties: dict[str, Any], words: str
) -> None:
    with pytest.raises(TemplateError, match=words):
        deploy_resources({"R": {"Type": kind, "Properties": properties}})


def test_the_small_template_deploys(moto_endpoint: str) -> None:
    _empty(moto_endpoint)
    clients = ServiceClients(moto_endpoint)
    done = _deploy(SMALL, clients)
    clients.close()

    assert set(done.stack.functions) == {"stack-Worker", "stack-Recorder"}
    assert done.outputs["RecorderArn"].endswith(":function:stack-Recorder:live")
    assert done.stack.functions["stack-Worker"].environment == {"TABLE": "stack-Records"}
