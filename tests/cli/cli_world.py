"""A deployment in memory: DynamoDB, SQS and S3 by moto, durable executions by a fake."""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import typer.testing
from aws_cloud import make_bucket, make_table
from botocore.exceptions import ClientError
from typer.testing import CliRunner, Result

from cli.client.deployment import Deployment
from cli.main import app

EXECUTION_ARN = (
    "arn:aws:lambda:us-east-1:000000000000:function:pipeline:live/durable-execution/one/0001"
)
QUEUES = ("work", "dead")
# Every invocation makes the whole command line anew, which never changes.
vars(typer.testing)["_get_command"] = functools.cache(vars(typer.testing)["_get_command"])
BEGINNING = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


class History:
    """Writes events as GetDurableExecutionHistory returns them, a second apart."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self._ids = itertools.count(1)

    def add(self, event_type: str, operation_id: str | None = None, **more: Any) -> None:
        number = next(self._ids)
        details = more.pop("details", None)
        event = {
            "EventType": event_type,
            "EventId": number,
            "EventTimestamp": BEGINNING + timedelta(seconds=number - 1),
            **({"Id": operation_id} if operation_id else {}),
            **more,
        }
        if details is not None:
            event[f"{event_type}Details"] = details
        self.events.append(event)

    def invoke(
        self, operation_id: str, name: str, result: str = "{}", parent: str | None = None
    ) -> None:
        """A call that succeeds at once."""
        more = {"Name": name, **({"ParentId": parent} if parent else {})}
        function = {"FunctionName": name, "Input": {"Payload": "{}", "Truncated": False}}
        self.add("ChainedInvokeStarted", operation_id, details=function, **more)
        response = {"Result": {"Payload": result, "Truncated": False}}
        self.add("ChainedInvokeSucceeded", operation_id, details=response, **more)

    def failed_invoke(self, operation_id: str, name: str, parent: str | None = None) -> None:
        more = {"Name": name, **({"ParentId": parent} if parent else {})}
        self.add("ChainedInvokeStarted", operation_id, details={"FunctionName": name}, **more)
        error = {"ErrorType": "Throttled", "ErrorMessage": "slow down"}
        details = {"Error": {"Payload": error, "Truncated": False}}
        self.add("ChainedInvokeFailed", operation_id, details=details, **more)


@dataclass
class FakeLambda:
    """Executions by ARN; pages of `page_size` events."""

    histories: dict[str, History] = field(default_factory=dict)
    page_size: int = 1000

    def get_durable_execution_history(
        self,
        DurableExecutionArn: str,  # noqa: N803
        IncludeExecutionData: bool,  # noqa: ARG002, N803
        MaxItems: int,  # noqa: ARG002, N803
        Marker: str = "0",  # noqa: N803
        ReverseOrder: bool = False,  # noqa: FBT001, FBT002, N803
    ) -> dict[str, Any]:
        if DurableExecutionArn not in self.histories:
            error = {"Error": {"Code": "ResourceNotFoundException", "Message": "no such execution"}}
            raise ClientError(error, "GetDurableExecutionHistory")
        events = self.histories[DurableExecutionArn].events
        if ReverseOrder:
            events = events[::-1]
        end = int(Marker) + self.page_size
        more = {"NextMarker": str(end)} if end < len(events) else {}
        return {"Events": events[int(Marker) : end], **more}


@dataclass(frozen=True)
class World:
    """A deployment and the means to put things into it."""

    deployment: Deployment
    functions: FakeLambda

    def put_run(self, run_id: str = "run-1", **more: Any) -> None:
        item = {
            "run_id": run_id,
            "item": "RUN",
            "status": "RUNNING",
            "run_attempt": 1,
            "holder": EXECUTION_ARN,
            "dataset_name": "orders",
            **more,
        }
        self.put(item)

    def put(self, item: dict[str, Any]) -> None:
        _ledger().put_item(Item=item)

    def put_dead_letter(self, body: str, **attributes: str) -> None:
        self.deployment.client("sqs").send_message(
            QueueUrl=self.deployment.outputs["DeadLetterQueueUrl"],
            MessageBody=body,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value}
                for name, value in attributes.items()
            },
        )

    def sent(self) -> list[str]:
        """Bodies on the processing queue."""
        queue = self.deployment.outputs["DataProcessingQueueUrl"]
        response = self.deployment.client("sqs").receive_message(
            QueueUrl=queue, MaxNumberOfMessages=10
        )
        return [message["Body"] for message in response.get("Messages", [])]


def make_deployment(functions: FakeLambda) -> Deployment:
    clients: dict[str, Any] = {name: _client(name) for name in ("sqs", "dynamodb", "s3")}
    queues = {name: clients["sqs"].create_queue(QueueName=name)["QueueUrl"] for name in QUEUES}
    make_table("ledger", ("run_id", "item"), {"by-claim-day": ("claim_day", "claimed")})
    make_table("results", ("pk",))
    make_bucket("data")
    outputs = {
        "DataProcessingQueueUrl": queues["work"],
        "DeadLetterQueueUrl": queues["dead"],
        "LedgerTable": "ledger",
        "ProcessedDataTable": "results",
        "DataBucketName": "data",
        "CodeBucketName": "code",
        "ScheduleGroupName": "stack",
        "ScheduleRoleArn": "role-arn",
        "DataProcessingQueueArn": "queue-arn",
        "BackfillFunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:backfill:live",
        "ReaperFunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:reaper",
    }
    clients["lambda"] = functions
    return Deployment(outputs=outputs, region="us-east-1", _clients=clients)


@functools.cache
def _client(service: str) -> Any:
    """To make one costs more than what most tests do with it."""
    return boto3.client(service)


@functools.cache
def _ledger() -> Any:
    return boto3.resource("dynamodb", region_name="us-east-1").Table("ledger")


def pipeline(*arguments: str) -> Result:
    """Run a command as a person would type it."""
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
