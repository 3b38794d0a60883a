"""Validation's memory follows its chunks: neither the object's size nor its dirt or warnings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.data import orders_file

ROOT = Path(__file__).resolve().parents[2]
# In a process of its own, as the peak is a process's: splits a text of dirty rows, made on the way.
SCRIPT = """
import json, sys
from pathlib import Path
import yaml
from benchmarks.data import orders_file
from contracts.dataset import Dataset
from tabular import workspace
from validation.row_classes import RowClassifier
from validation.unit_split import split_text

CHUNK_BYTES = 2 * 1024 * 1024  # a quarter of the usual: a quarter of the text fills every buffer
source, dirt, megabytes = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
contract = yaml.safe_load(Path("datasets/orders.yaml").read_text())
if dirt == "warned":
    names = ("small", "smaller", "smallest")
    rules = [{"name": name, "check": "items < 0", "severity": "warn"} for name in names]
    contract["rules"] += rules

def spoiled(line):
    if dirt in ("warned", "none"):
        return line
    fields = line.split(b",")
    if dirt == "short":
        return b",".join(fields[:7])
    if dirt == "type":
        return b",".join([*fields[:7], b"many", *fields[8:]])
    return line + b"\\xff"

def blocks():
    header, *lines = source.read_bytes().splitlines()
    yield header + b"\\n"
    block = b"".join(spoiled(line) + b"\\n" for line in lines)
    for _ in range(max(1, megabytes * 1024 * 1024 // len(block))):
        yield block

with workspace.workspace(2048) as space:
    split = RowClassifier(Dataset.from_json({**contract, "jobs": []}), None)
    rows = split_text(space, blocks(), split, "a.csv", 2, CHUNK_BYTES)
status = Path("/proc/self/status").read_text()
peak = int(status.partition("VmHWM:")[2].split()[0]) // 1024
found = {"valid": rows.valid, "rejected": rows.rejected, "warned": rows.warned, "peak": peak}
print(json.dumps(found))
"""


def split_dirty(source: Path, dirt: str, megabytes: int) -> dict[str, int]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    command = [sys.executable, "-c", SCRIPT, str(source), dirt, str(megabytes)]
    done = subprocess.run(  # noqa: S603 -- our own script
        command, capture_output=True, text=True, env=environment, cwd=ROOT, check=True
    )
    found: dict[str, int] = json.loads(done.stdout)
    return found


# Each half of which fills every buffer: below that, memory still grows to its level.
@pytest.mark.slow
@pytest.mark.timeout(600)  # for a busy machine: it takes half a minute of processor time
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux has the peak")
@pytest.mark.parametrize(("dirt", "megabytes"), [("short", 8), ("type", 16), ("encoding", 16)])
def test_a_text_of_dirty_rows_needs_no_more_memory_than_half_of_it(
    tmp_path: Path, dirt: str, megabytes: int
) -> None:
    source = tmp_path / "orders.csv"
    orders_file.write(source, 1)
    small = split_dirty(source, dirt, megabytes // 2)
    large = split_dirty(source, dirt, megabytes)
    assert (small["valid"], large["valid"]) == (0, 0)
    assert large["rejected"] >= 1.9 * small["rejected"] > 10_000
    assert large["peak"] < min(1.12 * small["peak"], 400)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux has the peak")
def test_a_text_of_warned_rows_needs_no_more_memory_than_one_without_warnings(
    tmp_path: Path,
) -> None:
    source = tmp_path / "orders.csv"
    orders_file.write(source, 1)
    plain = split_dirty(source, "none", 32)
    warned = split_dirty(source, "warned", 32)
    assert (plain["warned"], warned["warned"]) == (0, plain["valid"])
    assert warned["valid"] == plain["valid"] > 300_000
    assert warned["peak"] < 1.15 * plain["peak"]
