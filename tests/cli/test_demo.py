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
from typing import Any

import pytest
from json_documents import document

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.slow,
    pytest.mark.timeout(300),
]


def start(state_dir: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "cli.main", "demo", "--port", "0"]
    return subprocess.Popen(  # noqa: S603
        [*command, "--state-dir", str(state_dir), *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a Ctrl-C reaches it and its children, and not us
    )


def demo(state_dir: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Exit status and the JSON report."""
    process = start(state_dir, "--json", *arguments)
    output, progress = process.communicate(timeout=280)
    assert output, progress
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


def test_the_whole_pipeline_runs_and_its_counts_add_up(tmp_path: Path) -> None:
    code, report = demo(tmp_path)

    assert (code, report["status"], report["addsUp"]) == (0, "SUCCEEDED", True)
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


def test_a_cloud_that_runs_already_is_used_and_stays(tmp_path: Path) -> None:
    """The one that stays has a range without objects, the one beside it a message of no use."""
    message = tmp_path / "message.json"
    message.write_text(
        '{"datasetName": "orders", "startDateTime": "2020-01-01", "endDateTime": "2020-01-02"}'
    )
    first = start(tmp_path / "cloud", "--json", "--keep", str(message))
    assert first.stderr is not None
    for line in first.stderr:
        if "keeps running" in line:
            break

    beside = start(tmp_path / "cloud", "--json", str(ROOT / "events" / "bad-wrong-types.json"))
    output, progress = beside.communicate(timeout=60)
    refused = document("demo", output)
    assert (beside.returncode, refused["status"]) == (2, "REFUSED")
    for field in ("maxConcurrency", "toleratedFailurePercentage", "detached"):
        assert field in refused["reason"]
    assert "using the local cloud that runs already" in progress
    assert "that was used keeps running" in progress
    assert first.poll() is None

    first.terminate()
    output, _ = first.communicate(timeout=60)
    skipped = document("demo", output)
    assert (first.returncode, skipped["status"]) == (3, "SKIPPED")
    assert "no objects" in skipped["reason"]


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_running_after_an_interruption(tmp_path: Path, signal_number: int) -> None:
    process = start(tmp_path)
    assert process.stdout is not None
    for line in process.stdout:
        if "submit-job" in line:
            break
    children = descendants(process.pid)
    assert len(children) > 3

    # Ctrl-C goes to the whole foreground group, a termination to the process.
    (os.killpg if signal_number == signal.SIGINT else os.kill)(process.pid, signal_number)

    process.communicate(timeout=30)
    assert process.returncode == 130
    assert eventually(lambda: not any(alive(child) for child in children))


def test_a_port_that_is_taken_is_reported(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = start(tmp_path, "--port", str(taken.getsockname()[1]))
        _, errors = process.communicate(timeout=60)

    assert process.returncode == 4
    assert "in use" in errors
