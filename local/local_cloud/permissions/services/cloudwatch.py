"""What requests of Amazon CloudWatch, metrics and logs ask IAM for."""

from __future__ import annotations

from typing import Final

from local.local_cloud.permissions.calls import Call
from local.local_cloud.permissions.services.requests import Body, arn_of

_OF_STREAMS: Final = frozenset({"GetLogEvents", "PutLogEvents", "CreateLogStream",
                                "DeleteLogStream"})  # fmt: skip


_OF_TAGS: Final = ("TagResource", "UntagResource", "ListTagsForResource")


def log_calls(operation: str, body: Body) -> list[Call] | None:
    """The calls of a request; None: no rule says."""
    if operation == "DescribeLogGroups":
        return [Call("logs:DescribeLogGroups", arn_of("logs", "log-group::log-stream:"))]
    named = body.get("logGroupIdentifier") or body.get("resourceArn") or body.get("logGroupName")
    group = str(named or "")
    if not group or body.get("logGroupNames") or body.get("logGroupIdentifiers"):
        return None
    arn = (
        group.removesuffix(":*")
        if group.startswith("arn:")
        else arn_of("logs", f"log-group:{group}")
    )
    if operation in _OF_STREAMS:
        arn = f"{arn}:log-stream:{body.get('logStreamName', '')}"
    elif operation not in _OF_TAGS:
        # CloudWatch Logs API Reference, "LogGroup", arn and logGroupArn: the ARN that policies use
        # ends in `:*`, but for the actions on tags.
        arn = f"{arn}:*"
    return [Call(f"logs:{operation}", arn)]


def metric_calls(operation: str, body: Body) -> list[Call]:
    """The calls of a request."""
    names = body.get("AlarmNames")
    if operation == "DescribeAlarms" and isinstance(names, list) and names:
        return [
            Call("cloudwatch:DescribeAlarms", arn_of("cloudwatch", f"alarm:{n}")) for n in names
        ]
    if operation == "DescribeAlarms":
        return [Call("cloudwatch:DescribeAlarms", arn_of("cloudwatch", "alarm:*"))]
    if operation == "PutMetricData" and (namespace := body.get("Namespace")):
        context = {"cloudwatch:namespace": (str(namespace),)}
        return [Call("cloudwatch:PutMetricData", "*", context)]
    return [Call(f"cloudwatch:{operation}", "*")]
