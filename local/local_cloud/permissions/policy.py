"""IAM policies, read once and checked: what is not understood is refused by name.

Elements as the IAM User Guide describes them: "IAM JSON policy elements: Effect", "Principal",
"Action", "NotAction", "Resource", "NotResource", "Condition".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from local.local_cloud.permissions.calls import Call
from local.local_cloud.permissions.condition_operators import Condition
from local.local_cloud.permissions.patterns import Context, matches, variables

_VERSIONS: Final = ("2012-10-17", "2008-10-17")
_OLD: Final = "2008-10-17"  # the default, in which ${...} means nothing
_STATEMENT: Final = frozenset({
    "Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Principal", "Condition",
})  # fmt: skip
_PRINCIPALS: Final = ("AWS", "Service")
# Global condition keys that every request has; those of services come with the calls.
GLOBAL_KEYS: Final = frozenset({
    "aws:principalaccount", "aws:principalarn", "aws:principalisawsservice",
    "aws:principalservicename", "aws:principaltype", "aws:requestedregion", "aws:resourceaccount",
    "aws:securetransport", "aws:sourceaccount", "aws:sourcearn", "aws:sourceip", "aws:userid",
    "aws:viaawsservice",
})  # fmt: skip


class PolicyError(Exception):
    """A policy that is wrong or cannot be evaluated here; says where and why."""


@dataclass(frozen=True)
class Principals:
    """Whom a statement of a resource's policy is about.

    Attributes:
        aws: ARNs, account ids, or `*`.
        services: service principals, e.g. `sns.amazonaws.com`.
    """

    aws: tuple[str, ...] = ()
    services: tuple[str, ...] = ()


@dataclass(frozen=True)
class Statement:
    """One statement.

    Attributes:
        actions, resources: patterns; `not_...`: whether all but these are meant.
        principals: None in policies of identities.
        versioned: whether variables are replaced.
    """

    allows: bool
    actions: tuple[str, ...]
    not_actions: bool
    resources: tuple[str, ...]
    not_resources: bool
    principals: Principals | None
    conditions: tuple[Condition, ...]
    versioned: bool

    def covers(self, call: Call, context: Context) -> bool:
        """Whether it is about a call, whoever makes it."""
        action = any(matches(a, call.action, None, ignore_case=True) for a in self.actions)
        if action is self.not_actions:
            return False
        names = context if self.versioned else None
        resource = any(matches(r, call.resource, names) for r in self.resources)
        if resource is self.not_resources:
            return False
        return all(condition.holds(context, self.versioned) for condition in self.conditions)


@dataclass(frozen=True)
class Policy:
    """One document; `name` says which in messages."""

    name: str
    statements: tuple[Statement, ...]


def parse_policy(
    document: Any, name: str, *, of_resource: bool = False, keys: Iterable[str] = ()
) -> Policy:
    """Read a policy document.

    Args:
        document: decoded JSON, without intrinsic functions.
        name: for messages.
        of_resource: whether its statements name principals (policies of resources and trust
            policies of roles) instead of, for the latter, resources.
        keys: condition keys, besides the global ones, that calls carry; lower case.

    Raises:
        PolicyError: lists everything that is wrong.
    """
    reader = _Reader(name, of_resource, GLOBAL_KEYS | frozenset(keys))
    policy = reader.read(document)
    if reader.problems:
        raise PolicyError("; ".join(reader.problems))
    return policy


class _Reader:
    def __init__(self, name: str, of_resource: bool, keys: frozenset[str]) -> None:
        self.problems: list[str] = []
        self._name = name
        self._of_resource = of_resource
        self._keys = keys
        self._where = name

    def read(self, document: Any) -> Policy:
        if not isinstance(document, Mapping):
            self._problem("is not a policy document")
            return Policy(self._name, ())
        version = str(document.get("Version", _OLD))
        if version not in _VERSIONS:
            self._problem(f"Version {version} is unknown")
        if unknown := sorted(set(document) - {"Version", "Id", "Statement"}):
            self._problem(f"unknown elements: {', '.join(unknown)}")
        written = _as_list(document.get("Statement", []))
        if not written:
            self._problem("has no Statement")
        statements = []
        for index, statement in enumerate(written):
            self._where = f"{self._name}: Statement[{index}]"
            if isinstance(statement, Mapping):
                statements.append(self._statement(statement, version != _OLD))
            else:
                self._problem("is not a map")
        return Policy(self._name, tuple(statements))

    def _statement(self, written: Mapping[str, Any], versioned: bool) -> Statement:
        if unknown := sorted(set(written) - _STATEMENT):
            self._problem(f"cannot be evaluated: {', '.join(unknown)}")
        effect = written.get("Effect")
        if effect not in ("Allow", "Deny"):
            self._problem(f"Effect must be Allow or Deny, not {effect!r}")
        actions = self._either(written, "Action")
        for action in actions:
            if action != "*" and action.count(":") != 1:
                self._problem(f"Action {action!r} is not SERVICE:ACTION")
        trust = self._of_resource and "Resource" not in written and "NotResource" not in written
        resources = ("*",) if trust else self._either(written, "Resource")
        for resource in resources:
            if resource != "*" and not resource.startswith(("arn:", "*", "${")):
                self._problem(f"Resource {resource!r} is not an ARN")
            if versioned:
                self._check_keys(variables(resource))
        return Statement(
            allows=effect == "Allow",
            actions=actions,
            not_actions="NotAction" in written,
            resources=resources,
            not_resources="NotResource" in written,
            principals=self._principals(written.get("Principal")),
            conditions=self._conditions(written.get("Condition", {}), versioned),
            versioned=versioned,
        )

    def _either(self, written: Mapping[str, Any], name: str) -> tuple[str, ...]:
        """The texts of an element or of its negation, of which there must be one."""
        present = [key for key in (name, f"Not{name}") if key in written]
        if len(present) != 1:
            self._problem(f"needs {name} or Not{name}")
            return ()
        return self._texts(written[present[0]], present[0])

    def _texts(self, value: Any, what: str) -> tuple[str, ...]:
        values = _as_list(value)
        if not values or not all(isinstance(item, str) and item for item in values):
            self._problem(f"{what} must be a text or a list of texts, not {value!r}")
            return ()
        return tuple(values)

    def _principals(self, written: Any) -> Principals | None:
        if not self._of_resource:
            if written is not None:
                self._problem("Principal has no place in the policy of an identity")
            return None
        if written == "*":
            return Principals(aws=("*",))
        if not isinstance(written, Mapping) or set(written) - set(_PRINCIPALS):
            self._problem(f"Principal cannot be evaluated: {written!r}")
            return Principals()
        aws, services = (
            self._texts(written[kind], f"Principal.{kind}") if kind in written else ()
            for kind in _PRINCIPALS
        )
        return Principals(aws, services)

    def _conditions(self, written: Any, versioned: bool) -> tuple[Condition, ...]:
        if not isinstance(written, Mapping):
            self._problem("Condition is not a map")
            return ()
        found = []
        for operator, keys in written.items():
            for key, value in keys.items() if isinstance(keys, Mapping) else ():
                values = [_scalar(item) for item in _as_list(value)]
                self._check_keys([key.lower()])
                if versioned:
                    self._check_keys([name for text in values for name in variables(text)])
                try:
                    found.append(Condition.parse(operator, key, values))
                except ValueError as error:
                    self._problem(f"Condition {operator} {key}: {error}")
        return tuple(found)

    def _check_keys(self, keys: Iterable[str]) -> None:
        for key in keys:
            if key not in self._keys:
                self._problem(f"the condition key {key} cannot be evaluated")

    def _problem(self, text: str) -> None:
        self.problems.append(f"{self._where} {text}")


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _scalar(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
