"""The operator's policies allow what `pipeline` calls, and nothing else."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from deployed_code import ROOT
from deployed_template import as_list, resources, template

from contracts.ledger_items import IndexingItem, Key, RunIndex

SERVICES = (
    "cloudformation",
    "cloudwatch",
    "dynamodb",
    "emr",
    "lambda",
    "logs",
    "redshift-data",
    "s3",
    "scheduler",
    "sqs",
)
# Operations that need an action of another name (Service Authorization Reference, Amazon S3), and
# methods of boto3 that are several calls.
OTHER_NAMES = {
    "s3:ListObjectsV2": {"s3:ListBucket"},
    "s3:HeadObject": {"s3:GetObject"},
    "s3:DeleteObjects": {"s3:DeleteObject"},
    "lambda:Invoke": {"lambda:InvokeFunction"},
    "emr:DescribeCluster": {"elasticmapreduce:DescribeCluster"},
}
OF_BOTO3 = {
    "download_file": {"s3:GetObject"},
    "download_fileobj": {"s3:GetObject"},
    "upload_file": {"s3:PutObject"},
    "upload_fileobj": {"s3:PutObject"},
}
# Methods that two of the services have, of which the command means one.
MEANT = {"execute_statement": "redshift-data"}
# A schedule's role is passed to EventBridge Scheduler (User Guide, "Identity-based policies").
# ExecuteStatement with a secret reads it as its caller (Amazon Redshift Management Guide,
# "Authorizing access to the Amazon Redshift Data API").
INDIRECT = {"secretsmanager:GetSecretValue", "iam:PassRole"}


def modules() -> Iterator[Path]:
    yield from sorted((ROOT / "cli").rglob("*.py"))
    yield ROOT / "local" / "sample_data.py"  # of `pipeline upload --sample`


def methods() -> dict[str, set[str]]:
    """Actions by the name of the client's method."""
    found = {name: set(actions) for name, actions in OF_BOTO3.items()}
    for service in SERVICES:
        client: Any = boto3.client(
            service,  # type: ignore[call-overload]
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 - no secret
        )
        for method, operation in client.meta.method_to_api_mapping.items():
            if MEANT.get(method, service) != service:
                continue
            action = f"{service}:{operation}"
            found.setdefault(method, set()).update(OTHER_NAMES.get(action, {action}))
    return found


def names_called(tree: ast.AST) -> Iterator[str]:
    """Methods that are called or handed on, and operations of paginators."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.attr
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "get_paginator"
            and isinstance(node.args[0], ast.Constant)
        ):
            yield str(node.args[0].value)


def needed() -> set[str]:
    known = methods()
    calls = {
        name
        for path in modules()
        for name in names_called(ast.parse(path.read_text(encoding="utf-8")))
        if name in known
    }
    return {action for name in calls for action in known[name]} | INDIRECT


def services_named() -> set[str]:
    """Of `client("…")` in the command line."""
    return {
        str(node.args[0].value)
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "client"
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }


POLICIES = (
    "BackfillPolicy",
    "EmrLogsPolicy",
    "OperatorPolicy",
    "OperatorUpkeepPolicy",
    "PurgePolicy",
    "SchedulePolicy",
)


def statements(*policies: str) -> list[dict[str, Any]]:
    """Of these policies; by default of all."""
    return [one for policy in policies or POLICIES for one in statements_of(policy)]


def statements_of(policy: str) -> list[dict[str, Any]]:
    document = resources("AWS::IAM::ManagedPolicy")[policy]["PolicyDocument"]
    return [
        statement["Fn::If"][1] if "Fn::If" in statement else statement
        for statement in document["Statement"]
    ]


def test_the_operator_may_do_what_the_command_calls_and_no_more() -> None:
    granted = {action for each in statements() for action in as_list(each["Action"])}
    assert granted == needed()


def test_schedules_need_a_policy_of_their_own() -> None:
    found = {each["Sid"]: each for each in statements("SchedulePolicy")}
    assert {each for each in found if found[each]["Resource"] == "*"} == {"ListSchedules"}
    assert found["ChangeSchedules"]["Resource"]["Fn::Sub"].endswith("schedule/${ScheduleGroup}/*")
    passed = {"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}}
    assert found["PassRole"]["Condition"] == passed
    assert "scheduler:" not in json.dumps(statements("OperatorPolicy"))


def test_purging_needs_a_policy_of_its_own() -> None:
    removes = {action for each in statements("PurgePolicy") for action in as_list(each["Action"])}
    assert removes == {"dynamodb:BatchWriteItem", "s3:DeleteObject"}
    (files,) = (each["Resource"] for each in statements("PurgePolicy") if "s3" in each["Action"])
    assert [one["Fn::Sub"][0].rpartition("}/")[2] for one in files] == ["runs/*", "quarantine/*"]
    assert "dynamodb:BatchWriteItem" not in json.dumps(statements("OperatorPolicy"))


def test_every_service_that_the_command_asks_is_known_here() -> None:
    assert services_named() == set(SERVICES)


def test_only_what_cannot_be_named_is_granted_on_everything() -> None:
    everywhere = {
        action
        for each in statements("OperatorPolicy", "OperatorUpkeepPolicy")
        if each["Resource"] == "*"
        for action in as_list(each["Action"])
    }
    assert everywhere == {
        "cloudwatch:GetMetricStatistics",
        "lambda:GetAccountSettings",
        "redshift-data:DescribeStatement",
        "redshift-data:GetStatementResult",
    }


def test_what_is_removed_is_only_dead_letters_and_what_verify_has_made() -> None:
    removing = [
        each for each in statements("OperatorPolicy") if "Delete" in json.dumps(each["Action"])
    ]
    of_verify = {"RemoveRowsOfVerify", "RemoveFilesOfVerify"}
    assert {each["Sid"] for each in removing} == {*of_verify, "ReplayDeadLetters"}
    for each in removing:
        if each["Sid"] == "ReplayDeadLetters":
            assert each["Resource"] == {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}
        elif each["Sid"] == "RemoveRowsOfVerify":
            keys = each["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
            assert keys == ["verify_*"]
        else:
            prefixes = ("/verify/*", "/landing/verify_*", "/datasets/verify_*")
            targets = [one["Fn::Sub"][0] for one in as_list(each["Resource"])]
            assert all(target.endswith(prefixes) for target in targets), targets


def test_the_ledger_is_changed_only_where_the_index_of_runs_needs_it() -> None:
    (changing,) = (each for each in statements() if "dynamodb:UpdateItem" in each["Action"])
    attributes = changing["Condition"]["ForAllValues:StringEquals"]["dynamodb:Attributes"]
    of_the_index = {RunIndex.HASH, RunIndex.RANGE, "claimed_at"}
    assert set(attributes) == of_the_index | IndexingItem.attributes() | set(Key._fields)


def test_starting_backfills_needs_a_policy_of_its_own() -> None:
    found = {each["Sid"]: each for each in statements("BackfillPolicy")}
    assert found["StartBackfills"]["Action"] == "lambda:InvokeFunction"
    assert found["StartBackfills"]["Resource"] == {"Ref": "BackfillFunctionAliaslive"}
    assert found["FindBackfillExecutions"]["Action"] == "lambda:ListDurableExecutionsByFunction"
    assert "BackfillFunction" not in json.dumps(statements("OperatorPolicy"))


@pytest.mark.parametrize("policy", POLICIES)
def test_the_policy_is_an_output(policy: str) -> None:
    assert template()["Outputs"][f"{policy}Arn"]["Value"] == {"Ref": policy}


def resolved(value: Any) -> Any:
    """With names as long as they may be: 63 characters of a bucket, 100 of anything else."""
    if isinstance(value, list):
        return [resolved(one) for one in value]
    if not isinstance(value, dict):
        return value
    if "Fn::If" in value:
        return resolved(value["Fn::If"][1])
    if "Fn::Sub" in value:
        text = as_list(value["Fn::Sub"])[0]
        known = {"AWS::Partition": "aws-us-gov", "AWS::AccountId": "1" * 12, "Bucket": "b" * 63}
        known["AWS::Region"] = "ap-southeast-1"
        return re.sub(r"\$\{([^}]*)\}", lambda match: known.get(match[1], "x" * 100), text)
    if "Ref" in value or "Fn::GetAtt" in value:
        return "x" * 150  # an ARN
    return {name: resolved(one) for name, one in value.items()}


@pytest.mark.parametrize("policy", POLICIES)
def test_the_policy_fits_into_a_managed_one(policy: str) -> None:
    """At most 6,144 characters without white space (IAM User Guide, "IAM and AWS STS quotas")."""
    text = json.dumps({"Version": "2012-10-17", "Statement": resolved(statements(policy))})
    assert len(re.sub(r"\s", "", text)) < 6_144
