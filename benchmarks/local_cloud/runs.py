"""Messages of five kinds, and a run of many units, on a local cloud in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
KINDS: Final = ("messages", "units")


def measure(kind: str, number: int) -> tuple[float, float]:
    """Processor seconds of all processes, for each of `number`, and how many end in a second.

    The start, the deployment and the end are subtracted: a cloud without messages.
    """
    idle, _ = _child(kind, 0)
    used, seconds = _child(kind, number)
    return (used - idle) / number, number / seconds


def _child(kind: str, number: int) -> tuple[float, float]:
    command = [sys.executable, "-m", "benchmarks.local_cloud", "--child", kind, str(number)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603
    assert process.stdout is not None  # noqa: S101
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"the measured process ended with status {process.returncode}")
    return usage.ru_utime + usage.ru_stime, float(printed.split()[-1])


def run_cloud(kind: str, number: int) -> None:
    """In the child: print the seconds from the first message to the last end."""
    sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT / "tests" / "end_to_end")]
    import test_many_messages as many
    from running_cloud import RunningCloud, wait_until

    from local.local_cloud.cloud import LocalCloud

    with (
        tempfile.TemporaryDirectory() as state,
        LocalCloud(
            ROOT / "template.yaml",
            Path(state),
            port=0,
            parameters={"RedshiftWorkgroupName": ""},
        ) as local,
    ):
        cloud = RunningCloud(local, with_sample=False)
        bucket = cloud.outputs["DataBucketName"]
        contract = many.CONTRACT.encode()
        code = cloud.outputs["CodeBucketName"]
        local.client("s3").put_object(Bucket=code, Key="datasets/small.yaml", Body=contract)
        many.put_objects(cloud, range(0, number, 1 if kind == "units" else len(many.KINDS)))
        run = {"datasetName": "small", "runId": "units", "maxConcurrency": 10}
        days = {"startDateTime": "2026-11-01", "endDateTime": "2026-11-02"}
        bodies = [many.body(each, bucket) for each in range(number)]
        began = time.monotonic()
        if number:
            many.send(cloud, [json.dumps({**run, **days})] if kind == "units" else bodies)
        if number and kind == "units":
            status = cloud.await_run("units", "SUCCEEDED", "PARTIAL", "FAILED", patience=7200)
            if status["status"]["S"] != "SUCCEEDED":
                raise RuntimeError(f"the run is {status}")
        wait_until(lambda: {} if cloud.queue_is_empty() else None, "the queue to be empty", 7200)
        print(time.monotonic() - began)
