"""What requests of Amazon SNS ask IAM for."""

from __future__ import annotations

from local.local_cloud.permissions.calls import Call
from local.local_cloud.permissions.services.requests import Body, arn_of


def topic_calls(operation: str, body: Body) -> list[Call] | None:
    """The calls of a request; None: no rule says."""
    if operation in ("ListTopics", "ListSubscriptions"):
        return [Call(f"sns:{operation}", "*")]
    arn = body.get("TopicArn") or body.get("ResourceArn") or body.get("TargetArn")
    if arn is None and "Name" in body:
        arn = arn_of("sns", str(body["Name"]))
    if arn is None:  # a subscription's, whose last part is its own
        arn = str(body.get("SubscriptionArn", "")).rpartition(":")[0]
    if not arn:
        return None
    return [Call(f"sns:{operation.removesuffix('Batch')}", str(arn))]
