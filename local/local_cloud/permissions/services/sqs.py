"""What requests of Amazon SQS ask IAM for."""

from __future__ import annotations

from local.local_cloud.permissions.calls import Call
from local.local_cloud.permissions.services.requests import Body, arn_of


def queue_calls(operation: str, body: Body) -> list[Call] | None:
    """The calls of a request; None: no rule says."""
    if operation == "ListQueues":
        return [Call("sqs:ListQueues", "*")]
    name = body.get("QueueName") or str(body.get("QueueUrl", "")).rpartition("/")[2]
    if not name and not body.get("SourceArn"):
        return None
    arn = str(body.get("SourceArn") or arn_of("sqs", name))
    # SQS Developer Guide, "Amazon SQS batch actions": rights of the single operation count.
    calls = [Call(f"sqs:{operation.removesuffix('Batch')}", arn)]
    if operation == "StartMessageMoveTask":
        # Ibid., "Amazon SQS API permissions: Actions and resource reference", and "Learn how to
        # configure a dead-letter queue redrive in Amazon SQS".
        more = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
        calls += [Call(action, arn) for action in more]
        if destination := body.get("DestinationArn"):
            calls.append(Call("sqs:SendMessage", str(destination)))
    return calls
