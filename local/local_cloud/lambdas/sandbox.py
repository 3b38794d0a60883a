"""Sandboxes: one process per concurrent invocation, served through the Lambda Runtime API."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import queue
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from local.local_cloud.http.services import ServiceError

LAUNCHER: Final = Path(__file__).with_name("sandbox_process.py")
RUNTIME: Final = "/2018-06-01/runtime"
START_SECONDS: Final = 60.0
EXIT_NOTICE_SECONDS: Final = 2.0
EXITS_RETAINED: Final = 1_000  # who asks for the status of a sandbox does so as it ends
# What the launcher needs itself; its sandboxes get the environment of their function alone.
LAUNCHER_VARIABLES: Final = ("PATH", "LD_LIBRARY_PATH", "TMPDIR", "PYTHONDONTWRITEBYTECODE")


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
class Exit:
    """How a sandbox ended: its wait status, and the most memory that it had."""

    status: int
    peak_bytes: int


@dataclass(frozen=True)
class RuntimeRequest:
    """What the process in a sandbox said to its Runtime API; `path` without the common prefix."""

    path: str
    body: bytes


class SandboxLauncher:
    """The process that forks sandboxes; used between `start` and `stop`, once."""

    def __init__(self, log_dir: Path) -> None:
        self._log_dir = log_dir
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._started: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._exits: dict[int, Exit] = {}  # the newest ones, oldest first
        self._exited = threading.Condition()
        self._ended = False
        self._reader: threading.Thread | None = None

    def start(self) -> None:
        """Begin to import what all sandboxes share; returns at once."""
        self._control, theirs = socket.socketpair()
        environment = {name: os.environ[name] for name in LAUNCHER_VARIABLES if name in os.environ}
        # macOS otherwise aborts processes that fork after system libraries were loaded.
        environment["OBJC_DISABLE_INITIALIZE_FORK_SAFETY"] = "YES"
        with theirs, (self._log_dir / "sandboxes.log").open("ab") as log:
            # -P: the directory of the script is no place to import from. A session of its own
            # keeps Ctrl-C in a terminal from reaching the sandboxes before the local cloud stops.
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-P", "-X", "utf8", str(LAUNCHER), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._reader = threading.Thread(
            target=self._read_reports, args=(self._control,), name="sandbox-reports", daemon=True
        )
        self._reader.start()

    def stop(self) -> None:
        """End every sandbox."""
        with self._lock:
            if self._process is None or self._control is None or self._reader is None:
                return
            self._control.shutdown(socket.SHUT_RDWR)
            self._process.wait()
            self._reader.join()
            self._control.close()
            self._process = self._control = self._reader = None

    def spawn(self, order: Mapping[str, Any], log: Path) -> Sandbox:
        """Fork a sandbox.

        Args:
            order: `handler`, `path` (code directories), `environment`, `durable`.
            log: file that the standard output and error are appended to.

        Raises:
            ServiceError: the local cloud is stopping, or the launcher broke; its log says why.
        """
        ours, theirs = socket.socketpair()
        log_descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        line = json.dumps({"start": order}).encode() + b"\n"
        try:
            pid = self._order(line, [theirs.fileno(), log_descriptor])
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
            os.close(log_descriptor)
        return Sandbox(pid, ours, self)

    def kill(self, pid: int) -> None:
        """Kill a sandbox and what it started; nothing happens when it is gone already."""
        with self._lock:
            if self._control is None:
                return
            with contextlib.suppress(ConnectionError):
                self._control.sendall(json.dumps({"kill": pid}).encode() + b"\n")

    def exit_of(self, pid: int) -> Exit | None:
        """The end of a sandbox; None when it does not come soon."""
        with self._exited:
            self._exited.wait_for(lambda: pid in self._exits or self._ended, EXIT_NOTICE_SECONDS)
            return self._exits.get(pid)

    def _order(self, line: bytes, descriptors: list[int]) -> int:
        """Order a sandbox and wait for its process id; one order at a time."""
        with self._lock:
            if self._control is not None and not self._ended:
                with contextlib.suppress(ConnectionError):
                    socket.send_fds(self._control, [line], descriptors)
                pid = self._started.get(timeout=START_SECONDS)
                if pid is not None:
                    return pid
        message = f"No sandbox can be started: see {self._log_dir / 'sandboxes.log'}"
        raise ServiceError("ServiceException", message, HTTPStatus.INTERNAL_SERVER_ERROR)

    def _read_reports(self, control: socket.socket) -> None:
        with control.makefile("rb") as lines:
            for line in lines:
                report = json.loads(line)
                if "started" in report:
                    with self._exited:  # process ids come again
                        self._exits.pop(report["started"], None)
                    self._started.put(report["started"])
                    continue
                with self._exited:
                    ended = Exit(report["status"], report["peak_bytes"])
                    self._exits[report["exited"]] = ended
                    if len(self._exits) > EXITS_RETAINED:
                        del self._exits[next(iter(self._exits))]
                    self._exited.notify_all()
        with self._exited:
            self._ended = True
            self._exited.notify_all()
        self._started.put(None)


class Sandbox:
    """One process and the server's side of its Runtime API.

    Used by one thread at a time: `ready`, then `invoke`, then `ready` again.
    """

    def __init__(self, pid: int, connection: socket.socket, launcher: SandboxLauncher) -> None:
        self.pid = pid
        self._connection = connection
        self._stream = connection.makefile("rb")
        self._launcher = launcher

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
        elif select.select([self._connection], [], [], 0)[0]:
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
        self._launcher.kill(self.pid)

    def wait_for_exit(self) -> None:
        self._launcher.exit_of(self.pid)

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
        ended = self._launcher.exit_of(self.pid)
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
