"""What requests of Amazon EventBridge ask IAM for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from local.local_cloud.permissions.calls import Call
from local.local_cloud.permissions.services.requests import Body, arn_of

_OF_RULES: Final = frozenset({
    "DeleteRule", "DescribeRule", "DisableRule", "EnableRule", "ListTargetsByRule", "PutRule",
    "PutTargets", "RemoveTargets",
})  # fmt: skip


def event_calls(operation: str, body: Body) -> list[Call] | None:
    """The calls of a request; None: no rule says."""
    if operation in ("ListRules", "TestEventPattern"):
        return [Call(f"events:{operation}", "*")]
    if operation == "PutEvents":
        buses = dict.fromkeys(_bus(entry) for entry in body.get("Entries") or [])
        arns = (arn_of("events", f"event-bus/{bus}") for bus in buses)
        return [Call("events:PutEvents", arn) for arn in arns] or None
    rule = body.get("Name") or body.get("Rule")
    if operation not in _OF_RULES or not rule:
        return None
    bus = _bus(body)
    name = rule if bus == "default" else f"{bus}/{rule}"
    calls = [Call(f"events:{operation}", arn_of("events", f"rule/{name}"))]
    # EventBridge User Guide, "Using identity-based policies (IAM policies) for Amazon EventBridge":
    # whoever names a role passes it.
    context = {"iam:passedtoservice": ("events.amazonaws.com",)}
    passed = [one.get("RoleArn") for one in (body, *(body.get("Targets") or []))]
    return calls + [Call("iam:PassRole", str(r), context) for r in dict.fromkeys(passed) if r]


def _bus(named: Mapping[str, Any]) -> str:
    """The name of a bus, which requests also give as an ARN."""
    return str(named.get("EventBusName") or "default").rpartition("event-bus/")[2]
