"""Runs functions: warm sandboxes are reused, new ones start on demand, each has its limits."""

from __future__ import annotations

import contextlib
import functools
import math
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from local.local_cloud.lambdas.functions import FunctionSpec, HostSettings, sandbox_environment
from local.local_cloud.lambdas.invocation_counts import InvocationCounts
from local.local_cloud.lambdas.launcher import SandboxLauncher
from local.local_cloud.lambdas.outcomes import Outcome, broken, finished
from local.local_cloud.lambdas.sandbox import (
    RuntimeRequest,
    Sandbox,
    SandboxExited,
    SandboxTimedOut,
    deadline_header,
)

INIT_SECONDS: Final = 10.0
SANDBOXES_PER_FUNCTION: Final = 10
# Over so many, a new sandbox takes the place of the one that has been idle for longest. Where none
# is idle, there are more: an invocation that waits for another one must not wait for its place.
SANDBOXES_AT_MOST: Final = 70  # of some 22 MB of their own each
IDLE_SECONDS: Final = 300.0  # then a sandbox ends; a start costs a quarter of a processor second
SWEEP_SECONDS: Final = 5.0

_PoolKey = tuple[str, str, str | None]  # function, version, tenant


class FunctionHost:
    """Every function with its sandboxes."""

    def __init__(
        self,
        functions: Sequence[FunctionSpec],
        settings: HostSettings,
        clock: Callable[[], float] = time.monotonic,
        launcher: SandboxLauncher | None = None,
    ) -> None:
        """Nothing runs before `start`; the clock, in seconds, says how long sandboxes are idle.

        The launcher may run already; absent: one of its own.
        """
        self.functions = {function.name: function for function in functions}
        self.settings = settings
        self.counts = InvocationCounts()
        self._launcher = launcher or SandboxLauncher(settings.log_dir)
        self._pools: dict[_PoolKey, _Pool] = {}
        self._lock = threading.Lock()
        self._clock = clock
        self._stopping = threading.Event()
        self._sweeper = threading.Thread(target=self._sweep, name="sandbox-sweeper", daemon=True)

    @property
    def sandboxes(self) -> int:
        """How many processes there are, busy and idle."""
        return sum(pool.size for pool in self._all_pools())

    def start(self) -> None:
        self.settings.log_dir.mkdir(parents=True, exist_ok=True)
        self._launcher.start()
        self._sweeper.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._sweeper.is_alive():
            self._sweeper.join()
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
        tenant_id: str | None = None,
    ) -> Outcome:
        """Run a function once in a sandbox; blocks until it ends.

        Args:
            name: of a function that exists.
            version: `$LATEST` or a published one.
            payload: JSON event.
            qualifier: as the caller wrote it; part of the ARN that the function sees.
            client_context: JSON text that becomes `context.client_context`.
            tenant_id: becomes `context.tenant_id`; tenants share no sandbox.
        """
        arn = self.settings.function_arn(name) + (f":{qualifier}" if qualifier else "")
        headers = {
            "Lambda-Runtime-Invoked-Function-Arn": arn,
            "Lambda-Runtime-Client-Context": client_context,
        }
        if tenant_id is not None:
            headers["Lambda-Runtime-Aws-Tenant-Id"] = tenant_id
        with self._pool((name, version, tenant_id)) as pool:
            outcome = pool.invoke(payload, headers)
        self.counts.add(name, failed=outcome.failed)
        return outcome

    def kill_sandboxes(self, name: str, *, idle: bool = True) -> int:
        """Kill the processes of a function, busy ones too; returns how many there were."""
        pools = [pool for pool in self._all_pools() if pool.spec.name == name]
        return sum(pool.kill_all(idle=idle) for pool in pools)

    def end_idle(self) -> None:
        """End what has been idle for long, and forget pools that are empty."""
        for pool in self._all_pools():
            pool.end_idle(self._clock() - IDLE_SECONDS)
        with self._lock:
            for key in [key for key, pool in self._pools.items() if pool.is_unused]:
                del self._pools[key]

    def _sweep(self) -> None:
        while not self._stopping.wait(SWEEP_SECONDS):
            self.end_idle()

    def _make_room(self) -> None:
        """For one more sandbox, at the cost of the one that has been idle for longest."""
        if self.sandboxes < SANDBOXES_AT_MOST:
            return
        idle = [
            (since, pool) for pool in self._all_pools() if (since := pool.idle_since) is not None
        ]
        if idle:
            since, pool = min(idle, key=lambda one: one[0])
            pool.end_idle(since)

    def log_file(self, name: str) -> Path:
        return self.settings.log_dir / f"{name}.log"

    @contextlib.contextmanager
    def _pool(self, key: _PoolKey) -> Iterator[_Pool]:
        """The pool of a tenant's version of a function, which is not forgotten meanwhile."""
        name, version, _ = key
        with self._lock:
            pool, spec = self._pools.get(key), self.functions[name].at(version)
            if pool is None or pool.spec is not spec:
                if pool is not None:  # the function was changed
                    pool.close(busy=False)
                pool = self._pools[key] = _Pool(
                    spec,
                    functools.partial(self._spawn, self._order(spec, version), self.log_file(name)),
                    self._clock,
                )
            pool.users += 1
        try:
            yield pool
        finally:
            with self._lock:
                pool.users -= 1

    def _spawn(self, order: Mapping[str, Any], log: Path) -> Sandbox:
        self._make_room()
        return self._launcher.spawn(order, log)

    def _all_pools(self) -> list[_Pool]:
        with self._lock:
            return list(self._pools.values())

    def _order(self, spec: FunctionSpec, version: str) -> dict[str, Any]:
        return {
            "handler": spec.handler,
            "path": [str(directory.resolve()) for directory in spec.code_dirs],
            "environment": sandbox_environment(spec, version, self.settings),
            "durable": spec.durable is not None,
        }


class _Pool:
    """The sandboxes of one version of one function, for one of its tenants if it has any.

    Attributes:
        users: invocations in it; guarded by the lock of the host.
    """

    def __init__(
        self, spec: FunctionSpec, spawn: Callable[[], Sandbox], clock: Callable[[], float]
    ) -> None:
        self.spec = spec
        self.users = 0
        self._spawn = spawn
        self._clock = clock
        self._idle: deque[tuple[float, Sandbox]] = deque()  # since when; the longest idle first
        self._sandboxes: set[Sandbox] = set()
        self._closed = False
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(SANDBOXES_PER_FUNCTION)

    def invoke(self, payload: bytes, headers: Mapping[str, str]) -> Outcome:
        """Run the function once; `headers` are of the Runtime API, without what is set here."""
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
                        "Lambda-Runtime-Deadline-Ms": deadline_header(self.spec.timeout_seconds),
                        **headers,
                    },
                    self.spec.timeout_seconds,
                )
            except (SandboxExited, SandboxTimedOut) as error:
                if sandbox is not None:
                    self._discard(sandbox)
                return broken(error, self.spec, request_id)
            self._keep(sandbox)
        return finished(outcome, request_id)

    @property
    def size(self) -> int:
        with self._lock:
            return len(self._sandboxes)

    @property
    def is_unused(self) -> bool:
        """Nothing runs in it or waits in it; asked with the lock of the host held."""
        return self.users == 0 and self.size == 0

    @property
    def idle_since(self) -> float | None:
        """Since when the longest idle sandbox has been so; None: none is."""
        with self._lock:
            return self._idle[0][0] if self._idle else None

    def end_idle(self, since: float) -> None:
        """End those that have been idle since then, or for longer."""
        ended: list[Sandbox] = []
        with self._lock:
            while self._idle and self._idle[0][0] <= since:
                ended.append(self._idle.popleft()[1])
        for sandbox in ended:
            self._discard(sandbox)

    def kill_all(self, *, idle: bool = True) -> int:
        with self._lock:
            spared = set() if idle else {sandbox for _, sandbox in self._idle}
            sandboxes = self._sandboxes - spared
        for sandbox in sandboxes:
            sandbox.kill()
        for sandbox in sandboxes:
            sandbox.wait_for_exit()
        return len(sandboxes)

    def close(self, *, busy: bool = True) -> None:
        """End its sandboxes; not busy: those that are, end with what they are doing."""
        with self._lock:
            self._closed = True
        self.end_idle(math.inf)
        if busy:
            self.kill_all()  # those that are busy are closed by the threads that wait for them

    def _ready_sandbox(self) -> tuple[Sandbox, RuntimeRequest]:
        """A warm sandbox that still lives, or a new one."""
        while True:
            with self._lock:
                sandbox = self._idle.pop()[1] if self._idle else None
            if sandbox is None:
                break
            try:
                return sandbox, sandbox.ready(self.spec.timeout_seconds)
            except (SandboxExited, SandboxTimedOut):
                self._discard(sandbox)
        sandbox = self._spawn()
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
                self._idle.append((self._clock(), sandbox))
                return
        self._discard(sandbox)

    def _discard(self, sandbox: Sandbox) -> None:
        with self._lock:
            self._sandboxes.discard(sandbox)
        sandbox.close()
