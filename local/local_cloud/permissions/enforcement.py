"""Permissions of one local cloud: whose keys there are, and what a deployment has to allow."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from local.local_cloud.http.services import ACCOUNT_ID, REGION, ServiceError
from local.local_cloud.lambdas.functions import FunctionSpec, access_key_id
from local.local_cloud.permissions.calls import Call
from local.local_cloud.permissions.denial import Denial, denial_message
from local.local_cloud.permissions.evaluate import Identity
from local.local_cloud.permissions.grants import Grants, Role
from local.local_cloud.permissions.guard import CallsOf, Guard, Mode
from local.local_cloud.permissions.principals import Principals
from local.local_cloud.permissions.record import RecordedCall
from local.local_cloud.state import CALLS_FILE
from local.local_cloud.template.intrinsics import TemplateError

if TYPE_CHECKING:
    from local.local_cloud.deploy.stack import Delivery, Stack
    from local.local_cloud.events.bus import Rule, Target

INSTANCE_ROLE: Final = f"arn:aws:iam::{ACCOUNT_ID}:role/EMR_EC2_DefaultRole"
SERVERLESS_ROLE: Final = f"arn:aws:iam::{ACCOUNT_ID}:role/local-emr-serverless"
# Roles of clusters, instances and EMR Serverless are the account's own, not the template's. Here
# they may do what docs/jobs.md says that yours have to allow.
_ACCOUNT_ROLE_POLICY: Final = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::*/*"},
        {
            "Effect": "Allow",
            "Action": ["s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
            "Resource": "arn:aws:s3:::*/runs/*",
        },
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"},
        {"Effect": "Allow", "Action": "elasticmapreduce:AddJobFlowSteps", "Resource": "*"},
    ],
}
_CONSUMES: Final = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
_LOGS: Final = ("logs:CreateLogStream", "logs:PutLogEvents")
_TARGET_ACTIONS: Final = {
    "lambda": "lambda:InvokeFunction",
    "sqs": "sqs:SendMessage",
    "sns": "sns:Publish",
}


@dataclass(frozen=True)
class _Need:
    """What a deployment needs before it works.

    Attributes:
        refused: whether AWS refuses the deployment without; if not, `consequence` is what happens.
    """

    owner: str
    identity: Identity
    call: Call
    consequence: str
    refused: bool


class Enforcement:
    """Made with the cloud; `deployed` when its template is.

    Attributes:
        principals: whose keys there are.
        guard: None before `deployed`, and when nothing is checked.
    """

    def __init__(self, mode: Mode, on_denial: Callable[[Denial], None]) -> None:
        self.principals = Principals()
        self.guard: Guard | None = None
        self._guards: list[Guard] = []  # of each deployment
        self._mode = mode
        self._on_denial = on_denial
        self._grants: Grants | None = None
        self._stack_name = ""
        self._template_roles: frozenset[str] = frozenset()

    def denials(self) -> Sequence[Denial]:
        """What has been denied so far, each once."""
        return tuple(one for guard in self._guards for one in guard.denials())

    def calls(self) -> Sequence[RecordedCall]:
        """The different calls that roles have made so far."""
        return sorted({call for guard in self._guards for call in guard.record.calls()})

    def write_calls(self, directory: Path, template: Path) -> None:
        """Write down which role has called what, for `make record-permissions` and for people."""
        calls = [call.to_json() for call in self.calls()]
        content = {
            "stack": self._stack_name,
            "template": str(template),
            "roles": sorted(self._template_roles),
            "calls": calls,
        }
        (directory / CALLS_FILE).write_text(json.dumps(content, indent=1) + "\n", "utf-8")

    def credentials(self, role: str, session: str) -> dict[str, str]:
        """The variables by which a process signs as a role of the template.

        Args:
            role: ARN or name.
        """
        return self.principals.credentials(role, session)

    def credentials_for(
        self, name: str, *documents: Any, attached: Sequence[str] = ()
    ) -> dict[str, str]:
        """The variables by which a client signs as somebody who may do what policies say.

        Args:
            name: of the role that is made up for it; its calls are recorded under it.
            documents: policy documents; a new call with the same name replaces them.
            attached: ARNs of managed policies of the template.

        Raises:
            TemplateError: a policy cannot be evaluated.
        """
        arn = f"arn:aws:iam::{ACCOUNT_ID}:role/{name}"
        if self._grants is not None and self.guard is not None:
            known = len(self._grants.problems)
            self._grants.roles[arn] = Role(arn, name, attached=list(attached))
            for index, document in enumerate(documents):
                self._grants.add_inline(name, document, f"{name} policy {index}")
            self._raise(self._grants.problems[known:])
            self.guard.forget(arn)
        return self.credentials(arn, name)

    def deployed(self, stack: Stack, calls_of: CallsOf) -> Guard | None:
        """Begin to check, by what a template grants.

        After an update, roles that are not the template's are as they were.

        Args:
            stack: deployed.
            calls_of: what requests need.

        Returns:
            What requests have to pass; None: nothing is checked.

        Raises:
            TemplateError: a policy cannot be evaluated, or the deployment lacks a permission
                without which AWS refuses it.
        """
        grants, before = stack.grants, self._grants.roles if self._grants else {}
        others = {
            arn: role for arn, role in before.items() if role.logical_id not in self._template_roles
        }
        self._grants, self._stack_name = grants, stack.name
        self._template_roles = frozenset(role.logical_id for role in grants.roles.values())
        grants.roles |= others
        if self._mode is Mode.OFF:
            for problem in grants.problems:
                stack.warnings.add(problem, "", "a policy that cannot be evaluated")
            return None
        self._raise(grants.problems)
        self._know_account_roles(grants, stack.account_roles)
        for spec in stack.functions.values():
            identity = Identity.session(spec.role_arn, spec.name)
            self.principals.know(access_key_id(spec.name), identity)
        guard = self.guard = Guard(self._mode, grants, self.principals, calls_of, self._on_denial)
        self._guards.append(guard)
        refused = [
            f"{need.owner}: {denial_message(decision)}"
            for need in _needs(stack)
            if not (decision := guard.allows(need.identity, need.call, need.consequence)).allowed
            and need.refused
        ]
        if self._mode is Mode.ENFORCE:
            self._raise(refused)
        for delivery in stack.deliveries:
            self._withhold(guard, delivery, stack)
        return guard

    def know_function(self, spec: FunctionSpec) -> FunctionSpec:
        """Take a function that is created while the cloud runs; its calls are its role's.

        Raises:
            ServiceError: Lambda may not assume its role, or there is no such role.
        """
        known = self._grants is None or spec.role_arn in self._grants.roles
        need = _trust(spec.name, spec.role_arn, "lambda.amazonaws.com")
        if self.guard is not None and self._mode is Mode.ENFORCE:
            known = known and self.guard.allows(need.identity, need.call).allowed
        if not known:
            message = "The role defined for the function cannot be assumed by Lambda."
            raise ServiceError("InvalidParameterValueException", message)
        identity = Identity.session(spec.role_arn, spec.name)
        self.principals.know(access_key_id(spec.name), identity)
        return spec

    def forget(self, role_arn: str) -> None:
        """Drop cached decisions about a role that has changed."""
        if self.guard is not None:
            self.guard.forget(role_arn)

    def may_deliver(self, rule: Rule, target: Target) -> bool:
        """Whether a rule's or schedule's target lets it deliver."""
        if self.guard is None:
            return True
        service = "scheduler" if rule.source == "aws.scheduler" else "events"
        identity = Identity.of_service(f"{service}.amazonaws.com", rule.arn)
        if target.role_arn:
            identity = Identity.session(target.role_arn, rule.name)
        call = Call(_TARGET_ACTIONS[target.arn.split(":")[2]], target.arn)
        return not self.guard.withholds(identity, call, "the event is dropped")

    def refuses_chained_invoke(self, caller: FunctionSpec, target: str) -> str | None:
        """Why a durable function may not invoke another one; None: it may.

        No document says whether the service checks an unqualified invoke by the function's ARN or
        by that of its version: both have to be granted.

        Args:
            target: ARN of the function as the caller names it.
        """
        if self.guard is None:
            return None
        identity = Identity.session(caller.role_arn, caller.name)
        arns = [target] if target.count(":") > 6 else [target, f"{target}:$LATEST"]
        for arn in arns:
            decision = self.guard.allows(identity, Call("lambda:InvokeFunction", arn))
            if not decision.allowed and self._mode is Mode.ENFORCE:
                return denial_message(decision)
        return None

    def _know_account_roles(self, grants: Grants, arns: Sequence[str]) -> None:
        for arn in (INSTANCE_ROLE, SERVERLESS_ROLE, *arns):
            if arn not in grants.roles:
                name = arn.rpartition("/")[2]
                grants.roles[arn] = Role(arn, name)
                grants.add_inline(name, _ACCOUNT_ROLE_POLICY, name)

    def _withhold(self, guard: Guard, delivery: Delivery, stack: Stack) -> None:
        """Take a subscription away whose messages its queue does not accept."""
        identity = Identity.of_service(delivery.service, delivery.source_arn)
        call = Call(delivery.action, delivery.target_arn)
        if guard.withholds(identity, call, "nothing is delivered") and delivery.subscription_arn:
            stack.clients.get("sns").unsubscribe(SubscriptionArn=delivery.subscription_arn)

    @staticmethod
    def _raise(problems: Sequence[str]) -> None:
        if problems:
            raise TemplateError("\n".join(problems))


def _needs(stack: Stack) -> Iterator[_Need]:
    for spec in stack.functions.values():
        yield _trust(spec.name, spec.role_arn, "lambda.amazonaws.com")
        session = Identity.session(spec.role_arn, spec.name)
        group = f"arn:aws:logs:{REGION}:{ACCOUNT_ID}:log-group:{stack.log_groups[spec.name]}"
        for action in _LOGS:
            call = Call(action, f"{group}:log-stream:-")
            yield _Need(spec.name, session, call, "its log is empty on AWS", False)
    for job, role in stack.job_roles.items():
        arn = role if role.startswith("arn:") else f"arn:aws:iam::{ACCOUNT_ID}:role/{role}"
        yield _trust(job, arn, "glue.amazonaws.com")
    for mapping in stack.mappings:
        function = stack.function_of(mapping.function)
        session = Identity.session(function.role_arn, function.name)
        for action in _CONSUMES:
            yield _Need(mapping.id, session, Call(action, mapping.queue_arn), "", True)
    for delivery in stack.deliveries:
        if delivery.service == "s3.amazonaws.com":
            service = Identity.of_service(delivery.service, delivery.source_arn)
            yield _Need(
                delivery.owner, service, Call(delivery.action, delivery.target_arn), "", True
            )


def _trust(owner: str, role_arn: str, service: str) -> _Need:
    """AWS refuses a function or job whose role it cannot assume."""
    call = Call("sts:AssumeRole", role_arn)
    return _Need(owner, Identity.of_service(service, ""), call, "", True)
