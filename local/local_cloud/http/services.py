"""What the parts of the local cloud agree on: requests, responses, headers and errors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

REGION: Final = "us-east-1"
ACCOUNT_ID: Final = "000000000000"
ACCESS_KEY: Final = "test"
SECRET_KEY: Final = "test"  # noqa: S105  (any value does: nothing checks it)


@dataclass(frozen=True)
class HttpRequest:
    """One HTTP request.

    Attributes:
        path: percent-encoded, without the query.
        query: parameters behind the question mark.
        headers: names in any case.
        body: the whole body.
    """

    method: str
    path: str
    query: Mapping[str, Sequence[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Response:
    """One HTTP response.

    Attributes:
        status: HTTP status code.
        headers: without Content-Length, which the front adds.
        body: the whole body.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Headers(Mapping[str, str]):
    """The headers of a request; names in any case, iterated in lower case."""

    def __init__(self, items: Iterable[tuple[str, str]]) -> None:
        self._items: dict[str, str] = {}
        for name, value in items:
            key = name.lower()
            self._items[key] = f"{self._items[key]}, {value}" if key in self._items else value

    def __getitem__(self, name: str) -> str:
        return self._items[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)


class ServiceError(Exception):
    """An error that a client of the service shall see.

    Attributes:
        code: AWS error code, e.g. `EntityNotFoundException`.
        message: what went wrong, for people.
        status: HTTP status code, 4xx or 5xx.
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
