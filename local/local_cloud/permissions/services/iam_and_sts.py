"""What requests of IAM and AWS STS ask IAM for."""

from __future__ import annotations

from local.local_cloud.permissions.calls import Call
from local.local_cloud.permissions.services.requests import Body, arn_of


def iam_calls(operation: str, body: Body) -> list[Call]:
    """The calls of a request."""
    resource = "*"
    if arn := body.get("PolicyArn"):
        resource = str(arn)
    if name := body.get("RoleName"):
        resource = arn_of("iam", f"role/{name}", region="")
    return [Call(f"iam:{operation}", resource)]


def sts_calls(operation: str, body: Body) -> list[Call] | None:
    """The calls of a request; None: no rule says."""
    if operation == "GetCallerIdentity":  # needs no permission ("GetCallerIdentity")
        return []
    only = operation == "AssumeRole"
    return [Call("sts:AssumeRole", str(body.get("RoleArn", "")))] if only else None
