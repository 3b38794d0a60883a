"""The other side of forked jobs: a process that has imported what scripts do, and forks them.

Run as a script by the Python of the jobs, which may be 3.9; never imported by the local cloud. A
job is a process as if `python script arguments` had started it: `__main__`, `sys.argv`, `sys.path`,
environment, directory and standard streams are its own, and it leaves as a script does. Only what
is imported has been imported before.

Orders come as those of `../lambdas/sandbox_process.py` do:
* `{"ready": true}`: the response is `{"started": 0}`;
* `{"job": {"arguments": [script, ...], "environment": {...}, "directory": ...}}`, with the files
  for its output and its error output passed along: `{"started": pid}`, and `{"exited": pid, ...}`
  when it has ended, and with it whatever it had started;
* `{"signal": number, "pid": pid}`: to the job and whatever it has started.
"""

from __future__ import annotations

import builtins
import contextlib
import gc
import importlib
import importlib.util
import os
import resource
import signal
import socket
import sys
import tempfile
import time
import types
from importlib.machinery import SourceFileLoader
from typing import Any, NoReturn

# What the environment lacks is left to the script to miss. Nothing that shows in one that does not
# import it, as DuckDB does when Python ends.
PRELOADED = ("boto3", "boto3.s3.inject", "encodings.idna")
LAMBDAS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lambdas")


def of_lambdas(name: str) -> Any:
    """A module of the folder of the sandboxes, which is no place that scripts may import from."""
    file = os.path.join(LAMBDAS, f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"_local_cloud_{name}", file)
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    return module


SANDBOXES = of_lambdas("sandbox_process")


class Forked(BaseException):
    """This is the new process; its job is run after the server's frames have been left."""

    def __init__(self, order: dict[str, Any], descriptors: list[int]) -> None:
        super().__init__()
        self.order = order
        self.descriptors = descriptors


class JobServer(SANDBOXES.ForkServer):  # type: ignore[name-defined,misc]
    """Forks jobs."""

    def obey(self, order: dict[str, Any], descriptors: list[int]) -> None:
        if "ready" in order:
            self.report({"started": 0})
        elif "signal" in order:
            if order["pid"] in self.pids:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(order["pid"], order["signal"])
        else:
            super().obey(order, descriptors)

    def become(self, order: dict[str, Any], descriptors: list[int]) -> NoReturn:
        os.setsid()
        self.runtime.end_with_parent()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for owned in (self.control, self.wakeup, self.wakeup_writer):
            owned.close()
        raise Forked(order["job"], descriptors)

    def report_exits(self) -> None:
        """Of each that has ended, after the rest of its group, whose id is not yet free."""
        for pid in list(self.pids):
            if hasattr(os, "waitid"):
                if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
                    continue
                SANDBOXES.kill_group(pid)
                _, status, usage = os.wait4(pid, 0)
            else:  # macOS before Python 3.13
                gone, status, usage = os.wait4(pid, os.WNOHANG)
                if gone == 0:
                    continue
                SANDBOXES.kill_group(pid)
            self.pids.discard(pid)
            peak = peak_bytes(usage)
            self.report({"exited": pid, "status": status, "peak_bytes": peak})


def peak_bytes(usage: resource.struct_rusage) -> int:
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def preload() -> None:
    with SANDBOXES.uncollected():
        for module in PRELOADED:
            with contextlib.suppress(ImportError):
                importlib.import_module(module)
        with contextlib.suppress(ImportError):
            SANDBOXES.share_service_descriptions()
            importlib.import_module("botocore.session").get_session().create_client(
                "s3",
                region_name="us-east-1",
                aws_access_key_id="none",
                aws_secret_access_key="none",  # noqa: S106 -- nothing is called
            )
        of_lambdas("quick_http").be_quick()
    gc.collect()
    gc.freeze()


def run_job(job: dict[str, Any], descriptors: list[int]) -> None:
    """Be the script from its first line on."""
    for standard, descriptor in zip((1, 2), descriptors):  # noqa: B905 -- Python 3.9
        os.dup2(descriptor, standard)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(job["environment"])
    os.chdir(job["directory"])
    time.tzset()
    tempfile.tempdir = None
    signal.signal(signal.SIGINT, signal.default_int_handler)
    script = job["arguments"][0]
    sys.argv = list(job["arguments"])
    sys.path.insert(0, os.path.dirname(script))
    main = types.ModuleType("__main__")
    main.__file__ = script
    main.__loader__ = loader = SourceFileLoader("__main__", script)
    vars(main)["__builtins__"] = builtins
    sys.modules["__main__"] = main
    try:
        exec(compile(loader.get_data(script), script, "exec"), vars(main))  # noqa: S102
    except Exception as error:
        # Without this frame, which a script does not have.
        behind = error.__traceback__.tb_next if error.__traceback__ else None
        sys.excepthook(type(error), error.with_traceback(behind), behind)
        sys.exit(1)


def serve(control: socket.socket) -> Forked | None:
    """Serve; returns in a new process, with its job, or when there is nothing more to do."""
    try:
        JobServer(control, of_lambdas("sandbox_runtime")).serve()
    except Forked as forked:
        return forked
    return None


if __name__ == "__main__":
    del sys.path[0]  # this folder, where scripts shall find nothing
    preload()
    ordered = serve(socket.socket(fileno=int(sys.argv[1])))
    if ordered is None:
        os._exit(0)
    run_job(ordered.order, ordered.descriptors)
