"""The gate that every request passes: whose it is, what it needs, and whether that is granted."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Final, Protocol
from urllib.parse import parse_qs, unquote

from local.local_cloud.http.routing import Route
from local.local_cloud.http.services import ACCESS_KEY, Headers, ServiceError
from local.local_cloud.permissions.calls import Call
from local.local_cloud.permissions.denial import Denial, denied, general, missing_statement
from local.local_cloud.permissions.evaluate import Decision, Identity, decide
from local.local_cloud.permissions.grants import Grants
from local.local_cloud.permissions.principals import Principals, access_key_of
from local.local_cloud.permissions.record import CallRecord

_CACHED: Final = 10_000
_DENIALS: Final = 1_000  # different ones; more are counted and not listed
_Key = tuple[Identity, str, str, str, tuple[tuple[str, tuple[str, ...]], ...]]
# What needs no permission (AWS STS API Reference, "GetCallerIdentity").
_FREE: Final = frozenset({("sts", "GetCallerIdentity")})
_KMS_OF_TOPICS: Final = ("kms:GenerateDataKey", "kms:Decrypt")


class Mode(Enum):
    """What becomes of a call that is not granted."""

    ENFORCE = "enforce"  # it is refused, as on AWS
    WARN = "warn"  # it is listed, and goes through
    OFF = "off"  # nothing is checked


class CallsOf(Protocol):
    """What a request asks IAM for (`requests.calls_of` with its names)."""

    def __call__(
        self, where: Route, method: str, path: str, headers: Headers, body: bytes
    ) -> list[Call]:
        """All of them have to be allowed; raises `Unmapped`."""
        ...


class Unmapped(ServiceError):
    """No rule says which permissions a request needs."""

    def __init__(self, what: str) -> None:
        message = f"the local cloud does not know which permissions {what} needs"
        super().__init__("NotEmulated", message, 501)


class Guard:
    """Checks calls; safe to share between threads.

    Attributes:
        principals: whose keys are whose.
        record: the different calls that were allowed.
    """

    def __init__(
        self,
        mode: Mode,
        grants: Grants,
        principals: Principals,
        calls_of: CallsOf,
        on_denial: Callable[[Denial], None] = lambda _: None,
    ) -> None:
        """Set up.

        Args:
            mode: ENFORCE or WARN.
            grants: of the deployed template.
            principals: that credentials were or will be made for.
            calls_of: the mapping of requests.
            on_denial: called with each different denial, once.
        """
        self.principals = principals
        self.record = CallRecord(grants)
        self._enforces = mode is Mode.ENFORCE
        self._grants = grants
        self._calls_of = calls_of
        self._on_denial = on_denial
        self._decisions: OrderedDict[_Key, Decision] = OrderedDict()
        self._denials: dict[Denial, None] = {}
        self._lock = threading.Lock()

    def denials(self) -> list[Denial]:
        """The different ones so far, the oldest first."""
        with self._lock:
            return list(self._denials)

    def caller(self, where: Route, path: str, headers: Mapping[str, str]) -> Identity | None:
        """Who signed a request; None: the operator, who may do everything.

        Raises:
            ServiceError: it is not signed, or with a key that is not known.
        """
        key = access_key_of(path, headers)
        if key == ACCESS_KEY:
            return None
        identity = self.principals.identity_of(key) if key else None
        if identity is not None or not self._enforces:
            return identity
        raise _unknown(key, where.service)

    def check(
        self,
        caller: Identity,
        where: Route,
        method: str,
        path: str,
        headers: Headers,
        body: bytes,
    ) -> None:
        """Let a request through.

        Args:
            where: with its operation.
            path: as in the request line, with query.
            body: whole, where `reads_body` says so.

        Raises:
            ServiceError: AWS's error for a denied call, or `Unmapped`.
        """
        try:
            calls = self._calls_of(where, method, path, headers, body)
            if not calls and (where.service, where.operation) not in _FREE:
                raise Unmapped(f"{where.service} {where.operation or method}")
        except Unmapped:
            if self._enforces:
                raise
            return
        for call in calls:
            decision = self.allows(caller, call)
            if not decision.allowed and self._enforces:
                raise denied(decision, where.service)

    def allows(self, caller: Identity, call: Call, consequence: str = "") -> Decision:
        """Decide a call, and list it if it is denied.

        Args:
            consequence: what became of it, if not an error that the caller got.
        """
        decision = self.decide(caller, call)
        if not decision.allowed:
            self._list(decision, consequence if self._enforces else "let through")
        return decision

    def require(self, caller: Identity, call: Call, service: str, consequence: str = "") -> None:
        """Raise AWS's error if a call is denied and permissions are enforced.

        Raises:
            ServiceError: of `service`.
        """
        decision = self.allows(caller, call, consequence)
        if not decision.allowed and self._enforces:
            raise denied(decision, service)

    def withholds(self, caller: Identity, call: Call, consequence: str) -> bool:
        """Whether a delivery of a service has to be left out."""
        return not self.allows(caller, call, consequence).allowed and self._enforces

    def forget(self, role_arn: str) -> None:
        """Drop cached decisions about a role whose policies have changed."""
        with self._lock:
            for key in [key for key in self._decisions if key[0].role_arn == role_arn]:
                del self._decisions[key]

    def check_absence(self, caller: Identity, where: Route, method: str, path: str) -> None:
        """An object that is not there looks forbidden to who may not list its bucket.

        Amazon S3 API Reference, GetObject and HeadObject, "Permissions".

        Raises:
            ServiceError: that it is forbidden.
        """
        bucket, _, key = path.partition("?")[0].lstrip("/").partition("/")
        if where.service == "s3" and key and method in ("GET", "HEAD"):
            call = Call("s3:ListBucket", f"arn:aws:s3:::{unquote(bucket)}")
            self.require(caller, call, "s3", "a missing object looks forbidden")

    def decide(self, caller: Identity, call: Call) -> Decision:
        """Decide a call without listing it."""
        context = tuple(sorted(call.context.items())) if call.context else ()
        key = (caller, call.action, call.resource, call.via, context)
        with self._lock:
            known = self._decisions.get(key)
            if known is not None:
                self._decisions.move_to_end(key)
                return known
        decision = self._decide(caller, call)
        with self._lock:
            self._decisions[key] = decision
            if len(self._decisions) > _CACHED:
                self._decisions.popitem(last=False)
        return decision

    def _decide(self, caller: Identity, call: Call) -> Decision:
        if call.via:
            caller = Identity.of_service(call.via, caller.source_arn)
        role = self._grants.policies_of(caller.role_arn)
        first: Decision | None = None
        for needed in self._with_keys(call):
            resource = self._grants.policies_on(needed.action, needed.resource)
            decision = decide(needed, caller, role, resource)
            if not decision.allowed:
                return decision
            self.record.add(decision)
            first = first or decision
        assert first is not None  # noqa: S101  (the call itself is the first)
        return first

    def _with_keys(self, call: Call) -> Iterable[Call]:
        """With what a publisher to an encrypted topic needs.

        Amazon SNS Developer Guide, "Managing Amazon SNS encryption keys and costs".
        """
        yield call
        key = self._grants.topic_key(call.resource) if call.action == "sns:Publish" else None
        if key is not None:
            yield from (Call(action, key) for action in _KMS_OF_TOPICS)

    def _list(self, decision: Decision, consequence: str) -> None:
        identity = decision.identity
        who = identity.arn if identity.service else identity.arn.rpartition("/")[2]
        denial = Denial(
            who=f"{who} for {identity.source_arn}" if identity.source_arn else who,
            role=self._grants.logical_id(identity.role_arn) if identity.role_arn else "",
            action=decision.call.action,
            resource=general(decision.call.resource),
            reason=decision.reason,
            lines=missing_statement(decision, self._grants.names),
            consequence=consequence,
        )
        with self._lock:
            if denial in self._denials or len(self._denials) >= _DENIALS:
                return
            self._denials[denial] = None
        self._on_denial(denial)


def reads_body(where: Route, method: str, path: str) -> bool:
    """Whether the calls of a request stand in its body: never in an object's data."""
    if where.service not in ("s3", ""):
        return True
    query = parse_qs(path.partition("?")[2], keep_blank_values=True)
    return method == "POST" and "delete" in query


def _unknown(key: str | None, service: str) -> ServiceError:
    """For an unknown access key (IAM User Guide, "Troubleshoot ... security credentials").

    The codes are those of the services' "Common Errors" pages and of S3's "Error responses".
    """
    hint = (
        f"the local cloud knows the operator's key, {ACCESS_KEY!r}, and those that it gives to"
        " functions and jobs"
    )
    if key is None:
        code = "AccessDenied" if service in ("s3", "") else "MissingAuthenticationToken"
        return ServiceError(code, f"The request is not signed: {hint}", 403)
    code = "InvalidAccessKeyId" if service in ("s3", "") else "UnrecognizedClientException"
    return ServiceError(code, f"The access key {key} is not known: {hint}", 403)
