"""No process outlives the local cloud, however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from lambda_cloud import ACCOUNT, REGION, LambdaCloud, durable, eventually, plain

from local.local_cloud.http.services import ServiceError
from local.local_cloud.lambdas import pool
from local.local_cloud.lambdas.functions import HostSettings
from local.local_cloud.lambdas.launcher import SandboxLauncher
from local.local_cloud.lambdas.pool import FunctionHost

pytestmark = pytest.mark.cloud

LOCAL_CLOUD = """
import sys
from pathlib import Path
from lambda_cloud import LambdaCloud, plain

with LambdaCloud([plain("nap")], Path(sys.argv[1])) as cloud:
    cloud.invoke("nap", {"pids": sys.argv[2]})
"""


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/status")
    # Where nobody collects orphans a killed process stays as a zombie.
    return not status.exists() or "State:\tZ" not in status.read_text()


def is_written(pids: Path) -> bool:
    return pids.exists() and pids.read_text().endswith("]")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_sandboxes_end_with_the_local_cloud(tmp_path, how):
    pids = tmp_path / "pids"
    here = Path(__file__).parent
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", LOCAL_CLOUD, str(tmp_path), str(pids)],
        env={**os.environ, "PYTHONPATH": f"{here}{os.pathsep}{here.parents[1]}"},
        stderr=subprocess.DEVNULL,
    )
    eventually(lambda: is_written(pids))
    process.send_signal(how)
    process.wait(timeout=30)
    sandboxes = json.loads(pids.read_text())
    assert sandboxes
    eventually(lambda: not any(is_running(pid) for pid in sandboxes))


def test_stopping_ends_what_runs_instead_of_waiting_for_it(tmp_path):
    before = set(threading.enumerate())
    pids = tmp_path / "pids"
    functions = [plain("nap"), plain("add"), durable("wait", "wait"), durable("invoke", "invoke")]
    with LambdaCloud(functions, tmp_path) as cloud, ThreadPoolExecutor(4) as pool:
        nap = json.dumps({"pids": str(pids)}).encode()
        napping = pool.submit(cloud.service.invoke, "nap", nap)
        waiting = pool.submit(cloud.service.invoke, "wait", b'{"seconds": 50}', "live")
        calling = {"function": "nap", "payload": {"pids": str(tmp_path / "other")}}
        cloud.start("invoke:live", calling)
        cloud.invoke("add", {"left": 1, "right": 1})
        eventually(lambda: is_written(pids) and is_written(tmp_path / "other"))
        cloud.service.stop()
        # It neither woke up, which would be a result, nor was it given up at its timeout.
        assert json.loads(napping.result().payload)["errorType"] == "Runtime.ExitError"
        with pytest.raises(ServiceError, match="the local cloud stopped"):
            waiting.result()
    left = [thread.name for thread in set(threading.enumerate()) - before]
    assert not [name for name in left if name.startswith("sandbox")]
    eventually(lambda: not any(is_running(pid) for pid in json.loads(pids.read_text())))


def test_at_most_ten_sandboxes_of_a_function_run_at_once(tmp_path):
    with LambdaCloud([plain("describe")], tmp_path) as cloud, ThreadPoolExecutor(30) as pool:
        responses = list(pool.map(lambda _: cloud.invoke("describe")[0]["pid"], range(60)))
    assert 1 <= len(set(responses)) <= 10


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def host(tmp_path):
    names = [f"describe-{number}" for number in range(5)]
    functions = [*(plain(name, "describe") for name in names), plain("nap")]
    settings = HostSettings("http://127.0.0.1:9", REGION, ACCOUNT, tmp_path)
    host = FunctionHost(functions, settings, Clock())
    host.start()
    yield host
    host.stop()


def process_of(host: FunctionHost, name: str) -> int:
    return json.loads(host.invoke(name, "$LATEST", b"{}").payload)["pid"]


def test_sandboxes_are_forked_by_a_launcher_that_runs_already(tmp_path):
    launcher = SandboxLauncher(tmp_path)
    launcher.start()
    running = launcher._process
    settings = HostSettings("http://127.0.0.1:9", REGION, ACCOUNT, tmp_path)
    host = FunctionHost([plain("describe")], settings, launcher=launcher)
    host.start()
    sandbox = process_of(host, "describe")
    assert parent_of(parent_of(sandbox)) == running.pid
    host.stop()
    assert not is_running(sandbox)
    assert running.returncode is not None
    launcher.stop()  # again is harmless


def parent_of(pid: int) -> int:
    command = ["ps", "-o", "ppid=", "-p", str(pid)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    return int(found.stdout)


def test_idle_sandboxes_end_after_a_while(host):
    old = process_of(host, "describe-0")
    host._clock.now = pool.IDLE_SECONDS / 2
    young = process_of(host, "describe-1")

    host._clock.now = pool.IDLE_SECONDS - 1
    host.end_idle()
    assert host.sandboxes == 2
    host._clock.now = pool.IDLE_SECONDS + 1
    host.end_idle()

    assert host.sandboxes == 1
    eventually(lambda: not is_running(old))
    assert process_of(host, "describe-1") == young
    assert process_of(host, "describe-0") != old


def test_a_new_sandbox_takes_the_place_of_the_longest_idle_one(host, monkeypatch):
    monkeypatch.setattr(pool, "SANDBOXES_AT_MOST", 3)
    pids = {}
    for host._clock.now, number in enumerate((1, 0, 2, 3, 4)):
        pids[number] = process_of(host, f"describe-{number}")

    assert host.sandboxes == 3
    eventually(lambda: not is_running(pids[1]) and not is_running(pids[0]))
    assert [process_of(host, f"describe-{number}") for number in (2, 3, 4)] == [
        *(pids[2], pids[3], pids[4])
    ]


def test_where_all_are_busy_nobody_waits_for_a_place(host, monkeypatch, tmp_path):
    monkeypatch.setattr(pool, "SANDBOXES_AT_MOST", 1)
    pids = tmp_path / "pids"
    event = json.dumps({"pids": str(pids), "seconds": 5}).encode()
    with ThreadPoolExecutor(1) as threads:
        busy = threads.submit(host.invoke, "nap", "$LATEST", event)
        eventually(lambda: is_written(pids))

        assert process_of(host, "describe-0")
        assert not busy.done()
        assert host.sandboxes == 2
        assert json.loads(busy.result().payload) == "awake"
