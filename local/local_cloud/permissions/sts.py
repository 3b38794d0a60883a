"""STS: who a key belongs to, and keys for roles. Its query protocol is XML."""

from __future__ import annotations

from collections.abc import Container, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from local.local_cloud.http.refusals import error_response, not_emulated
from local.local_cloud.http.services import ACCOUNT_ID, Response, ServiceError
from local.local_cloud.permissions.evaluate import Identity
from local.local_cloud.permissions.principals import Principals, access_key_of

_NAMESPACE: Final = "https://sts.amazonaws.com/doc/2011-06-15/"
_DEFAULT_SECONDS: Final = 3600
_OPERATOR: Final = Identity(f"arn:aws:iam::{ACCOUNT_ID}:root")


class StsService:
    """A `RestService`. Keys do not expire, whatever the response says."""

    def __init__(self, principals: Principals, roles: Container[str]) -> None:
        """Set up.

        Args:
            principals: learns of the keys that are given out.
            roles: ARNs of those that can be assumed.
        """
        self._principals = principals
        self._roles = roles

    def handle(
        self,
        method: str,  # noqa: ARG002  (of the protocol)
        path: str,
        query: dict[str, list[str]],
        headers: Mapping[str, str],
        body: bytes,
    ) -> Response:
        """Serve GetCallerIdentity and AssumeRole; all else is refused by name."""
        form = {**query, **parse_qs(body.decode("utf-8", "replace"))}
        operation = form.get("Action", [""])[0]
        try:
            if operation == "GetCallerIdentity":
                inner = self._caller(path, headers)
            elif operation == "AssumeRole":
                inner = self._assume(form)
            else:
                raise not_emulated(f"sts {operation}")
        except ServiceError as error:
            return error_response(error, "sts", headers)
        document = (
            f'<{operation}Response xmlns="{_NAMESPACE}"><{operation}Result>{inner}'
            f"</{operation}Result><ResponseMetadata><RequestId>local</RequestId>"
            f"</ResponseMetadata></{operation}Response>"
        )
        return Response(200, {"Content-Type": "text/xml"}, document.encode())

    def _caller(self, path: str, headers: Mapping[str, str]) -> str:
        key = access_key_of(path, headers)
        identity = (self._principals.identity_of(key) if key else None) or _OPERATOR
        user = identity.context["aws:userid"][0] if identity.role_arn else ACCOUNT_ID
        return _elements({"Arn": identity.arn, "UserId": user, "Account": ACCOUNT_ID})

    def _assume(self, form: Mapping[str, list[str]]) -> str:
        given = {name: values[0] for name, values in form.items()}
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
        return f"<Credentials>{credentials}</Credentials><AssumedRoleUser>{user}</AssumedRoleUser>"


def _elements(values: Mapping[str, str]) -> str:
    return "".join(f"<{name}>{escape(value)}</{name}>" for name, value in values.items())
