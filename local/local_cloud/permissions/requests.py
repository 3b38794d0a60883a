"""What a request on the wire asks IAM for: every action on every resource that it needs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from local.local_cloud.http.forwarding import FORM
from local.local_cloud.http.routing import Route
from local.local_cloud.http.services import Headers, ServiceError
from local.local_cloud.permissions.calls import Call
from local.local_cloud.permissions.guard import Unmapped
from local.local_cloud.permissions.json_calls import RULES
from local.local_cloud.permissions.rest_calls import lambda_calls, scheduler_calls, serverless_calls
from local.local_cloud.permissions.s3_calls import s3_calls


def calls_of(where: Route, method: str, path: str, headers: Headers, body: bytes) -> list[Call]:
    """The calls of a request, all of which have to be allowed.

    Args:
        where: with its operation.
        path: as in the request line, with query.
        body: whole; of S3, that of DeleteObjects only.

    Raises:
        Unmapped: no rule says which permissions it needs.
        ServiceError: it is malformed.
    """
    calls: list[Call] | None = None
    if where.service in ("s3", ""):
        calls = s3_calls(method, path, headers, body)
    elif where.service == "lambda":
        calls = lambda_calls(method, path, headers, body)
    elif where.service == "emr-serverless":
        calls = serverless_calls(method, path, body)
    elif where.service == "scheduler":
        calls = scheduler_calls(method, path, headers, body)
    elif (rule := RULES.get(where.service)) is not None and where.operation:
        calls = rule(where.operation, _parameters(path, headers, body))
    if calls is None:
        operation = where.operation or f"{method} {path.partition('?')[0]}"
        raise Unmapped(f"{where.service or 'an unsigned request'} {operation}")
    return calls


def _parameters(path: str, headers: Headers, body: bytes) -> Mapping[str, Any]:
    """Those of a request of the JSON or query protocol; a CBOR body (CloudWatch) is not read."""
    content_type = headers.get("content-type") or ""
    if content_type.startswith(FORM) or not body:
        text = body.decode("utf-8", "replace") or path.partition("?")[2]
        return {name: values[0] for name, values in parse_qs(text).items()}
    if headers.get("smithy-protocol") == "rpc-v2-cbor":
        return {}
    try:
        found = json.loads(body)
    except ValueError as error:
        raise ServiceError("SerializationException", f"not JSON: {error}") from error
    return found if isinstance(found, dict) else {}
