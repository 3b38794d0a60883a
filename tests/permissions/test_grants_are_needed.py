"""Each action that the template grants is needed by a call that the suite has recorded.

`make record-permissions` makes `recorded_calls.json` anew: the end-to-end tests on a local cloud,
every call of every role, each once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest
from template_grants import granted, template_grants, without

from local.local_cloud.permissions.evaluate import Identity, RolePolicies, decide
from local.local_cloud.permissions.grants import Grants
from local.local_cloud.permissions.record import RecordedCall

RECORD = Path(__file__).with_name("recorded_calls.json")

# What no recorded run calls, or what another grant of the same roles covers: why it stays.
AWS_OWN = "written by AWS; ours to attach whole or not at all"
REDSHIFT = "a job of the Data API is looked for, and stopped, only after a response was lost"
MERGED = "stored objects of 32 runs of a dataset are merged; the recorded ones are fewer"
LOADS = "StoreRedshiftFunctionRole StoreRedshiftFunctionRolePolicy2"
NOT_EXERCISED: Mapping[tuple[str, str], str] = {
    ("AWSLambdaBasicDurableExecutionRolePolicy", "lambda:GetDurableExecutionState"): AWS_OWN,
    ("AWSLambdaBasicDurableExecutionRolePolicy", "logs:CreateLogGroup"): AWS_OWN,
    ("AWSLambdaBasicExecutionRole", "logs:CreateLogGroup"): AWS_OWN,
    ("GlueJobRole MoveSparkFiles", "s3:DeleteObject"): (
        "Spark's committer moves files by copy and delete; here scripts write through boto3"
    ),
    ("JobWatcherWakesItselfPolicy", "lambda:InvokeFunction"): (
        "what one wake has no time for; the recorded ones had"
    ),
    ("JobLogsPolicy", "elasticmapreduce:DescribeCluster"): (
        "the watcher may by PoolLimitsPolicy, too; the others ask only about a failed step's log"
    ),
    ("JobLogsPolicy", "s3:ListBucket"): (
        "a log that is not there must not look forbidden; every recorded one was there"
    ),
    ("JobsReadPolicy", "redshift-data:ListStatements"): REDSHIFT,
    (
        "JobsReadPolicy",
        "ssm:ListCommands",
    ): "a command is looked for only after a response was lost",
    ("JobsStopPolicy", "redshift-data:CancelStatement"): REDSHIFT,
    ("JobsStopPolicy", "ssm:CancelCommand"): (
        "the stopped jobs of the suite are on Glue and EMR; adapters' tests stop the others"
    ),
    ("JobsStopPolicy", "emr-serverless:CancelJobRun"): "as CancelCommand",
    ("QuarantineWritePolicy", "s3:AbortMultipartUpload"): (
        "an upload in parts that fails half-way; none does"
    ),
    ("ReaperFunctionRole ReaperFunctionRolePolicy7", "s3:PutObject"): (
        "a run that it ends has stored objects by then; the recorded ones had not"
    ),
    ("RecordRunFunctionRole RecordRunFunctionRolePolicy3", "s3:DeleteObject"): MERGED,
    ("RecordRunFunctionRole RecordRunFunctionRolePolicy3", "s3:GetObject"): MERGED,
    ("ScheduleRole SendRequests", "sqs:SendMessage"): (
        "a person applies schedules, which are due a minute later at the earliest"
    ),
    ("SourceReadPolicy", "s3:ListBucket"): (
        "covered by RunFilesPolicy, which its roles have as well; it says what sources need"
    ),
    (LOADS, "redshift-data:CancelStatement"): REDSHIFT,
    (LOADS, "redshift-data:ListStatements"): REDSHIFT,
    ("UploadsPolicy", "s3:AbortMultipartUpload"): "as in QuarantineWritePolicy",
}


@cache
def grants() -> Grants:
    return template_grants()


@cache
def recorded() -> dict[str, list[RecordedCall]]:
    """The calls of each role, by its logical id."""
    found: dict[str, list[RecordedCall]] = {}
    for plain in json.loads(RECORD.read_text("utf-8")):
        call = RecordedCall.from_json(plain)
        found.setdefault(call.role, []).append(call)
    return found


def denied(role_arn: str, logical_id: str, role: RolePolicies) -> list[RecordedCall]:
    """The recorded calls of a role that policies do not allow."""
    known = grants()
    identity = Identity.session(role_arn, "session")
    return [
        recorded_call
        for recorded_call in recorded().get(logical_id, [])
        if (call := recorded_call.call(known.names))
        and not decide(call, identity, role, known.policies_on(call.action, call.resource)).allowed
    ]


@cache
def unneeded() -> dict[tuple[str, int, str], bool]:
    """Each action of each statement, and whether all recorded calls are allowed without it.

    A policy that several roles share is needed if one of them needs it.
    """
    roles = {role.logical_id: role for role in grants().roles.values()}
    found: dict[tuple[str, int, str], bool] = {}
    for one in granted(grants()):
        role = roles[one.role]
        less = without(grants().policies_of(role.arn), one)
        place = (one.policy, one.statement, one.action)
        found[place] = found.get(place, True) and not denied(role.arn, one.role, less)
    return found


def test_every_recorded_call_is_granted() -> None:
    for role in grants().roles.values():
        assert denied(role.arn, role.logical_id, grants().policies_of(role.arn)) == []


def test_every_role_of_the_template_has_recorded_calls() -> None:
    exercised = {role.logical_id for role in grants().roles.values()} - {"ScheduleRole"}
    assert set(recorded()) == exercised


def test_without_any_one_granted_action_a_recorded_call_is_denied() -> None:
    left = [
        place
        for place, useless in unneeded().items()
        if useless and (place[0], place[2]) not in NOT_EXERCISED
    ]
    assert left == [], "remove the grant, exercise it, or say in NOT_EXERCISED why it stays"


@pytest.mark.parametrize("entry", sorted(NOT_EXERCISED))
def test_the_list_of_what_is_not_exercised_is_true(entry: tuple[str, str]) -> None:
    places = [useless for place, useless in unneeded().items() if (place[0], place[2]) == entry]
    assert any(places), "it is exercised now, or granted no more: take it off the list"
