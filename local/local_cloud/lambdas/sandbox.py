"""Sandboxes: one process per concurrent invocation, served through the Lambda Runtime API."""

from __future__ import annotations

import http.client
import os
import select
import signal
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from local.local_cloud.lambdas.fork_server import ForkServer

RUNTIME: Final = "/2018-06-01/runtime"


class SandboxExited(Exception):
    """The process ended by itself or was killed; the message is Lambda's wording.

    Attributes:
        peak_bytes: the most memory it had, if it was killed.
    """

    def __init__(self, message: str, peak_bytes: int = 0) -> None:
        super().__init__(message)
        self.peak_bytes = peak_bytes


class SandboxTimedOut(Exception):
    """The process did not respond in time."""


@dataclass(frozen=True)
class RuntimeRequest:
    """What the process in a sandbox said to its Runtime API; `path` without the common prefix."""

    path: str
    body: bytes


def _is_readable(connection: socket.socket) -> bool:
    poll = select.poll()  # select() takes no descriptor above 1,023
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))


class Sandbox:
    """One process and the server's side of its Runtime API.

    Used by one thread at a time: `ready`, then `invoke`, then `ready` again.
    """

    def __init__(self, pid: int, connection: socket.socket, server: ForkServer) -> None:
        self.pid = pid
        self._connection = connection
        self._stream = connection.makefile("rb")
        self._server = server

    def ready(self, seconds: float) -> RuntimeRequest:
        """Wait until the process asks for an event, or reports that it cannot start.

        Returns:
            The request `/invocation/next`, left unanswered, or `/init/error` with the error.

        Raises:
            SandboxExited, SandboxTimedOut
        """
        request = self._receive(seconds)
        if request.path != "/invocation/next":
            self._response(HTTPStatus.ACCEPTED)
        elif _is_readable(self._connection):
            raise self._exit()  # it asked, and was killed since
        return request

    def invoke(self, event: bytes, headers: Mapping[str, str], seconds: float) -> RuntimeRequest:
        """Respond to the pending `/invocation/next` and wait for the outcome.

        Returns:
            `/invocation/<id>/response` or `/invocation/<id>/error` with its body.

        Raises:
            SandboxExited, SandboxTimedOut
        """
        self._response(HTTPStatus.OK, event, headers)
        outcome = self._receive(seconds)
        self._response(HTTPStatus.ACCEPTED)
        return outcome

    def kill(self) -> None:
        self._server.kill(self.pid)

    def wait_for_exit(self) -> None:
        self._server.exit_of(self.pid)

    def close(self) -> None:
        """Kill the process and forget it."""
        self.kill()
        self._stream.close()
        self._connection.close()

    def _receive(self, seconds: float) -> RuntimeRequest:
        self._connection.settimeout(max(seconds, 0.001))
        try:
            line = self._stream.readline()
            if not line:
                raise self._exit()
            headers = http.client.parse_headers(self._stream)
            body = self._stream.read(int(headers.get("Content-Length", 0)))
        except TimeoutError:
            raise SandboxTimedOut from None
        except ConnectionError:
            raise self._exit() from None
        return RuntimeRequest(line.split()[1].decode().removeprefix(RUNTIME), body)

    def _response(
        self, status: HTTPStatus, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> None:
        fields = {"Content-Length": str(len(body)), **(headers or {})}
        head = f"HTTP/1.1 {status.value} {status.phrase}\r\n" + "".join(
            f"{name}: {value}\r\n" for name, value in fields.items()
        )
        try:
            self._connection.sendall(head.encode() + b"\r\n" + body)
        except ConnectionError:
            raise self._exit() from None

    def _exit(self) -> SandboxExited:
        ended = self._server.exit_of(self.pid)
        status = ended.status if ended else 0
        if ended is None or status == 0:
            return SandboxExited("Runtime exited without providing a reason")
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            name = signal.strsignal(number) or str(number)
            peak = ended.peak_bytes if number == signal.SIGKILL else 0
            return SandboxExited(f"Runtime exited with error: signal: {name.lower()}", peak)
        return SandboxExited(f"Runtime exited with error: exit status {os.WEXITSTATUS(status)}")


def deadline_header(seconds: float) -> str:
    """Epoch milliseconds, `seconds` from now, as the Runtime API gives a deadline."""
    return str(int((time.time() + seconds) * 1000))
