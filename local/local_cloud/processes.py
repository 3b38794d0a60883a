"""Child processes that end with us: a group of their own, a deadline, and a way to stop them."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final

# Runs in the child before the program itself. The kernel shall kill the program when the thread
# that started it is gone (SIGKILL of us included); the setting survives exec. Done there and not in
# a preexec_fn, which may deadlock in a process with threads.
_LAUNCHER: Final = """\
import os, sys
parent, program = int(sys.argv[1]), sys.argv[2:]
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None).prctl(1, 9)
if os.getppid() != parent:
    os._exit(137)
os.execv(program[0], program)
"""


OPEN_FILES: Final = 8192  # some five connections for each of a thousand sandboxes, and reserves


def allow_open_files() -> None:
    """Let this process have as many open files as a busy cloud needs, if the system permits it.

    Shells allow 256 on macOS and 1,024 on Linux, unless they are asked for more.
    """
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if most == resource.RLIM_INFINITY else min(OPEN_FILES, most)
    if allowed != resource.RLIM_INFINITY and allowed < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


class Ending(StrEnum):
    """Why a process is no more."""

    EXITED = "exited"
    STOPPED = "stopped"
    TIMED_OUT = "timed out"


class GroupProcess:
    """One program in a process group of its own.

    The thread that makes it must be the one that calls `wait`: on Linux the child is tied to it.
    """

    def __init__(
        self,
        program: Sequence[str],
        *,
        environment: Mapping[str, str],
        directory: Path,
        stdout: Path,
        stderr: Path,
        grace_seconds: float = 3.0,
    ) -> None:
        """Start it.

        Args:
            program: absolute path and arguments.
            environment: all of it; nothing is inherited.
            directory: working directory.
            stdout, stderr: files that its output is written to.
            grace_seconds: between SIGTERM and SIGKILL.
        """
        self._grace_seconds = grace_seconds
        self._lock = threading.Lock()
        self._ending: Ending | None = None
        self._ended = False
        self._timers: list[threading.Timer] = []
        launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid())]
        with stdout.open("wb") as out, stderr.open("wb") as err:
            self._process = subprocess.Popen(  # noqa: S603  (running jobs is the purpose)
                [*launcher, *program],
                env=dict(environment),
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Process id, and the id of its group."""
        return self._process.pid

    def wait(self, timeout_seconds: float | None = None) -> tuple[Ending, int]:
        """Wait for the end; nothing of its group is left afterwards.

        Args:
            timeout_seconds: it is killed then; None: never.

        Returns:
            Why it ended, and its exit status (negative: the signal that ended it).
        """
        if timeout_seconds is not None:
            self._later(timeout_seconds, lambda: self._end(Ending.TIMED_OUT))
        self._wait_without_reaping()
        with self._lock:
            # Not reaped yet, so the group id cannot belong to anything else.
            self._signal(signal.SIGKILL)
            self._ended = True
            timers = list(self._timers)
        for timer in timers:
            timer.cancel()
        status = self._process.wait()
        return self._ending or Ending.EXITED, status

    def stop(self) -> None:
        """Ask the group to end, and kill it if it does not within the grace."""
        self._end(Ending.STOPPED)

    def kill(self) -> None:
        """End the group at once."""
        with self._lock:
            self._ending = self._ending or Ending.STOPPED
            self._signal(signal.SIGKILL)

    def _end(self, ending: Ending) -> None:
        with self._lock:
            if self._ended or self._ending is not None:
                return
            self._ending = ending
            self._signal(signal.SIGTERM)
        self._later(self._grace_seconds, self.kill)

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        timer = threading.Timer(seconds, action)
        timer.daemon = True
        with self._lock:
            if self._ended:
                return
            self._timers.append(timer)
            timer.start()

    def _signal(self, number: signal.Signals) -> None:
        """Signal the whole group; the lock is held."""
        if not self._ended:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    def _wait_without_reaping(self) -> None:
        if hasattr(os, "waitid"):
            os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        else:  # macOS before Python 3.13
            self._process.wait()
