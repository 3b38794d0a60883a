"""Forward a request to the substrate and stream its response back, byte for byte."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Protocol

_BLOCK: Final = 256 * 1024
_HOP_BY_HOP: Final = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade", "expect"}
)
# The substrate closes connections that rest for 75 s.
_IDLE_SECONDS: Final = 60


class Reader(Protocol):
    """The readable side of a connection."""

    def read(self, size: int, /) -> bytes: ...

    def readline(self, limit: int, /) -> bytes: ...


class BadBody(Exception):
    """The request's body is not what its headers say."""


def is_chunked(headers: Mapping[str, str]) -> bool:
    """Whether a body comes in chunks, its length unknown."""
    return "chunked" in (headers.get("transfer-encoding") or "").lower()


def body_blocks(reader: Reader, headers: Mapping[str, str]) -> Iterator[bytes]:
    """The body of a request in blocks as they arrive.

    Raises:
        BadBody: it ends early or its chunks are malformed.
    """
    if is_chunked(headers):
        while size := _chunk_size(reader):
            yield from _exactly(reader, size)
            reader.readline(3)
        while reader.readline(65537).strip():
            pass
    else:
        yield from _exactly(reader, int(headers.get("content-length") or 0))


def _chunk_size(reader: Reader) -> int:
    line = reader.readline(1024)
    try:
        return int(line.split(b";")[0].strip(), 16)
    except ValueError:
        raise BadBody(f"not a chunk size: {line!r}") from None


def _exactly(reader: Reader, size: int) -> Iterator[bytes]:
    while size:
        block = reader.read(min(size, _BLOCK))
        if not block:
            raise BadBody(f"the body ends {size} bytes early")
        size -= len(block)
        yield block


class SubstrateConnection:
    """One keep-alive connection to the substrate, for one thread."""

    def __init__(self, host: str, port: int) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=900)
        self._used_at = 0.0

    def send(
        self, method: str, path: str, headers: Iterable[tuple[str, str]], body: Iterator[bytes]
    ) -> http.client.HTTPResponse:
        """Pass a request on.

        Args:
            method: as the client sent it.
            path: as in the request line.
            headers: all of them, names as the client wrote them.
            body: in blocks; re-chunked if the headers say that it is chunked.

        Returns:
            The response, its body not yet read.

        Raises:
            OSError, http.client.HTTPException: the substrate is gone.
        """
        if time.monotonic() - self._used_at > _IDLE_SECONDS:
            self._connection.close()
        self._used_at = time.monotonic()
        connection = self._connection
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        chunked = False
        for name, value in headers:
            if name.lower() not in _HOP_BY_HOP:
                chunked |= name.lower() == "transfer-encoding"
                connection.putheader(name, value)
        # A small body goes out in the same packet as the headers.
        first = next(body, b"")
        connection.endheaders(_chunk(first) if chunked and first else first or None)
        for block in body:
            connection.send(_chunk(block) if chunked else block)
        if chunked:
            connection.send(b"0\r\n\r\n")
        return connection.getresponse()

    def close(self) -> None:
        """Drop the connection; the next request opens another."""
        self._connection.close()


def response_headers(response: http.client.HTTPResponse) -> list[tuple[str, str]]:
    """The response headers that are for the client."""
    return [(k, v) for k, v in response.getheaders() if k.lower() not in _HOP_BY_HOP]


def response_blocks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """The response body as written to the client."""
    chunked = bool(response.chunked)
    while block := response.read1(_BLOCK) if chunked else response.read(_BLOCK):
        yield _chunk(block) if chunked else block
    if chunked:
        yield b"0\r\n\r\n"


def _chunk(block: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(block), block)
