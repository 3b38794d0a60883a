"""The different calls that roles make, written so that they compare from run to run."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from contracts.layout import POOLS_KEY
from local.local_cloud.permissions.calls import Call
from local.local_cloud.permissions.evaluate import Decision
from local.local_cloud.permissions.grants import Grants

_MOST: Final = 5_000
_RECORDED_CONTEXT: Final = frozenset({"iam:passedtoservice"})
_EXECUTION: Final = re.compile(r"/durable-execution/.*")
_STREAM: Final = re.compile(r":log-stream:.*")
_JOB_RUN: Final = re.compile(r"/jobruns/.*")
_SECRET: Final = re.compile(r"(:secret:.+)-[0-9A-Za-z]{6}$")  # six letters of AWS's end its ARN


@dataclass(frozen=True, order=True)
class RecordedCall:
    """One call of a role of the template.

    Attributes:
        role: its logical id.
        resource: as the template would name it, `${LedgerTable.Arn}`, with `-` for what is
            different each time.
        context: the condition keys that policies look at.
    """

    role: str
    action: str
    resource: str
    context: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def call(self, names: Mapping[str, str]) -> Call:
        """The call as the evaluator takes it.

        Args:
            names: of the deployment, as in `Grants`.

        Raises:
            KeyError: the template has no such resource any more.
        """
        arns = {_written(name): arn for arn, name in names.items()}
        head, brace, rest = self.resource.partition("}")
        resource = arns[head + brace] + rest if head.startswith("${") else self.resource
        return Call(self.action, resource, dict(self.context))

    def to_json(self) -> dict[str, Any]:
        """As written to a file."""
        plain: dict[str, Any] = {
            "role": self.role,
            "action": self.action,
            "resource": self.resource,
        }
        if self.context:
            plain["context"] = {key: list(values) for key, values in self.context}
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> RecordedCall:
        context = tuple((key, tuple(vs)) for key, vs in plain.get("context", {}).items())
        return cls(plain["role"], plain["action"], plain["resource"], context)


class CallRecord:
    """Collects calls; safe to share between threads, and bounded."""

    def __init__(self, grants: Grants) -> None:
        self._grants = grants
        self._calls: set[RecordedCall] = set()
        self._lock = threading.Lock()

    def add(self, decision: Decision) -> None:
        """Note an allowed call of a role; services have no role to remove a grant from."""
        if not decision.identity.role_arn or decision.call.via:
            return
        call = decision.call
        recorded = RecordedCall(
            self._grants.logical_id(decision.identity.role_arn),
            call.action,
            stable(call.resource, self._grants.names),
            tuple(sorted((k, v) for k, v in call.context.items() if k in _RECORDED_CONTEXT)),
        )
        with self._lock:
            if len(self._calls) < _MOST:
                self._calls.add(recorded)

    def calls(self) -> list[RecordedCall]:
        """All different ones, in order."""
        with self._lock:
            return sorted(self._calls)


def stable(arn: str, names: Mapping[str, str]) -> str:
    """An ARN without its random parts, matched by the same policies.

    Args:
        names: of the deployment, as in `Grants`.
    """
    arn = _without_ids(arn)
    heads = [known for known in names if arn == known or arn.startswith((f"{known}/", f"{known}:"))]
    if not heads:
        return arn
    head = max(heads, key=len)
    return _written(names[head]) + arn.removeprefix(head)


def _written(name: str) -> str:
    """`!GetAtt Queue.Arn` or `!Ref Topic` as written in a `!Sub`."""
    return f"${{{name.partition(' ')[2]}}}"


def _without_ids(arn: str) -> str:
    if arn.startswith("arn:aws:s3:::") and "/" in arn:
        bucket, _, key = arn.partition("/")
        first, separator, rest = key.partition("/")
        if not separator:  # pools.yaml is granted by its name
            return arn if key == POOLS_KEY else f"{bucket}/-"
        return f"{bucket}/{first}/{_stable_key(rest)}"
    for pattern, instead in (
        (_EXECUTION, "/durable-execution/-/-"),
        (_STREAM, ":log-stream:-"),
        (_JOB_RUN, "/jobruns/-"),
        (_SECRET, r"\1-x"),
    ):
        arn = pattern.sub(instead, arn)
    return arn


def _stable_key(rest: str) -> str:
    """The rest of a key, reduced to what policies distinguish."""
    folders = f"/{rest}".rpartition("/")[0] + "/"
    if "/logs/" in folders:
        return "-/logs/-"
    if "/_runs/" in folders:
        return "-/_runs/-.json"
    if "/units/" in folders and folders.endswith("/inputs/"):
        return "-/units/-/inputs/-"
    return "-/-=-/-" if "=" in folders else "-"


def merged(*records: Iterable[RecordedCall]) -> list[dict[str, Any]]:
    """Records of several clouds as one document, in order."""
    return [call.to_json() for call in sorted({call for record in records for call in record})]
