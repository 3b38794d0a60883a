"""Starts sandboxes: each is forked from a process that has imported what it needs."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from local.local_cloud.http.services import ServiceError
from local.local_cloud.lambdas.fork_server import ForkServer, ForkServerEnded, Refused
from local.local_cloud.lambdas.sandbox import Sandbox

LAUNCHER: Final = Path(__file__).with_name("sandbox_process.py")
# Of the same directories: as many as there are environments in which their code is another.
TEMPLATES_AT_MOST: Final = 3
# What the launcher needs itself; its sandboxes get the environment of their function alone.
LAUNCHER_VARIABLES: Final = ("PATH", "LD_LIBRARY_PATH", "TMPDIR", "PYTHONDONTWRITEBYTECODE")
_Path = tuple[str, ...]  # of code: first entries of `sys.path`
NO_CODE: Final[_Path] = ()


class SandboxLauncher:
    """The processes that sandboxes are forked from; used between `start` and `stop`, once.

    There is one that has imported what all functions share, and below it *templates*, one for the
    functions of the same directories, which have imported their code, too (`sandbox_process.py`).
    """

    def __init__(self, log_dir: Path) -> None:
        self._log_dir = log_dir
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._root: ForkServer | None = None
        self._templates: defaultdict[_Path, list[ForkServer]] = defaultdict(list)
        self._outdated: list[ForkServer] = []  # their sandboxes may run yet

    def start(self) -> None:
        """Begin to import what all sandboxes share; returns at once. Again is harmless."""
        if self._process is not None:
            return
        self._log_dir.mkdir(parents=True, exist_ok=True)
        ours, theirs = socket.socketpair()
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
        self._root = ForkServer(ours)
        self._root.start()

    def stop(self) -> None:
        """End every sandbox."""
        with self._lock:
            if self._process is None or self._root is None:
                return
            process, root = self._process, self._root
            templates = [each for of_path in self._templates.values() for each in of_path]
            self._process = self._root = None
            self._templates.clear()
            templates += self._outdated
        for server in [*templates, root]:
            server.close()
        process.wait()

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
        try:
            return self._forked(order, ours, (theirs.fileno(), log_descriptor))
        except BaseException as error:
            ours.close()
            if not isinstance(error, ForkServerEnded):
                raise
            message = f"No sandbox can be started: see {self._log_dir / 'sandboxes.log'}"
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            raise ServiceError("ServiceException", message, status) from error
        finally:
            theirs.close()
            os.close(log_descriptor)

    def _forked(
        self, order: Mapping[str, Any], runtime: socket.socket, descriptors: tuple[int, int]
    ) -> Sandbox:
        """A sandbox of the first template that has what the function would import.

        Raises:
            ForkServerEnded: there is none, and none can be made.
        """
        path = tuple(order["path"])
        asked: set[ForkServer] = set()
        while True:
            template = self._template(path, asked) or self._template(NO_CODE, asked)
            if template is None:
                raise ForkServerEnded
            asked.add(template)
            try:
                return Sandbox(template.order({"start": order}, descriptors), runtime, template)
            except Refused as refusal:
                if refusal.outdated:
                    self._retire(path, template)
            except ForkServerEnded:  # killed, or stopping
                self._retire(path, template)

    def _template(self, path: _Path, asked: set[ForkServer]) -> ForkServer | None:
        """One that was not asked yet, made if need be; None: there are as many as there may be.

        Raises:
            ForkServerEnded: the local cloud is stopping, or the launcher broke.
        """
        with self._lock:
            if self._root is None:
                raise ForkServerEnded
            templates = self._templates[path]
            for template in templates:
                if template not in asked:
                    return template
            if len(templates) == TEMPLATES_AT_MOST:
                return None
            ours, theirs = socket.socketpair()
            try:
                self._root.order({"template": {"path": path}}, (theirs.fileno(),))
            except BaseException:
                ours.close()
                raise
            finally:
                theirs.close()
            made = ForkServer(ours)
            made.start()
            templates.append(made)
            return made

    def _retire(self, path: _Path, template: ForkServer) -> None:
        """Ask a template for no more sandboxes; it ends when those that it has have ended."""
        with self._lock:
            for of_path in (path, NO_CODE):
                with contextlib.suppress(ValueError):
                    self._templates[of_path].remove(template)
                    self._outdated.append(template)
