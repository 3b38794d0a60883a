"""What the roles of template.yaml may do: what their functions call, and no more."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from deployed_template import as_list, referred, resources, role_of, statements

DURABLE = ["LongRunFunction", "PipelineFunction"]
ENGINE_FUNCTIONS = [
    f"{name}Function" for name in ("SubmitJob", "CheckJob", "CancelJob", "JobWatcher", "Reaper")
]


def allowed_to(function: str) -> dict[str, list[Any]]:
    """The resources of every action that a function's role may do."""
    found: dict[str, list[Any]] = {}
    for statement in statements(role_of(function)):
        for action in as_list(statement["Action"]):
            found.setdefault(action, []).extend(as_list(statement["Resource"]))
    return found


@pytest.mark.parametrize("name", [*DURABLE, "BackfillFunction", "StartRunFunction"])
def test_an_invoke_is_granted_on_the_function_and_on_its_versions(name: str) -> None:
    """As AWS's samples of chained invokes do; no document says which of the two is checked."""
    targets = allowed_to(name)["lambda:InvokeFunction"]
    plain = {referred(target) for target in targets if "Fn::GetAtt" in target}
    versions = {target["Fn::Sub"] for target in targets if "Fn::Sub" in target}
    assert plain
    assert versions == {f"${{{function}.Arn}}:*" for function in plain}


ALLOWED = {"Ref": "JobFunctionArns"}
# `ARN:*` of each: the list joined by `:*,`, one more `:*` behind it, and split again.
ALLOWED_VERSIONS = {
    "Fn::Split": [
        ",",
        {"Fn::Sub": ["${Arns}:*", {"Arns": {"Fn::Join": [":*,", {"Ref": "JobFunctionArns"}]}}]},
    ]
}


def test_functions_of_jobs_are_granted_by_the_parameter_and_to_the_orchestrators_alone() -> None:
    granted = {
        (role, action)
        for role in resources("AWS::IAM::Role")
        for statement in statements(role)
        for action in as_list(statement["Action"])
        if "JobFunctionArns" in json.dumps(statement["Resource"])
    }
    assert granted == {
        *((role_of(name), "lambda:InvokeFunction") for name in DURABLE),
        (role_of("LoadDatasetFunction"), "lambda:GetFunctionConfiguration"),
    }
    for name in DURABLE:
        targets = allowed_to(name)["lambda:InvokeFunction"]
        assert ALLOWED in targets
        assert ALLOWED_VERSIONS in targets
    seen = allowed_to("LoadDatasetFunction")["lambda:GetFunctionConfiguration"]
    assert seen == [ALLOWED, ALLOWED_VERSIONS]


UPLOADS_IN_PARTS = {
    "ValidateFunctionRole",
    "TransformFunctionRole",
    "RecordRunFunctionRole",
    "ReaperFunctionRole",
    "GlueJobRole",
}
READS_RUN_FILES = {
    "SubmitJobFunction",
    "StoreDynamodbFunction",
    "PrepareWarehouseFunction",
    "ExplainLoadFunction",
    "RecordUnitFunction",
}


def under(prefix: str, targets: list[Any]) -> bool:
    return any(f":::${{Bucket}}/{prefix}" in json.dumps(target) for target in targets)


def test_whoever_uploads_in_parts_may_give_an_upload_up() -> None:
    for role in resources("AWS::IAM::Role"):
        abort = [
            target
            for statement in statements(role)
            if "s3:AbortMultipartUpload" in as_list(statement["Action"])
            for target in as_list(statement["Resource"])
        ]
        assert under("runs/*", abort) == (role in UPLOADS_IN_PARTS), role
        splits = role in {"ValidateFunctionRole", "TransformFunctionRole"}
        assert under("quarantine/*", abort) == splits, role


@pytest.mark.parametrize("name", sorted(READS_RUN_FILES))
def test_steps_that_only_read_run_files_cannot_write_them(name: str) -> None:
    allowed = allowed_to(name)
    assert under("runs/*", allowed["s3:GetObject"])
    writes = allowed.get("s3:PutObject", [])
    if name == "SubmitJobFunction":  # which objects a job reads
        assert len(writes) == 1
        assert under("runs/*/units/*/inputs/*", writes)
    else:
        assert writes == []


@pytest.mark.parametrize(
    ("name", "action"),
    [
        *((name, "elasticmapreduce:DescribeStep") for name in ENGINE_FUNCTIONS),
        ("SubmitJobFunction", "ssm:GetCommandInvocation"),
    ],
)
def test_a_right_that_no_call_needs_is_not_granted(name: str, action: str) -> None:
    assert action not in allowed_to(name)


@pytest.mark.parametrize("name", [name for name in ENGINE_FUNCTIONS if name != "SubmitJobFunction"])
def test_whoever_reads_logs_of_jobs_may_find_where_they_are(name: str) -> None:
    assert set(allowed_to(name)) >= {
        "elasticmapreduce:DescribeCluster",
        "elasticmapreduce:ListSteps",
        "ssm:GetCommandInvocation",
        "logs:GetLogEvents",
    }


# Of a managed policy, without white space; attached to one role (IAM User Guide, "IAM and AWS STS
# quotas"; the second is the default).
POLICY_CHARACTERS = 6144
POLICIES_OF_A_ROLE = 10
LONGEST_NAMES = {  # longer than any of a Region, an account or a function
    "AWS::Partition": "aws-us-gov",
    "AWS::Region": "ap-southeast-1",
    "AWS::AccountId": "0" * 12,
    "AWS::StackName": "s" * 40,
    "Bucket": "b" * 63,
}
LONGEST_ARN = "arn:aws-us-gov:lambda:us-gov-west-1:000000000000:function:" + "f" * 64


def written_out(value: Any) -> Any:
    """A policy as IAM gets it, every name as long as it may be."""
    if isinstance(value, list):
        return [written_out(part) for part in value]
    if not isinstance(value, dict):
        return value
    if "Fn::GetAtt" in value or "Ref" in value:
        return LONGEST_ARN
    if "Fn::If" in value:
        return max(map(written_out, value["Fn::If"][1:]), key=lambda part: len(json.dumps(part)))
    if "Fn::Sub" in value:
        return written_out_text(as_list(value["Fn::Sub"])[0])
    return {key: written_out(part) for key, part in value.items()}


def written_out_text(text: str) -> str:
    for name, longest in LONGEST_NAMES.items():
        text = text.replace(f"${{{name}}}", longest)
    return re.sub(r"\$\{[^}]*\}", LONGEST_ARN, text)


@pytest.mark.parametrize("name", sorted(resources("AWS::IAM::ManagedPolicy")))
def test_no_policy_is_larger_than_iam_takes(name: str) -> None:
    document = resources("AWS::IAM::ManagedPolicy")[name]["PolicyDocument"]
    assert len(json.dumps(written_out(document), separators=(",", ":"))) <= POLICY_CHARACTERS


@pytest.mark.parametrize("name", sorted(resources("AWS::IAM::Role")))
def test_no_role_has_more_policies_than_a_new_account_allows(name: str) -> None:
    attached = resources("AWS::IAM::Role")[name].get("ManagedPolicyArns", [])
    assert len(attached) <= POLICIES_OF_A_ROLE


def test_layers_of_two_stacks_have_names_of_their_own() -> None:
    for layer in resources("AWS::Lambda::LayerVersion").values():
        assert "${AWS::StackName}" in layer["LayerName"]["Fn::Sub"]


def test_storing_reads_the_ledger_and_not_the_result_table() -> None:
    assert [
        referred(target) for target in allowed_to("StoreDynamodbFunction")["dynamodb:GetItem"]
    ] == ["LedgerTable"]
