"""One way, in a process of its own: do the work; print seconds and peak memory as JSON.

python -m benchmarks.data.one_way STORE SOURCE-KEY WAY MEMORY-MEGABYTES
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from benchmarks.data.store import Store

# Name of each way: its module, its class, and the package that it needs.
WAYS: Final = {
    "pipeline": ("pipeline_way", "PipelineWay", "duckdb"),
    "duckdb": ("duckdb_way", "DuckdbWay", "duckdb"),
    "polars": ("polars_way", "PolarsWay", "polars"),
    "pyarrow": ("arrow_way", "ArrowWay", "pyarrow"),
    "pandas": ("pandas_way", "PandasWay", "pandas"),
    "csv": ("csv_way", "CsvWay", "csv"),
}


def available(way: str) -> bool:
    return importlib.util.find_spec(WAYS[way][2]) is not None


def main(root: str, source_key: str, way: str, memory_megabytes: str) -> None:
    module, name, _ = WAYS[way]
    made = getattr(importlib.import_module(f"benchmarks.data.{module}"), name)
    with tempfile.TemporaryDirectory(dir=root) as scratch:
        arguments: list[Any] = [Store(Path(root)), source_key]
        if way in ("pipeline", "duckdb"):
            arguments.append(int(memory_megabytes))
        if way != "pipeline":  # it makes its own
            arguments.append(Path(scratch))
        work = made(*arguments)
        stages = {}
        for stage in ("clean", "transform"):
            began, busy = time.monotonic(), time.process_time()
            getattr(work, stage)()
            stages[stage] = {
                "seconds": time.monotonic() - began,
                "processor": time.process_time() - busy,
                "peak": peak_megabytes(),
            }
    print(json.dumps(stages))


def peak_megabytes() -> float:
    """Most memory that this process has held so far.

    Linux reports it for this process alone; `ru_maxrss` may still hold the parent's peak.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1024 * 1024 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    # Two processors, as the function has: some of the packages would take all there are.
    for variable in ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "ARROW_NUM_THREADS"):
        os.environ.setdefault(variable, "2")
    main(*sys.argv[1:])
