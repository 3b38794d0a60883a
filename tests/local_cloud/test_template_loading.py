"""Templates: SAM, parameters, conditions, rules and the order of resources."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.local_cloud.template.conditions import as_given, parameter_values
from local.local_cloud.template.intrinsics import TemplateError
from local.local_cloud.template.loader import Template, load_template, local_code_directory

SMALL = Path(__file__).parent / "fixtures" / "small.yaml"


def load(tmp_path: Path, text: str, **given: str) -> Template:
    path = tmp_path / "template.yaml"
    path.write_text(text, "utf-8")
    return load_template(path, given, "stack")


def test_sam_becomes_cloudformation_with_local_code_directories() -> None:
    template = load_template(SMALL, {}, "stack")

    worker = template.resources["Worker"]
    assert worker.type == "AWS::Lambda::Function"
    code = worker.properties["Code"]
    found = local_code_directory(template.directory, code["S3Bucket"], code["S3Key"])
    assert found == SMALL.parent / "functions"
    assert template.resources["WorkerMessages"].type == "AWS::Lambda::EventSourceMapping"
    assert template.resources["RecorderAliaslive"].type == "AWS::Lambda::Alias"


def test_a_resource_comes_after_what_it_needs() -> None:
    order = list(load_template(SMALL, {}, "stack").resources)

    assert order.index("DeadLetters") < order.index("Intake") < order.index("WorkerMessages")
    assert order.index("Records") < order.index("Worker") < order.index("WorkerMessages")


def test_a_resource_whose_condition_does_not_hold_is_absent() -> None:
    template = load_template(SMALL, {"BucketName": "mine"}, "stack")
    assert "Bucket" not in template.resources
    assert template.absent == {"Bucket": "CreateBucket"}
    assert "BucketArn" not in template.outputs


def test_all_wrong_parameters_are_reported_at_once() -> None:
    with pytest.raises(TemplateError) as error:
        load_template(SMALL, {"Kind": "BAD", "Attempts": "99", "Unknown": "x"}, "stack")

    assert "no parameter Unknown" in str(error.value)
    assert "Kind = 'BAD': must match" in str(error.value)
    assert "Attempts = '99': must be at most 10" in str(error.value)


@pytest.mark.parametrize("given", ["", "abc", "abc,def", "abc , def"])
def test_a_pattern_of_a_list_is_that_of_each_value(given: str) -> None:
    declared = {"Names": {"Type": "CommaDelimitedList", "AllowedPattern": "^$|^[a-z]+$"}}

    values = parameter_values(declared, {"Names": given})["Names"]
    assert as_given(values) == given.replace(" ", "")
    with pytest.raises(TemplateError, match="must match"):
        parameter_values(declared, {"Names": "abc,*"})


def test_fallbacks_give_way_to_given_values_and_skip_unknown_parameters() -> None:
    fallbacks = {"Kind": "fallback", "Attempts": "3", "NotInTemplate": "x"}

    template = load_template(SMALL, {"Kind": "given"}, "stack", fallbacks)

    shown = {name: template.parameters[name] for name in ("Kind", "Attempts", "BucketName")}
    assert shown == {"Kind": "given", "Attempts": 3, "BucketName": ""}
    assert "NotInTemplate" not in template.parameters


def test_rules_and_conditions_combine_parameters(tmp_path: Path) -> None:
    text = """
Parameters:
  A: {Type: String, Default: ""}
  B: {Type: String, Default: ""}
  C: {Type: CommaDelimitedList, Default: "x, y"}
Rules:
  One:
    RuleCondition: !Contains [!Ref C, y]
    Assertions:
      - Assert: !Not [!And [!Not [!Equals [!Ref A, ""]], !Not [!Equals [!Ref B, ""]]]]
        AssertDescription: not both
Conditions:
  HasA: !Not [!Equals [!Ref A, ""]]
  Any: !Or [Condition: HasA, !Equals [!Ref B, z]]
Resources:
  Q: {Type: AWS::SQS::Queue, Condition: Any}
"""
    assert not load(tmp_path, text).resources
    assert list(load(tmp_path, text, B="z").resources) == ["Q"]
    with pytest.raises(TemplateError, match="Rules.One: not both"):
        load(tmp_path, text, A="a", B="b")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Resources: [", "not YAML"),
        ("Outputs: {}", "no Resources"),
        ("Hooks: {}\nResources: {}", "sections not emulated: Hooks"),
        ("Transform: AWS::Include\nResources: {}", "transform AWS::Include is not emulated"),
        ("Resources: {Q: {Type: X, UpdatePolicy: {}}}", "Q: not emulated: UpdatePolicy"),
        ("Resources: {Q: {Type: X, Condition: Nope}}", "Q: there is no condition Nope"),
        ("Parameters: {P: {Type: String}}\nResources: {}", "P has no default"),
        (
            "Parameters: {P: {Type: 'AWS::SSM::Parameter::Value<String>', Default: x}}\n"
            "Resources: {}",
            "Parameters.P: type AWS::SSM",
        ),
        (
            "Conditions: {A: {Condition: B}, B: {Condition: A}}\n"
            "Resources: {Q: {Type: X, Condition: A}}",
            "refers to itself",
        ),
        (
            "Resources: {A: {Type: X, DependsOn: B}, B: {Type: X, DependsOn: [A]}}",
            "resources need each other",
        ),
        (
            "Transform: AWS::Serverless-2016-10-31\n"
            "Resources: {F: {Type: AWS::Serverless::Function, Properties: {Handlr: x}}}",
            "not a valid SAM template(.|\n)*F",
        ),
    ],
)
def test_a_wrong_template_is_refused_with_what_is_wrong(
    tmp_path: Path, text: str, words: str
) -> None:
    with pytest.raises(TemplateError, match=words):
        load(tmp_path, text)


def test_a_missing_template_is_named(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match="cannot read the template .*nothing.yaml"):
        load_template(tmp_path / "nothing.yaml", {}, "stack")


def test_code_that_lies_in_s3_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match="s3://bucket/key"):
        local_code_directory(tmp_path, "bucket", "key")
