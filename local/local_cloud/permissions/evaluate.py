"""Whether a call is allowed, of all the policies that have a say in it.

The order is that of the IAM User Guide, "Policy evaluation for requests within a single account":
an explicit deny anywhere ends it; then one policy has to allow. Everything is in one account.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from local.local_cloud.http.services import ACCOUNT_ID, REGION
from local.local_cloud.permissions.calls import Call
from local.local_cloud.permissions.policy import Policy, Principals, Statement


@dataclass(frozen=True)
class Identity:
    """Who makes a call: a session of a role, or a service of AWS.

    Attributes:
        arn: of the session, as error messages show it; of a service: its principal.
        role_arn: of the role; empty for services.
        service: service principal, e.g. `events.amazonaws.com`; empty for roles.
        source_arn: on whose behalf a service calls (`aws:SourceArn`).
    """

    arn: str
    role_arn: str = ""
    service: str = ""
    source_arn: str = ""

    @classmethod
    def session(cls, role_arn: str, name: str) -> Identity:
        """A session of a role, whose ARN leaves out the role's path."""
        role = role_arn.rpartition("/")[2]
        account = role_arn.split(":")[4]
        return cls(f"arn:aws:sts::{account}:assumed-role/{role}/{name}", role_arn)

    @classmethod
    def of_service(cls, principal: str, source_arn: str) -> Identity:
        return cls(principal, service=principal, source_arn=source_arn)

    @functools.cached_property
    def context(self) -> Mapping[str, tuple[str, ...]]:
        """Global condition keys of its requests ("AWS global condition context keys")."""
        shared = {
            "aws:securetransport": ("true",),
            "aws:requestedregion": (REGION,),
            "aws:resourceaccount": (ACCOUNT_ID,),
        }
        if self.service:
            source = {"aws:sourcearn": (self.source_arn,)} if self.source_arn else {}
            return {
                **shared,
                **source,
                "aws:sourceaccount": (ACCOUNT_ID,),
                "aws:principalisawsservice": ("true",),
                "aws:principalservicename": (self.service,),
            }
        return {
            **shared,
            "aws:principalarn": (self.role_arn,),
            "aws:principalaccount": (ACCOUNT_ID,),
            "aws:principaltype": ("AssumedRole",),
            "aws:principalisawsservice": ("false",),
            "aws:viaawsservice": ("false",),
            "aws:userid": (f"{self.role_arn.rpartition('/')[2]}:{self.arn.rpartition('/')[2]}",),
            "aws:sourceip": ("127.0.0.1",),
        }


@dataclass(frozen=True)
class RolePolicies:
    """What a role may do, and whom it may be assumed by."""

    policies: Sequence[Policy] = ()
    trust: Policy | None = None
    boundary: Policy | None = None


class Kind(Enum):
    """What is missing, in the words of AWS's messages; none if the call is allowed."""

    ALLOWED = ""
    IDENTITY_DENY = "with an explicit deny in an identity-based policy"
    RESOURCE_DENY = "with an explicit deny in a resource-based policy"
    BOUNDARY_DENY = "with an explicit deny in a permissions boundary"
    NO_IDENTITY = "because no identity-based policy allows the {action} action"
    NO_RESOURCE = "because no resource-based policy allows the {action} action"
    NO_BOUNDARY = "because no permissions boundary allows the {action} action"


@dataclass(frozen=True)
class Decision:
    """What came of a call.

    Attributes:
        call: which.
        identity: who.
        policy: the name of the policy that denies, or that allows.
    """

    call: Call
    identity: Identity
    kind: Kind
    policy: str = field(default="", compare=False)

    @property
    def allowed(self) -> bool:
        return self.kind is Kind.ALLOWED

    @property
    def reason(self) -> str:
        return self.kind.value.format(action=self.call.action)


class _Says(Enum):
    """What a policy says of a call, the weightiest last."""

    NOTHING = 0
    DELEGATES = 1  # allows the account, which may allow the role by policies of its own
    ALLOWS = 2
    DENIES = 3


def decide(
    call: Call,
    identity: Identity,
    role: RolePolicies,
    resource: Iterable[Policy] = (),
) -> Decision:
    """Decide one call.

    Args:
        role: of the identity; empty for a service.
        resource: the policies of the resource: of a key with its key policy, of a role that is
            to be assumed with its trust policy.
    """
    context = {**identity.context, **call.context}
    own = _of_identity(call, context, role.policies)
    theirs = _of_resource(call, context, identity, resource)
    limit = (_Says.ALLOWS, "")
    if role.boundary is not None:
        limit = _of_identity(call, context, [role.boundary])
    for (says, policy), kind in (
        (own, Kind.IDENTITY_DENY),
        (theirs, Kind.RESOURCE_DENY),
        (limit, Kind.BOUNDARY_DENY),
    ):
        if says is _Says.DENIES:
            return Decision(call, identity, kind, policy)
    kind = _missing(call, identity, own[0], theirs[0])
    if kind is Kind.ALLOWED and limit[0] is not _Says.ALLOWS:
        kind = Kind.NO_BOUNDARY
    return Decision(call, identity, kind, theirs[1] or own[1])


def _missing(call: Call, identity: Identity, own: _Says, theirs: _Says) -> Kind:
    """Which policy would have to allow a call that none denies."""
    if theirs is _Says.ALLOWS:
        return Kind.ALLOWED
    if identity.service or (_resource_decides(call) and theirs is _Says.NOTHING):
        return Kind.NO_RESOURCE
    return Kind.ALLOWED if own is _Says.ALLOWS else Kind.NO_IDENTITY


def _resource_decides(call: Call) -> bool:
    """Whether policies of identities count only where the resource's policy lets them.

    KMS Developer Guide, "Key policies in AWS KMS"; IAM User Guide, "IAM roles: role trust policy".
    """
    return (
        call.action.startswith("kms:")
        and ":key/" in call.resource
        or (call.action.lower() == "sts:assumerole")
    )


def _of_identity(
    call: Call, context: Mapping[str, tuple[str, ...]], policies: Iterable[Policy]
) -> tuple[_Says, str]:
    allowing = ""
    for policy in policies:
        for statement in policy.statements:
            if statement.covers(call, context):
                if not statement.allows:
                    return _Says.DENIES, policy.name
                allowing = allowing or policy.name
    return (_Says.ALLOWS, allowing) if allowing else (_Says.NOTHING, "")


def _of_resource(
    call: Call,
    context: Mapping[str, tuple[str, ...]],
    identity: Identity,
    policies: Iterable[Policy],
) -> tuple[_Says, str]:
    strongest, name = _Says.NOTHING, ""
    for policy in policies:
        for statement in policy.statements:
            says = _names(statement, identity)
            if says is _Says.NOTHING or not statement.covers(call, context):
                continue
            if not statement.allows:
                return _Says.DENIES, policy.name
            if says.value > strongest.value:
                strongest, name = says, policy.name
    return strongest, name


def _names(statement: Statement, identity: Identity) -> _Says:
    """How a statement of a resource's policy names an identity: itself, or its account."""
    principals = statement.principals or Principals()
    if "*" in principals.aws:
        return _Says.ALLOWS
    if identity.service:
        return _Says.ALLOWS if identity.service in principals.services else _Says.NOTHING
    if identity.role_arn in principals.aws or identity.arn in principals.aws:
        return _Says.ALLOWS
    account = identity.arn.split(":")[4]
    if account in principals.aws or f"arn:aws:iam::{account}:root" in principals.aws:
        return _Says.DELEGATES
    return _Says.NOTHING
