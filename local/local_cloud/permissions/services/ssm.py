"""What requests of AWS Systems Manager ask IAM for."""

from __future__ import annotations

from typing import Final

from local.local_cloud.permissions.calls import Call
from local.local_cloud.permissions.services.requests import Body, arn_of

_OF_COMMANDS: Final = frozenset({"CancelCommand", "ListCommands", "ListCommandInvocations",
                                 "GetCommandInvocation", "DescribeParameters"})  # fmt: skip


def ssm_calls(operation: str, body: Body) -> list[Call] | None:
    """The calls of a request; None: no rule says."""
    if operation in _OF_COMMANDS:
        return [Call(f"ssm:{operation}", "*")]
    if operation == "SendCommand":
        if body.get("Targets") or not body.get("InstanceIds"):
            return None  # which instances a target is, only the Systems Manager knows
        # Document and every instance; ARNs of AWS's own documents have no account (Systems Manager
        # User Guide, "Setting up identity based policies examples").
        document = arn_of("ssm", f"document/{body.get('DocumentName', '')}", account="")
        if not str(body.get("DocumentName", "")).startswith("AWS-"):
            document = arn_of("ssm", f"document/{body.get('DocumentName', '')}")
        return [
            Call("ssm:SendCommand", arn)
            for arn in (document, *(_instance(str(i)) for i in body.get("InstanceIds", [])))
        ]
    names = body.get("Names") or [body.get("Name") or body.get("Path")]
    if names == [None] or "Parameter" not in operation:
        return None
    return [
        Call(f"ssm:{operation}", arn_of("ssm", f"parameter/{str(name).removeprefix('/')}"))
        for name in names
    ]


def _instance(instance: str) -> str:
    managed = instance.startswith("mi-")
    kind = ("ssm", "managed-instance") if managed else ("ec2", "instance")
    return arn_of(kind[0], f"{kind[1]}/{instance}")
