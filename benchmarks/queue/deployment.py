"""submit-job and the watcher, the real ones, over a ledger in memory and a Glue on virtual time."""

from __future__ import annotations

import heapq
import json
import sys
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "support"))

from job_fakes import FakeClock, FakeDurable, FakeGlue
from job_world import GLUE_JOB, UNITS, snapshot
from manifests import put_manifest
from memory_ledger import MemoryLedger

from contracts import layout
from contracts.job import Engine, JobKey
from contracts.ledger_items import PoolItem
from contracts.manifest import ManifestEntry
from contracts.messages import SubmitJob
from remote_jobs.callbacks import Callbacks
from remote_jobs.engines.glue import GlueJobs
from remote_jobs.ledger import JobLedger
from remote_jobs.pools.dispatcher import Dispatcher
from remote_jobs.pools.limits import Limit
from remote_jobs.pools.queue import JobQueue
from remote_jobs.pools.store import Pools
from remote_jobs.submission import Submitter
from remote_jobs.watcher import Watcher
from runtime import clients

BUCKET: Final = "data-bucket"
STAGE: Final = "clean"
BEGIN: Final = datetime(2026, 11, 20, 8, 15, tzinfo=UTC)
# What calls take: of the ledger and for callbacks (eight side by side), and to start a job by a
# function of its own. From a job's end to the watcher: EventBridge's half second, and a warm start.
CALL_SECONDS: Final = 0.02 / 8
START_SECONDS: Final = 0.8
EVENT_SECONDS: Final = 1.0
WAKE_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Job:
    """One job of the load.

    Attributes:
        asked: seconds from the beginning at which its run asks for it.
        seconds: how long it runs.
    """

    run_id: str
    number: int
    asked: float
    seconds: float

    @property
    def key(self) -> JobKey:
        unit = layout.unit_id(0, self.number)
        return JobKey(run_id=self.run_id, unit_id=unit, stage=STAGE, attempt=1)


@dataclass(frozen=True)
class Ran:
    """When a job ran, in seconds from the beginning."""

    job: Job
    started: float

    @property
    def ended(self) -> float:
        return self.started + self.job.seconds

    @property
    def waited(self) -> float:
        return self.started - self.job.asked


class Deployment:
    """Runs a load through the queue.

    Attributes:
        events: whether ends of jobs wake the watcher; the schedule does anyway.
        calls: of submit-job by orchestrators.
    """

    def __init__(self, load: list[Job], places: int, *, events: bool) -> None:
        self._load = {str(job.key): job for job in load}
        self._places, self._events = places, events
        self.now = 0.0
        self.calls = 0
        self.ran: dict[str, Ran] = {}
        self._planned: list[tuple[float, int, Callable[[], None]]] = []
        self._order, self._tokens = count(), count(1)
        self._is_watcher = False
        self._glue = _TimedGlue(self)
        self._durable = FakeDurable()
        self._ledger = MemoryLedger(lambda: self.now, self._of_ledger)
        self._pools = Pools(self._ledger, sleep=lambda _seconds: None)
        self._jobs = JobLedger(self._ledger, self._pools)

    def run(self) -> list[Ran]:
        """All jobs, as they ran."""
        for run_id in {job.run_id for job in self._load.values()}:
            freeze(run_id)
            self._ledger.update(run_id, "RUN", {"run_attempt": 1, "status": "RUNNING"})
        for job in self._load.values():
            self.plan(job.asked, partial(self._ask, job))
        self.plan(WAKE_SECONDS, self._scheduled)
        while len(self.ran) < len(self._load):
            at, _, action = heapq.heappop(self._planned)
            self.now = max(self.now, at)
            action()
        return list(self.ran.values())

    def plan(self, at: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._planned, (at, next(self._order), action))

    def clock(self) -> datetime:
        return BEGIN + timedelta(seconds=self.now)

    def started(self, key: str) -> None:
        """Glue has taken the job."""
        job = self._load[key]
        if key in self.ran:
            raise RuntimeError(f"{key} was submitted twice")
        self.ran[key] = Ran(job, self.now)
        if self._events:
            self.plan(self.now + job.seconds + EVENT_SECONDS, self._watch)

    def _ask(self, job: Job) -> None:
        callback = str(job.key)
        self._durable.make(callback)
        self.calls += 1
        message = SubmitJob(
            key=job.key,
            engine=Engine.GLUE,
            callback_id=callback,
            run_attempt=1,
            retry=1,
            timeout_seconds=3600,
            queue_seconds=24 * 3600,
        )
        self._submitter().submit(message)

    def _scheduled(self) -> None:
        self.plan(self.now + WAKE_SECONDS, self._scheduled)
        self._watch()

    def _watch(self) -> None:
        self._is_watcher = True
        tally = Watcher(
            jobs=self._jobs,
            adapter=lambda _engine: self._adapter(),
            callbacks=Callbacks(self._durable),
            clock=self.clock,
            executor=lambda _threads: _Inline(),
        ).run()
        Dispatcher(
            jobs=self._jobs,
            pools=self._pools,
            limit_of=self._limit_of,
            submit=lambda key: self._submitter().submit_queued(key),
            remaining=lambda: 100.0,
            clock=self.clock,
            executor=lambda _threads: _Inline(),
        ).run(tally)
        self._is_watcher = False
        if tally.errors:
            raise tally.errors[0]

    def _submitter(self) -> Submitter:
        return Submitter(
            jobs=self._jobs,
            adapter=self._adapter(),
            data_bucket=BUCKET,
            queue=JobQueue(self._pools, self._limit_of),
            clock=self.clock,
            tokens=lambda: f"{next(self._tokens):08x}",
            stopwatch=lambda: self.now,
        )

    def _adapter(self) -> GlueJobs:
        return GlueJobs(self._glue, "stack-")

    def _limit_of(self, _pool: PoolItem) -> Limit:
        return Limit(self._places, "benchmark")

    def _of_ledger(self, _operation: str, run: Callable[[], Any]) -> Any:
        if self._is_watcher:
            self.now += CALL_SECONDS
        return run()


def freeze(run_id: str) -> None:
    """The run's contract and manifest, in S3."""

    def put(key: str, body: str) -> None:
        clients.client("s3").put_object(Bucket=BUCKET, Key=key, Body=body.encode())

    put(layout.dataset_snapshot_key(run_id), json.dumps(snapshot().to_json()))
    entry = ManifestEntry(
        bucket=BUCKET,
        key="landing/sales/0.csv",
        size=1,
        etag="0" * 32,
        last_modified="2026-11-20T00:00:00Z",
    )
    put_manifest(put, run_id, (entry,) * UNITS)


class _TimedGlue(FakeGlue):
    """Every run takes as long as its job."""

    def __init__(self, deployment: Deployment) -> None:
        super().__init__(FakeClock(), GLUE_JOB)
        self._deployment = deployment
        self._clock = deployment.clock  # type: ignore[assignment]

    def _call(self, operation: str, request: dict[str, Any], run: Callable[..., Any]) -> Any:
        for known in self.runs[-200:]:
            ran = self._deployment.ran[known["Arguments"]["--JOB_KEY"]]
            over = self._deployment.now >= ran.ended
            known["JobRunState"] = "SUCCEEDED" if over else "RUNNING"
        if operation == "StartJobRun":
            self._deployment.now += START_SECONDS
            self._deployment.started(request["Arguments"]["--JOB_KEY"])
        return super()._call(operation, request, run)


class _Inline(Executor):
    """Does everything at once; how long it takes side by side is in CALL_SECONDS."""

    def submit(self, fn: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*arguments, **named))
        except Exception as error:
            future.set_exception(error)
        return future
