"""Errors in the wire format that the caller's client understands, so that it shows our words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final
from xml.sax.saxutils import escape

from local.local_cloud.http.services import Response, ServiceError

NOT_EMULATED: Final = "NotEmulated"
# 501: the SDKs do not retry it.
NOT_EMULATED_STATUS: Final = 501
_SERVER_ERROR: Final = 500  # from here on
_XML_SERVICES: Final = frozenset({"s3", "s3-outposts", "cloudfront", "route53"})
_REST_JSON_SERVICES: Final = frozenset({"lambda", "emr-serverless", "scheduler"})


def not_emulated(what: str) -> ServiceError:
    """The error for a service or operation that is not emulated."""
    return ServiceError(
        NOT_EMULATED, f"the local cloud does not emulate {what}", NOT_EMULATED_STATUS
    )


def emulator_is_gone() -> ServiceError:
    """The error while the substrate cannot be reached."""
    return ServiceError("ServiceUnavailable", "the emulator is gone", 503)


def error_response(error: ServiceError, service: str, headers: Mapping[str, str]) -> Response:
    """The error as an HTTP response.

    Args:
        error: what to say.
        service: signing name of the service that was called.
        headers: of the request; they show the protocol.
    """
    if headers.get("smithy-protocol") == "rpc-v2-cbor":
        return Response(
            error.status,
            {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"},
            _cbor_map({"__type": error.code, "message": error.message}),
        )
    content_type = headers.get("content-type") or ""
    if content_type.startswith("application/x-www-form-urlencoded") or service in _XML_SERVICES:
        return Response(error.status, {"Content-Type": "text/xml"}, _xml(error, service))
    if service in _REST_JSON_SERVICES:
        document = {"Type": _side(error), "Message": error.message, "message": error.message}
        # The header has the error's class; without it SDKs know "an error" only.
        return Response(
            error.status,
            {"Content-Type": "application/json", "x-amzn-ErrorType": error.code},
            json.dumps(document).encode(),
        )
    return Response(
        error.status,
        {"Content-Type": "application/x-amz-json-1.1", "x-amzn-ErrorType": error.code},
        json.dumps({"__type": error.code, "message": error.message}).encode(),
    )


def _xml(error: ServiceError, service: str) -> bytes:
    inner = f"<Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>"
    if service == "s3":
        return f"<Error>{inner}</Error>".encode()
    inner = f"<Type>{'Receiver' if error.status >= _SERVER_ERROR else 'Sender'}</Type>{inner}"
    return f"<ErrorResponse><Error>{inner}</Error></ErrorResponse>".encode()


def _side(error: ServiceError) -> str:
    return "Server" if error.status >= _SERVER_ERROR else "User"


def _cbor_map(values: Mapping[str, str]) -> bytes:
    """A CBOR map (RFC 8949) of text to text; fewer than 24 entries."""

    def string(value: str) -> bytes:
        data = value.encode()
        return b"\x7a" + len(data).to_bytes(4, "big") + data

    pairs = [string(key) + string(value) for key, value in values.items()]
    return bytes([0xA0 + len(pairs)]) + b"".join(pairs)
