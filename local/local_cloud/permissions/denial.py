"""A denied call as AWS's services report it, and what the template lacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from local.local_cloud.http.services import ServiceError
from local.local_cloud.permissions.evaluate import Decision, Kind

# Code and HTTP status by signing name: each service's API reference, "Common Errors" ("Common
# Error Types") or the errors of its operations; all others return AccessDeniedException, 400.
_ERRORS: Final[Mapping[str, tuple[str, int]]] = {
    "s3": ("AccessDenied", 403),
    "": ("AccessDenied", 403),
    "sqs": ("AccessDenied", 403),
    "sts": ("AccessDenied", 403),
    "iam": ("AccessDenied", 403),
    "monitoring": ("AccessDenied", 403),
    "sns": ("AuthorizationError", 403),
    "lambda": ("AccessDeniedException", 403),
    "emr-serverless": ("AccessDeniedException", 403),
    "scheduler": ("AccessDeniedException", 403),
}
_OTHERS: Final = ("AccessDeniedException", 400)


def denied(decision: Decision, service: str) -> ServiceError:
    """The error that the caller gets.

    Args:
        service: signing name of the service that was called.
    """
    code, status = _ERRORS.get(service, _OTHERS)
    return ServiceError(code, denial_message(decision), status)


def denial_message(decision: Decision) -> str:
    """AWS's words (IAM User Guide, "Troubleshoot access denied error messages").

    S3 puts the resource in quotes (S3 User Guide, "Troubleshoot access denied (403 Forbidden)
    errors in Amazon S3").
    """
    call = decision.call
    resource = f'"{call.resource}"' if call.action.startswith("s3:") else call.resource
    on = "" if call.resource == "*" else f" on resource: {resource}"
    return (
        f"User: {decision.identity.arn} is not authorized to perform: {call.action}{on}"
        f" {decision.reason}"
    )


@dataclass(frozen=True)
class Denial:
    """What was denied, reported once however often it happens.

    Attributes:
        who: function, job or service that called.
        role: logical id of its role; empty for a service.
        action, resource: what it asked for; objects by the first part of their key.
        reason: AWS's words.
        lines: what to add to the template, as YAML.
        consequence: what became of it; empty if the caller got AWS's error.
    """

    who: str
    role: str
    action: str
    resource: str
    reason: str
    lines: str
    consequence: str = ""

    def __str__(self) -> str:
        role = f" (role {self.role})" if self.role else ""
        effect = f"; {self.consequence}" if self.consequence else ""
        head = f"{self.who}{role}: {self.action} on {self.resource} {self.reason}{effect}"
        return f"{head}\n{self.lines}" if self.lines else head


def missing_statement(decision: Decision, names: Mapping[str, str]) -> str:
    """The lines that would allow a call; none where a deny has to go.

    Args:
        names: expressions for ARNs, as the template would write them.
    """
    call = decision.call
    if decision.kind in (Kind.IDENTITY_DENY, Kind.RESOURCE_DENY, Kind.BOUNDARY_DENY):
        return f"  the policy {decision.policy} denies it" if decision.policy else ""
    lines = ["- Effect: Allow"]
    if decision.kind is Kind.NO_RESOURCE:
        identity = decision.identity
        kind, value = (
            ("Service", identity.service) if identity.service else ("AWS", identity.role_arn)
        )
        lines.append(f"  Principal: {{ {kind}: {value} }}")
    lines.append(f"  Action: {call.action}")
    lines.append(f"  Resource: {expression(general(call.resource), names)}")
    if decision.kind is Kind.NO_RESOURCE and decision.identity.source_arn:
        source = expression(decision.identity.source_arn, names)
        lines.append(f"  Condition: {{ ArnEquals: {{ aws:SourceArn: {source} }} }}")
    elif passed := call.context.get("iam:passedtoservice"):
        lines.append(f"  Condition: {{ StringEquals: {{ iam:PassedToService: {passed[0]} }} }}")
    return "\n".join(f"    {line}" for line in lines)


def denial_report(denials: Sequence[Denial]) -> list[str]:
    """What to show at the end; nothing where nothing was denied."""
    if not denials:
        return []
    return [
        "Calls that the template does not grant, each once, with the lines that would grant it:",
        *(str(denial) for denial in denials),
    ]


def general(arn: str) -> str:
    """The resource that a grant would name: not this object, execution or log stream alone."""
    if arn.startswith("arn:aws:s3:::") and "/" in arn:
        bucket, _, key = arn.partition("/")
        return f"{bucket}/{key.partition('/')[0]}/*" if "/" in key else f"{bucket}/*"
    for marker, rest in (
        ("/durable-execution/", ""),
        (":log-stream:", ":*"),
        ("/jobruns/", "/jobruns/*"),
    ):
        if marker in arn:
            head = arn.partition(marker)[0]
            return f"{head.rpartition(':')[0]}:*" if not rest else head + rest
    return arn


def expression(arn: str, names: Mapping[str, str]) -> str:
    """An ARN as a template would write it, if it belongs to one of its resources.

    Args:
        names: `!GetAtt Queue.Arn` or `!Ref Topic` by ARN.
    """
    if arn in names:
        return names[arn]
    heads = [known for known in names if arn.startswith((f"{known}/", f"{known}:"))]
    if not heads:
        return f'"{arn}"' if "*" in arn else arn
    head = max(heads, key=len)
    written = names[head].partition(" ")[2]
    return f'!Sub "${{{written}}}{arn.removeprefix(head)}"'
