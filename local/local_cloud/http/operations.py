"""How services of ours serve an operation: a table by its name; what is not in it is refused.

The one mechanism for the three protocols: JSON (`X-Amz-Target`), query (`Action` of a form), and
REST, whose operations `rest_routes` finds by method and path. A refusal is an error like any other,
which the front writes as the protocol's clients read errors (`refusals.error_response`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar
from urllib.parse import parse_qs

from local.local_cloud.http.refusals import not_emulated
from local.local_cloud.http.services import HttpRequest, Response

Found = TypeVar("Found")
Call = Callable[[dict[str, Any]], dict[str, Any]]


def served_by(operations: Mapping[str, Found], service: str, operation: str) -> Found:
    """What serves an operation.

    Args:
        operations: by name.
        service: signing name, for the message.
        operation: as the request names it; empty: it names none.

    Raises:
        ServiceError: nothing does; names the service and the operation.
    """
    found = operations.get(operation)
    if found is None:
        raise not_emulated(f"{service} {operation or 'without an operation'}")
    return found


class JsonService:
    """A service of the AWS JSON protocol.

    Attributes:
        service: signing name, such as `glue`.
        target_prefix: of `X-Amz-Target: <prefix>.<operation>`, such as `AWSGlue`.
        forwards: whether the substrate serves the other operations.
    """

    service: ClassVar[str]
    target_prefix: ClassVar[str]
    forwards: ClassVar[bool] = False

    def __init__(self, calls: Mapping[str, Call]) -> None:
        """Serve these operations.

        Args:
            calls: by operation; from the decoded JSON body of a request to that of the response,
                whose times are epoch seconds. They raise `ServiceError` for the client.
        """
        self._calls = dict(calls)

    @property
    def operations(self) -> frozenset[str]:
        return frozenset(self._calls)

    def serves(self, operation: str) -> bool:
        """Whether `call` serves an operation; if not, the substrate does.

        Raises:
            ServiceError: neither does.
        """
        if not self.forwards:
            served_by(self._calls, self.service, operation)
        return operation in self._calls

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """The response to one call.

        Raises:
            ServiceError: for the client; the operation is not one of ours, among others.
        """
        return served_by(self._calls, self.service, operation)(request)


@dataclass(frozen=True)
class FormRequest:
    """A request of the query protocol.

    Attributes:
        operation: its `Action`.
        given: its parameters, each by its first value.
        http: as it came.
    """

    operation: str
    given: Mapping[str, str]
    http: HttpRequest


class FormService:
    """A `RestService` of the query protocol.

    Attributes:
        service: signing name, such as `sts`.
    """

    service: ClassVar[str]

    def __init__(self, calls: Mapping[str, Callable[[FormRequest], Response]]) -> None:
        self._calls = dict(calls)

    def handle(self, request: HttpRequest) -> Response:
        """The response to one request.

        Raises:
            ServiceError: for the client; the operation is not one of ours, among others.
        """
        form = {**request.query, **parse_qs(request.body.decode("utf-8", "replace"))}
        given = {name: values[0] for name, values in form.items()}
        operation = given.get("Action", "")
        call = served_by(self._calls, self.service, operation)
        return call(FormRequest(operation, given, request))
