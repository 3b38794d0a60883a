"""A Glue job of two places on the local cloud, a job that costs next to nothing, and a killer."""

from __future__ import annotations

import random
import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from running_cloud import RunningCloud, wait_until

from contracts import layout
from local.local_cloud.http.services import ServiceError
from local.local_cloud.jobs import services
from local.local_cloud.jobs.glue import GlueService

PLACES: Final = 2
FIRST_DAY: Final = date(2026, 11, 1)
DATASET: Final = """
name: queued
source: {prefix: landing/queued/, partition: dt=%Y-%m-%d/, suffix: .csv}
columns:
  - {name: id, type: string, required: true}
  - {name: value, type: double, required: true}
jobs:
  - {stage: clean, engine: glue, glueJob: clean-csv, timeoutSeconds: 600}
targets:
  dynamodb: {key: [id]}
limits: {unitSeconds: 5}
"""
# Copies its input. It speaks to the endpoint without an SDK, whose import would take the longest.
SCRIPT: Final = """
import json, os, sys, time, urllib.request

while os.path.exists({gate!r}):
    time.sleep(0.05)
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
key = os.environ["AWS_ACCESS_KEY_ID"]
signed = {"Authorization": f"AWS4-HMAC-SHA256 Credential={key}/20261101/us-east-1/s3/aws4_request"}


def call(url, body=None):
    path = os.environ["AWS_ENDPOINT_URL"] + "/" + url[len("s3://"):]
    method = "GET" if body is None else "PUT"
    request = urllib.request.Request(path, data=body, headers=signed, method=method)
    return urllib.request.urlopen(request).read()


rows = call(given["--INPUT_URL"])
count = rows.count(b"\\n") - 1
report = {"jobId": given["--JOB_ID"], "rowsIn": count, "rowsOut": count}
report |= {"rowsFiltered": 0, "rowsBad": 0}
call(given["--OUTPUT_URL"] + "data/part-00000.csv", rows)
call(given["--OUTPUT_URL"] + "report.json", json.dumps(report).encode())
"""


class TwoPlaces(GlueService):
    """A Glue whose jobs have two places and need no wheel, and which remembers what it started.

    Attributes:
        started: the JOB_KEY of each run.
        refused: submissions that found no place.
    """

    made: list[TwoPlaces] = []  # noqa: RUF012 - a cloud makes its own

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.started: list[str] = []
        self.refused = 0
        self.most_running = 0
        self.made.append(self)

    def define_job(self, name: str, properties: Mapping[str, Any]) -> list[str]:
        changed = {"ExecutionProperty": {"MaxConcurrentRuns": PLACES}, "DefaultArguments": {}}
        return super().define_job(name, {**properties, **changed})

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        try:
            response = super().call(operation, request)
        except ServiceError as error:
            self.refused += error.code == "ConcurrentRunsExceededException"
            raise
        if operation == "StartJobRun":
            self.started.append(request["Arguments"]["--JOB_KEY"])
            with self._lock:
                self.most_running = max(self.most_running, self._running(request["JobName"]))
        return response


@contextmanager
def two_places() -> Iterator[None]:
    """For a while clouds have such a Glue."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(services, "GlueService", TwoPlaces)
        yield


def put_work(
    cloud: RunningCloud, runs: int, units: int, gate: Path | None = None
) -> list[dict[str, Any]]:
    """Upload contracts, script and objects, a day for each run.

    Args:
        gate: while this file is there, no job ends.

    Returns:
        The messages that ask for them. The dataset `plain` is the same objects without a job.
    """
    s3, outputs = cloud.cloud.client("s3"), cloud.outputs
    code, data = outputs["CodeBucketName"], outputs["DataBucketName"]
    plain = re.sub("(?s)jobs:.*?\n(?=targets)", "", DATASET).replace("name: queued", "name: plain")
    for name, text in {"queued": DATASET, "plain": plain}.items():
        key = layout.dataset_source_key(name)
        s3.put_object(Bucket=code, Key=key, Body=text.encode())
    script = SCRIPT.replace("{gate!r}", repr(str(gate or "")))
    s3.put_object(Bucket=code, Key="jobs/clean_csv.py", Body=script.encode())
    messages = []
    for run in range(runs):
        day = FIRST_DAY + timedelta(days=run)
        for unit in range(units):
            key = f"landing/queued/dt={day}/part-{unit:03d}.csv"
            s3.put_object(Bucket=data, Key=key, Body=f"id,value\nr{run}-u{unit},1.5\n".encode())
        asked = {"startDateTime": str(day), "endDateTime": str(day + timedelta(days=1))}
        request = {"datasetName": "queued", "runId": f"queued-{run}", "maxConcurrency": 10}
        messages.append({**request, **asked, "detached": True})
    return messages


class Killer:
    """Kills the job watcher at random while it works, and wakes it as its schedule would.

    Attributes:
        killed: processes.
    """

    def __init__(self, cloud: RunningCloud, seed: int, seconds: float) -> None:
        """Set up.

        Args:
            seconds: between two kills, on average.
        """
        self.killed = 0
        self._seconds = seconds
        self._cloud, self._dice = cloud, random.Random(seed)  # noqa: S311 - a test's order
        self._over = threading.Event()
        self._threads = [threading.Thread(target=run) for run in (self._wake, self._kill)]
        functions = cloud.cloud.client("lambda").list_functions()["Functions"]
        (self._watcher,) = (
            found["FunctionName"] for found in functions if "JobWatcher" in found["FunctionName"]
        )

    def __enter__(self) -> Killer:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _wake(self) -> None:
        client = self._cloud.cloud.client("lambda")
        while not self._over.wait(2):  # a minute on AWS
            client.invoke(FunctionName=self._watcher, InvocationType="Event", Payload=b"{}")

    def _kill(self) -> None:
        """Only what is busy: an idle process loses nothing, and its successor starts cold."""
        kill = self._cloud.cloud.functions.kill_sandboxes
        while not self._over.wait(self._dice.uniform(0.3, 1.7) * self._seconds):
            while not (killed := kill(self._watcher, idle=False)):
                if self._over.wait(0.01):
                    return
            self.killed += killed


def operations_of(cloud: RunningCloud) -> Counter[str]:
    """Durable operations of all executions, by name; those of a unit's context as `unit`."""
    client, counted = cloud.cloud.client("lambda"), Counter[str]()
    pages = client.get_paginator("get_durable_execution_history")
    for function in ("PipelineFunction", "LongRunFunction"):
        for execution in cloud.executions(function):
            for page in pages.paginate(DurableExecutionArn=execution["DurableExecutionArn"]):
                for event in page["Events"]:
                    if event["EventType"].endswith("Started") and event.get("Name"):
                        name = event["Name"]
                        counted["unit" if name.startswith("unit-") else name] += 1
    return counted


def queue_is_empty(cloud: RunningCloud) -> None:
    wait_until(lambda: {} if cloud.queue_is_empty() else None, "the queue to be empty")
