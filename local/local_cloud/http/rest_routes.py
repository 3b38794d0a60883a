"""Which operation of a REST API a request is, by boto's own description of the service."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from botocore.loaders import Loader

from local.local_cloud.http.refusals import not_emulated
from local.local_cloud.http.services import HttpRequest, ServiceError


@dataclass(frozen=True)
class Request:
    """One decoded request.

    Attributes:
        operation: name in the API, e.g. `Invoke`.
        uri: parameters in the path, e.g. `FunctionName`.
        query: parameters behind the question mark.
        headers: by lower-case name.
        body: as sent.
    """

    operation: str
    uri: Mapping[str, str]
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    body: bytes

    def query_value(self, name: str) -> str | None:
        values = self.query.get(name)
        return values[0] if values else None

    def query_flag(self, name: str, default: bool) -> bool:
        value = self.query_value(name)
        return default if value is None else value.lower() == "true"

    def page_size(self, default: int, limit: int) -> int:
        """`MaxItems`, where 0 and absence mean the default.

        Raises:
            ServiceError: it is no number or out of range.
        """
        text = self.query_value("MaxItems") or "0"
        if not text.isdigit() or int(text) > limit:
            raise ServiceError(
                "InvalidParameterValueException", f"MaxItems must be 0 to {limit}, not {text!r}"
            )
        return int(text) or default


def decode(service: str, request: HttpRequest) -> Request:
    """Find the operation of a request.

    Args:
        service: boto's name of it, such as `lambda`.

    Raises:
        ServiceError: no operation of the service has this method and path.
    """
    for operation, operation_method, pattern in _routes(service):
        match = pattern.fullmatch(request.path) if request.method == operation_method else None
        if match is not None:
            uri = {name: unquote(value) for name, value in match.groupdict().items()}
            lower = {name.lower(): value for name, value in request.headers.items()}
            return Request(operation, uri, request.query, lower, request.body)
    raise not_emulated(f"{service} {request.method} {request.path}")


@functools.cache
def _routes(service: str) -> list[tuple[str, str, re.Pattern[str]]]:
    """Operation, method and path pattern; longer paths first, since ARNs may hold slashes."""
    model: dict[str, Any] = Loader().load_service_model(service, "service-2")
    operations = [
        (name, operation["http"]["method"], operation["http"]["requestUri"].partition("?")[0])
        for name, operation in model["operations"].items()
    ]
    operations.sort(key=lambda operation: -operation[2].count("/"))
    return [(name, method, _pattern(uri)) for name, method, uri in operations]


def _pattern(uri: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\+?\}", uri)
    pattern = "".join(
        f"(?P<{part}>.+)" if index % 2 else re.escape(part) for index, part in enumerate(parts)
    )
    return re.compile(pattern.rstrip("/") + "/?")
