"""Queues, alarms, the job watcher and the reaper."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from botocore.exceptions import ClientError

from cli.client.dead_letters import DeadLetterQueue
from cli.client.deployment import Deployment
from cli.health.alarm_advice import ALARM_ADVICE
from cli.health.diagnosis import Diagnosis, Health, with_stack
from cli.views.ages import age

_WAITING: Final = "ApproximateNumberOfMessages"
_IN_FLIGHT: Final = "ApproximateNumberOfMessagesNotVisible"
_WATCHER: Final = "JobWatcherFunctionArn"
_REAPER: Final = "ReaperFunctionArn"
# It is woken every minute, and metrics come a minute or two late.
_LATE_SECONDS: Final = 5 * 60
_SWEEP_SECONDS: Final = 20 * 60  # the reaper's, likewise
_SILENCE: Final = "SilentWatcherAlarm"  # on in the first minutes, too, when nothing was yet
_LOOK_BACK: Final = timedelta(hours=1)


def queue(deployment: Deployment) -> list[Diagnosis]:
    """Requests that wait, and how long the oldest has."""
    url = deployment.output("DataProcessingQueueUrl")
    found = deployment.client("sqs").get_queue_attributes(
        QueueUrl=url, AttributeNames=[_WAITING, _IN_FLIGHT]
    )["Attributes"]
    waiting, in_flight = int(found[_WAITING]), int(found[_IN_FLIGHT])
    said = f"{waiting:,} waiting, {in_flight:,} being processed"
    oldest = _oldest_seconds(deployment, url.rpartition("/")[2]) if waiting else None
    if oldest is None:
        return [Diagnosis("requests", Health.OK, said)]
    said += f"; the oldest has waited {age(oldest)}"
    if oldest < 3600:
        return [Diagnosis("requests", Health.OK, said)]
    advice = ALARM_ADVICE["OldestMessageAlarm"]
    return [Diagnosis("requests", Health.ATTENTION, said, advice)]


def dead_letters(deployment: Deployment) -> list[Diagnosis]:
    """Messages that were refused, or failed too often."""
    count = DeadLetterQueue(deployment).count()
    if not count:
        return [Diagnosis("dead letters", Health.OK, "none")]
    advice = with_stack("pipeline dead-letters", deployment)
    return [Diagnosis("dead letters", Health.ATTENTION, f"{count:,}", advice)]


def alarms(deployment: Deployment) -> list[Diagnosis]:
    """Each alarm that is on; those without data are not counted as well."""
    prefix = f"{deployment.stack_name or deployment.stack}-"
    pages = (
        deployment.client("cloudwatch")
        .get_paginator("describe_alarms")
        .paginate(AlarmNamePrefix=prefix)
    )
    found = [alarm for page in pages for alarm in page["MetricAlarms"]]
    if not found:
        return [Diagnosis("alarms", Health.UNKNOWN, f"there are none named {prefix}…")]
    on = [
        _of_alarm(alarm, prefix)
        for alarm in found
        if alarm["StateValue"] == "ALARM"
        and not (_is_new(deployment) and alarm["AlarmName"].startswith(prefix + _SILENCE))
    ]
    silent = sum(alarm["StateValue"] == "INSUFFICIENT_DATA" for alarm in found)
    said = f"{len(found)} alarms, {len(on)} on"
    said += f", {silent} without data" if silent else ""
    return on or [Diagnosis("alarms", Health.OK, said)]


def watcher(deployment: Deployment) -> list[Diagnosis]:
    """When the job watcher was last woken; it should be every minute."""
    advice = ALARM_ADVICE["SilentWatcherAlarm"]
    return [_woken(deployment, "job watcher", _WATCHER, _LATE_SECONDS, advice)]


def reaper(deployment: Deployment) -> list[Diagnosis]:
    """When the reaper last ran; it sweeps every quarter of an hour."""
    advice = ALARM_ADVICE["ReaperFailedAlarm"]
    return [_woken(deployment, "reaper", _REAPER, _SWEEP_SECONDS, advice)]


def _woken(deployment: Deployment, about: str, output: str, late: float, advice: str) -> Diagnosis:
    """When a function that a schedule wakes was last woken.

    Args:
        late: seconds after which it is late.
    """
    function = deployment.output(output).split(":")[6]
    now = datetime.now(UTC)
    points = _metric(
        deployment, "AWS/Lambda", "Invocations", {"FunctionName": function}, now - _LOOK_BACK, "Sum"
    )
    if points is None:
        return Diagnosis(about, Health.UNKNOWN, "its invocations are not measured here")
    awake = [point["Timestamp"] for point in points if point["Sum"] > 0]
    if not awake and _is_new(deployment, late):
        return Diagnosis(about, Health.UNKNOWN, "deployed just now, and not woken yet")
    if not awake:
        found = f"not woken for {age(_LOOK_BACK.total_seconds())}"
        return Diagnosis(about, Health.PROBLEM, found, advice)
    seconds = max((now - max(awake)).total_seconds() - 60, 0.0)  # within the minute that began then
    if seconds > late:
        return Diagnosis(about, Health.PROBLEM, f"last woken {age(seconds)} ago", advice)
    return Diagnosis(about, Health.OK, f"woken within the last {late // 60:.0f} min")


def _is_new(deployment: Deployment, seconds: float = _LATE_SECONDS) -> bool:
    deployed = deployment.deployed_at
    return deployed is not None and (datetime.now(UTC) - deployed).total_seconds() < seconds


def _of_alarm(alarm: dict[str, Any], prefix: str) -> Diagnosis:
    name = str(alarm["AlarmName"]).removeprefix(prefix)
    ids = [each for each in ALARM_ADVICE if name == each or name.startswith(f"{each}-")]
    since = time.time() - alarm["StateUpdatedTimestamp"].timestamp()
    on = f"on for {age(since)}" if since >= 1 else "came on just now"
    said = f"{on}: {alarm.get('AlarmDescription') or alarm['StateReason']}"
    advice = ALARM_ADVICE[ids[0]] if ids else "docs/operations.md, Watch"
    return Diagnosis(f"alarm {ids[0] if ids else name}", Health.PROBLEM, said, advice)


def _oldest_seconds(deployment: Deployment, queue_name: str) -> float | None:
    start = datetime.now(UTC) - timedelta(minutes=10)
    name, dimensions = "ApproximateAgeOfOldestMessage", {"QueueName": queue_name}
    points = _metric(deployment, "AWS/SQS", name, dimensions, start, "Maximum")
    if not points:
        return None
    return float(max(points, key=lambda point: point["Timestamp"])["Maximum"])


def _metric(
    deployment: Deployment,
    namespace: str,
    name: str,
    dimensions: dict[str, str],
    start: datetime,
    statistic: str,
) -> list[dict[str, Any]] | None:
    """Its values by minute; None: it is not measured here."""
    try:
        response = deployment.client("cloudwatch").get_metric_statistics(
            Namespace=namespace,
            MetricName=name,
            Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
            StartTime=start,
            EndTime=datetime.now(UTC) + timedelta(minutes=1),
            Period=60,
            Statistics=[statistic],
        )
    except ClientError:
        if deployment.local:  # which measures some metrics only, and refuses others by name
            return None
        raise
    points: list[dict[str, Any]] = response["Datapoints"]
    return points
