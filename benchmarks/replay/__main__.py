"""Run whole runs of several sizes and print what their invocations began with."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "support"))

from aws_durable_execution_sdk_python.lambda_service import Operation
from aws_durable_execution_sdk_python_testing import runner as testing_runner
from world import Deployment, PrunedStateInvoker, World

from durable_pipeline import app
from local.local_cloud.durable.state import visible_operations

UNITS: Final = (10, 100, 1_000)
AT_ONCE: Final = 10


@dataclass
class Loaded:
    """What invocations began with, summed up; sizes are bytes of JSON."""

    operations: int = 0
    size: int = 0
    largest: int = 0

    def add(self, operations: Iterable[Operation]) -> None:
        sizes = [len(json.dumps(one.to_json_dict(), default=str)) for one in operations]
        self.operations += len(sizes)
        self.size += sum(sizes)
        self.largest = max(self.largest, sum(sizes))


@dataclass
class Replay:
    """One run: what its invocations began with, and would have begun with unpruned."""

    units: int
    invocations: int = 0
    pruned: Loaded = field(default_factory=Loaded)
    whole: Loaded = field(default_factory=Loaded)

    @property
    def operations_per_unit(self) -> float:
        return self.pruned.operations / self.units

    @property
    def kilobytes_per_unit(self) -> float:
        return self.pruned.size / 1024 / self.units


def measure(units: int) -> Replay:
    """Run the pipeline over so many units, ten side by side, with steps that only pretend."""
    counted, lock = Replay(units), threading.Lock()

    class CountingInvoker(PrunedStateInvoker):
        def create_invocation_input(self, execution: Any) -> Any:
            with lock:
                counted.invocations += 1
                counted.pruned.add(visible_operations(execution))
                counted.whole.add(execution.operations)
            return super().create_invocation_input(execution)

    before = testing_runner.InProcessInvoker
    vars(testing_runner)["InProcessInvoker"] = CountingInvoker
    try:
        world = World()
        world.objects = units
        request = {
            "runId": "run-1",
            "datasetName": "orders",
            "startDateTime": "2026-11-01",
            "maxConcurrency": AT_ONCE,
        }
        execution = Deployment(world).run(request, app.handle_run, patience=120 + units)
    finally:
        vars(testing_runner)["InProcessInvoker"] = before
    if execution.status != "SUCCEEDED":
        raise RuntimeError(f"the run of {units} units did not succeed: {execution.error}")
    return counted


def table(replays: Iterable[Replay]) -> str:
    lines = [
        "| units | invocations per unit | operations replayed per unit | KB replayed per unit "
        "| largest event, KB |",
        "|---|---|---|---|---|",
    ]
    for one in replays:
        operations = f"{_per(one.pruned.operations, one)} ({_per(one.whole.operations, one)})"
        size = f"{_per(one.pruned.size / 1024, one)} ({_per(one.whole.size / 1024, one)})"
        largest = f"{one.pruned.largest / 1024:,.0f} ({one.whole.largest / 1024:,.0f})"
        invocations = _per(one.invocations, one)
        lines.append(f"| {one.units:,} | {invocations} | {operations} | {size} | {largest} |")
    return "\n".join(lines)


def _per(value: float, replay: Replay) -> str:
    value /= replay.units
    return f"{value:.1f}" if value < 10 else f"{value:,.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replay", description=__doc__)
    parser.add_argument("units", type=int, nargs="*", default=UNITS, help="sizes of runs")
    logging.disable(logging.CRITICAL)
    print(table([measure(units) for units in parser.parse_args().units]))


if __name__ == "__main__":
    main()
