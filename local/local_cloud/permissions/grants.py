"""What a template grants: the policies of its roles and of its resources."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from local.local_cloud.permissions.evaluate import RolePolicies
from local.local_cloud.permissions.policy import Policy, PolicyError, parse_policy

_MANAGED: Final = Path(__file__).with_name("managed")
_BY_AWS: Final = "arn:aws:iam::aws:policy/"
# Condition keys of services that calls carry (requests.py).
CALL_KEYS: Final = frozenset({
    "cloudwatch:namespace", "dynamodb:attributes", "dynamodb:leadingkeys", "iam:passedtoservice",
    "s3:prefix", "s3:delimiter", "s3:max-keys",
})  # fmt: skip


@dataclass
class Role:
    """One role.

    Attributes:
        logical_id: in the template; the name of one that the template does not define.
        attached: ARNs of managed policies.
    """

    arn: str
    logical_id: str
    trust: Policy | None = None
    policies: list[Policy] = field(default_factory=list)
    attached: list[str] = field(default_factory=list)
    boundary: str = ""


class Grants:
    """Filled while a template is deployed; asked afterwards.

    Attributes:
        problems: policies that cannot be evaluated, each with its reason.
        names: expressions for the ARNs of resources, as a template would write them.
    """

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.names: dict[str, str] = {}
        self.roles: dict[str, Role] = {}
        self._managed: dict[str, Policy] = {}
        self._of_resources: dict[str, list[Policy]] = {}
        self._topic_keys: dict[str, str] = {}

    def add_role(self, role: Role, trust: Any) -> None:
        """Know a role, with its trust policy."""
        role.trust = self._parsed(trust, f"{role.logical_id} AssumeRolePolicyDocument", True)
        self.roles[role.arn] = role

    def add_inline(self, role_name: str, document: Any, owner: str) -> None:
        """Give a role a policy.

        Args:
            role_name: without its path.
            owner: what the policy is called in messages.
        """
        role = self._role_named(role_name)
        policy = self._parsed(document, owner, False)
        if role is None:
            self.problems.append(f"{owner}: the role {role_name} is not one of this template")
        elif policy is not None:
            role.policies.append(policy)

    def add_managed(self, arn: str, document: Any, owner: str) -> None:
        """Know a managed policy, which roles name by its ARN."""
        policy = self._parsed(document, owner, False)
        if policy is not None:
            self._managed[arn] = policy

    def attach(self, role_name: str, policy_arn: str, owner: str) -> None:
        """Attach a managed policy to a role."""
        role = self._role_named(role_name)
        if role is None:
            self.problems.append(f"{owner}: the role {role_name} is not one of this template")
        else:
            role.attached.append(policy_arn)

    def add_resource_policy(self, arn: str, document: Any, owner: str) -> None:
        """Give a resource a policy; several add up."""
        policy = self._parsed(document, owner, True)
        if policy is not None:
            self._of_resources.setdefault(arn, []).append(policy)

    def encrypt_topic(self, topic_arn: str, key: str) -> None:
        """Note the key of a topic: its id, ARN or alias."""
        self._topic_keys[topic_arn] = key

    def topic_key(self, topic_arn: str) -> str | None:
        """The ARN of the key that a topic is encrypted with, if it is one of the template."""
        key = self._topic_keys.get(topic_arn)
        return next((arn for arn in self.names if key and arn.endswith(f":key/{key}")), None) or (
            key if key and key.startswith("arn:") else None
        )

    def finish(self) -> None:
        """Check what only all resources together show."""
        for role in self.roles.values():
            for arn in [*role.attached, *([role.boundary] if role.boundary else [])]:
                if self._policy(arn) is None:
                    self.problems.append(f"{role.logical_id}: the managed policy {arn} is unknown")

    def policies_of(self, role_arn: str) -> RolePolicies:
        """All that a role may do; nothing for an unknown one."""
        role = self.roles.get(role_arn)
        if role is None:
            return RolePolicies()
        attached = (self._policy(arn) for arn in role.attached)
        return RolePolicies(
            [*role.policies, *(policy for policy in attached if policy is not None)],
            role.trust,
            self._policy(role.boundary) if role.boundary else None,
        )

    def policies_on(self, action: str, resource: str) -> Iterable[Policy]:
        """The policies of the resource that an action is done to."""
        if action.lower() == "sts:assumerole":
            role = self.roles.get(resource)
            return [role.trust] if role is not None and role.trust is not None else []
        if resource.startswith("arn:aws:s3:::"):
            resource = resource.partition("/")[0]
        return self._of_resources.get(resource, ())

    def logical_id(self, role_arn: str) -> str:
        """How a role is called in the template."""
        role = self.roles.get(role_arn)
        return role.logical_id if role is not None else role_arn.rpartition("/")[2]

    def _role_named(self, name: str) -> Role | None:
        return next((r for r in self.roles.values() if r.arn.rpartition("/")[2] == name), None)

    def _policy(self, arn: str) -> Policy | None:
        if arn not in self._managed and arn.startswith(_BY_AWS):
            document = managed_by_aws(arn)
            if document is not None:
                self.add_managed(arn, document, arn.rpartition("/")[2])
        return self._managed.get(arn)

    def _parsed(self, document: Any, owner: str, of_resource: bool) -> Policy | None:
        try:
            return parse_policy(document, owner, of_resource=of_resource, keys=CALL_KEYS)
        except PolicyError as error:
            self.problems.append(str(error))
            return None


def managed_by_aws(arn: str) -> Mapping[str, Any] | None:
    """The document of one of AWS's own policies, as of its file's date; None: no file has it."""
    file = _MANAGED / f"{arn.rpartition('/')[2]}.json"
    if not file.is_file():
        return None
    stored: dict[str, Any] = json.loads(file.read_text("utf-8"))
    document: Mapping[str, Any] = stored["PolicyDocument"]
    return document if stored["Arn"] == arn else None
