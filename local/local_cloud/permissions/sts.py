"""STS: who a key belongs to, and keys for roles. Its query protocol is XML."""

from __future__ import annotations

from collections.abc import Container, Mapping
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final
from xml.sax.saxutils import escape

from local.local_cloud.http.operations import FormRequest, FormService
from local.local_cloud.http.refusals import not_emulated
from local.local_cloud.http.services import ACCOUNT_ID, Response, ServiceError
from local.local_cloud.permissions.evaluate import Identity
from local.local_cloud.permissions.principals import Principals, access_key_of

_NAMESPACE: Final = "https://sts.amazonaws.com/doc/2011-06-15/"
_DEFAULT_SECONDS: Final = 3600
_OPERATOR: Final = Identity(f"arn:aws:iam::{ACCOUNT_ID}:root")


class StsService(FormService):
    """GetCallerIdentity and AssumeRole. Keys do not expire, whatever the response says."""

    service: ClassVar = "sts"

    def __init__(self, principals: Principals, roles: Container[str]) -> None:
        """Set up.

        Args:
            principals: learns of the keys that are given out.
            roles: ARNs of those that can be assumed.
        """
        super().__init__({"GetCallerIdentity": self._caller, "AssumeRole": self._assume})
        self._principals = principals
        self._roles = roles

    def _caller(self, request: FormRequest) -> Response:
        key = access_key_of(request.http.path, request.http.headers)
        identity = (self._principals.identity_of(key) if key else None) or _OPERATOR
        user = identity.context["aws:userid"][0] if identity.role_arn else ACCOUNT_ID
        inner = _elements({"Arn": identity.arn, "UserId": user, "Account": ACCOUNT_ID})
        return _response(request.operation, inner)

    def _assume(self, request: FormRequest) -> Response:
        given = request.given
        missing = [name for name in ("RoleArn", "RoleSessionName") if not given.get(name)]
        if missing:
            raise ServiceError("ValidationError", f"{' and '.join(missing)} must be given")
        for unsupported in ("Policy", "PolicyArns.member.1.arn"):
            if unsupported in given:  # it would limit the session, which nothing here does
                raise not_emulated(f"sts AssumeRole with {unsupported.partition('.')[0]}")
        role, session = given["RoleArn"], given["RoleSessionName"]
        if role not in self._roles:
            message = f"not authorized to perform: sts:AssumeRole on resource: {role}"
            raise ServiceError("AccessDenied", f"{message}, which is not of the template", 403)
        variables = self._principals.credentials(role, session)
        seconds = int(given.get("DurationSeconds", _DEFAULT_SECONDS))
        end = datetime.now(UTC) + timedelta(seconds=seconds)
        credentials = _elements(
            {
                "AccessKeyId": variables["AWS_ACCESS_KEY_ID"],
                "SecretAccessKey": variables["AWS_SECRET_ACCESS_KEY"],
                "SessionToken": variables["AWS_SESSION_TOKEN"],
                "Expiration": end.strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
        )
        identity = Identity.session(role, session)
        user = _elements({"Arn": identity.arn, "AssumedRoleId": identity.context["aws:userid"][0]})
        inner = f"<Credentials>{credentials}</Credentials><AssumedRoleUser>{user}</AssumedRoleUser>"
        return _response(request.operation, inner)


def _response(operation: str, inner: str) -> Response:
    document = (
        f'<{operation}Response xmlns="{_NAMESPACE}"><{operation}Result>{inner}'
        f"</{operation}Result><ResponseMetadata><RequestId>local</RequestId>"
        f"</ResponseMetadata></{operation}Response>"
    )
    return Response(200, {"Content-Type": "text/xml"}, document.encode())


def _elements(values: Mapping[str, str]) -> str:
    return "".join(f"<{name}>{escape(value)}</{name}>" for name, value in values.items())
