"""What the checks of `pipeline verify` look at, in memory: services, runs, a whole verification."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from cli.client.deployment import Deployment
from cli.client.ledger import JobRow, Run, UnitRow
from cli.verify.account_checks import alarms_of_template
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
    "CodeBucketName": "code",
    "DataBucketName": "data",
    "DataProcessingQueueUrl": "https://queue",
    "JobWatcherFunctionArn": "arn:aws:lambda:r:1:function:watcher",
}
HOLDER = "arn:aws:lambda:r:1:function:long:7/durable-execution/a/b"


class Service:
    """A service that returns what it is given; every operation, paginators too."""

    def __init__(self, **responses: Any) -> None:
        self.responses = responses
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        if operation.startswith("__"):
            raise AttributeError(operation)

        def call(**request: Any) -> Any:
            self.asked.append((operation, request))
            response = self.responses[operation]
            if isinstance(response, Exception):
                raise response
            return response(request) if callable(response) else response

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
    names = alarms_of_template()
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
