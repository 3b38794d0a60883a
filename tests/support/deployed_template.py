"""template.yaml as CloudFormation sees it: SAM's part translated, without AWS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import boto3
from deployed_code import ROOT
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from local.local_cloud.template.loader import parse_template

Json = dict[str, Any]
MANAGED_BY_AWS = "iam::aws:policy/service-role/"


@cache
def template() -> Json:
    """Translated; code and layer are made to lie in S3, as they do after `sam package`."""
    source = parse_template((ROOT / "template.yaml").read_text(encoding="utf-8"))
    source["Globals"]["Function"]["CodeUri"] = "s3://bucket/code"
    for resource in source["Resources"].values():
        if resource["Type"] == "AWS::Serverless::LayerVersion":
            resource["Properties"]["ContentUri"] = "s3://bucket/layer"
    session = boto3.session.Session(region_name="us-east-1")
    translated = Translator({}, Parser(), boto_session=session).translate(source, {})
    result: Json = json.loads(json.dumps(translated, default=str))
    return result


def resources(kind: str) -> dict[str, Json]:
    """Properties by logical id, of one type."""
    return {
        name: resource.get("Properties", {})
        for name, resource in template()["Resources"].items()
        if resource["Type"] == kind
    }


def functions() -> dict[str, Json]:
    return resources("AWS::Lambda::Function")


def variables(function: str) -> Json:
    found: Json = functions()[function]["Environment"]["Variables"]
    return found


def referred(value: Any) -> str:
    """The logical id in `Ref` or `GetAtt`, the only forms a single thing is named by here."""
    assert isinstance(value, dict), value
    return str(value["Ref"] if "Ref" in value else value["Fn::GetAtt"][0])


def role_of(function: str) -> str:
    return referred(functions()[function]["Role"])


def statements(role: str) -> Iterator[Json]:
    """What a role may do: its own policies, those attached to it, those that name it.

    What a condition decides on counts as allowed.
    """
    own = resources("AWS::IAM::Role")[role]
    documents = [policy["PolicyDocument"] for policy in own.get("Policies", [])]
    managed = resources("AWS::IAM::ManagedPolicy")
    for arn in own.get("ManagedPolicyArns", []):
        if MANAGED_BY_AWS not in json.dumps(arn):
            documents.append(managed[referred(arn)]["PolicyDocument"])
    for policy in resources("AWS::IAM::Policy").values():
        if role in [referred(name) for name in policy["Roles"]]:
            documents.append(policy["PolicyDocument"])
    for document in documents:
        for statement in document["Statement"]:
            if "Fn::If" in statement:  # of two, one is the statement, the other nothing
                _, *branches = statement["Fn::If"]
                yield from (branch for branch in branches if "Action" in branch)
            else:
                yield {**statement, "Resource": _listed(statement["Resource"])}


def _listed(target: Any) -> Any:
    """ARNs that are written as the words of one text, one by one."""
    separator, text = target.get("Fn::Split", ("", "")) if isinstance(target, dict) else ("", "")
    if separator != " ":
        return target
    return [
        {"Fn::GetAtt": word[2:-1].split(".")} if word.endswith("}") else {"Fn::Sub": word}
        for word in text["Fn::Sub"].split()
    ]


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
