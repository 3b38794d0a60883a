"""CloudWatch in memory: log events, and when functions were woken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

CONTRACT = """\
name: orders
description: Orders of a shop
source: {prefix: landing/orders/, partition: dt=%Y-%m-%d/}
columns:
  - {name: order_id, required: true}
  - {name: amount, type: integer}
  - {name: note}
targets:
  dynamodb: {key: [order_id]}
"""


@dataclass
class MemoryLogs:
    """CloudWatch Logs: events by group, in the order in which they were put."""

    groups: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def put(self, message: str, at: datetime, group: str = "steps") -> None:
        events = self.groups.setdefault(f"/aws/lambda/s/{group}", [])
        events.append(
            {
                "timestamp": int(at.timestamp() * 1000),
                "message": message,
                "eventId": str(len(events)),
                "logStreamName": "ValidateFunction",
            }
        )

    def get_paginator(self, operation: str) -> MemoryLogs:
        assert operation == "filter_log_events"
        return self

    def paginate(
        self,
        logGroupName: str,  # noqa: N803
        startTime: int,  # noqa: N803
        endTime: int,  # noqa: N803
        filterPattern: str = "",  # noqa: N803
        **_: Any,
    ) -> Iterator[dict[str, Any]]:
        if logGroupName not in self.groups:
            error = {"Error": {"Code": "ResourceNotFoundException", "Message": "no group"}}
            raise ClientError(error, "FilterLogEvents")
        yield {
            "events": [
                event
                for event in self.groups[logGroupName]
                if startTime <= event["timestamp"] <= endTime
                and filterPattern.strip('"') in event["message"]
            ]
        }


@dataclass
class MemoryMetrics:
    """CloudWatch: when each function was invoked last; None: never."""

    seconds_ago: dict[str, float | None] = field(default_factory=dict)

    def get_metric_statistics(self, **asked: Any) -> dict[str, Any]:
        (dimension,) = asked["Dimensions"]
        ago = self.seconds_ago.get(dimension["Value"], 30.0)
        if ago is None:
            return {"Datapoints": []}
        at = datetime.now(UTC) - timedelta(seconds=ago)
        return {"Datapoints": [{"Timestamp": at, "Sum": 1.0}]}


@dataclass
class MemorySchedules:
    """EventBridge Scheduler: the schedules of one group, by name."""

    there: dict[str, dict[str, Any]] = field(default_factory=dict)

    def create_schedule(self, Name: str, **asked: Any) -> None:  # noqa: N803
        self.there[Name] = {"Name": Name, **asked}

    update_schedule = create_schedule

    def get_schedule(self, Name: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        return self.there[Name]

    def get_paginator(self, operation: str) -> MemorySchedules:
        assert operation == "list_schedules"
        return self

    def paginate(self, **_: Any) -> Iterator[dict[str, Any]]:
        yield {"Schedules": [{"Name": name} for name in sorted(self.there)]}
