"""Every claim of `pipeline verify`: seen failing, and what errors and missing things make of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import yaml
from verify_world import (
    HOLDER,
    Account,
    Service,
    a_job,
    a_session,
    denied,
    error_of,
    event,
    failed_invoke,
    good_cloudwatch,
    holding,
    items_of,
    queue,
    stored_run,
)

from cli.verify.checks import CHECKS, checked
from cli.verify.claims import CLAIMS, Finding, Verdict
from cli.verify.runs import follow
from cli.verify.session import Session


def finding(session: Session, claim: str) -> Finding:
    return checked(session, CHECKS[claim])


@pytest.mark.parametrize("claim", CLAIMS)
def test_every_claim_passes_where_all_is_well(claim: str) -> None:
    expected = Verdict.NOT_SHOWN if claim == "invoke-arn" else Verdict.PASS
    found = finding(a_session(Account()), claim)
    assert found.verdict is expected, found.evidence
    assert found.evidence


def silent() -> Service:
    return Service(filter_log_events={"events": []})


def of_run(name: str, **changes: Any) -> Callable[[Session, Account], None]:
    def change(session: Session, _account: Account) -> None:
        for key, value in changes.items():
            setattr(session.runs[name], key, value)

    return change


def of_service(service: str, made: Service) -> Callable[[Session, Account], None]:
    def change(session: Session, _account: Account) -> None:
        session.deployment._clients[service] = made

    return change


def no_events(_request: Mapping[str, Any]) -> dict[str, Any]:
    return {"Items": []}


def twice(_request: Mapping[str, Any]) -> dict[str, Any]:
    names = ["EVENT#1-run-started", "EVENT#1-run-ended", "EVENT#2-run-ended"]
    return {"Items": [{"item": {"S": name}} for name in names]}


def going_on(request: Mapping[str, Any]) -> dict[str, Any]:
    return items_of(request, jobs="RUNNING")


FAILING: list[tuple[str, Callable[[Session, Account], None], str]] = [
    ("invoke-right", of_run("plain", events=[failed_invoke("AccessDeniedException")]), "AccessDen"),
    ("invoke-right", of_run("plain", events=[event("ExecutionStarted")]), "no chained invoke"),
    ("error-types", of_run("plain", events=[failed_invoke("errors.InvalidData")]), "errors.Inv"),
    ("known-rows", of_run("plain", items={}), "stored 0 of 3"),
    ("known-rows", of_run("plain", units=[]), "did not reject"),
    ("batch-acknowledged", of_service("sqs", Service(get_queue_attributes=queue(1))), "Visible 1"),
    ("notifications", of_service("dynamodb", Service(query=no_events)), "none"),
    ("notifications", of_service("dynamodb", Service(query=twice)), "run-ended not once"),
    ("glue-modules", of_run("glue", jobs=[a_job("glue", "FAILED")]), "FAILED"),
    ("glue-modules", of_run("glue", jobs=[]), "no glue job"),
    ("glue-event", of_service("logs", silent()), "Glue Job State Change"),
    ("callback-right", of_run("glue", events=[event("ExecutionStarted")]), "no CallbackSucceeded"),
    ("copy-role", of_service("redshift-data", holding(0)), "has 0 rows"),
    (
        "copy-role",
        of_service(
            "redshift-data",
            Service(
                execute_statement={"Id": "1"},
                describe_statement={"Status": "FAILED", "Error": "must be owner"},
            ),
        ),
        "must be owner",
    ),
    ("statement-visibility", of_run("plain", jobs=[a_job("redshift", "RUNNING")]), "RUNNING"),
    ("load-event", of_service("logs", silent()), "Redshift Data Statement"),
    ("emr-engine", of_run("emr", jobs=[a_job("emr", "FAILED")]), "FAILED"),
    ("emr-event", of_service("logs", silent()), "EMR Step"),
    ("emr-ssm-engine", of_run("emr-ssm", jobs=[a_job("emr-ssm", "FAILED")]), "FAILED"),
    ("emr-serverless-engine", of_run("emr-serverless", jobs=[]), "no emr-serverless job"),
    ("emr-serverless-event", of_service("logs", silent()), "EMR Serverless"),
    ("upload-event", of_service("dynamodb", Service(delete_item={})), "was not stored"),
    ("status-event", of_service("logs", silent()), "run ended by the reaper"),
    ("execution-read-right", of_run("stop", run=stored_run("s", reason="stopped")), "stopped"),
    ("stop-cancels-job", of_service("dynamodb", Service(query=going_on)), "RUNNING"),
    ("alarms", of_service("cloudwatch", good_cloudwatch(without="DeadLettersAlarm")), "DeadLet"),
    ("alarms", of_service("cloudwatch", good_cloudwatch("INSUFFICIENT_DATA")), "without data"),
    (
        "alarm-metrics",
        of_service("cloudwatch", Service(get_metric_statistics={"Datapoints": []})),
        "no samples",
    ),
    (
        "own-metrics",
        of_service("cloudwatch", Service(get_metric_statistics={"Datapoints": []})),
        "no samples",
    ),
    (
        "concurrency",
        of_service(
            "lambda", Service(get_account_settings={"AccountLimit": {"ConcurrentExecutions": 10}})
        ),
        "MaximumConcurrency=3",
    ),
]


@pytest.mark.parametrize(("claim", "change", "evidence"), FAILING)
def test_a_claim_that_does_not_hold_fails_with_its_evidence(
    claim: str, change: Callable[[Session, Account], None], evidence: str
) -> None:
    account = Account()
    session = a_session(account)
    change(session, account)

    found = finding(session, claim)

    assert found.verdict is Verdict.FAIL, found
    assert evidence in found.evidence


def test_an_upload_lies_where_its_contract_lists_and_nothing_of_it_stays() -> None:
    account = Account()
    finding(a_session(account), "upload-event")
    puts = [request for asked, request in account.s3.asked if asked == "put_object"]
    gone = [request for asked, request in account.s3.asked if asked == "delete_object"]
    contract, uploaded = puts
    prefix = yaml.safe_load(contract["Body"])["source"]["prefix"]
    assert prefix.startswith("landing/verify_")
    assert uploaded["Key"].startswith(prefix)
    assert contract["Key"].startswith("datasets/verify_")
    places = [(request["Bucket"], request["Key"]) for request in puts]
    assert places == [(request["Bucket"], request["Key"]) for request in reversed(gone)]


def test_every_claim_is_seen_failing() -> None:
    assert {claim for claim, *_ in FAILING} == set(CLAIMS) - {"invoke-arn"}


ABOUT_RUNS = set(CLAIMS) - {"alarms", "alarm-metrics", "concurrency", "batch-acknowledged"}


@pytest.mark.parametrize("claim", sorted(ABOUT_RUNS))
def test_a_run_that_did_not_end_fails_what_is_claimed_of_it(claim: str) -> None:
    session = a_session(Account())
    for run in session.runs.values():
        run.run, run.refusal = None, None
    found = finding(session, claim)
    assert found.verdict is Verdict.FAIL, found
    assert "did not end: not claimed yet" in found.evidence


@pytest.mark.parametrize("local", [False, True])
def test_what_may_not_be_looked_at_is_skipped_and_names_the_policy(*, local: bool) -> None:
    account = Account(functions=Service(get_account_settings=denied("GetAccountSettings")))
    session = a_session(account, endpoint_url="http://127.0.0.1:1" if local else None)
    found = finding(session, "concurrency")
    assert found.verdict is Verdict.SKIPPED
    assert "OperatorPolicyArn" in found.evidence


@pytest.mark.parametrize(("local", "verdict"), [(True, Verdict.NOT_SHOWN), (False, Verdict.FAIL)])
def test_only_the_local_cloud_may_lack_an_operation(*, local: bool, verdict: Verdict) -> None:
    account = Account(functions=Service(get_account_settings=error_of("X", "NotEmulated")))
    session = a_session(account, endpoint_url="http://127.0.0.1:1" if local else None)
    assert finding(session, "concurrency").verdict is verdict


NO_ENGINES = {"LogLevel": "ERROR"}


@pytest.mark.parametrize(
    ("claim", "verdict"),
    [
        ("copy-role", Verdict.NOT_CONFIGURED),
        ("load-event", Verdict.NOT_CONFIGURED),
        ("statement-visibility", Verdict.NOT_CONFIGURED),
        ("emr-engine", Verdict.NOT_CONFIGURED),
        ("emr-event", Verdict.NOT_CONFIGURED),
        ("emr-ssm-engine", Verdict.NOT_CONFIGURED),
        ("emr-serverless-engine", Verdict.NOT_CONFIGURED),
        ("emr-serverless-event", Verdict.NOT_CONFIGURED),
        ("upload-event", Verdict.SKIPPED),
        ("glue-event", Verdict.SKIPPED),  # not logged
        ("status-event", Verdict.SKIPPED),
    ],
)
def test_what_is_not_there_is_not_called_wrong(claim: str, verdict: Verdict) -> None:
    assert finding(a_session(Account(), NO_ENGINES), claim).verdict is verdict


@pytest.mark.parametrize(
    "claim", ["execution-read-right", "stop-cancels-job", "status-event", "own-metrics"]
)
def test_a_run_that_ended_before_it_could_be_stopped_shows_nothing(claim: str) -> None:
    session = a_session(Account())
    session.runs["stop"].stopped_at = None
    assert finding(session, claim).verdict is Verdict.SKIPPED


def test_a_run_that_may_not_be_stopped_is_asked_once_and_named() -> None:
    running = {"run_id": {"S": "s"}, "status": {"S": "RUNNING"}, "holder": {"S": HOLDER}}
    job = {"item": {"S": "JOB#0#clean#1"}, "service_id": {"S": "jr_1"}, "state": {"S": "RUNNING"}}

    def items(request: Mapping[str, Any]) -> dict[str, Any]:
        jobs = request["ExpressionAttributeValues"][":prefix"]["S"] == "JOB#"
        return {"Items": [job] if jobs else []}

    functions = Service(
        stop_durable_execution=denied("StopDurableExecution"),
        get_durable_execution_history={"Events": []},
    )
    account = Account(
        functions=functions,
        dynamodb=Service(get_item={"Item": running}, query=items, delete_item={}),
    )
    session = a_session(account, NO_ENGINES, endpoint_url="http://127.0.0.1:1")
    session.runs["stop"].run, session.runs["stop"].stopped_at = None, None

    follow(session, 0.7)

    assert [asked for asked, _ in functions.asked].count("stop_durable_execution") == 1
    session.runs["stop"].run = stored_run("s")
    found = finding(session, "status-event")
    assert found.verdict is Verdict.SKIPPED
    assert "AccessDenied" in found.evidence
