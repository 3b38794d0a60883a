"""The gate of requests: whose they are, what is denied, how often that is logged."""

from __future__ import annotations

from typing import Any

import pytest

from local.local_cloud.http.routing import Route
from local.local_cloud.http.services import ACCOUNT_ID, Headers, ServiceError
from local.local_cloud.permissions.calls import Call
from local.local_cloud.permissions.denial import Denial, expression, general
from local.local_cloud.permissions.evaluate import Identity
from local.local_cloud.permissions.grants import Grants, Role, managed_by_aws
from local.local_cloud.permissions.guard import Guard, Mode, Unmapped, reads_body
from local.local_cloud.permissions.principals import Principals, access_key_of
from local.local_cloud.permissions.record import stable

ROLE = f"arn:aws:iam::{ACCOUNT_ID}:role/stack-LoaderRole"
TABLE = f"arn:aws:dynamodb:us-east-1:{ACCOUNT_ID}:table/ledger"
TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT_ID}:topic"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT_ID}:key/12"
PUT = Call("dynamodb:PutItem", TABLE)
DYNAMODB = Route("dynamodb", "DynamoDB_20120810", "PutItem")
LOADER = Identity.session(ROLE, "stack-Loader")


def policy(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource, **more}
    return {"Version": "2012-10-17", "Statement": [statement]}


def granting(*documents: dict[str, Any]) -> Grants:
    grants = Grants()
    trust = policy("sts:AssumeRole", Principal={"Service": "lambda.amazonaws.com"})
    grants.add_role(Role(ROLE, "LoaderRole"), trust)
    for document in documents:
        grants.add_inline("stack-LoaderRole", document, "LoaderRole own")
    grants.names = {TABLE: "!GetAtt LedgerTable.Arn", TOPIC: "!Ref Topic", KEY: "!GetAtt Key.Arn"}
    assert grants.problems == []
    return grants


def guard(
    grants: Grants, *calls: Call, mode: Mode = Mode.ENFORCE, reported: list[Denial] | None = None
) -> Guard:
    """A guard whose every request asks for `calls`."""
    on_denial = (reported if reported is not None else []).append
    return Guard(mode, grants, Principals(), lambda *_: list(calls), on_denial)


def check(tested: Guard, where: Route = DYNAMODB) -> None:
    tested.check(LOADER, where, "POST", "/", Headers([]), b"{}")


def signed(key: str) -> Headers:
    return Headers([("Authorization", f"AWS4-HMAC-SHA256 Credential={key}/20260101/r/s/aws4")])


def test_a_granted_call_passes_and_is_recorded() -> None:
    tested = guard(granting(policy("dynamodb:PutItem", TABLE)), PUT)
    check(tested)
    assert [(call.role, call.action, call.resource) for call in tested.record.calls()] == [
        ("LoaderRole", "dynamodb:PutItem", "${LedgerTable.Arn}")
    ]
    assert [call.call(granting().names) for call in tested.record.calls()] == [PUT]
    assert tested.denials() == []


def test_a_denied_call_gets_the_words_of_aws() -> None:
    tested = guard(granting(), PUT)
    with pytest.raises(ServiceError) as caught:
        check(tested)
    assert (caught.value.code, caught.value.status) == ("AccessDeniedException", 400)
    assert caught.value.message == (
        f"User: arn:aws:sts::{ACCOUNT_ID}:assumed-role/stack-LoaderRole/stack-Loader is not"
        f" authorized to perform: dynamodb:PutItem on resource: {TABLE} because no identity-based"
        " policy allows the dynamodb:PutItem action"
    )
    assert tested.record.calls() == []


@pytest.mark.parametrize(
    ("service", "code", "status"),
    [
        ("s3", "AccessDenied", 403),
        ("sqs", "AccessDenied", 403),
        ("sns", "AuthorizationError", 403),
        ("lambda", "AccessDeniedException", 403),
        ("glue", "AccessDeniedException", 400),
    ],
)
def test_each_service_has_its_code(service: str, code: str, status: int) -> None:
    tested = guard(granting(), PUT)
    with pytest.raises(ServiceError) as caught:
        check(tested, Route(service, "", "Some"))
    assert (caught.value.code, caught.value.status) == (code, status)


def test_all_calls_of_a_request_have_to_be_granted() -> None:
    tested = guard(granting(policy("dynamodb:PutItem")), PUT, Call("dynamodb:Query", TABLE))
    with pytest.raises(ServiceError, match="dynamodb:Query"):
        check(tested)


def test_a_denial_is_reported_once_with_the_lines_to_add() -> None:
    reported: list[Denial] = []
    tested = guard(
        granting(), Call("s3:GetObject", "arn:aws:s3:::data/runs/1/a.csv"), reported=reported
    )
    for _ in range(3):
        with pytest.raises(ServiceError):
            check(tested)
    other = guard(granting(), PUT, reported=reported)
    with pytest.raises(ServiceError):
        check(other)
    assert [(d.who, d.role, d.action, d.resource) for d in reported] == [
        ("stack-Loader", "LoaderRole", "s3:GetObject", "arn:aws:s3:::data/runs/*"),
        ("stack-Loader", "LoaderRole", "dynamodb:PutItem", TABLE),
    ]
    assert reported[1].lines.splitlines() == [
        "    - Effect: Allow",
        "      Action: dynamodb:PutItem",
        "      Resource: !GetAtt LedgerTable.Arn",
    ]
    assert len(tested.denials()) == 1


def test_a_warning_lets_the_call_through_and_reports_it() -> None:
    reported: list[Denial] = []
    check(guard(granting(), PUT, mode=Mode.WARN, reported=reported))
    assert [denial.consequence for denial in reported] == ["let through"]


@pytest.mark.parametrize("mode", [Mode.ENFORCE, Mode.WARN])
def test_what_no_rule_maps_passes_only_where_nothing_is_enforced(mode: Mode) -> None:
    def unmapped(*_: Any) -> list[Call]:
        raise Unmapped("dynamodb Some")

    tested = Guard(mode, granting(), Principals(), unmapped)
    if mode is Mode.WARN:
        check(tested)
    else:
        with pytest.raises(ServiceError, match="NotEmulated.*dynamodb Some"):
            check(tested)


def test_a_decision_is_made_anew_when_a_role_has_changed() -> None:
    grants = granting()
    tested = guard(grants, PUT)
    with pytest.raises(ServiceError):
        check(tested)
    grants.add_inline("stack-LoaderRole", policy("dynamodb:PutItem"), "more")
    tested.forget(ROLE)
    check(tested)


def test_decisions_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.local_cloud.permissions.guard._CACHED", 10)
    tested = guard(granting(policy("s3:*")))
    for number in range(100):
        assert tested.decide(LOADER, Call("s3:GetObject", f"arn:aws:s3:::b/{number}")).allowed
    assert len(tested._decisions) == 10


def test_the_operator_is_exempt_and_strangers_are_refused() -> None:
    tested = guard(granting())
    known = tested.principals.credentials("stack-LoaderRole", "job")["AWS_ACCESS_KEY_ID"]
    caller = tested.caller(DYNAMODB, "/", signed(known))
    assert tested.caller(DYNAMODB, "/", signed("test")) is None
    assert caller is not None
    assert caller.role_arn == ROLE
    with pytest.raises(ServiceError, match="UnrecognizedClientException.*AKIASTRANGER"):
        tested.caller(DYNAMODB, "/", signed("AKIASTRANGER"))
    with pytest.raises(ServiceError, match="InvalidAccessKeyId"):
        tested.caller(Route("s3", "", ""), "/b/k", signed("AKIASTRANGER"))
    with pytest.raises(ServiceError, match="MissingAuthenticationToken"):
        tested.caller(DYNAMODB, "/", Headers([]))


def test_a_presigned_url_carries_its_key() -> None:
    new = "/b/k?X-Amz-Credential=ASIA1%2F20260101%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=1"
    assert access_key_of(new, {}) == "ASIA1"
    assert access_key_of("/b/k?AWSAccessKeyId=ASIA2&Signature=x", {}) == "ASIA2"
    assert access_key_of("/b/k", {}) is None


def test_a_missing_object_looks_forbidden_without_the_right_to_list() -> None:
    s3 = Route("s3", "", "")
    may_list = guard(granting(policy("s3:ListBucket", "arn:aws:s3:::b")))
    may_list.check_absence(LOADER, s3, "GET", "/b/some/key")
    with pytest.raises(ServiceError, match="AccessDenied.*s3:ListBucket"):
        guard(granting()).check_absence(LOADER, s3, "HEAD", "/b/some/key?versionId=1")
    guard(granting()).check_absence(LOADER, s3, "GET", "/b")  # a bucket hides nothing
    guard(granting()).check_absence(LOADER, s3, "PUT", "/b/k")


def test_a_topic_with_a_key_needs_the_key_to_publish() -> None:
    grants = granting(policy("sns:Publish"))
    grants.encrypt_topic(TOPIC, "12")
    root = f"arn:aws:iam::{ACCOUNT_ID}:root"
    grants.add_resource_policy(KEY, policy("kms:*", Principal={"AWS": root}), "Key")
    publish = Call("sns:Publish", TOPIC)
    decision = guard(grants).decide(LOADER, publish)
    assert (decision.allowed, decision.call.action) == (False, "kms:GenerateDataKey")
    grants.add_inline(
        "stack-LoaderRole", policy(["kms:GenerateDataKey", "kms:Decrypt"], KEY), "more"
    )
    assert guard(grants).decide(LOADER, publish).allowed


def test_a_service_needs_the_policy_of_its_target() -> None:
    grants = granting()
    queue = f"arn:aws:sqs:us-east-1:{ACCOUNT_ID}:q"
    condition = {"ArnEquals": {"aws:SourceArn": TOPIC}}
    allowed = policy(
        "sqs:SendMessage", queue, Principal={"Service": "sns.amazonaws.com"}, Condition=condition
    )
    grants.add_resource_policy(queue, allowed, "QueuePolicy")
    reported: list[Denial] = []
    tested = guard(grants, reported=reported)
    send = Call("sqs:SendMessage", queue)
    assert not tested.withholds(Identity.of_service("sns.amazonaws.com", TOPIC), send, "lost")
    assert tested.withholds(Identity.of_service("events.amazonaws.com", "arn:rule"), send, "lost")
    assert "Principal: { Service: events.amazonaws.com }" in reported[0].lines
    assert "aws:SourceArn: arn:rule" in reported[0].lines
    assert reported[0].consequence == "lost"


def test_policies_of_aws_are_stored_with_their_dates() -> None:
    name = "AWSLambdaBasicDurableExecutionRolePolicy"
    arn = f"arn:aws:iam::aws:policy/service-role/{name}"
    document = managed_by_aws(arn)
    assert document is not None
    assert "lambda:CheckpointDurableExecution" in document["Statement"][0]["Action"]
    assert managed_by_aws(f"arn:aws:iam::aws:policy/{name}") is None


def test_an_unknown_managed_policy_is_named() -> None:
    grants = granting()
    grants.attach("stack-LoaderRole", "arn:aws:iam::aws:policy/Some", "LoaderRole")
    grants.finish()
    assert grants.problems == [
        "LoaderRole: the managed policy arn:aws:iam::aws:policy/Some is unknown"
    ]


EXECUTION = f"arn:aws:lambda:us-east-1:{ACCOUNT_ID}:function:f:1/durable-execution/name/id"


@pytest.mark.parametrize(
    ("arn", "as_recorded", "as_granted"),
    [
        ("arn:aws:s3:::b/runs/1/u/a.csv", "arn:aws:s3:::b/runs/-", "arn:aws:s3:::b/runs/*"),
        ("arn:aws:s3:::b/runs/1/logs/x", "arn:aws:s3:::b/runs/-/logs/-", "arn:aws:s3:::b/runs/*"),
        ("arn:aws:s3:::b/o/p/_runs/1.json", "arn:aws:s3:::b/o/-/_runs/-.json",
         "arn:aws:s3:::b/o/*"),
        ("arn:aws:s3:::b/runs/1/units/u/inputs/0-1.json",
         "arn:aws:s3:::b/runs/-/units/-/inputs/-", "arn:aws:s3:::b/runs/*"),
        ("arn:aws:s3:::b/o/p/unit=C/1.csv", "arn:aws:s3:::b/o/-/-=-/-", "arn:aws:s3:::b/o/*"),
        ("arn:aws:s3:::b/key", "arn:aws:s3:::b/-", "arn:aws:s3:::b/*"),
        ("arn:aws:s3:::b", "arn:aws:s3:::b", "arn:aws:s3:::b"),
        (
            EXECUTION,
            EXECUTION.replace("name/id", "-/-"),
            f"arn:aws:lambda:us-east-1:{ACCOUNT_ID}:function:f:*",
        ),
        ("arn:aws:logs:r:0:log-group:g:log-stream:s", "arn:aws:logs:r:0:log-group:g:log-stream:-",
         "arn:aws:logs:r:0:log-group:g:*"),
        (TABLE, TABLE, TABLE),
    ],
)  # fmt: skip
def test_what_differs_each_time_is_left_out(arn: str, as_recorded: str, as_granted: str) -> None:
    assert stable(arn, {}) == as_recorded
    assert general(arn) == as_granted


def test_resources_are_written_as_the_template_would() -> None:
    names = {TABLE: "!GetAtt LedgerTable.Arn", "arn:aws:s3:::b": "!GetAtt Bucket.Arn"}
    assert expression(TABLE, names) == "!GetAtt LedgerTable.Arn"
    assert expression("arn:aws:s3:::b/runs/*", names) == '!Sub "${Bucket.Arn}/runs/*"'
    assert expression(f"{TABLE}2", names) == f"{TABLE}2"


def test_bodies_of_objects_are_not_read() -> None:
    assert not reads_body(Route("s3", "", ""), "PUT", "/b/k")
    assert reads_body(Route("s3", "", ""), "POST", "/b?delete")
    assert reads_body(DYNAMODB, "POST", "/")
