"""Run the benchmark and print its table.

Each measurement is a process of its own that starts a local cloud, sends one message, waits for
the run's end and stops. Counted are the processor seconds of all its processes (functions, jobs and
the emulator included). The two ways take turns, and the least of each is compared: a busy machine
only ever adds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "support"))

WAYS: Final = ("off", "enforce")
_MESSAGE: Final = Path("events/run.json")


@dataclass(frozen=True)
class Cost:
    """Processor seconds.

    Attributes:
        ready: of the start, the deployment and the end.
        run: of the runs alone.
    """

    ready: float
    run: float

    @property
    def total(self) -> float:
        return self.ready + self.run


def measure(way: str, runs: int) -> Cost:
    """What a local cloud costs whose every process has ended, without and with runs."""
    ready = _child(way, 0)
    return Cost(ready, _child(way, runs) - ready)


def _child(way: str, runs: int) -> float:
    """Processor seconds of a whole process tree."""
    process = subprocess.Popen(  # noqa: S603  (ourselves)
        [sys.executable, "-m", "benchmarks.permissions", "--child", way, "--runs", str(runs)],
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"the measured process ended with status {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def run_cloud(way: str, runs: int) -> None:
    """Start a local cloud, send messages one after another, and stop."""
    from running_cloud import ROOT, RunningCloud

    from local.local_cloud.cloud import LocalCloud

    with (
        tempfile.TemporaryDirectory() as state,
        LocalCloud(ROOT / "template.yaml", Path(state), port=0, permissions=way) as local_cloud,
    ):
        cloud = RunningCloud(local_cloud)
        message: dict[str, Any] = json.loads((ROOT / _MESSAGE).read_text("utf-8"))
        for number in range(runs):
            run_id = f"measured-{number}"
            cloud.send({**message, "runId": run_id})
            status = cloud.await_run(run_id, "SUCCEEDED", "PARTIAL", "FAILED")["status"]["S"]
            if status != "SUCCEEDED":
                raise RuntimeError(f"{run_id} is {status}: {local_cloud.permissions.denials()}")


def main() -> int:
    """Measure, print, and fail if checking costs more than the bound."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=5, help="runs of a measurement")
    parser.add_argument("--bound", type=float, default=1.10, help="most that enforce / off may be")
    parser.add_argument("--child", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        run_cloud(options.child, options.runs)
        return 0
    found: dict[str, list[Cost]] = {way: [] for way in WAYS}
    for number in range(options.rounds):
        for way in WAYS if number % 2 else reversed(WAYS):
            found[way].append(measure(way, options.runs))
    for way in WAYS:
        costs = found[way]
        print(
            f"{way:8} start {min(c.ready for c in costs):6.2f} s"
            f"  {options.runs} runs {min(c.run for c in costs):6.2f} s"
            f"  all {min(c.total for c in costs):6.2f} s"
        )
    ratio = min(c.run for c in found["enforce"]) / min(c.run for c in found["off"])
    print(f"enforce / off of the runs: {ratio:.3f} (at most {options.bound})")
    return int(ratio > options.bound)


if __name__ == "__main__":
    sys.exit(main())
