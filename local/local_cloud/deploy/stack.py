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
from local.local_cloud.lambdas.functions import FunctionSpec
from local.local_cloud.service_clients import ServiceClients
from local.local_cloud.services import ACCOUNT_ID, REGION

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


@dataclass
class Stack:
    """The state of a deployment.

    Attributes:
        name: stack name; resources without a name of their own are called after it.
        directory: what local code paths are relative to.
        clients: of the services that resources are created in.
        queue_base_url: what a queue's URL begins with, `/` at the end.
        define_job: gives a Glue job to its service; answers with what has no effect.
        functions, mappings, rules: what the template says about functions and events.
        log_groups: the group that each function logs into.
        alarms: the properties of each alarm.
        bridged_buckets: buckets whose events go to EventBridge.
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
    bridged_buckets: list[str] = field(default_factory=list)

    def name_of(self, logical_id: str, limit: int = 64) -> str:
        """The name of a resource that the template gives none."""
        return f"{self.name}-{logical_id}"[:limit]

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
