"""Jobs of Python scripts, each forked from a process that has imported what scripts import.

Starting Python and importing boto3 is half of what a small job costs. A job is still a
process of its own, in a group of its own, and nothing of one is seen by another.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from local.local_cloud.lambdas.fork_server import ForkServer, ForkServerEnded
from local.local_cloud.processes import JobProcess

PROGRAM: Final = Path(__file__).with_name("fork_process.py")
_Server = tuple[ForkServer, subprocess.Popen[bytes]]
_Key = tuple[Path, int]  # interpreter, and when its environment was made


class CannotForkError(Exception):
    """The process that jobs are forked from does not run; the message names its log."""


class JobForks:
    """The processes that jobs are forked from, one per interpreter; made when first needed."""

    def __init__(self, log: Path, environment: Mapping[str, str]) -> None:
        """Nothing runs yet.

        Args:
            log: file for what goes wrong in them.
            environment: theirs, which no job sees.
        """
        self._log = log
        # macOS otherwise aborts processes that fork after system libraries were loaded.
        self._environment = {**environment, "OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES"}
        self._lock = threading.Lock()
        self._servers: dict[_Key, _Server] = {}
        self._all: list[_Server] = []
        self._stopped = False

    def prepare(self, python: Path) -> ForkServer:
        """The process of an interpreter, when it takes orders; another one if packages changed.

        Raises:
            CannotForkError: it does not start, or the cloud is stopping.
        """
        with self._lock:
            key = _key(python)
            found = self._servers.get(key)
            if found is not None and not found[0].ended:
                return found[0]
            if self._stopped:
                raise CannotForkError("the local cloud is stopping")
            self._servers[key] = server, process = self._started(python)
            self._all.append((server, process))  # earlier ones end with the cloud, as their jobs do
            try:
                server.order({"ready": True}, ())
            except ForkServerEnded:
                raise CannotForkError(f"no job can be started: see {self._log}") from None
            return server

    def stop(self) -> None:
        """End them, and their jobs; again is harmless."""
        with self._lock:
            self._stopped = True
            for server, process in self._all:
                server.close()
                process.wait()
            self._all.clear()
            self._servers.clear()

    def _started(self, python: Path) -> _Server:
        ours, theirs = socket.socketpair()
        with theirs, self._log.open("ab") as log:
            process = subprocess.Popen(  # noqa: S603  (our own program)
                [str(python), str(PROGRAM), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        server = ForkServer(ours)
        server.start()
        return server, process


class ForkedProcess(JobProcess):
    """A script in a process group of its own."""

    def __init__(
        self,
        server: ForkServer,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str],
        directory: Path,
        stdout: Path,
        stderr: Path,
    ) -> None:
        """Start it.

        Args:
            server: what it is forked from.
            arguments: the script and its arguments.
            environment: all of it; nothing is inherited.
            directory: working directory.
            stdout, stderr: files that its output is written to.

        Raises:
            CannotForkError: the server has ended.
        """
        super().__init__()
        self._server = server
        self._status: int | None = None
        job = {
            "arguments": list(arguments),
            "environment": dict(environment),
            "directory": str(directory),
        }
        with stdout.open("wb") as out, stderr.open("wb") as err:
            try:
                self._pid = server.order({"job": job}, (out.fileno(), err.fileno()))
            except ForkServerEnded:
                raise CannotForkError("what jobs are forked from has ended") from None

    @property
    def pid(self) -> int:
        return self._pid

    def _signal_group(self, number: signal.Signals) -> None:
        if self._status is None:
            self._server.signal(self._pid, number)

    def _await_end(self) -> None:
        ended = self._server.wait_for_exit(self._pid)
        status = int(signal.SIGKILL) if ended is None else ended.status
        self._status = os.waitstatus_to_exitcode(status)

    def _reap(self) -> int:
        assert self._status is not None  # noqa: S101  (its end was awaited)
        return self._status


def _key(python: Path) -> _Key:
    """With the time of the stamp that an environment gets when it is complete."""
    try:
        return python, (python.parent.parent / "complete.json").stat().st_mtime_ns
    except OSError:
        return python, 0
