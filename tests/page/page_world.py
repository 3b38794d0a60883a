"""A deployment in memory for the page: fakes with state of the four services that it calls."""

from __future__ import annotations

import io
import json
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import ClientError
from page_services import MemoryLogs, MemoryMetrics, MemorySchedules

from cli.client.deployment import Deployment
from contracts import layout
from contracts.dataset import DatasetSnapshot
from contracts.ledger_items import RunIndex, place_in_list
from contracts.run_request import format_timestamp

HOLDER = "arn:aws:lambda:us-east-1:000000000000:function:pipeline:1/durable-execution/one/0001"
FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:"
HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
NOW = datetime.now(UTC)
_serialize = TypeSerializer().serialize
Item = dict[str, Any]


def ago(seconds: float) -> str:
    return format_timestamp(NOW - timedelta(seconds=seconds))


def _wire(item: Item) -> Item:
    return {name: _serialize(value) for name, value in item.items()}


@dataclass
class MemoryTable:
    """The ledger: what the page reads of DynamoDB, by plain items."""

    partitions: dict[str, dict[str, Item]] = field(default_factory=dict)
    fails_with: Exception | None = None
    queries: int = 0

    def put(self, item: Item) -> None:
        self.partitions.setdefault(item["run_id"], {})[item["item"]] = item

    def get_item(self, Key: Item, **_: Any) -> Item:  # noqa: N803
        self._fail()
        if "pk" in Key:  # of the result table, where nothing is stored
            return {}
        found = self.partitions.get(Key["run_id"]["S"], {}).get(Key["item"]["S"])
        return {"Item": _wire(found)} if found else {}

    def query(self, **asked: Any) -> Item:
        self._fail()
        self.queries += 1
        values = {name: each["S"] for name, each in asked["ExpressionAttributeValues"].items()}
        partition = self.partitions.get(values[":run"], {})
        names = sorted(name for name in partition if name.startswith(values[":prefix"]))
        start = asked.get("ExclusiveStartKey")
        first = bisect_right(names, start["item"]["S"]) if start else 0
        looked_at = names[first : first + asked["Limit"]]
        found = [partition[name] for name in looked_at]
        if condition := asked.get("FilterExpression"):
            found = [item for item in found if _meets(item, condition, values[":status"])]
        more = first + asked["Limit"] < len(names)
        last = {"run_id": {"S": values[":run"]}, "item": {"S": looked_at[-1]}} if more else None
        return {"Items": map(_wire, found), **({"LastEvaluatedKey": last} if last else {})}

    def get_paginator(self, operation: str) -> MemoryTable:
        assert operation == "query"
        return self

    def paginate(self, **asked: Any) -> Iterator[Item]:
        self._fail()
        values = {name: each["S"] for name, each in asked["ExpressionAttributeValues"].items()}
        if "IndexName" not in asked:
            partition = self.partitions.get(values[":run"], {})
            names = sorted(name for name in partition if name.startswith(values[":prefix"]))
            yield {"Items": [_wire(partition[name]) for name in names]}
            return
        runs = (each["RUN"] for each in self.partitions.values() if "RUN" in each)
        found = [
            run
            for run in runs
            if run[RunIndex.HASH] == values[":day"]
            and values[":first"] <= run[RunIndex.RANGE] <= values[":last"]
        ]
        found.sort(key=lambda run: str(run[RunIndex.RANGE]), reverse=True)
        yield {"Items": [_wire(run) for run in found]}

    def _fail(self) -> None:
        if self.fails_with:
            raise self.fails_with


def _meets(item: Item, condition: str, status: str) -> bool:
    if item["status"] != status:
        return False
    marked = "not_started" in item
    return marked if "attribute_exists" in condition else not marked or "attribute" not in condition


@dataclass
class MemoryObjects:
    """S3."""

    objects: dict[str, bytes] = field(default_factory=dict)

    def get_object(self, Key: str, **_: Any) -> Item:  # noqa: N803
        if Key not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey", "Message": "no key"}}, "GetObject")
        return {"Body": _Body(self.objects[Key])}

    def head_object(self, Key: str, **_: Any) -> Item:  # noqa: N803
        if Key not in self.objects:
            raise ClientError({"Error": {"Code": "404", "Message": "Not Found"}}, "HeadObject")
        return {"ContentLength": len(self.objects[Key])}

    def put_object(self, Key: str, Body: bytes, **_: Any) -> None:  # noqa: N803
        self.objects[Key] = Body

    def get_paginator(self, _operation: str) -> MemoryObjects:
        return self

    def list_objects_v2(self, Prefix: str, **_: Any) -> Item:  # noqa: N803
        return {
            "Contents": [{"Key": key} for key in sorted(self.objects) if key.startswith(Prefix)]
        }

    def paginate(self, **asked: Any) -> Iterator[Item]:
        yield self.list_objects_v2(**asked)


class _Body(io.BytesIO):
    def iter_lines(self) -> Iterator[bytes]:
        yield from self.read().splitlines()


@dataclass
class MemoryQueues:
    """SQS: letters are on the dead-letter queue until they are deleted."""

    letters: dict[str, Item] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)

    def put_letter(self, message_id: str, body: str, reason: str) -> None:
        attributes = {"MessageId": message_id, "Reason": reason}
        self.letters[message_id] = {
            "MessageId": message_id,
            "ReceiptHandle": message_id,
            "Body": body,
            "Attributes": {"SentTimestamp": str(int(NOW.timestamp() * 1000) - 3_600_000)},
            "MessageAttributes": {
                name: {"StringValue": value, "DataType": "String"}
                for name, value in attributes.items()
            },
        }

    def receive_message(self, **_: Any) -> Item:
        return {"Messages": list(self.letters.values())}

    def get_queue_attributes(self, QueueUrl: str, **_: Any) -> Item:  # noqa: N803
        count = len(self.letters) if QueueUrl.endswith("dead") else 0
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        return {"Attributes": dict(zip(names, (str(count), "0"), strict=True))}

    def send_message(self, MessageBody: str, **_: Any) -> Item:  # noqa: N803
        self.sent.append(MessageBody)
        return {"MessageId": f"sent-{len(self.sent)}"}

    def delete_message(self, ReceiptHandle: str, **_: Any) -> None:  # noqa: N803
        del self.letters[ReceiptHandle]

    def change_message_visibility(self, **_: Any) -> None:
        """Nothing is hidden here."""


@dataclass
class MemoryFunctions:
    """Lambda: histories by execution, and a reaper with responses."""

    events: list[Item] = field(default_factory=list)
    responses: dict[str, Item] = field(default_factory=dict)
    asked: list[Item] = field(default_factory=list)

    def get_durable_execution_history(self, **_: Any) -> Item:
        return {"Events": list(self.events)}

    def invoke(self, Payload: bytes, **more: Any) -> Item:  # noqa: N803
        event = json.loads(Payload)
        self.asked.append(event)
        if name := more.get("DurableExecutionName"):
            return {"DurableExecutionArn": f"{FUNCTION}backfill:1/durable-execution/{name}/1"}
        response = self.responses[event["detail-type"]]
        return {"Payload": io.BytesIO(json.dumps(response).encode())}

    def add(self, kind: str, at: float, identity: str = "", name: str = "", **more: Any) -> None:
        event: Item = {
            "EventType": kind,
            "EventId": len(self.events) + 1,
            "EventTimestamp": NOW - timedelta(seconds=100 - at),
            "Name": name,
        }
        if identity:
            event["Id"] = identity
        if parent := more.pop("parent", None):
            event["ParentId"] = parent
        self.events.append({**event, f"{kind}Details": more})

    def operation(
        self, identity: str, name: str, begin: float, end: float | None, parent: str = ""
    ) -> None:
        """A call with an input and a result; without an end it goes on."""
        of = {"parent": parent} if parent else {}
        sent = {"Payload": json.dumps({"input of": identity})}
        self.add("ChainedInvokeStarted", begin, identity, name, Input=sent, **of)
        if end is not None:
            result = {"Payload": json.dumps({"result of": identity})}
            self.add("ChainedInvokeSucceeded", end, identity, name, Result=result, **of)


@dataclass
class PageWorld:
    """What the page looks at, and the means to put things into it."""

    table: MemoryTable = field(default_factory=MemoryTable)
    objects: MemoryObjects = field(default_factory=MemoryObjects)
    queues: MemoryQueues = field(default_factory=MemoryQueues)
    functions: MemoryFunctions = field(default_factory=MemoryFunctions)
    logs: MemoryLogs = field(default_factory=MemoryLogs)
    metrics: MemoryMetrics = field(default_factory=MemoryMetrics)
    schedules: MemorySchedules = field(default_factory=MemorySchedules)

    @property
    def deployment(self) -> Deployment:
        outputs = {
            "LedgerTable": "ledger",
            "ProcessedDataTable": "results",
            "CodeBucketName": "code",
            "DataBucketName": "data",
            "DataProcessingQueueUrl": "https://sqs/work",
            "DeadLetterQueueUrl": "https://sqs/dead",
            "JobWatcherFunctionArn": f"{FUNCTION}watcher",
            "BackfillFunctionArn": f"{FUNCTION}backfill",
            "ReaperFunctionArn": f"{FUNCTION}reaper",
            "DataProcessingQueueArn": "arn:aws:sqs:us-east-1:000000000000:work",
            "ScheduleGroupName": "group",
            "ScheduleRoleArn": "arn:aws:iam::000000000000:role/schedules",
        }
        clients = {
            "dynamodb": self.table,
            "s3": self.objects,
            "sqs": self.queues,
            "lambda": self.functions,
            "logs": self.logs,
            "cloudwatch": self.metrics,
            "scheduler": self.schedules,
        }
        # As a local cloud: the page looks at it every second.
        return Deployment(
            outputs=outputs, endpoint_url="http://127.0.0.1:1", stack_name="s", _clients=clients
        )

    def put_run(self, run_id: str, status: str = "SUCCEEDED", **more: Any) -> None:
        claimed_at = str(more.pop("claimed_at", ago(100)))
        units = more.pop("units", {"total": 3, "stored": 3, "failed": 0, "notStarted": 0})
        rows = {"rowsIn": 0, "filtered": 0, "rejected": 0, "removed": 0, "stored": 0}
        request = {
            "datasetName": "orders",
            "startDateTime": "2026-11-01T00:00:00Z",
            "endDateTime": "2026-11-04T00:00:00Z",
            "runId": run_id,
        }
        ended = {} if status in ("RUNNING", "CLAIMED") else {"ended_at": ago(70)}
        self.table.put(
            {
                "run_id": run_id,
                "item": "RUN",
                "status": status,
                "run_attempt": 1,
                "holder": HOLDER,
                "dataset_name": "orders",
                "request": json.dumps(request),
                "claimed_at": claimed_at,
                "updated_at": claimed_at,
                "units": units,
                "rows": {**rows, **more.pop("rows", {})},
                **ended,
                **place_in_list(claimed_at, run_id),
                **more,
            }
        )

    def put_units(self, run_id: str, number: int, failed: int = 0, **failure: str) -> None:
        """Units of a run, those that failed among the last; each stored one has ten rows."""
        rows = {"rowsIn": 10, "filtered": 1, "rejected": 2, "removed": 0, "stored": 7}
        for index in range(number):
            unit_id = f"{index // 1000:05d}-{index % 1000:03d}"
            item: Item = {
                "run_id": run_id,
                "item": f"UNIT#{unit_id}",
                "status": "STORED",
                "rows": rows,
                "source_url": f"s3://data/landing/orders/{index}.csv",
                "started_at": ago(90),
                "ended_at": ago(80),
            }
            if index >= number - failed:
                item |= {"status": "FAILED", "rows": {}, "failure": failure}
            self.table.put(item)

    def put_rejected(self, run_id: str, *rows: Item) -> None:
        """Rejected rows, and the contract that the run read."""
        columns = [{"name": "order_id"}, {"name": "amount", "type": "integer"}, {"name": "note"}]
        dataset = {
            "name": "orders",
            "source": {"prefix": "landing/orders/"},
            "columns": columns,
            "targets": {"dynamodb": {"key": ["order_id"]}},
        }
        snapshot = DatasetSnapshot.from_json(
            {
                "dataset": dataset,
                "version": "0123456789ab",
                "index": "orders",
                "runId": run_id,
                "runStartedAt": "2026-11-20T08:00:00Z",
                "outputColumns": [],
            }
        )
        text = json.dumps(snapshot.to_json()).encode()
        self.objects.objects[layout.dataset_snapshot_key(run_id)] = text
        lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
        self.objects.objects[layout.quarantine_key("orders", run_id, "00000-000")] = lines
