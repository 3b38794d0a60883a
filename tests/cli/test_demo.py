"""`pipeline demo` as a person runs it: the whole pipeline, and nothing left over."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest
from json_documents import document

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.slow,
    pytest.mark.timeout(300),
]


def start(
    state_dir: Path, *arguments: str, stdout: int | IO[str] = subprocess.PIPE
) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "cli.main", "demo", "--port", "0"]
    return subprocess.Popen(  # noqa: S603
        [*command, "--state-dir", str(state_dir), *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a Ctrl-C reaches it and its children, and not us
    )


def demo_beside(state_dir: Path, message: Path) -> tuple[int, dict[str, Any]]:
    """Exit status and the JSON report, where a cloud runs already."""
    process = start(state_dir, "--json", str(message))
    output, progress = process.communicate(timeout=60)
    assert output, progress
    assert "using the local cloud that runs already" in progress
    assert "that was used keeps running" in progress
    return process.returncode, document("demo", output)


def records(query: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of a warehouse query by the names of their columns."""
    return [dict(zip(query["columns"], row, strict=True)) for row in query["rows"]]


def descendants(pid: int) -> set[int]:
    listing = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="],  # noqa: S607
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    children: dict[int, list[int]] = {}
    for line in listing.splitlines():
        child, parent = map(int, line.split())
        children.setdefault(parent, []).append(child)
    found: set[int] = set()
    ahead = [pid]
    while ahead:
        ahead = [child for parent in ahead for child in children.get(parent, [])]
        found.update(ahead)
    return found


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def eventually(condition: Callable[[], bool], seconds: float = 15) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.1)
    return condition()


def test_the_whole_pipeline_runs_in_a_cloud_that_runs_on_and_is_used_by_others(
    tmp_path: Path,
) -> None:
    """Those beside it have a message of no use, and a range without objects."""
    none_there = tmp_path / "message.json"
    none_there.write_text(
        '{"datasetName": "orders", "startDateTime": "2020-01-01", "endDateTime": "2020-01-02"}'
    )
    state, printed = tmp_path / "cloud", tmp_path / "printed"
    with printed.open("w") as output:  # more than a pipe holds
        first = start(state, "--json", "--keep", stdout=output)
    assert first.stderr is not None
    for line in first.stderr:
        if "keeps running" in line:
            break

    code, refused = demo_beside(state, ROOT / "events" / "bad-wrong-types.json")
    assert (code, refused["status"]) == (2, "REFUSED")
    for field in ("maxConcurrency", "toleratedFailurePercentage", "detached"):
        assert field in refused["reason"]
    code, skipped = demo_beside(state, none_there)
    assert (code, skipped["status"]) == (3, "SKIPPED")
    assert "no objects" in skipped["reason"]

    assert first.poll() is None
    children = descendants(first.pid)
    assert len(children) > 3
    first.terminate()  # to the process alone, and the ordinary way to end
    first.communicate(timeout=60)
    assert first.returncode == 0
    assert eventually(lambda: not any(alive(child) for child in children))
    assert_complete(document("demo", printed.read_text()))


def assert_complete(report: dict[str, Any]) -> None:
    """The whole sample is accounted for."""
    assert (report["status"], report["addsUp"]) == ("SUCCEEDED", True)
    rows = report["rows"]
    assert rows["rowsIn"] == 2000
    assert rows["rejected"] == 136
    assert rows["rowsIn"] == rows["rejected"] + rows["stored"]
    (run_row,), unit_rows = map(records, report["warehouse"])
    assert (run_row["status"], run_row["rows_stored"]) == ("SUCCEEDED", rows["stored"])
    assert sum(row["rows"] for row in unit_rows) == rows["stored"]
    assert len(report["storedItems"]) == 3
    assert len({example["rule"] for example in report["rejected"]["examples"]}) == 2
    # one id leads through the whole trace
    (first, *_) = report["units"]
    job_id = first["jobIds"][0]
    assert job_id in json.dumps(report["execution"])
    assert job_id in [row["job_id"] for row in unit_rows]


def test_nothing_is_left_running_after_an_interruption(tmp_path: Path) -> None:
    process = start(tmp_path)
    assert process.stdout is not None
    for line in process.stdout:
        if "submit-job" in line:
            break
    children = descendants(process.pid)
    assert len(children) > 3

    os.killpg(process.pid, signal.SIGINT)  # Ctrl-C goes to the whole foreground group

    process.communicate(timeout=30)
    assert process.returncode == 130
    assert eventually(lambda: not any(alive(child) for child in children))


def test_a_port_that_is_taken_is_reported(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = start(tmp_path, "--port", str(taken.getsockname()[1]))
        _, errors = process.communicate(timeout=60)

    assert process.returncode == 4
    assert "in use" in errors
