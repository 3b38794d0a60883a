"""A process that forks sandboxes, as the local cloud sees it: orders go, replies come."""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

START_SECONDS: Final = 60.0
EXIT_NOTICE_SECONDS: Final = 2.0
EXITS_RETAINED: Final = 1_000  # who asks for the status of a sandbox does so as it ends


class ForkServerEnded(Exception):
    """The process takes no more orders: it was closed, or has died."""


class Refused(Exception):
    """The process does not do this.

    Attributes:
        outdated: nor anything else: the code on disk is another than it has imported.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.outdated = why == "changed"


@dataclass(frozen=True)
class Exit:
    """How a process ended: its wait status, and the most memory that it had."""

    status: int
    peak_bytes: int


class ForkServer:
    """The other end of a process's control socket; `start` before use."""

    def __init__(self, control: socket.socket) -> None:
        self._control: socket.socket | None = control
        self._lock = threading.Lock()
        self._replies: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._exits: dict[int, Exit] = {}  # the newest ones, oldest first
        self._exited = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(
            target=self._read_reports, args=(control,), name="sandbox-reports", daemon=True
        )

    @property
    def ended(self) -> bool:
        """Whether it takes no more orders."""
        return self._ended

    def start(self) -> None:
        self._reader.start()

    def close(self) -> None:
        """End the process, and what it has forked; again is harmless."""
        with self._lock:
            if self._control is None:
                return
            with contextlib.suppress(OSError):
                self._control.shutdown(socket.SHUT_RDWR)
            self._reader.join()
            self._control.close()
            self._control = None

    def order(self, what: Mapping[str, Any], descriptors: Sequence[int]) -> int:
        """Order a process and wait for its id; one order at a time.

        Args:
            what: `start` or `template` with its details (`sandbox_process.py`).
            descriptors: files that the process is given.

        Raises:
            ForkServerEnded, Refused
        """
        with self._lock:
            if self._control is None or self._ended:
                raise ForkServerEnded
            with contextlib.suppress(ConnectionError):
                line = json.dumps(what).encode() + b"\n"
                socket.send_fds(self._control, [line], list(descriptors))
            reply = self._replies.get(timeout=START_SECONDS)
        if reply is None:
            raise ForkServerEnded
        if "refused" in reply:
            raise Refused(reply["refused"])
        return int(reply["started"])

    def kill(self, pid: int) -> None:
        """Kill a process and what it started; nothing happens when it is gone already."""
        with self._lock:
            if self._control is None:
                return
            with contextlib.suppress(ConnectionError):
                self._control.sendall(json.dumps({"kill": pid}).encode() + b"\n")

    def signal(self, pid: int, number: int) -> None:
        """Signal a process and what it started, of a server of jobs; it may be gone already."""
        with self._lock:
            if self._control is None:
                return
            with contextlib.suppress(ConnectionError):
                order = {"signal": int(number), "pid": pid}
                self._control.sendall(json.dumps(order).encode() + b"\n")

    def wait_for_exit(self, pid: int) -> Exit | None:
        """Wait for the end of a process; None when the server itself ends before it."""
        with self._exited:
            self._exited.wait_for(lambda: pid in self._exits or self._ended)
            return self._exits.get(pid)

    def exit_of(self, pid: int) -> Exit | None:
        """The end of a process; None when it does not come soon."""
        with self._exited:
            self._exited.wait_for(lambda: pid in self._exits or self._ended, EXIT_NOTICE_SECONDS)
            return self._exits.get(pid)

    def _read_reports(self, control: socket.socket) -> None:
        with control.makefile("rb") as lines, contextlib.suppress(ConnectionError):
            for line in lines:
                self._read(json.loads(line))
        with self._exited:
            self._ended = True
            self._exited.notify_all()
        self._replies.put(None)

    def _read(self, report: Mapping[str, Any]) -> None:
        if "exited" not in report:
            if "started" in report:
                with self._exited:  # process ids come again
                    self._exits.pop(report["started"], None)
            self._replies.put(dict(report))
            return
        with self._exited:
            ended = Exit(report["status"], report["peak_bytes"])
            self._exits[report["exited"]] = ended
            if len(self._exits) > EXITS_RETAINED:
                del self._exits[next(iter(self._exits))]
            self._exited.notify_all()
