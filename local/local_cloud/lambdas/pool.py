"""Runs functions: warm sandboxes are reused, new ones start on demand, each has its limits."""

from __future__ import annotations

import json
import threading
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from local.local_cloud.lambdas.functions import FunctionSpec, HostSettings, sandbox_environment
from local.local_cloud.lambdas.invocation_counts import InvocationCounts
from local.local_cloud.lambdas.sandbox import (
    RuntimeRequest,
    Sandbox,
    SandboxExited,
    SandboxLauncher,
    SandboxTimedOut,
    deadline_header,
)

INIT_SECONDS: Final = 10.0
SANDBOXES_PER_FUNCTION: Final = 10
RESPONSE_BYTES: Final = 6_291_556


@dataclass(frozen=True)
class Outcome:
    """What one invocation came to.

    Attributes:
        payload: the handler's result as JSON, or Lambda's error document.
        failed: whether the payload is an error document.
        request_id: as the function saw it.
    """

    payload: bytes
    failed: bool
    request_id: str


class FunctionHost:
    """Every function with its sandboxes."""

    def __init__(self, functions: Sequence[FunctionSpec], settings: HostSettings) -> None:
        self.functions = {function.name: function for function in functions}
        self.settings = settings
        self.counts = InvocationCounts()
        self._launcher = SandboxLauncher(settings.log_dir)
        self._pools: dict[tuple[str, str], _Pool] = {}
        self._lock = threading.Lock()

    def start(self) -> None:
        self.settings.log_dir.mkdir(parents=True, exist_ok=True)
        self._launcher.start()

    def stop(self) -> None:
        for pool in self._all_pools():
            pool.close()
        self._launcher.stop()

    def invoke(
        self,
        name: str,
        version: str,
        payload: bytes,
        *,
        qualifier: str | None = None,
        client_context: str = "",
    ) -> Outcome:
        """Run a function once in a sandbox; blocks until it ends.

        Args:
            name: of a function that exists.
            version: `$LATEST` or a published one.
            payload: JSON event.
            qualifier: as the caller wrote it; part of the ARN that the function sees.
            client_context: JSON text that becomes `context.client_context`.
        """
        arn = self.settings.function_arn(name) + (f":{qualifier}" if qualifier else "")
        outcome = self._pool(name, version).invoke(payload, arn, client_context)
        self.counts.add(name, failed=outcome.failed)
        return outcome

    def kill_sandboxes(self, name: str) -> int:
        """Kill the processes of a function, busy ones too; returns how many there were."""
        return sum(pool.kill_all() for pool in self._all_pools() if pool.spec.name == name)

    def log_file(self, name: str) -> Path:
        return self.settings.log_dir / f"{name}.log"

    def _pool(self, name: str, version: str) -> _Pool:
        with self._lock:
            key = (name, version)
            if key not in self._pools:
                self._pools[key] = _Pool(
                    self.functions[name], self._launcher, self.log_file(name), self._order(*key)
                )
            return self._pools[key]

    def _all_pools(self) -> list[_Pool]:
        with self._lock:
            return list(self._pools.values())

    def _order(self, name: str, version: str) -> dict[str, Any]:
        spec = self.functions[name]
        return {
            "handler": spec.handler,
            "path": [str(directory.resolve()) for directory in spec.code_dirs],
            "environment": sandbox_environment(spec, version, self.settings),
            "durable": spec.durable is not None,
        }


class _Pool:
    """The sandboxes of one version of one function."""

    def __init__(
        self, spec: FunctionSpec, launcher: SandboxLauncher, log: Path, order: Mapping[str, Any]
    ) -> None:
        self.spec = spec
        self._launcher = launcher
        self._log = log
        self._order = order
        self._idle: deque[Sandbox] = deque()
        self._sandboxes: set[Sandbox] = set()
        self._closed = False
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(SANDBOXES_PER_FUNCTION)

    def invoke(self, payload: bytes, arn: str, client_context: str) -> Outcome:
        request_id = str(uuid.uuid4())
        with self._slots:
            sandbox: Sandbox | None = None
            try:
                sandbox, request = self._ready_sandbox()
                if request.path == "/init/error":
                    self._discard(sandbox)
                    return Outcome(request.body, failed=True, request_id=request_id)
                outcome = sandbox.invoke(
                    payload,
                    {
                        "Content-Type": "application/json",
                        "Lambda-Runtime-Aws-Request-Id": request_id,
                        "Lambda-Runtime-Invoked-Function-Arn": arn,
                        "Lambda-Runtime-Deadline-Ms": deadline_header(self.spec.timeout_seconds),
                        "Lambda-Runtime-Client-Context": client_context,
                    },
                    self.spec.timeout_seconds,
                )
            except (SandboxExited, SandboxTimedOut) as error:
                if sandbox is not None:
                    self._discard(sandbox)
                return self._broken(error, request_id)
            self._keep(sandbox)
        return _finished(outcome, request_id)

    def kill_all(self) -> int:
        with self._lock:
            sandboxes = list(self._sandboxes)
        for sandbox in sandboxes:
            sandbox.kill()
        for sandbox in sandboxes:
            sandbox.wait_for_exit()
        return len(sandboxes)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            idle, self._idle = list(self._idle), deque()
        for sandbox in idle:
            self._discard(sandbox)
        self.kill_all()  # those that are busy are closed by the threads that wait for them

    def _ready_sandbox(self) -> tuple[Sandbox, RuntimeRequest]:
        """A warm sandbox that still lives, or a new one."""
        while True:
            with self._lock:
                sandbox = self._idle.pop() if self._idle else None
            if sandbox is None:
                break
            try:
                return sandbox, sandbox.ready(self.spec.timeout_seconds)
            except (SandboxExited, SandboxTimedOut):
                self._discard(sandbox)
        sandbox = self._launcher.spawn(self._order, self._log)
        with self._lock:
            self._sandboxes.add(sandbox)
        try:
            return sandbox, sandbox.ready(INIT_SECONDS + self.spec.timeout_seconds)
        except (SandboxExited, SandboxTimedOut):
            self._discard(sandbox)
            raise

    def _keep(self, sandbox: Sandbox) -> None:
        """Have it idle for the next invocation, unless there will be none."""
        with self._lock:
            if not self._closed:
                self._idle.append(sandbox)
                return
        self._discard(sandbox)

    def _discard(self, sandbox: Sandbox) -> None:
        with self._lock:
            self._sandboxes.discard(sandbox)
        sandbox.close()

    def _broken(self, error: SandboxExited | SandboxTimedOut, request_id: str) -> Outcome:
        if isinstance(error, SandboxTimedOut):
            error_type = "Sandbox.Timedout"
            reason = f"Task timed out after {self.spec.timeout_seconds:.2f} seconds"
        else:
            error_type, reason = "Runtime.ExitError", str(error)
        return _error(error_type, f"RequestId: {request_id} Error: {reason}", request_id)


def _finished(request: RuntimeRequest, request_id: str) -> Outcome:
    if request.path.endswith("/error"):
        return Outcome(request.body, failed=True, request_id=request_id)
    if len(request.body) > RESPONSE_BYTES:
        message = (
            f"Response payload size exceeded maximum allowed payload size ({RESPONSE_BYTES} bytes)."
        )
        return _error("Function.ResponseSizeTooLarge", message, request_id)
    return Outcome(request.body, failed=False, request_id=request_id)


def _error(error_type: str, message: str, request_id: str) -> Outcome:
    document = {"errorType": error_type, "errorMessage": message}
    return Outcome(json.dumps(document).encode(), failed=True, request_id=request_id)
