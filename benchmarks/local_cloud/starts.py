"""What a function's process takes until it is ready: forked with its code, without, or started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from local.local_cloud.lambdas.fork_server import ForkServer
from local.local_cloud.lambdas.functions import FunctionSpec, HostSettings, sandbox_environment
from local.local_cloud.lambdas.launcher import NO_CODE, SandboxLauncher

ROOT: Final = Path(__file__).resolve().parents[2]
SHARED, UNSHARED, ALONE = "forked with its code", "forked without its code", "a process by itself"
_ALONE: Final = """\
import importlib, sys
sys.path.insert(0, sys.argv[1])
import awslambdaric.bootstrap, boto3
importlib.import_module(sys.argv[2].rpartition(".")[0])
"""


class _Unshared(SandboxLauncher):
    """Forks from a process that has imported no code of functions."""

    def _template(self, path: tuple[str, ...], asked: set[ForkServer]) -> ForkServer | None:  # noqa: ARG002
        return super()._template(NO_CODE, asked)


def handlers() -> list[str]:
    """Those of the pipeline's steps."""
    return [f"steps.{file.stem}.handler" for file in sorted((ROOT / "src/steps").glob("[a-z]*.py"))]


def milliseconds(rounds: int) -> dict[str, float]:
    """Processor time of a start, the mean over all steps, the least of the rounds."""
    ways = {
        ALONE: _alone,
        UNSHARED: lambda: _forked(_Unshared),
        SHARED: lambda: _forked(SandboxLauncher),
    }
    return {name: min(way() for _ in range(rounds)) for name, way in ways.items()}


def _alone() -> float:
    total = 0.0
    for handler in handlers():
        command = [sys.executable, "-c", _ALONE, str(ROOT / "src"), handler]
        process = subprocess.Popen(command)  # noqa: S603  (ourselves)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{handler} cannot be imported")
        total += usage.ru_utime + usage.ru_stime
    return total / len(handlers()) * 1000


def _forked(kind: type[SandboxLauncher]) -> float:
    """The second sandbox of each: the first may be the one for which its code was imported."""
    with tempfile.TemporaryDirectory() as folder:
        launcher = kind(Path(folder))
        launcher.start()
        try:
            used = [_ready(launcher, handler, Path(folder)) for handler in handlers() * 2]
        finally:
            launcher.stop()
    return sum(used[len(used) // 2 :]) / len(handlers()) * 1000


def _ready(launcher: SandboxLauncher, handler: str, folder: Path) -> float:
    settings = HostSettings("http://127.0.0.1:9", "us-east-1", "000000000000", folder)
    spec = FunctionSpec("measured", handler, (ROOT / "src",))
    order = {
        "handler": handler,
        "path": [str(ROOT / "src")],
        "environment": sandbox_environment(spec, "1", settings),
        "durable": False,
    }
    sandbox = launcher.spawn(order, folder / "measured.log")
    request = sandbox.ready(60)
    if request.path != "/invocation/next":
        raise RuntimeError(f"{handler}: {json.loads(request.body)}")
    used = int(Path(f"/proc/{sandbox.pid}/schedstat").read_text().split()[0]) / 1e9
    sandbox.close()
    return used
