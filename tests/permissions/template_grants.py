"""What template.yaml grants with every part of it switched on, without a service that runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from accepting_clients import AcceptingClients
from deployed_code import ROOT

from local.local_cloud.deploy.deployer import deploy
from local.local_cloud.deploy.stack import Stack
from local.local_cloud.http.services import ACCOUNT_ID
from local.local_cloud.jobs.services import engine_parameters
from local.local_cloud.permissions.evaluate import RolePolicies
from local.local_cloud.permissions.grants import Grants
from local.local_cloud.permissions.policy import Policy
from local.local_cloud.template.loader import load_template

STACK = "durable-pipeline"
PARAMETERS = {
    **engine_parameters({}),
    "RedshiftWorkgroupName": "local",
    "RedshiftSecretArn": f"arn:aws:secretsmanager:us-east-1:{ACCOUNT_ID}:secret:local-warehouse-x",
    "JobFunctionArns": f"arn:aws:lambda:us-east-1:{ACCOUNT_ID}:function:enrich-orders",
}


@dataclass(frozen=True, order=True)
class Granted:
    """One action of one statement of one policy of a role.

    Attributes:
        policy: logical id of a managed policy, or the role's and the policy's name.
        statement: its place in the policy.
    """

    role: str
    policy: str
    statement: int
    action: str


def template_grants() -> Grants:
    """Deploy the template; nothing of it has to run."""
    template = load_template(ROOT / "template.yaml", {}, STACK, PARAMETERS)
    base = f"http://front/{ACCOUNT_ID}/"
    stack = Stack(STACK, template.directory, AcceptingClients(), base, lambda _name, _values: [])
    deploy(template, stack)
    return stack.grants


def granted(grants: Grants) -> list[Granted]:
    """Every action that the roles of the template are allowed."""
    return [
        Granted(role.logical_id, policy.name, index, action)
        for role in grants.roles.values()
        for policy in grants.policies_of(role.arn).policies
        for index, statement in enumerate(policy.statements)
        for action in statement.actions
    ]


def without(role: RolePolicies, removed: Granted) -> RolePolicies:
    """A role's policies with one action less."""
    return replace(role, policies=_less(role.policies, removed))


def _less(policies: Sequence[Policy], removed: Granted) -> list[Policy]:
    found = []
    for policy in policies:
        if policy.name == removed.policy:
            statements = list(policy.statements)
            old = statements[removed.statement]
            rest = tuple(action for action in old.actions if action != removed.action)
            statements[removed.statement] = replace(old, actions=rest)
            found.append(Policy(policy.name, tuple(statements)))
        else:
            found.append(policy)
    return found
