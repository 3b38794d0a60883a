"""What the deployment of one template collects."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from local.local_cloud.deploy.properties import Warnings
from local.local_cloud.events.bus import Rule
from local.local_cloud.events.sources import SqsMapping
from local.local_cloud.http.clients import ServiceClients
from local.local_cloud.http.services import ACCOUNT_ID, REGION
from local.local_cloud.lambdas.functions import FunctionSpec
from local.local_cloud.permissions.grants import Grants

DefineJob = Callable[[str, Mapping[str, Any]], list[str]]


@dataclass(frozen=True)
class Created:
    """A resource that exists.

    Attributes:
        ref: what `Ref` gives.
        attributes: what `Fn::GetAtt` gives, by attribute name.
    """

    ref: Any
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Delivery:
    """What a service sends for a resource: notifications of a bucket, messages of a topic.

    Attributes:
        service: principal, e.g. `sns.amazonaws.com`.
        source_arn: the resource.
        action: e.g. `sqs:SendMessage`.
        target_arn: of a queue or topic.
        owner: logical id of what asks for it.
        subscription_arn: of a topic's subscription.
    """

    service: str
    source_arn: str
    action: str
    target_arn: str
    owner: str
    subscription_arn: str = ""


@dataclass
class Stack:
    """The state of a deployment.

    Attributes:
        name: stack name; resources without a name of their own are called after it.
        directory: what local code paths are relative to.
        clients: of the services that resources are created in.
        queue_base_url: what a queue's URL begins with, `/` at the end.
        define_job: passes a Glue job to its service; returns what has no effect.
        functions, mappings, rules: what the template says about functions and events.
        schedule_groups: names of the groups of schedules.
        log_groups: the group that each function logs into.
        alarms: the properties of each alarm.
        bridged_buckets: buckets whose events go to EventBridge.
        grants: what the template's roles may do, and its resources allow.
        deliveries: what services deliver that policies of resources have to allow.
        job_roles: the role of each Glue job, by its name.
        account_roles: ARNs of roles that the template's parameters name.
        earlier: what this deployment updates; None: it is the first.
        created: the resource of each logical id.
        values: the type and the resolved properties of each logical id.
    """

    name: str
    directory: Path
    clients: ServiceClients
    queue_base_url: str
    define_job: DefineJob
    warnings: Warnings = field(default_factory=Warnings)
    functions: dict[str, FunctionSpec] = field(default_factory=dict)
    log_groups: dict[str, str] = field(default_factory=dict)
    alarms: dict[str, dict[str, Any]] = field(default_factory=dict)
    layers: dict[str, Path] = field(default_factory=dict)
    mappings: list[SqsMapping] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    schedule_groups: list[str] = field(default_factory=list)
    bridged_buckets: list[str] = field(default_factory=list)
    grants: Grants = field(default_factory=Grants)
    deliveries: list[Delivery] = field(default_factory=list)
    job_roles: dict[str, str] = field(default_factory=dict)
    account_roles: list[str] = field(default_factory=list)
    earlier: Stack | None = None
    created: dict[str, Created] = field(default_factory=dict)
    values: dict[str, tuple[str, Any]] = field(default_factory=dict)

    def exists(self, logical_id: str, ref: str) -> bool:
        """Whether the deployment before made this resource, under the same name."""
        known = self.earlier.created.get(logical_id) if self.earlier else None
        return known is not None and known.ref == ref

    def earlier_one(self, logical_id: str) -> Created | None:
        """A resource as the deployment before made it, whose name is drawn when it is made."""
        return self.earlier.created.get(logical_id) if self.earlier else None

    def name_of(self, logical_id: str, limit: int = 64) -> str:
        """The name of a resource that the template gives none."""
        return f"{self.name}-{logical_id}"[:limit]

    def function_of(self, name_or_arn: str) -> FunctionSpec:
        """The function of a name or ARN.

        Raises:
            KeyError: there is no such function.
        """
        return self.functions[function_name(name_or_arn)]

    def change_function(self, name: str, **changes: Any) -> None:
        """Replace fields of a function that is already known.

        Raises:
            KeyError: there is no such function.
        """
        self.functions[name] = replace(self.functions[name], **changes)


def arn(service: str, resource: str, *, region: str = REGION, account: str = ACCOUNT_ID) -> str:
    """The ARN of a resource of ours."""
    return f"arn:aws:{service}:{region}:{account}:{resource}"


def function_name(name_or_arn: str) -> str:
    """The plain name in a function's name, partial ARN or ARN, with or without qualifier."""
    match = re.search(r"(?:^|function:)([A-Za-z0-9_-]+)(?::[A-Za-z0-9$_-]+)?$", name_or_arn)
    if not match:
        raise KeyError(name_or_arn)
    return match[1]
