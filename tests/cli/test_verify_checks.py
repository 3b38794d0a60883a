"""Every claim of `pipeline verify`: seen failing, and what errors and missing things make of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cli.deployment import Deployment
from cli.ledger_view import JobRow, Run, UnitRow
from cli.verify.checks import CHECKS, checked
from cli.verify.claims import CLAIMS, Finding, Verdict
from cli.verify.probes import STOPPED_BY, probes
from cli.verify.session import ProbeRun, Session
from contracts.run import StageFailure, UnitStatus

ENGINES = {
    "RedshiftWorkgroupName": "local",
    "EmrClusterId": "j-1",
    "SsmInstanceId": "i-1",
    "EmrServerlessApplicationId": "00f",
    "StartRunsOnUpload": "true",
    "MaximumConcurrency": "5",
    "LogLevel": "INFO",
}
OUTPUTS = {
    "LedgerTable": "ledger",
    "ProcessedDataTable": "results",
    "DataBucketName": "data",
    "DataProcessingQueueUrl": "https://queue",
    "JobWatcherFunctionArn": "arn:aws:lambda:r:1:function:watcher",
}
HOLDER = "arn:aws:lambda:r:1:function:long:7/durable-execution/a/b"


class Service:
    """A service that returns what it is given; every operation, paginators too."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        if operation.startswith("__"):
            raise AttributeError(operation)

        def call(**request: Any) -> Any:
            self.asked.append((operation, request))
            answer = self.answers[operation]
            if isinstance(answer, Exception):
                raise answer
            return answer(request) if callable(answer) else answer

        return call

    def get_paginator(self, operation: str) -> Any:
        return Pages(self, operation)


@dataclass
class Pages:
    service: Service
    operation: str

    def paginate(self, **request: Any) -> list[Any]:
        return [getattr(self.service, self.operation)(**request)]


def denied(operation: str) -> ClientError:
    return error_of(operation, "AccessDenied")


def error_of(operation: str, code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, operation)


def stored_run(run_id: str, **more: Any) -> Run:
    return Run.from_item({"run_id": run_id, "status": "SUCCEEDED", "holder": HOLDER, **more})


def a_job(engine: str, state: str) -> JobRow:
    item = {"item": "JOB#00000-000#clean#1", "engine": engine, "state": state, "service_id": "x"}
    return JobRow.from_item({**item, "job_id": "j"})


def event(kind: str, **details: Any) -> dict[str, Any]:
    return {"EventType": kind, f"{kind}Details": details}


def failed_invoke(error_type: str) -> dict[str, Any]:
    return event("ChainedInvokeFailed", Error={"Payload": {"ErrorType": error_type}})


GOOD_EVENTS = [
    event("ChainedInvokeSucceeded"),
    event("CallbackSucceeded"),
    failed_invoke("InvalidData"),
]
REJECTED = UnitRow.from_item({"item": "UNIT#00000-001", "status": UnitStatus.FAILED.value})
VALUES = {"one": 1.5, "two": -2, "three": 0.25}


def rows_of(run: ProbeRun) -> dict[str, Any]:
    return {
        key: {"pk": key, "value": VALUES.get(key.rpartition("#")[2])}
        for key in run.probe.keys_of_items
    }


@dataclass
class Account:
    """What the services hold after a verification in which everything went well."""

    logs: Service = field(default_factory=lambda: Service(filter_log_events=line_of))
    sqs: Service = field(default_factory=lambda: Service(get_queue_attributes=queue(0)))
    cloudwatch: Service = field(default_factory=lambda: good_cloudwatch())
    functions: Service = field(
        default_factory=lambda: Service(
            get_account_settings={"AccountLimit": {"ConcurrentExecutions": 1000}}
        )
    )
    warehouse: Service = field(default_factory=lambda: holding(3))
    dynamodb: Service = field(default_factory=lambda: Service(query=items_of, delete_item=uploaded))
    s3: Service = field(default_factory=lambda: Service(put_object={}, delete_object={}))

    def clients(self) -> dict[str, Any]:
        return {
            "logs": self.logs,
            "sqs": self.sqs,
            "cloudwatch": self.cloudwatch,
            "lambda": self.functions,
            "redshift-data": self.warehouse,
            "dynamodb": self.dynamodb,
            "s3": self.s3,
        }


def line_of(request: Mapping[str, Any]) -> dict[str, Any]:
    return {"events": [{"message": f"woken: {request['filterPattern']}"}]}


def queue(hidden: int) -> dict[str, Any]:
    counts = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    return {"Attributes": dict(zip(counts, ("0", str(hidden)), strict=True))}


def good_cloudwatch(state: str = "OK", *, without: str = "") -> Service:
    from cli.verify.account_checks import _ALARM, TEMPLATE

    names = _ALARM.findall(TEMPLATE.read_text(encoding="utf-8"))
    alarms = [
        {"AlarmName": f"stack-{name}-ABC", "StateValue": state} for name in names if name != without
    ]
    return Service(
        describe_alarms={"MetricAlarms": alarms},
        get_metric_statistics={"Datapoints": [{"SampleCount": 2.0}]},
    )


def holding(rows: int) -> Service:
    return Service(
        execute_statement={"Id": "1"},
        describe_statement={"Status": "FINISHED"},
        get_statement_result={
            "ColumnMetadata": [{"name": "count"}],
            "Records": [[{"longValue": rows}]],
        },
    )


def items_of(request: Mapping[str, Any], *, jobs: str = "CANCELLED") -> dict[str, Any]:
    values = request["ExpressionAttributeValues"]
    if values[":prefix"]["S"] == "EVENT#":
        names = ["EVENT#run-started", "EVENT#run-ended"]
        return {"Items": [{"item": {"S": name}} for name in names]}
    item = {"item": "JOB#00000-000#clean#1", "state": jobs, "engine": "glue"}
    return {"Items": [{name: {"S": value} for name, value in item.items()}]}


def uploaded(request: Mapping[str, Any]) -> dict[str, Any]:
    return {"Attributes": {**request["Key"], "run_id": {"S": "r"}}}


def a_session(account: Account, parameters: Mapping[str, str] = ENGINES, **more: Any) -> Session:
    deployment = Deployment(
        outputs=OUTPUTS,
        parameters=parameters,
        stack_name="stack",
        _clients=account.clients(),
        **more,
    )
    runs = {}
    for probe in probes(parameters, "p1"):
        run = ProbeRun(probe, message_id="m", run=stored_run(probe.run_id), events=GOOD_EVENTS)
        run.items = rows_of(run)
        run.units = [REJECTED]
        engine = "redshift" if probe.name == "plain" else probe.name
        run.jobs = [a_job(engine, "SUCCEEDED")]
        runs[probe.name] = run
    runs["stop"].run = stored_run("s", status="STOPPED", reason=f"it ended: {STOPPED_BY}")
    runs["stop"].stopped_at = 1.0
    failure = StageFailure(stage="validate", error_type="InvalidData", message="2 of 2 rows")
    runs["plain"].units = [dataclasses.replace(REJECTED, failure=failure)]
    return Session(deployment, "p1", runs, lambda _: None, patience=0.0)


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
