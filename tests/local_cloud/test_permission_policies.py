"""The evaluator against the rules of IAM's documentation, page by page."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from local.local_cloud.permissions.calls import Call
from local.local_cloud.permissions.evaluate import Identity, Kind, RolePolicies, decide
from local.local_cloud.permissions.policy import PolicyError, parse_policy

ACCOUNT = "000000000000"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/service/loader"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/loader/load"
BUCKET = "arn:aws:s3:::carlos-bucket"
OBJECT = f"{BUCKET}/runs/r1/rows.csv"
QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:queue1"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234"
KEYS = ("s3:prefix", "dynamodb:attributes", "s3:max-keys", "iam:passedtoservice", "aws:tagkeys")

EVALUATION = "Policy evaluation for requests within a single account"
DENIES = "The difference between explicit and implicit denies"
ACTION = "IAM JSON policy elements: Action"
NOT_ACTION = "IAM JSON policy elements: NotAction"
RESOURCE = "IAM JSON policy elements: Resource"
NOT_RESOURCE = "IAM JSON policy elements: NotResource"
PRINCIPAL = "AWS JSON policy elements: Principal"
OPERATORS = "IAM JSON policy elements: Condition operators"
SETS = "Set operators for multivalued context keys"
SEVERAL = "Conditions with multiple context keys or values"
VARIABLES = "IAM policy elements: Variables and tags"
VERSION = "IAM JSON policy elements: Version"
GLOBAL = "AWS global condition context keys"
PASS = "Grant a user permissions to pass a role to an AWS service"
KMS = "Key policies in AWS KMS"
TRUST = "Policies and permissions in AWS Identity and Access Management: role trust policies"
BOUNDARY = "Permissions boundaries for IAM entities"


def statement(
    action: Any = "s3:GetObject", resource: Any = "*", effect: str = "Allow", **more: Any
) -> dict[str, Any]:
    found = {"Effect": effect, "Action": action, "Resource": resource, **more}
    return {name: value for name, value in found.items() if value is not None}


def deny(action: Any = "s3:GetObject", resource: Any = "*", **more: Any) -> dict[str, Any]:
    return statement(action, resource, "Deny", **more)


def when(operator: str, key: str, value: Any, **more: Any) -> dict[str, Any]:
    return statement(Condition={operator: {key: value}}, **more)


GET = Call("s3:GetObject", OBJECT)
SEND = Call("sqs:SendMessage", QUEUE)
DECRYPT = Call("kms:Decrypt", KEY)


def get(**context: Any) -> Call:
    """A call with condition keys; `s3_prefix` is `s3:prefix`."""
    values = {
        name.replace("_", ":", 1): (value,) if isinstance(value, str) else tuple(value)
        for name, value in context.items()
    }
    return Call("s3:GetObject", OBJECT, values)


@dataclass(frozen=True)
class Case:
    """What the page says comes of a call, under these policies."""

    page: str
    says: str
    expected: Kind
    own: list[dict[str, Any]] = field(default_factory=list)
    call: Call = GET
    resource: list[dict[str, Any]] = field(default_factory=list)
    version: str | None = "2012-10-17"
    identity: Identity = field(default_factory=lambda: Identity.session(ROLE, "load"))
    boundary: list[dict[str, Any]] = field(default_factory=list)


YES, NO = Kind.ALLOWED, Kind.NO_IDENTITY
TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT}:topic"
SNS = Identity.of_service("sns.amazonaws.com", TOPIC)
TO_SNS = {"Service": "sns.amazonaws.com"}
ROOT = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}

CASES = [
    # Which policy decides.
    Case(DENIES, "what nobody allows is denied", NO),
    Case(EVALUATION, "an allow is enough", YES, [statement()]),
    Case(EVALUATION, "another action's allow is not", NO, [statement("s3:PutObject")]),
    Case(EVALUATION, "a deny beats an allow", Kind.IDENTITY_DENY, [statement(), deny()]),
    Case(
        EVALUATION, "a resource's policy may allow alone", YES,
        call=SEND, resource=[statement("sqs:SendMessage", QUEUE, Principal={"AWS": ROLE})],
    ),
    Case(
        EVALUATION, "a resource's policy denies what the identity's allows", Kind.RESOURCE_DENY,
        [statement("s3:*")], resource=[deny("s3:*", f"{BUCKET}/*", Principal="*")],
    ),
    Case(
        PRINCIPAL, "the account as principal leaves it to the account's policies", NO,
        call=SEND, resource=[statement("sqs:SendMessage", QUEUE, Principal=ROOT)],
    ),
    Case(
        PRINCIPAL, "the account's id stands for the account", NO,
        call=SEND, resource=[statement("sqs:SendMessage", QUEUE, Principal={"AWS": ACCOUNT})],
    ),
    Case(
        PRINCIPAL, "another account is not this one", NO, call=SEND,
        resource=[statement("sqs:SendMessage", QUEUE, Principal={"AWS": "111111111111"})],
    ),
    Case(
        PRINCIPAL, "a deny of the account is one of its roles", Kind.RESOURCE_DENY,
        [statement("sqs:*")], SEND, [deny("sqs:SendMessage", QUEUE, Principal=ROOT)],
    ),
    Case(
        PRINCIPAL, "a session may be named", YES, call=SEND,
        resource=[statement("sqs:SendMessage", QUEUE, Principal={"AWS": SESSION})],
    ),
    Case(
        PRINCIPAL, "everybody includes a role", YES, call=SEND,
        resource=[statement("sqs:SendMessage", QUEUE, Principal={"AWS": "*"})],
    ),
    Case(
        PRINCIPAL, "a service is allowed by name", YES, call=SEND, identity=SNS,
        resource=[statement("sqs:SendMessage", QUEUE, Principal=TO_SNS)],
    ),
    Case(
        PRINCIPAL, "another service is not", Kind.NO_RESOURCE, call=SEND,
        identity=Identity.of_service("events.amazonaws.com", TOPIC),
        resource=[statement("sqs:SendMessage", QUEUE, Principal=TO_SNS)],
    ),
    Case(
        GLOBAL, "aws:SourceArn is the resource that a service calls for", YES, call=SEND,
        identity=SNS,
        resource=[
            statement(
                "sqs:SendMessage", QUEUE, Principal=TO_SNS,
                Condition={"ArnEquals": {"aws:SourceArn": TOPIC}},
            )
        ],
    ),
    Case(
        GLOBAL, "of another topic it is not", Kind.NO_RESOURCE, call=SEND,
        identity=Identity.of_service("sns.amazonaws.com", TOPIC + "2"),
        resource=[
            statement(
                "sqs:SendMessage", QUEUE, Principal=TO_SNS,
                Condition={"ArnEquals": {"aws:SourceArn": TOPIC}},
            )
        ],
    ),
    Case(
        GLOBAL, "aws:SourceAccount is the account of that resource", YES, call=SEND, identity=SNS,
        resource=[
            statement(
                "sqs:SendMessage", QUEUE, Principal=TO_SNS,
                Condition={"StringEquals": {"aws:SourceAccount": ACCOUNT}},
            )
        ],
    ),
    Case(
        GLOBAL, "aws:PrincipalArn of a session is its role", YES,
        [when("ArnEquals", "aws:PrincipalArn", ROLE)],
    ),
    Case(
        GLOBAL, "a deny without TLS spares what has it", YES, [statement()],
        resource=[
            deny(Principal="*", Condition={"Bool": {"aws:SecureTransport": "false"}})
        ],
    ),
    # Keys and roles, whose own policies come first.
    Case(
        KMS, "a key's policy has to let policies of identities count", Kind.NO_RESOURCE,
        [statement("kms:Decrypt")], DECRYPT,
        [statement("kms:Decrypt", Principal={"Service": "cloudwatch.amazonaws.com"})],
    ),
    Case(
        KMS, "with the account in the key's policy they count", YES,
        [statement("kms:Decrypt", KEY)], DECRYPT, [statement("kms:*", Principal=ROOT)],
    ),
    Case(
        KMS, "the account in the key's policy allows nobody alone", NO, [], DECRYPT,
        [statement("kms:*", Principal=ROOT)],
    ),
    Case(
        KMS, "a role in the key's policy needs no more", YES, [], DECRYPT,
        [statement("kms:Decrypt", Principal={"AWS": ROLE})],
    ),
    Case(
        TRUST, "a role is not assumed without its trust", Kind.NO_RESOURCE,
        [statement("sts:AssumeRole", ROLE + "2")], Call("sts:AssumeRole", ROLE + "2"),
        [statement("sts:AssumeRole", None, Principal={"Service": "lambda.amazonaws.com"})],
    ),
    Case(
        TRUST, "a service assumes a role that trusts it", YES, [], Call("sts:AssumeRole", ROLE),
        [statement("sts:AssumeRole", None, Principal={"Service": "lambda.amazonaws.com"})],
        identity=Identity.of_service("lambda.amazonaws.com", ""),
    ),
    Case(
        TRUST, "trust in the account needs the caller's own permission too", NO, [],
        Call("sts:AssumeRole", ROLE + "2"), [statement("sts:AssumeRole", None, Principal=ROOT)],
    ),
    Case(
        BOUNDARY, "a boundary limits what policies allow", Kind.NO_BOUNDARY, [statement("s3:*")],
        boundary=[statement("s3:PutObject")],
    ),
    Case(BOUNDARY, "a boundary allows nothing by itself", NO, boundary=[statement("s3:*")]),
    Case(
        BOUNDARY, "a boundary's deny is a deny", Kind.BOUNDARY_DENY, [statement("s3:*")],
        boundary=[statement("*"), deny()],
    ),
    # Actions and resources.
    Case(ACTION, "names of actions have no case", YES, [statement("S3:getobject")]),
    Case(ACTION, "a star stands for the rest", YES, [statement("s3:Get*")]),
    Case(ACTION, "a star may stand anywhere", YES, [statement("s3:*Object")]),
    Case(ACTION, "a question mark stands for one letter", YES, [statement("s3:?etObject")]),
    Case(ACTION, "but not for none", NO, [statement("s3:?GetObject")]),
    Case(ACTION, "a star alone is every action", YES, [statement("*")]),
    Case(ACTION, "one of several is enough", YES, [statement(["s3:PutObject", "s3:GetObject"])]),
    Case(
        NOT_ACTION, "all but the named are allowed", YES,
        [statement(None, NotAction="iam:*")],
    ),
    Case(NOT_ACTION, "the named are not", NO, [statement(None, NotAction="s3:*")]),
    Case(
        NOT_ACTION, "a deny of all but the named spares them", YES,
        [statement(), deny(None, NotAction="s3:GetObject")],
    ),
    Case(RESOURCE, "an object's ARN", YES, [statement(resource=OBJECT)]),
    Case(RESOURCE, "a star crosses slashes", YES, [statement(resource=f"{BUCKET}/runs/*")]),
    Case(RESOURCE, "a bucket is not its objects", NO, [statement(resource=BUCKET)]),
    Case(RESOURCE, "names of resources have a case", NO, [statement(resource=f"{BUCKET}/RUNS/*")]),
    Case(RESOURCE, "several stars", YES, [statement(resource=f"{BUCKET}/*/r1/*.csv")]),
    Case(
        RESOURCE, "a function's ARN is not that of its versions", NO,
        [statement("lambda:InvokeFunction", "arn:aws:lambda:us-east-1:0:function:f")],
        Call("lambda:InvokeFunction", "arn:aws:lambda:us-east-1:0:function:f:1"),
    ),
    Case(
        RESOURCE, "a star after the colon is every version", YES,
        [statement("lambda:InvokeFunction", "arn:aws:lambda:us-east-1:0:function:f:*")],
        Call("lambda:InvokeFunction", "arn:aws:lambda:us-east-1:0:function:f:1"),
    ),
    Case(
        RESOURCE, "and not the function without one", NO,
        [statement("lambda:InvokeFunction", "arn:aws:lambda:us-east-1:0:function:f:*")],
        Call("lambda:InvokeFunction", "arn:aws:lambda:us-east-1:0:function:f"),
    ),
    Case(
        RESOURCE, "an action without resources needs the star", NO,
        [statement("redshift-data:DescribeStatement", "arn:aws:redshift:us-east-1:0:cluster:c")],
        Call("redshift-data:DescribeStatement", "*"),
    ),
    Case(
        NOT_RESOURCE, "a deny of all but one bucket spares it", YES,
        [statement(), deny(resource=None, NotResource=[BUCKET, f"{BUCKET}/*"])],
    ),
    Case(
        NOT_RESOURCE, "and hits the others", Kind.IDENTITY_DENY,
        [statement(), deny(resource=None, NotResource="arn:aws:s3:::other/*")],
    ),
    # Conditions.
    Case(OPERATORS, "equal", YES, [when("StringEquals", "s3:prefix", "a/")], get(s3_prefix="a/")),
    Case(OPERATORS, "the key's name has no case", YES,
         [when("StringEquals", "S3:Prefix", "a/")], get(s3_prefix="a/")),
    Case(OPERATORS, "its value has one", NO,
         [when("StringEquals", "s3:prefix", "A/")], get(s3_prefix="a/")),
    Case(OPERATORS, "unless it is ignored", YES,
         [when("StringEqualsIgnoreCase", "s3:prefix", "A/")], get(s3_prefix="a/")),
    Case(OPERATORS, "StringEquals knows no wildcards", NO,
         [when("StringEquals", "s3:prefix", "a*")], get(s3_prefix="a/")),
    Case(OPERATORS, "StringLike does", YES,
         [when("StringLike", "s3:prefix", "a*")], get(s3_prefix="a/b")),
    Case(OPERATORS, "a missing key does not match", NO, [when("StringLike", "s3:prefix", "*")]),
    Case(OPERATORS, "a missing key fulfils a negated operator", YES,
         [when("StringNotLike", "s3:prefix", "a*")]),
    Case(OPERATORS, "StringNotEquals", NO,
         [when("StringNotEquals", "s3:prefix", "a/")], get(s3_prefix="a/")),
    Case(OPERATORS, "IfExists lets a missing key pass", YES,
         [when("StringEqualsIfExists", "s3:prefix", "a/")]),
    Case(OPERATORS, "IfExists checks one that is there", NO,
         [when("StringEqualsIfExists", "s3:prefix", "a/")], get(s3_prefix="b/")),
    Case(OPERATORS, "Null true: the key must be missing", NO,
         [when("Null", "s3:prefix", "true")], get(s3_prefix="b/")),
    Case(OPERATORS, "Null true: it is", YES, [when("Null", "s3:prefix", True)]),
    Case(OPERATORS, "Null false: the key must be there", NO, [when("Null", "s3:prefix", "false")]),
    Case(OPERATORS, "numbers compare as numbers", YES,
         [when("NumericLessThanEquals", "s3:max-keys", "10")], get(**{"s3_max-keys": "9"})),
    Case(OPERATORS, "and not above", NO,
         [when("NumericLessThanEquals", "s3:max-keys", 10)], get(**{"s3_max-keys": "11"})),
    Case(OPERATORS, "Bool", YES, [when("Bool", "aws:SecureTransport", True)]),
    Case(OPERATORS, "an address in a range", YES,
         [when("IpAddress", "aws:SourceIp", ["10.0.0.0/8", "127.0.0.0/8"])]),
    Case(OPERATORS, "an address outside", NO, [when("IpAddress", "aws:SourceIp", "10.0.0.0/8")]),
    Case(OPERATORS, "not an address", YES, [when("NotIpAddress", "aws:SourceIp", "10.0.0.0/8")]),
    Case(OPERATORS, "the six parts of an ARN match one by one", NO,
         [when("ArnLike", "aws:PrincipalArn", "arn:aws:*:role/service/loader")]),
    Case(OPERATORS, "each with its wildcards", YES,
         [when("ArnLike", "aws:PrincipalArn", "arn:aws:iam:*:*:role/*")]),
    Case(OPERATORS, "ArnEquals knows wildcards as well", YES,
         [when("ArnEquals", "aws:PrincipalArn", f"arn:aws:iam::{ACCOUNT}:role/*")]),
    Case(OPERATORS, "ArnNotLike", NO, [when("ArnNotLike", "aws:PrincipalArn", ROLE)]),
    Case(SEVERAL, "one of several values is enough", YES,
         [when("StringEquals", "s3:prefix", ["a/", "b/"])], get(s3_prefix="b/")),
    Case(SEVERAL, "none of several may be, negated", NO,
         [when("StringNotEquals", "s3:prefix", ["a/", "b/"])], get(s3_prefix="b/")),
    Case(SEVERAL, "all keys and operators have to hold", NO,
         [statement(Condition={"StringEquals": {"s3:prefix": "a/"},
                               "Bool": {"aws:SecureTransport": "false"}})], get(s3_prefix="a/")),
    Case(SETS, "ForAllValues: each has to be one of them", YES,
         [when("ForAllValues:StringEquals", "dynamodb:Attributes", ["a", "b", "c"])],
         get(dynamodb_attributes=["a", "b"])),
    Case(SETS, "ForAllValues: one is not", NO,
         [when("ForAllValues:StringEquals", "dynamodb:Attributes", ["a", "b"])],
         get(dynamodb_attributes=["a", "x"])),
    Case(SETS, "ForAllValues: no key at all is true", YES,
         [when("ForAllValues:StringEquals", "dynamodb:Attributes", ["a", "b"])]),
    Case(SETS, "ForAnyValue: one is enough", YES,
         [when("ForAnyValue:StringEquals", "dynamodb:Attributes", ["a", "b"])],
         get(dynamodb_attributes=["a", "x"])),
    Case(SETS, "ForAnyValue: no key at all is false", NO,
         [when("ForAnyValue:StringEquals", "dynamodb:Attributes", ["a", "b"])]),
    Case(PASS, "a role is passed to the named service", YES,
         [statement("iam:PassRole", ROLE,
                    Condition={"StringEquals": {"iam:PassedToService": "glue.amazonaws.com"}})],
         Call("iam:PassRole", ROLE, {"iam:passedtoservice": ("glue.amazonaws.com",)})),
    Case(PASS, "and to no other", NO,
         [statement("iam:PassRole", ROLE,
                    Condition={"StringEquals": {"iam:PassedToService": "glue.amazonaws.com"}})],
         Call("iam:PassRole", ROLE, {"iam:passedtoservice": ("ec2.amazonaws.com",)})),
    # Variables.
    Case(VARIABLES, "a variable in a resource", YES,
         [statement(resource=BUCKET + "/runs/${s3:prefix}/*")], get(s3_prefix="r1")),
    Case(VARIABLES, "without a value nothing matches", NO,
         [statement(resource=BUCKET + "/runs/${s3:prefix}/*")]),
    Case(VARIABLES, "a default stands in", YES,
         [statement(resource=BUCKET + "/runs/${s3:prefix, 'r1'}/*")]),
    Case(VARIABLES, "wildcards in a value are plain text", NO,
         [statement(resource=BUCKET + "/runs/${s3:prefix}/*")], get(s3_prefix="*")),
    Case(VARIABLES, "an escaped star is a star", NO, [statement(resource=BUCKET + "/${*}")]),
    Case(VARIABLES, "a variable in a condition", YES,
         [when("StringEquals", "s3:prefix", "${aws:PrincipalAccount}")], get(s3_prefix=ACCOUNT)),
    Case(VERSION, "without a version, variables are plain text", NO,
         [statement(resource=BUCKET + "/runs/${s3:prefix}/*")], get(s3_prefix="r1"),
         version=None),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.page}: {case.says}")
def test_the_evaluator_decides_as_the_page_says(case: Case) -> None:
    def policies(statements: list[dict[str, Any]], of_resource: bool) -> list[Any]:
        document: dict[str, Any] = {"Statement": statements}
        if case.version:
            document["Version"] = case.version
        if not statements:
            return []
        return [parse_policy(document, "tested", of_resource=of_resource, keys=KEYS)]

    boundary = policies(case.boundary, False)
    role = RolePolicies(policies(case.own, False), None, boundary[0] if boundary else None)
    decision = decide(case.call, case.identity, role, policies(case.resource, True))
    assert decision.kind is case.expected


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"Statement": [statement(Sidd="x")]}, "cannot be evaluated: Sidd"),
        ({"Statement": [statement(effect="allow")]}, "Effect must be Allow or Deny, not 'allow'"),
        ({"Statement": [statement(None)]}, "needs Action or NotAction"),
        ({"Statement": [statement(NotAction="s3:*")]}, "needs Action or NotAction"),
        ({"Statement": [statement("GetObject")]}, "'GetObject' is not SERVICE:ACTION"),
        ({"Statement": [statement(resource="carlos-bucket")]}, "'carlos-bucket' is not an ARN"),
        ({"Statement": [statement(resource={"Ref": "X"})]}, "Resource must be a text"),
        ({"Statement": [when("StringSame", "s3:prefix", "a")]}, "condition operator StringSame"),
        ({"Statement": [when("NullIfExists", "s3:prefix", "a")]}, "operator NullIfExists"),
        ({"Statement": [when("Bool", "s3:prefix", "yes")]}, "'yes' is neither true nor false"),
        ({"Statement": [when("IpAddress", "aws:SourceIp", "home")]}, "'home' does not appear"),
        ({"Statement": [when("NumericEquals", "s3:max-keys", "x")]}, "Condition NumericEquals"),
        ({"Statement": [when("Bool", "aws:MultiFactorAuthPresent", "true")]},
         "key aws:multifactorauthpresent cannot be evaluated"),
        ({"Version": "2012-10-17", "Statement": [statement(resource="${aws:username}")]},
         "key aws:username cannot be evaluated"),
        ({"Statement": [statement(Principal="*")]}, "no place in the policy of an identity"),
        ({"Version": "2020-01-01", "Statement": [statement()]}, "Version 2020-01-01 is unknown"),
        ({"Statement": []}, "has no Statement"),
        ("{}", "is not a policy document"),
    ],
)  # fmt: skip
def test_a_policy_that_cannot_be_evaluated_is_refused_by_name(document: Any, problem: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy(document, "LedgerPolicy", keys=KEYS)
    assert problem in str(caught.value)
    assert str(caught.value).startswith("LedgerPolicy")


def test_everything_that_is_wrong_with_a_policy_is_said_at_once() -> None:
    document = {"Statement": [statement("Get"), statement(resource="bucket")]}
    with pytest.raises(PolicyError) as caught:
        parse_policy(document, "P")
    assert "Statement[0]" in str(caught.value)
    assert "Statement[1]" in str(caught.value)


@pytest.mark.parametrize("principal", [{"Federated": "x"}, {"CanonicalUser": "x"}, "somebody"])
def test_principals_that_are_not_emulated_are_refused(principal: Any) -> None:
    with pytest.raises(PolicyError, match="Principal cannot be evaluated"):
        parse_policy({"Statement": [statement(Principal=principal)]}, "P", of_resource=True)
