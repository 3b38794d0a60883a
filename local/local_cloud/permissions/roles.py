"""IAM: roles that are made while the cloud runs, enforced like those of the template.

For functions that are created by call, which need a role. The substrate keeps what is read back;
what a role may do is ours. Roles of the template stay as the template has them.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final
from urllib.parse import urlencode

from local.local_cloud.http.forwarding import FORWARDED
from local.local_cloud.http.operations import FormRequest, FormService
from local.local_cloud.http.proxy import SubstrateConnection, response_headers
from local.local_cloud.http.refusals import emulator_is_gone, not_emulated
from local.local_cloud.http.services import ACCOUNT_ID, Response, ServiceError
from local.local_cloud.permissions.grants import Grants, Role

CHANGES: Final = frozenset(
    {
        "CreateRole",
        "DeleteRole",
        "PutRolePolicy",
        "DeleteRolePolicy",
        "AttachRolePolicy",
        "DetachRolePolicy",
    }
)


@dataclass
class _MadeRole:
    """A role as calls have left it.

    Attributes:
        inline: policy documents by name.
        attached: ARNs of managed policies.
    """

    arn: str
    trust: Any
    inline: dict[str, Any] = field(default_factory=dict)
    attached: list[str] = field(default_factory=list)


class IamService(FormService):
    """All requests go to the substrate; changes of roles take effect here, too."""

    service: ClassVar = "iam"

    def __init__(self, grants: Grants, forget: Callable[[str], None], substrate_port: int) -> None:
        """Set up.

        Args:
            grants: of the deployed template.
            forget: called with the ARN of a role that has changed.
            substrate_port: where the emulator listens on 127.0.0.1.
        """
        super().__init__(
            {
                **dict.fromkeys(FORWARDED["iam"], self._forwarded),
                **dict.fromkeys(CHANGES, self._changed),
            }
        )
        self._grants, self._forget, self._port = grants, forget, substrate_port
        self._made: dict[str, _MadeRole] = {}

    def use(self, grants: Grants) -> None:
        """Make and change roles among these from now on; those that calls have made are in them."""
        self._grants = grants

    def _changed(self, request: FormRequest) -> Response:
        self._change(request.operation, request.given)
        return self._forwarded(request)

    def _change(self, operation: str, given: Mapping[str, str]) -> None:
        name = given.get("RoleName", "")
        if operation == "CreateRole":
            self._create(name, given)
            return
        role = self._made.get(name)
        if role is None:
            if any(arn.endswith(f"/{name}") for arn in self._grants.roles):
                raise not_emulated(f"iam {operation} of {name}, a role of the template")
            raise ServiceError("NoSuchEntity", f"The role with name {name} cannot be found.", 404)
        if operation == "DeleteRole":
            del self._made[name], self._grants.roles[role.arn]
        else:
            changed = _MadeRole(role.arn, role.trust, dict(role.inline), list(role.attached))
            _apply(operation, given, changed)
            self._enforce(name, changed)
        self._forget(role.arn)

    def _create(self, name: str, given: Mapping[str, str]) -> None:
        arn = f"arn:aws:iam::{ACCOUNT_ID}:role{given.get('Path', '/')}{name}"
        if not name or any(known.endswith(f"/{name}") for known in self._grants.roles):
            message = f"Role with name {name} already exists."
            raise ServiceError("EntityAlreadyExists", message, 409)
        self._enforce(name, _MadeRole(arn, _document(given, "AssumeRolePolicyDocument")))

    def _enforce(self, name: str, made: _MadeRole) -> None:
        """Take the role as it is now; nothing is changed if a policy cannot be evaluated."""
        grants = self._grants
        before, known = grants.roles.get(made.arn), len(grants.problems)
        grants.add_role(Role(made.arn, name, attached=list(made.attached)), made.trust)
        for title, document in made.inline.items():
            grants.add_inline(name, document, f"{name} {title}")
        grants.finish()
        problems = grants.problems[known:]
        if problems:
            del grants.problems[known:]
            if before is None:
                del grants.roles[made.arn]
            else:
                grants.roles[made.arn] = before
            raise ServiceError("MalformedPolicyDocument", "; ".join(problems), 400)
        self._made[name] = made

    def _forwarded(self, request: FormRequest) -> Response:
        sent = request.http
        query = urlencode(sent.query, doseq=True)
        path = f"{sent.path}?{query}" if query else sent.path
        connection = SubstrateConnection("127.0.0.1", self._port)
        try:
            body = iter([sent.body] if sent.body else [])
            response = connection.send(sent.method, path, sent.headers.items(), body)
            passed_on = {k: v for k, v in response_headers(response) if k.lower() not in _LENGTHS}
            return Response(response.status, passed_on, response.read())
        except (OSError, http.client.HTTPException) as error:
            raise emulator_is_gone() from error
        finally:
            connection.close()


_LENGTHS: Final = frozenset({"content-length", "transfer-encoding"})


def _apply(operation: str, given: Mapping[str, str], role: _MadeRole) -> None:
    title, arn = given.get("PolicyName", ""), given.get("PolicyArn", "")
    if operation == "PutRolePolicy":
        role.inline[title] = _document(given, "PolicyDocument")
    elif operation == "DeleteRolePolicy":
        role.inline.pop(title, None)
    elif operation == "AttachRolePolicy":
        role.attached = [*dict.fromkeys([*role.attached, arn])]
    else:
        role.attached = [other for other in role.attached if other != arn]


def _document(given: Mapping[str, str], name: str) -> Any:
    try:
        return json.loads(given.get(name, ""))
    except ValueError as error:
        raise ServiceError(
            "MalformedPolicyDocument", f"{name} is not JSON: {error}", 400
        ) from error
