"""What must survive a change of template.yaml: physical resources, permissions, environments.

`make record-template` writes the fingerprint of template.yaml as it is.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import deployed_template
from accepting_clients import AcceptingClients
from deployed_code import ROOT

from local.local_cloud.deploy.deployer import deploy
from local.local_cloud.deploy.stack import Stack
from local.local_cloud.http.services import ACCOUNT_ID
from local.local_cloud.jobs.services import engine_parameters
from local.local_cloud.permissions.grants import Role
from local.local_cloud.permissions.policy import Statement
from local.local_cloud.template.loader import load_template

Json = dict[str, Any]
FILE: Final = ROOT / "tests" / "template" / "resources_before.json"
_SECRET: Final = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT_ID}:secret:warehouse-x"
# Between them every condition of the template holds once and fails once.
DEPLOYMENTS: Final[Mapping[str, Mapping[str, str]]] = {
    "plain": {},
    "everything": {
        **engine_parameters({}),
        "RedshiftWorkgroupName": "local",
        "RedshiftSecretArn": _SECRET,
        "JobFunctionArns": f"arn:aws:lambda:us-east-1:{ACCOUNT_ID}:function:enrich-orders",
        "SourceBucketArns": "arn:aws:s3:::more,arn:aws:s3:::more/*",
        "StartRunsOnUpload": "true",
    },
    "ownBuckets": {
        "DataBucketName": "own-data",
        "CodeBucketName": "own-code",
        "OutputBucketName": "own-output",
        "RedshiftClusterIdentifier": "cluster",
        "RedshiftSecretArn": _SECRET,
        "EmrClusterId": "j-1",
    },
}
# SAM puts a hash of the function behind: a new one publishes a version, which replaces nothing.
_VERSION: Final = re.compile(r"(?<=Version)[0-9a-f]{10}$")
# Functions become durable, or stop being so, by replacement; what it says is changed in place.
_BY_PRESENCE: Final = frozenset({"DurableConfig"})


def fingerprint() -> Json:
    """Of template.yaml as it is; plain JSON."""
    return {
        "resources": physical_resources(),
        "environments": _environments(_deployed(DEPLOYMENTS["everything"])),
        "permissions": {name: _granted(_deployed(given)) for name, given in DEPLOYMENTS.items()},
    }


def physical_resources() -> Json:
    """By logical id: type, condition and the properties whose change replaces the resource."""
    found: Json = {}
    for logical_id, resource in deployed_template.template()["Resources"].items():
        kind, properties = resource["Type"], resource.get("Properties", {})
        names = [name for name in replacing_properties(kind) if name in properties]
        described = {"type": kind}
        for name in names:
            described[name] = "given" if name in _BY_PRESENCE else _short(properties[name])
        if "Condition" in resource:
            described["condition"] = resource["Condition"]
        found[_VERSION.sub("", logical_id)] = described
    return found


@cache
def replacing_properties(kind: str) -> tuple[str, ...]:
    """Top-level properties that CloudFormation cannot change in place, by the type's own schema.

    Those that it can change in some cases only count as well. A version is left out: it is made
    anew for each deployment, and the old ones stay.
    """
    if kind == "AWS::Lambda::Version":
        return ()
    from cfnlint.schema import PROVIDER_SCHEMA_MANAGER  # slow to import, for one test of many

    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    pointers = [
        *(schema.get("createOnlyProperties") or ()),
        *(schema.get("conditionalCreateOnlyProperties") or ()),
    ]
    return tuple(sorted({pointer.split("/")[2] for pointer in pointers}))


def _environments(stack: Stack) -> Json:
    """By function: what each variable says."""
    return {
        name.removeprefix(f"{stack.name}-"): {
            variable: _short(value) for variable, value in spec.environment.items()
        }
        for name, spec in stack.functions.items()
    }


def _granted(stack: Stack) -> Json:
    """By role: what each action is granted on and when, however statements are cut."""
    return {
        role.logical_id: _permissions(
            [
                statement
                for policy in stack.grants.policies_of(role.arn).policies
                for statement in policy.statements
            ]
        )
        for role in stack.grants.roles.values()
    }


def _deployed(given: Mapping[str, str]) -> Stack:
    template = load_template(ROOT / "template.yaml", given, "durable-pipeline")
    base = f"http://front/{ACCOUNT_ID}/"
    stack = Stack(
        "durable-pipeline", template.directory, AcceptingClients(), base, lambda _name, _values: []
    )
    outputs = deploy(template, stack)
    # Attached to no role: that of whoever runs `pipeline`.
    operator = Role("operator", "Operator", attached=[outputs["OperatorPolicyArn"]])
    upkeep = Role("upkeep", "Upkeep", attached=[outputs["OperatorUpkeepPolicyArn"]])
    stack.grants.roles |= {role.arn: role for role in (operator, upkeep)}
    return stack


def _permissions(statements: Sequence[Statement]) -> dict[str, str]:
    found: dict[str, set[str]] = {}
    for one in statements:
        terms = (one.allows, one.not_actions, one.not_resources, sorted(map(repr, one.conditions)))
        for action in one.actions:
            found.setdefault(action, set()).update(f"{on} {terms}" for on in one.resources)
    return {action: _short(sorted(granted)) for action, granted in found.items()}


def _short(value: Any) -> str:
    """Short values as they are, others as a digest."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return text if len(text) <= 24 else hashlib.sha256(text.encode()).hexdigest()[:12]


def write(path: Path = FILE) -> None:
    """Write the fingerprint of template.yaml as it is, a line for each resource and role."""
    path.write_text(_lines(fingerprint(), 0) + "\n", "utf-8")


def _lines(value: Json, depth: int) -> str:
    """JSON with a line for each map that holds no other map."""
    if not any(isinstance(part, dict) for part in value.values()):
        return json.dumps(value, sort_keys=True)
    indent = "  " * (depth + 1)
    parts = (
        f"{indent}{json.dumps(key)}: {_lines(part, depth + 1)}"
        for key, part in sorted(value.items())
    )
    return "{\n" + ",\n".join(parts) + "\n" + "  " * depth + "}"


if __name__ == "__main__":
    write()
