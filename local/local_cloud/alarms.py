"""CloudWatch alarms of the template, evaluated when somebody asks: DescribeAlarms. And
GetMetricStatistics of what they look at.

An alarm looks at what this cloud knows: invocations and errors of functions, how many messages
queues hold and how old the oldest is, and metrics of our own, which are lines in the functions'
logs (embedded metric format). Of a metric that it does not know the alarm's state is
INSUFFICIENT_DATA, and its reason says so; it is never taken for missing data. Nothing is notified.
Periods end when they are asked for; on AWS they end on the minute.
"""

from __future__ import annotations

import json
import math
import operator
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

from botocore.exceptions import ClientError

from local.local_cloud.http.clients import ServiceClients
from local.local_cloud.http.operations import JsonService
from local.local_cloud.http.services import ServiceError
from local.local_cloud.lambdas.invocation_counts import InvocationCounts

COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
DATAPOINTS_AT_MOST: Final = 1440  # of one call (API Reference, GetMetricStatistics)
SUM_OF_ALL: Final = "SUM(FILL(METRICS(), 0))"  # the one expression that is evaluated
_STATISTICS: Final[Mapping[str, Callable[[Sequence[float]], float]]] = {
    "Sum": sum,
    "Maximum": max,
    "Minimum": min,
    "SampleCount": len,
}
_OTHER_STATES: Final = {"notBreaching": "OK", "breaching": "ALARM"}


class NotMeasured(Exception):
    """The local cloud does not know the metric; the message names it."""


@dataclass(frozen=True)
class Metric:
    """One metric of an alarm.

    Attributes:
        period: seconds.
    """

    namespace: str
    name: str
    dimensions: Mapping[str, str]
    statistic: str
    period: int

    @classmethod
    def of(cls, metric: Mapping[str, Any], statistic: str, period: Any) -> Metric:
        """From `Metric` of a MetricStat, or from an alarm's own properties."""
        dimensions = {part["Name"]: str(part["Value"]) for part in metric.get("Dimensions", [])}
        return cls(metric["Namespace"], metric["MetricName"], dimensions, statistic, int(period))


class Measurements:
    """What this cloud knows of metrics."""

    def __init__(
        self,
        counts: InvocationCounts,
        logs: Path,
        clients: ServiceClients,
        oldest: Callable[[str], float | None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Prepare them.

        Args:
            logs: directory of the functions' logs.
            clients: of the substrate.
            oldest: when the oldest message of the queue of that name was sent, in epoch seconds;
                None of an empty one.
            clock: epoch seconds.
        """
        self._counts = counts
        self._logs = logs
        self._clients = clients
        self._oldest = oldest
        self._clock = clock

    def value(self, metric: Metric, start: float, end: float) -> float | None:
        """The statistic of a time, in epoch seconds; None if there is no data.

        Raises:
            NotMeasured: the local cloud has no such metric.
        """
        what, dimensions = (metric.namespace, metric.name), set(metric.dimensions)
        if what[0] == "AWS/Lambda" and dimensions == {"FunctionName"}:
            return self._of_function(metric, start, end)
        if what == ("AWS/SQS", "ApproximateNumberOfMessagesVisible"):
            return self._depth(metric.dimensions["QueueName"])
        if what == ("AWS/SQS", "ApproximateAgeOfOldestMessage"):
            return self._age(metric.dimensions["QueueName"], end)
        if metric.namespace.startswith("AWS/"):
            raise NotMeasured(f"{metric.namespace} {metric.name}")
        values = [
            value
            for file in sorted(self._logs.glob("*.log"))
            for value in embedded_values(file, metric, start, end)
        ]
        return _statistic(metric, values)

    def _of_function(self, metric: Metric, start: float, end: float) -> float | None:
        known = metric.name in ("Invocations", "Errors")
        if not known or metric.statistic not in ("Sum", "SampleCount"):
            raise NotMeasured(f"{metric.namespace} {metric.name} {metric.statistic}")
        counted = self._counts.within(metric.dimensions["FunctionName"], start, end)
        if counted is None:
            return None
        # Of both, each invocation is one sample: 1, or of errors 0 or 1.
        if metric.name == "Invocations" or metric.statistic == "SampleCount":
            return float(counted[0])
        return float(counted[1])

    def _age(self, queue: str, end: float) -> float | None:
        """How old the oldest message was then: of those that are there now, as of the depth."""
        self._url(queue)
        sent = self._oldest(queue)
        age = None if sent is None else min(end, self._clock()) - sent
        return None if age is None or age < 0 else age

    def _url(self, queue: str) -> str:
        try:
            url: str = self._clients.get("sqs").get_queue_url(QueueName=queue)["QueueUrl"]
        except ClientError as error:
            raise NotMeasured(f"messages of {queue}, which does not exist") from error
        return url

    def _depth(self, queue: str) -> float:
        """As it is now."""
        name = "ApproximateNumberOfMessages"
        url, sqs = self._url(queue), self._clients.get("sqs")
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
        return float(found["Attributes"][name])


def embedded_values(file: Path, metric: Metric, start: float, end: float) -> list[float]:
    """Values of a metric that a log holds with exactly these dimensions.

    CloudWatch User Guide, "Specification: Embedded metric format".
    """
    found: list[float] = []
    with file.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if f'"{metric.name}"' not in line or '"_aws"' not in line:
                continue
            try:
                document = json.loads(line)
                about = document["_aws"]
                if start <= about["Timestamp"] / 1000 < end and _declares(about, document, metric):
                    value = document[metric.name]
                    found += value if isinstance(value, list) else [value]
            except (ValueError, KeyError, TypeError):
                continue  # CloudWatch takes such a line for a log line, too
    return found


def _declares(about: Mapping[str, Any], document: Mapping[str, Any], metric: Metric) -> bool:
    return any(
        directive["Namespace"] == metric.namespace
        and metric.name in [one["Name"] for one in directive["Metrics"]]
        and any(
            {name: document[name] for name in names} == metric.dimensions
            for names in directive["Dimensions"]
        )
        for directive in about["CloudWatchMetrics"]
    )


def _statistic(metric: Metric, values: Sequence[float]) -> float | None:
    if not values:
        return None
    if metric.statistic not in _STATISTICS:
        raise NotMeasured(f"{metric.statistic} of {metric.name}")
    return float(_STATISTICS[metric.statistic](values))


class Alarms(JsonService):
    """DescribeAlarms and GetMetricStatistics of CloudWatch; the rest of it is refused by name."""

    service: ClassVar = "monitoring"
    target_prefix: ClassVar = "GraniteServiceVersion20100801"

    def __init__(
        self,
        alarms: Mapping[str, Mapping[str, Any]],
        measurements: Measurements,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Prepare it.

        Args:
            alarms: resolved properties by name.
            clock: epoch seconds.
        """
        super().__init__(
            {"DescribeAlarms": self._describe, "GetMetricStatistics": self._statistics}
        )
        self._alarms = alarms
        self._measurements = measurements
        self._clock = clock
        self._since: dict[str, tuple[str, float]] = {}

    def _describe(self, request: dict[str, Any]) -> dict[str, Any]:
        names = request.get("AlarmNames")
        prefix = request.get("AlarmNamePrefix", "")
        found = [
            self._described(name, alarm)
            for name, alarm in sorted(self._alarms.items())
            if (not names or name in names) and name.startswith(prefix)
        ]
        state = request.get("StateValue")
        if state:
            found = [alarm for alarm in found if alarm["StateValue"] == state]
        return {"MetricAlarms": found, "CompositeAlarms": []}

    def _statistics(self, request: dict[str, Any]) -> dict[str, Any]:
        """Datapoints by period from the start on; periods without data have none."""
        period = int(request["Period"])
        start, end = float(request["StartTime"]), float(request["EndTime"])
        if (end - start) / period > DATAPOINTS_AT_MOST:
            raise ServiceError(
                "InvalidParameterCombination",
                f"{(end - start) / period:.0f} datapoints were asked for, {DATAPOINTS_AT_MOST} are"
                " allowed",
            )
        points = []
        for number in range(math.ceil((end - start) / period)):
            began = start + number * period
            point: dict[str, Any] = {}
            for statistic in request.get("Statistics", ()):
                metric = Metric.of(request, statistic, period)
                try:
                    value = self._measurements.value(metric, began, min(began + period, end))
                except NotMeasured as error:
                    raise ServiceError(
                        "InvalidParameterValue", f"the local cloud does not measure {error}"
                    ) from error
                if value is not None:
                    point[statistic] = value
            if point:
                points.append({"Timestamp": began, "Unit": "None", **point})
        return {"Label": request["MetricName"], "Datapoints": points}

    def _described(self, name: str, alarm: Mapping[str, Any]) -> dict[str, Any]:
        state, reason = self._state(alarm)
        shown = ("AlarmDescription", "Namespace", "MetricName", "Dimensions", "AlarmActions")
        return {
            "AlarmName": name,
            "StateValue": state,
            "StateReason": reason,
            "StateUpdatedTimestamp": self._since_when(name, state),
            "ComparisonOperator": alarm["ComparisonOperator"],
            "Threshold": float(alarm["Threshold"]),
            "TreatMissingData": alarm.get("TreatMissingData", "missing"),
            **{key: alarm[key] for key in shown if key in alarm},
        }

    def _since_when(self, name: str, state: str) -> float:
        """When the alarm was first seen in this state, which it has been in since."""
        before, since = self._since.get(name, (None, 0.0))
        if before != state:
            since = self._clock()
            self._since[name] = (state, since)
        return since

    def _state(self, alarm: Mapping[str, Any]) -> tuple[str, str]:
        try:
            value = self._value(alarm)
        except NotMeasured as error:
            return "INSUFFICIENT_DATA", f"the local cloud does not measure {error}"
        missing = alarm.get("TreatMissingData", "missing")
        if value is None:
            return _OTHER_STATES.get(missing, "INSUFFICIENT_DATA"), f"no data: {missing}"
        threshold = float(alarm["Threshold"])
        breached = COMPARISONS[alarm["ComparisonOperator"]](value, threshold)
        said = f"{value:g} against {threshold:g} ({alarm['ComparisonOperator']})"
        return ("ALARM" if breached else "OK"), said

    def _value(self, alarm: Mapping[str, Any]) -> float | None:
        """Of the last period.

        Raises:
            NotMeasured: there is no such metric, or the alarm is of a kind that is not evaluated.
        """
        if int(alarm["EvaluationPeriods"]) != 1:
            raise NotMeasured("more than one period")
        if "Metrics" not in alarm:
            return self._of(Metric.of(alarm, alarm["Statistic"], alarm["Period"]))
        expressions = [part["Expression"] for part in alarm["Metrics"] if "Expression" in part]
        if expressions != [SUM_OF_ALL]:
            raise NotMeasured(f"the expression {'; '.join(map(str, expressions))}")
        stats = [part["MetricStat"] for part in alarm["Metrics"] if "MetricStat" in part]
        values = [self._of(Metric.of(one["Metric"], one["Stat"], one["Period"])) for one in stats]
        known = [value for value in values if value is not None]
        return sum(known) if known else None

    def _of(self, metric: Metric) -> float | None:
        now = self._clock()
        return self._measurements.value(metric, now - metric.period, now + 1)
