"""CloudFormation's intrinsic functions."""

from __future__ import annotations

from typing import Any

import pytest

from local.local_cloud.template.intrinsics import TemplateError, prune, references, resolve


class Names:
    """A scope of a few names."""

    def ref(self, name: str) -> Any:
        return {"Queue": "http://queue", "Count": 3, "List": ["a", "b"]}[name]

    def attribute(self, logical_id: str, attribute: str) -> Any:
        return {("Queue", "Arn"): "arn:queue"}[logical_id, attribute]

    def mapping(self, name: str, first: str, second: str) -> Any:
        return {"M": {"one": {"two": "found"}}}[name][first][second]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"Ref": "Queue"}, "http://queue"),
        ({"Fn::GetAtt": ["Queue", "Arn"]}, "arn:queue"),
        ({"Fn::GetAtt": "Queue.Arn"}, "arn:queue"),
        (
            {"Fn::Sub": "${Queue}/${Queue.Arn}/${Count}/${!Given}"},
            "http://queue/arn:queue/3/${Given}",
        ),
        ({"Fn::Sub": ["${Own}-${Count}", {"Own": {"Ref": "Queue"}}]}, "http://queue-3"),
        ({"Fn::Join": ["-", ["a", {"Ref": "Count"}, True]]}, "a-3-true"),
        ({"Fn::Join": [",", {"Ref": "List"}]}, "a,b"),
        ({"Fn::Select": ["1", {"Fn::Split": ["/", "a/b/c"]}]}, "b"),
        ({"Fn::FindInMap": ["M", "one", "two"]}, "found"),
        ({"Fn::Base64": "hi"}, "aGk="),
        ([{"Ref": "AWS::NoValue"}, 1], [1]),
        ({"Given": 1, "Gone": {"Ref": "AWS::NoValue"}}, {"Given": 1}),
        ({"Ref": "Queue", "Other": 1}, {"Ref": "Queue", "Other": 1}),
    ],
)
def test_a_value_resolves(value: Any, expected: Any) -> None:
    assert resolve(value, Names(), "Here") == expected


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"A": [{"Ref": "Nobody"}]}, r"Here\.A\[0\].*Nobody"),
        ({"Fn::Sub": "${Nobody}"}, "Here.*Nobody"),
        ({"Fn::GetAtt": ["Queue", "Colour"]}, "Here.*Queue.Colour"),
        ({"Fn::GetAtt": ["Queue"]}, "a resource and an attribute"),
        ({"Fn::ImportValue": "other"}, "Here: Fn::ImportValue is not emulated"),
        ({"Fn::Cidr": ["10.0.0.0/8", 2, 2]}, "Fn::Cidr is not emulated"),
        ({"Fn::Select": [5, ["a"]]}, "there is no member 5"),
        ({"Fn::Join": ["-"]}, "a list of 2"),
        ("{{resolve:ssm:/name}}", "dynamic references"),
    ],
)
def test_what_cannot_be_resolved_is_named_with_its_place(value: Any, words: str) -> None:
    with pytest.raises(TemplateError, match=words):
        resolve(value, Names(), "Here")


def test_only_the_branch_that_is_taken_is_referred_to() -> None:
    value = {"Name": {"Fn::If": ["Create", {"Ref": "Made"}, {"Ref": "Given"}]}}

    pruned = prune(value, lambda name: name == "Create")

    assert list(references(pruned)) == ["Made"]


def test_references_are_found_in_every_function() -> None:
    value = [
        {"Fn::Sub": ["${A} ${B.Arn} ${Own} ${AWS::Region} ${!No}", {"Own": {"Ref": "C"}}]},
        {"Fn::Join": ["", [{"Fn::GetAtt": "D.Arn"}, {"x": {"Ref": "E"}}]]},
    ]

    assert set(references(value)) == {"A", "B", "C", "D", "E", "AWS::Region"}
