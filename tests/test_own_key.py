"""`KmsKeyArn`: a key of one's own is used wherever data lies, by those only who need it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from deployed_code import ROOT
from deployed_template import (
    as_list,
    functions,
    referred,
    resources,
    role_of,
    statements,
    template,
)
from template_fingerprint import replacing_properties

from local.local_cloud.template.loader import Template, load_template

KEY = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
USED_KEY = {"Fn::If": ["HasKey", {"Ref": "KmsKeyArn"}, {"Ref": "AWS::NoValue"}]}
# What holds data, and where its key stands. Of functions: their environments.
KEY_OF = {
    "AWS::SQS::Queue": ("KmsMasterKeyId",),
    "AWS::DynamoDB::Table": ("SSESpecification", "KMSMasterKeyId"),
    "AWS::Logs::LogGroup": ("KmsKeyId",),
    "AWS::Lambda::Function": ("KmsKeyArn",),
}
POLICIES = {
    "KeyForTablesPolicy": ({"dynamodb"}, {"dynamodb"}),
    "KeyForFilesPolicy": ({"s3"}, {"s3"}),
    "KeyForMessagesPolicy": ({"sqs", "sns"}, {"sqs", "sns"}),
    "KeyForExecutionsPolicy": (set(), {"lambda"}),
}
# They make executions, read them, or complete their callbacks.
EXECUTIONS = {
    "lambda:CheckpointDurableExecution",
    "lambda:GetDurableExecution",
    "lambda:GetDurableExecutionHistory",
    "lambda:SendDurableExecutionCallbackSuccess",
}


def roles_of(policy: str) -> set[str]:
    return {referred(role) for role in resources("AWS::IAM::Policy")[policy]["Roles"]}


def actions_of(role: str) -> set[str]:
    return {action for each in statements(role) for action in as_list(each["Action"])}


def invoked_by(role: str) -> set[str]:
    """Logical ids of the functions that a role may invoke, in whichever form they are named."""
    named = json.dumps(
        [
            one["Resource"]
            for one in statements(role)
            if "lambda:InvokeFunction" in as_list(one["Action"])
        ]
    )
    aliases = {name: f"{name}Aliaslive" for name in functions()}
    return {
        name
        for name, alias in aliases.items()
        if re.search(rf"\b({name}|{alias})\b", named) is not None
    }


def loaded(key: str) -> Template:
    return load_template(ROOT / "template.yaml", {"KmsKeyArn": key} if key else {}, "stack")


# -- what it encrypts


@pytest.mark.parametrize("kind", KEY_OF)
def test_all_that_holds_data_is_under_the_key(kind: str) -> None:
    for name, properties in resources(kind).items():
        found: Any = properties
        for part in KEY_OF[kind]:
            found = found.get(part)
        assert found == USED_KEY, name


def test_buckets_topic_and_histories_are_too() -> None:
    for name, bucket in resources("AWS::S3::Bucket").items():
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        by_default = rule["ServerSideEncryptionByDefault"]
        assert by_default["KMSMasterKeyID"] == USED_KEY, name
        assert by_default["SSEAlgorithm"] == {"Fn::If": ["HasKey", "aws:kms", "AES256"]}
    (topic,) = resources("AWS::SNS::Topic").values()
    own, ours = {"Ref": "KmsKeyArn"}, {"Ref": "NotificationKey"}
    assert topic["KmsMasterKeyId"] == {"Fn::If": ["HasKey", own, ours]}
    durable = [one["DurableConfig"] for one in functions().values() if "DurableConfig" in one]
    assert [one["KMSKeyArn"] for one in durable] == [USED_KEY] * 3


def test_without_a_key_nothing_in_the_template_is_of_it() -> None:
    plain = loaded("")
    assert not [name for name in plain.resources if name.startswith("KeyFor")]
    text = json.dumps({name: one.properties for name, one in plain.resources.items()}, default=str)
    assert "kms:ViaService" not in text
    assert "aws:kms" not in text
    queues = [one for one in plain.resources.values() if one.type == "AWS::SQS::Queue"]
    assert [dict(one.properties)["SqsManagedSseEnabled"] for one in queues] == [True] * 4


def test_a_key_that_is_given_later_replaces_nothing() -> None:
    """By the schemas of CloudFormation, of what is there without one."""
    plain, keyed = loaded(""), loaded(KEY)
    assert set(keyed.resources) - set(plain.resources) == {*POLICIES, "OperatorKeyPolicy"}
    changed = []
    for name, before in plain.resources.items():
        after = keyed.resources[name]
        for replacing in replacing_properties(before.type):
            was, now = before.properties.get(replacing), after.properties.get(replacing)
            if replacing == "DurableConfig":  # by its presence
                was, now = was is None, now is None
            if was != now:
                changed.append(f"{name}.{replacing}")
    assert changed == []


# -- who may use it


@pytest.mark.parametrize("policy", [name for name in POLICIES if POLICIES[name][0]])
def test_every_role_that_uses_the_service_may_use_the_key_through_it(policy: str) -> None:
    services, _ = POLICIES[policy]
    roles = {
        role
        for role in resources("AWS::IAM::Role")
        if services & {action.partition(":")[0] for action in actions_of(role)}
    }
    assert roles_of(policy) == roles


def test_histories_may_be_read_and_written_by_those_who_take_part_in_executions() -> None:
    durable = {name for name, one in functions().items() if "DurableConfig" in one}
    assert durable == {"PipelineFunction", "LongRunFunction", "BackfillFunction"}
    takes_part = {role_of(name) for name in durable}
    for role in resources("AWS::IAM::Role"):
        if EXECUTIONS & actions_of(role) or durable & invoked_by(role):
            takes_part.add(role)
    assert roles_of("KeyForExecutionsPolicy") == takes_part


@pytest.mark.parametrize("policy", [*POLICIES, "OperatorKeyPolicy"])
def test_the_key_is_used_through_a_service_only_and_no_other_key_is(policy: str) -> None:
    resource = template()["Resources"][policy]
    assert resource["Condition"] == "HasKey"
    (statement,) = resource["Properties"]["PolicyDocument"]["Statement"]
    assert statement["Resource"] == {"Ref": "KmsKeyArn"}
    assert set(as_list(statement["Action"])) <= {"kms:Decrypt", "kms:GenerateDataKey"}
    services = {
        one["Fn::Sub"].partition(".")[0]
        for one in as_list(statement["Condition"]["StringEquals"]["kms:ViaService"])
    }
    assert services == (
        POLICIES[policy][1] if policy in POLICIES else {"dynamodb", "lambda", "s3", "sqs"}
    )


# -- the policy of the key itself


def documented() -> list[dict[str, Any]]:
    page = (ROOT / "docs" / "data-protection.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```json\n(.*?)```", page, flags=re.DOTALL)
    found: list[dict[str, Any]] = json.loads(block)["Statement"]
    return found


def allowed(service: str) -> set[str]:
    return {
        action
        for each in documented()
        if service in as_list(each["Principal"].get("Service", []))
        for action in as_list(each["Action"])
    }


def senders() -> Iterator[str]:
    """Services that put something into a queue or the topic by their own name."""
    for policy in resources("AWS::SQS::QueuePolicy").values():
        for each in policy["PolicyDocument"]["Statement"]:
            yield from as_list(each["Principal"]["Service"])
    if resources("AWS::CloudWatch::Alarm"):
        yield "cloudwatch.amazonaws.com"


def test_the_policy_to_paste_allows_every_service_that_sends_by_itself() -> None:
    assert set(senders()) == {
        "cloudwatch.amazonaws.com",
        "events.amazonaws.com",
        "s3.amazonaws.com",
        "sns.amazonaws.com",
    }
    for service in set(senders()):
        assert allowed(service) == {"kms:Decrypt", "kms:GenerateDataKey*"}, service


def test_it_allows_the_logs_of_the_stack_and_of_no_other() -> None:
    (logs,) = (each for each in documented() if "logs." in json.dumps(each["Principal"]))
    groups = {one["LogGroupName"]["Fn::Sub"] for one in resources("AWS::Logs::LogGroup").values()}
    given = as_list(logs["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"])
    assert {one.split(":log-group:")[1] for one in given} == {
        group.replace("${AWS::StackName}", "STACK") for group in groups
    }
    assert set(logs["Action"]) == {
        *("kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*"),
        "kms:Describe*",
    }


def test_it_leaves_the_roles_to_their_policies() -> None:
    """A key's policy that names the account lets IAM policies decide (KMS Developer Guide, "Default
    key policy")."""
    (account,) = (each for each in documented() if "AWS" in each["Principal"])
    assert account["Principal"] == {"AWS": "arn:aws:iam::ACCOUNT:root"}
    assert account["Action"] == "kms:*"


def test_a_service_acts_for_this_account_only() -> None:
    """But for EventBridge, whose requests to KMS need not name the account (SNS Developer Guide,
    "Key management", of encrypted topics): the policies of the queues say which rules may send."""
    seen = set()
    for each in documented():
        services = set(as_list(each["Principal"].get("Service", [])))
        if not services or "logs." in json.dumps(each["Principal"]):
            continue
        seen |= services
        if services == {"events.amazonaws.com"}:
            assert "Condition" not in each
        else:
            assert "events.amazonaws.com" not in services
            assert each["Condition"] == {"StringEquals": {"aws:SourceAccount": "ACCOUNT"}}
    assert seen == set(senders())


def test_what_eventbridge_sends_is_limited_by_the_policies_of_the_queues() -> None:
    for policy in resources("AWS::SQS::QueuePolicy").values():
        for each in policy["PolicyDocument"]["Statement"]:
            if "events.amazonaws.com" in as_list(each["Principal"]["Service"]):
                keys = {key for test in each["Condition"].values() for key in test}
                assert keys & {"aws:SourceAccount", "aws:SourceArn"}, each
