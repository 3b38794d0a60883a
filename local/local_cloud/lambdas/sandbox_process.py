"""The other side of a sandbox: a launcher that forks one process per sandbox.

Run as a script, never imported by the local cloud. Importing boto3, the durable SDK, pydantic,
Powertools and DuckDB costs about 0.7 s of CPU; the launcher does it once and forks, so that a new
sandbox is ready in milliseconds and still has its own process, environment, `sys.path` and log.
Functions see every package installed beside the local cloud, and the preloaded ones before a
layer's: that a bundle is complete has to be checked elsewhere. Of the functions' own code the
launcher imports what they share (`SHARED_CODE`), once for all functions of the same directories.

The launcher reads one JSON line per order from its control socket (file descriptor in argv):
`{"start": {...}}`, with the sandbox's Runtime API socket and log file passed along; the response is
`{"started": pid}`; `{"kill": pid}`. It reports `{"exited": pid, "status": wait status}`. When the
control socket closes, because the local cloud stopped or died, it kills its sandboxes and ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import http.client
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
from typing import Any, NoReturn

# Imported before the first fork. What the interpreter lacks is left to the function to miss.
PRELOADED = (
    "boto3",
    "awslambdaric.lambda_runtime_client",
    "aws_durable_execution_sdk_python",
    "aws_lambda_powertools",
    "aws_lambda_powertools.metrics",
    "aws_lambda_powertools.utilities.typing",
    "pydantic",
    "duckdb",
    "sqlglot",
    "yaml",
)
# Whose descriptions most functions need: tens of milliseconds of CPU each, in every sandbox.
DESCRIBED = ("dynamodb", "s3")
# Of deployed code: what nearly every function imports and what is the same in each, as importing it
# reads no environment and has no effect. It is three quarters of what a cold start costs: 0.16 s.
SHARED_CODE = (
    "contracts.dataset",
    "contracts.ledger_items",
    "contracts.messages",
    "contracts.steps",
)
RUNTIME = "/2018-06-01/runtime"
STOP_POLL_SECONDS = 0.005
STOP_POLL_VARIABLE = "LOCAL_CLOUD_STOP_POLL_SECONDS"  # of a function: as on AWS, for benchmarks
PR_SET_PDEATHSIG = 1


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    preload()
    gc.collect()
    gc.freeze()  # keeps the collector from touching, and so copying, the shared pages
    Launcher(control).serve()
    os._exit(0)  # nothing to tidy up, and DuckDB would complain at interpreter exit


def preload() -> None:
    for module in PRELOADED:
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    with contextlib.suppress(ImportError):
        # Most of pydantic is imported when a first model is made.
        importlib.import_module("pydantic").create_model("Preloaded", field=(str, ""))
    with contextlib.suppress(ImportError):
        share_service_descriptions()
        session = importlib.import_module("botocore.session").get_session()
        for service in DESCRIBED:
            session.create_client(
                service,
                region_name="us-east-1",
                aws_access_key_id="none",
                aws_secret_access_key="none",  # noqa: S106 -- nothing is called
            )


def share_service_descriptions() -> None:
    """Let all botocore sessions of this process, and of its forks, use one loader.

    A session has a loader of its own otherwise, and each parses the same descriptions of services
    anew: some 20 to 40 ms of CPU per client, which are 2 to 5 with a shared one (botocore 1.44).
    """
    loaders = importlib.import_module("botocore.loaders")
    session = importlib.import_module("botocore.session")
    make = functools.cache(loaders.create_loader)

    def create_loader(data_path: str | None = None) -> Any:
        loader = make(data_path)
        # Every session of boto3 appends one, where its resources are: the first has to stay, as
        # older sessions look there, too.
        loader.search_paths[:] = dict.fromkeys(loader.search_paths)
        return loader

    vars(session)["create_loader"] = create_loader


class SharedCode:
    """What functions of the same directories share, imported; in `sys.modules` after a fork only.

    So functions of other directories, which may hold modules of the same names, have their own.
    """

    def __init__(self, path: list[str]) -> None:
        self.path = path
        self.modules: dict[str, Any] = {}
        self.states: dict[str, tuple[int, int] | None] = {}

    def load(self) -> None:
        """Import it, again if a file has changed since; a function reports what cannot be."""
        if self.modules and all(file_state(name) == is_ for name, is_ in self.states.items()):
            return
        others = set(sys.modules)
        importlib.invalidate_caches()
        sys.path[:0] = self.path
        try:
            for name in SHARED_CODE:
                with contextlib.suppress(Exception):
                    importlib.import_module(name)
        finally:
            del sys.path[: len(self.path)]
        files = {name: getattr(sys.modules[name], "__file__", None) for name in sys.modules}
        inside = tuple(os.path.join(directory, "") for directory in self.path)
        own = {
            name: file
            for name, file in files.items()
            if name not in others and file and file.startswith(inside)
        }
        self.modules = {name: sys.modules.pop(name) for name in own}
        self.states = {file: file_state(file) for file in own.values()}
        gc.freeze()


def file_state(file: str) -> tuple[int, int] | None:
    with contextlib.suppress(OSError):
        found = os.stat(file)
        return found.st_mtime_ns, found.st_size
    return None


class Launcher:
    """Forks sandboxes on demand, one order at a time."""

    def __init__(self, control: socket.socket) -> None:
        self.control = control
        self.pids: set[int] = set()
        self.code: dict[tuple[str, ...], SharedCode] = {}
        self.wakeup, self.wakeup_writer = socket.socketpair()
        self.wakeup.setblocking(False)
        self.wakeup_writer.setblocking(False)
        signal.set_wakeup_fd(self.wakeup_writer.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self) -> None:
        buffer = b""
        while True:
            ready, _, _ = select.select([self.control, self.wakeup], [], [])
            if self.wakeup in ready:
                self.wakeup.recv(4096)
                self.report_exits()
            if self.control not in ready:
                continue
            data, descriptors, _, _ = socket.recv_fds(self.control, 1 << 16, 2)
            if not data:
                break
            buffer += data
            while not buffer.endswith(b"\n"):
                buffer += self.control.recv(1 << 16)
            for line in buffer.splitlines():
                self.obey(json.loads(line), descriptors)
            buffer = b""
        for pid in self.pids:
            kill_group(pid)

    def obey(self, order: dict[str, Any], descriptors: list[int]) -> None:
        if "kill" in order:
            if order["kill"] in self.pids:
                kill_group(order["kill"])
            return
        path = order["start"]["path"]
        code = self.code.setdefault(tuple(path), SharedCode(path))
        code.load()
        pid = os.fork()
        if pid == 0:
            sys.modules.update(code.modules)
            self.become_sandbox(order["start"], *descriptors)
        self.pids.add(pid)
        for descriptor in descriptors:
            os.close(descriptor)
        self.report({"started": pid})

    def become_sandbox(self, order: dict[str, Any], runtime: int, log: int) -> NoReturn:
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            for owned in (self.control, self.wakeup, self.wakeup_writer):
                owned.close()
            os.dup2(log, 1)
            os.dup2(log, 2)
            os.close(log)
            run_sandbox(order, socket.socket(fileno=runtime))
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        except (ConnectionError, http.client.HTTPException):
            status = 0  # the local cloud has closed the Runtime API
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)

    def report_exits(self) -> None:
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self.pids.discard(pid)
            peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
            self.report({"exited": pid, "status": status, "peak_bytes": peak})

    def report(self, message: dict[str, int]) -> None:
        with contextlib.suppress(OSError):
            self.control.sendall(json.dumps(message).encode() + b"\n")


def kill_group(pid: int) -> None:
    """Kill a sandbox and whatever it started (a sandbox leads its own session)."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def run_sandbox(order: dict[str, Any], runtime: socket.socket) -> None:
    """Become the function: its environment, path and directory, then AWS's runtime loop."""
    os.setsid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.environ.clear()
    os.environ.update(order["environment"])
    time.tzset()
    sys.path[:0] = order["path"]
    os.chdir(order["path"][0])
    if order["durable"]:
        # The SDK's checkpoint thread notices "stop" at its next poll: 100 ms per invocation.
        seconds = float(os.environ.get(STOP_POLL_VARIABLE, STOP_POLL_SECONDS))
        state = importlib.import_module("aws_durable_execution_sdk_python.state")
        vars(state)["_STOP_SIGNAL_POLL_SECONDS"] = seconds
    # Not preloaded: this module reads the function's log format when it is imported.
    bootstrap = importlib.import_module("awslambdaric.bootstrap")
    bootstrap.run(order["handler"], runtime_client(runtime))


def runtime_client(runtime: socket.socket) -> Any:
    """AWS's runtime client, speaking the Lambda Runtime API over an inherited socket.

    The package's native client needs a TCP port per sandbox and exists on Linux only.
    """
    package = importlib.import_module("awslambdaric.lambda_runtime_client")
    connection = http.client.HTTPConnection("runtime-api")
    connection.auto_open = 0
    connection.sock = runtime

    def call(method: str, path: str, body: bytes | None = None, **headers: str) -> Any:
        connection.request(
            method, RUNTIME + path, body, {k.replace("_", "-"): v for k, v in headers.items()}
        )
        response = connection.getresponse()
        return response.headers, response.read()

    class SocketRuntimeClient(package.BaseLambdaRuntimeClient):  # type: ignore[name-defined,misc]
        def wait_next_invocation(self) -> Any:
            headers, body = call("GET", "/invocation/next")
            return package.InvocationRequest(
                invoke_id=headers["Lambda-Runtime-Aws-Request-Id"],
                x_amzn_trace_id=headers["Lambda-Runtime-Trace-Id"],
                invoked_function_arn=headers["Lambda-Runtime-Invoked-Function-Arn"],
                deadline_time_in_ms=int(headers["Lambda-Runtime-Deadline-Ms"]),
                client_context=headers["Lambda-Runtime-Client-Context"],
                cognito_identity=None,
                tenant_id=headers["Lambda-Runtime-Aws-Tenant-Id"],
                content_type=headers["Content-Type"],
                event_body=body,
                invocation_id=None,
            )

        def post_invocation_result(
            self, invoke_id: str, result_data: Any, content_type: str = "", *_: Any
        ) -> None:
            body = result_data if isinstance(result_data, bytes) else result_data.encode()
            call("POST", f"/invocation/{invoke_id}/response", body, Content_Type=content_type)

        def post_invocation_error(self, invoke_id: str, error_response_data: str, *_: Any) -> None:
            call("POST", f"/invocation/{invoke_id}/error", error_response_data.encode())

        def post_init_error(self, error_response_data: dict[str, Any], *_: Any) -> None:
            call("POST", "/init/error", json.dumps(error_response_data).encode())

    return SocketRuntimeClient("runtime-api")


if __name__ == "__main__":
    main()
