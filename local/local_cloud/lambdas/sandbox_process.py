"""The other side of sandboxes: processes that fork one process per sandbox.

Run as a script, never imported by the local cloud. Importing boto3, the durable SDK, pydantic,
Powertools and DuckDB takes more than a second of CPU: the launcher does it once. From it, a
*template* is forked for the functions of the same directories, which imports the code that they
share (`shared_code.py`), and from that their sandboxes. So a new sandbox is ready in milliseconds
and still has its own process, environment, `sys.path` and log; code of other directories, which may
hold modules of the same names, never meets in one process. Functions see every package installed
beside the local cloud, and the preloaded ones before a layer's: that a bundle is complete has to be
checked elsewhere.

Both read one JSON line per order from a control socket:
* `{"template": {"path": [...]}}`, with the template's control socket passed along, of a launcher;
* `{"start": {...}}`, with the sandbox's Runtime API socket and log file passed along, of a
  template; where that cannot serve the function, the response is `{"refused": why}`: `changed`:
  neither it nor any other function any more, as the code on disk is another; `environment`: its
  code has read something else of the environment;
* `{"kill": pid}`, of a template.
The response is `{"started": pid}`; `{"exited": pid, "status": wait status, "peak_bytes": memory}`
comes when a process is no more. When its control socket closes, because the local cloud stopped or
died, each kills its sandboxes and ends.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import http.client
import importlib
import importlib.util
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
    "boto3.s3.inject",  # of the first client of S3
    "awslambdaric.lambda_runtime_client",
    "aws_durable_execution_sdk_python",
    "aws_lambda_powertools",
    "aws_lambda_powertools.metrics",
    "aws_lambda_powertools.utilities.batch",
    "aws_lambda_powertools.utilities.typing",
    "pydantic",
    "pydantic.dataclasses",  # of the first validation error, or JSON
    "duckdb",
    "sqlglot",
    "sqlglot.dialects.duckdb",  # of the first statement: a tenth of a second
    "yaml",
    "encodings.idna",  # of the first request
)
# Whose descriptions functions need: tens of milliseconds of CPU each, in every sandbox.
DESCRIBED = ("dynamodb", "s3", "lambda", "glue", "sns", "sqs", "redshift-data")
ENDING_SECONDS = 5.0
HERE = os.path.dirname(os.path.abspath(__file__))


def beside(name: str) -> Any:
    """A module of this folder, which is no place that functions may import from."""
    spec = importlib.util.spec_from_file_location(
        f"_local_cloud_{name}", os.path.join(HERE, f"{name}.py")
    )
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    return module


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    preload()
    freeze()
    Launcher(control, beside("sandbox_runtime"), beside("shared_code").SharedCode).serve()
    os._exit(0)  # nothing to tidy up, and DuckDB would complain at interpreter exit


def freeze() -> None:
    """Keep the collector from touching, and so copying, what forks share."""
    gc.collect()
    gc.freeze()


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


class ForkServer:
    """Forks processes on demand, one order at a time."""

    def __init__(self, control: socket.socket, runtime: Any) -> None:
        """Serve the orders of a control socket; `runtime` is the module `sandbox_runtime`."""
        self.control = control
        self.runtime = runtime
        self.pids: set[int] = set()
        self.wakeup, self.wakeup_writer = socket.socketpair()
        self.wakeup.setblocking(False)
        self.wakeup_writer.setblocking(False)
        signal.set_wakeup_fd(self.wakeup_writer.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self) -> None:
        buffer = b""
        poll = select.poll()  # select() takes no descriptor above 1,023
        poll.register(self.control, select.POLLIN)
        poll.register(self.wakeup, select.POLLIN)
        while not self.is_done():
            ready = {descriptor for descriptor, _ in poll.poll()}
            if self.wakeup.fileno() in ready:
                self.wakeup.recv(4096)
                self.report_exits()
            if self.control.fileno() not in ready:
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
        self.end_children()

    def end_children(self) -> None:
        """Kill them, and wait for their ends: so what they have used is counted as this one's."""
        for pid in self.pids:
            kill_group(pid)
        for pid in self.pids:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)

    def is_done(self) -> bool:
        """Whether there is nothing to do any more, although the control socket is open."""
        return False

    def obey(self, order: dict[str, Any], descriptors: list[int]) -> None:
        if "kill" in order:
            if order["kill"] in self.pids:
                kill_group(order["kill"])
            return
        refusal = self.refusal(order["start"]) if "start" in order else None
        if refusal is None:
            pid = os.fork()
            if pid == 0:
                self.become(order, descriptors)
            self.pids.add(pid)
        for descriptor in descriptors:
            os.close(descriptor)
        self.report({"started": pid} if refusal is None else {"refused": refusal})

    def refusal(self, order: dict[str, Any]) -> str | None:
        """Why a sandbox is not forked from this process; None: it is."""
        raise NotImplementedError

    def become(self, order: dict[str, Any], descriptors: list[int]) -> NoReturn:
        """In the child, do what was ordered, and end."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            for owned in (self.control, self.wakeup, self.wakeup_writer):
                owned.close()
            self.be(order, descriptors)
            status = 0
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

    def be(self, order: dict[str, Any], descriptors: list[int]) -> None:
        """What a child does."""
        raise NotImplementedError

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

    def report(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):
            self.control.sendall(json.dumps(message).encode() + b"\n")


class Launcher(ForkServer):
    """The first process: forks templates."""

    def __init__(self, control: socket.socket, runtime: Any, shared_code: Any) -> None:
        super().__init__(control, runtime)
        self.shared_code = shared_code

    def be(self, order: dict[str, Any], descriptors: list[int]) -> None:
        os.setsid()
        self.runtime.end_with_parent()
        code = self.shared_code(order["template"]["path"])
        Template(socket.socket(fileno=descriptors[0]), self.runtime, code).serve()

    def refusal(self, order: dict[str, Any]) -> str | None:  # noqa: ARG002
        return "environment"

    def end_children(self) -> None:
        """Wait for the templates, whose control sockets have closed, too, and kill what hangs."""
        deadline = time.monotonic() + ENDING_SECONDS
        while self.pids and time.monotonic() < deadline:
            self.report_exits()
            time.sleep(0.005)
        super().end_children()


class Template(ForkServer):
    """A process for the functions of some directories: forks their sandboxes."""

    def __init__(self, control: socket.socket, runtime: Any, code: Any) -> None:
        super().__init__(control, runtime)
        self.code = code
        self.is_outdated = False

    def is_done(self) -> bool:
        return self.is_outdated and not self.pids

    def refusal(self, order: dict[str, Any]) -> str | None:
        self.is_outdated = self.is_outdated or not self.code.is_current()
        if self.is_outdated:
            return "changed"
        handler, environment = order["handler"], order["environment"]
        if self.code.is_for(environment) and self.code.load(handler, environment):
            freeze()
        return None if self.code.is_for(environment) else "environment"

    def be(self, order: dict[str, Any], descriptors: list[int]) -> None:
        runtime, log = descriptors
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        connection = socket.socket(fileno=runtime)
        self.runtime.run_sandbox(order["start"], connection, self.code.root_filters)


def kill_group(pid: int) -> None:
    """Kill a process and whatever it started (a sandbox leads its own session)."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
