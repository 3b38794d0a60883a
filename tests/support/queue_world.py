"""Runs whose jobs wait their turn, while functions of all kinds run at once and die.

Orchestrators are modelled (a call per job, repeated only after an error); what they call, the
watcher and the stopper are the real code over a ledger in memory.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any, Final

from interleaving import Interleaving, Invocation
from job_fakes import FakeClock, FakeDurable, FakeGlue, Killed, service_error
from job_world import GLUE_JOB, UNITS, snapshot
from manifests import put_manifest
from memory_ledger import MemoryLedger

from contracts import layout
from contracts.errors import Conflict, PipelineError, RunStopped, Throttled, TransientFailure
from contracts.job import Engine, JobKey, JobStatus, Priority, job_attempt
from contracts.ledger_items import Key, PoolItem
from contracts.manifest import ManifestEntry
from contracts.messages import SubmitJob
from ledger.table import Item
from remote_jobs.callbacks import Callbacks
from remote_jobs.engines.glue import GlueJobs
from remote_jobs.ledger import JobLedger
from remote_jobs.pools.dispatcher import Dispatcher
from remote_jobs.pools.limits import Limit
from remote_jobs.pools.queue import JobQueue
from remote_jobs.pools.store import Pools
from remote_jobs.stopper import JobStopper
from remote_jobs.submission import Submitter
from remote_jobs.watcher import Watcher

BUCKET: Final = "data-bucket"
STAGE: Final = "clean"
ENGINE_POOL: Final = f"glue/{GLUE_JOB}"
FUNCTION_SECONDS: Final = 100.0  # a function's timeout
WAKE_SECONDS: Final = 60.0
TRIES_OF_AN_ORCHESTRATOR: Final = 40


@dataclass
class Unit:
    """A unit of a run whose job is awaited.

    Attributes:
        calls, failed_calls: of submit-job.
        responses: ends that the orchestrator got as the response of submit-job.
    """

    run_id: str
    number: int
    pool: str | None
    priority: Priority
    run_attempt: int = 1
    calls: int = 0
    failed_calls: int = 0
    responses: list[str] = field(default_factory=list)

    @property
    def key(self) -> JobKey:
        return JobKey(
            run_id=self.run_id,
            unit_id=layout.unit_id(0, self.number),
            stage=STAGE,
            attempt=job_attempt(self.run_attempt, 1),
        )

    @property
    def callback_id(self) -> str:
        return f"{self.run_id}-{self.number}-{self.run_attempt}"


class QueueWorld:
    """A deployment with a queue.

    Attributes:
        limits: of the pools, by name.
        places: how many jobs Glue itself takes at once just now.
        event_seconds: how long after a job's end events of it come.
        index_lag: seconds by which the index is behind when it is read.
        ahead: seconds by which the clock of the next sandbox is wrong.
    """

    def __init__(self, put: Callable[[str, str], Any], seed: int, limits: dict[str, int]) -> None:
        self.at_once = Interleaving(seed)
        self.random = self.at_once.random
        self.limits, self.places = limits, 1000
        self.ledger = MemoryLedger(lambda: self.at_once.now, self._of_ledger)
        self.ledger.index_time = lambda: self.at_once.now - self.index_lag()
        self.ledger.changed = self._changed
        self.index_lag: Callable[[], float] = lambda: 0.0
        self.ahead: Callable[[], float] = lambda: 0.0
        self.job_seconds: Callable[[], float] = lambda: 120.0
        self.event_seconds: Callable[[], Sequence[float]] = lambda: (1.0,)
        self.glue = FakeGlue(_TrueTime(self.at_once), GLUE_JOB)
        self.durable = FakeDurable()
        self.units: list[Unit] = []
        self.granted: list[tuple[str, PoolItem, PoolItem]] = []
        self.started: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self._put, self._tokens, self._names = put, count(1), count(1)
        self.watching = True
        self._wake()

    # what is there

    def run(
        self,
        run_id: str,
        units: int,
        pool: str | None = None,
        priority: Priority = Priority.NORMAL,
        every: float = 0.0,
    ) -> list[Unit]:
        """A run that submits the jobs of its units, one every so many seconds."""
        self._put(layout.dataset_snapshot_key(run_id), json.dumps(snapshot().to_json()))
        entry = ManifestEntry(
            bucket=BUCKET,
            key="landing/sales/0.csv",
            size=1,
            etag="0" * 32,
            last_modified="2026-11-20T00:00:00Z",
        )
        put_manifest(self._put, run_id, (entry,) * UNITS)
        self._set_run(run_id, run_attempt=1, status="RUNNING")
        made = [Unit(run_id, number, pool, priority) for number in range(units)]
        self.units += made
        for unit in made:
            self.at_once.plan(unit.number * every, partial(self._ask, unit))
        return made

    def take_over(self, run_id: str) -> None:
        """The execution of the run is gone; the next attempt asks for all its jobs again."""
        self._set_run(run_id, run_attempt=2)
        for unit in self.units:
            if unit.run_id == run_id:
                unit.run_attempt = 2
                self._ask(unit)

    def stop(self, run_id: str) -> None:
        """A person's decision, and what the reaper does until no job of the run is left."""
        self._set_run(run_id, stop_requested_at="2026-11-20T08:00:00Z")

        def sweep() -> None:
            self._invoke("stopper", lambda: self._stopped(run_id), lambda _result, _error: None)
            if any(self._left(run_id)):
                self.at_once.plan(WAKE_SECONDS, sweep)

        sweep()

    def wake(self) -> None:
        """An event or the schedule."""
        self._invoke("watcher", self._watch, lambda _result, _error: None)

    def pool(self, name: str) -> PoolItem:
        item = self.ledger._items.get(PoolItem.key_of(name))
        return PoolItem(name=name) if item is None else PoolItem.from_item(item)

    @staticmethod
    def pool_key(name: str) -> Key:
        return PoolItem.key_of(name)

    def results(self, unit: Unit) -> list[JobStatus]:
        callback = self.durable.callbacks.get(unit.callback_id)
        return [JobStatus.from_json(json.loads(r)) for r in callback.results] if callback else []

    def all_ended(self) -> bool:
        return all(unit.responses or self.results(unit) for unit in self.units)

    # functions

    def _ask(self, unit: Unit) -> None:
        """The orchestrator's step: it makes the callback first, and repeats after an error."""
        attempt = unit.run_attempt
        self.durable.make(unit.callback_id)
        unit.calls += 1
        message = SubmitJob(
            key=unit.key,
            engine=Engine.GLUE,
            callback_id=unit.callback_id,
            run_attempt=attempt,
            retry=1,
            timeout_seconds=3600,
            queue_seconds=24 * 3600,
            pool=unit.pool,
            priority=unit.priority,
        )

        def then(status: JobStatus | None, error: BaseException | None) -> None:
            if attempt != unit.run_attempt:
                return  # nobody is there any more
            if isinstance(error, (Throttled, TransientFailure, Conflict, Killed)):
                unit.failed_calls += 1
                if unit.calls > TRIES_OF_AN_ORCHESTRATOR:
                    raise AssertionError(f"{unit.key} was never submitted") from error
                again = self.random.uniform(1, 10)
                self.at_once.plan(again, lambda: attempt == unit.run_attempt and self._ask(unit))
            elif error is not None:
                if not isinstance(error, RunStopped):
                    raise error
                unit.responses.append(repr(error))
            elif status is not None and status.state.ended:
                unit.responses.append(status.state)

        self._invoke("submit-job", lambda: self._submitter().submit(message), then)

    def _submit_queued(self, key: JobKey) -> None:
        ended: list[BaseException | None] = []
        self._invoke(
            "submit-job",
            lambda: self._submitter().submit_queued(key),
            lambda _result, error: ended.append(error),
        )
        self.at_once.pause(lambda: bool(ended))
        if ended[0] is not None:
            raise TransientFailure(f"submit-job ended with {ended[0]!r}")

    def _watch(self) -> None:
        began = self.at_once.now
        tally = Watcher(
            jobs=self._jobs(),
            adapter=lambda _engine: self._adapter(),
            callbacks=Callbacks(_Service(self, "Lambda", self.durable)),
            clock=self.at_once.clock,
            executor=self.at_once.executor,
        ).run()
        Dispatcher(
            jobs=self._jobs(),
            pools=self._pools(),
            limit_of=self._limit_of,
            submit=self._submit_queued,
            remaining=lambda: FUNCTION_SECONDS - (self.at_once.now - began),
            clock=self.at_once.clock,
            executor=self.at_once.executor,
        ).run(tally)

    def _stopped(self, run_id: str) -> None:
        jobs = self._jobs()
        stopper = JobStopper(
            jobs, lambda _engine: self._adapter(), lambda _seconds: None, self.at_once.clock
        )
        stopper.stop(jobs.of_run(run_id), "the run is to stop", 0)

    def _submitter(self) -> Submitter:
        return Submitter(
            jobs=self._jobs(),
            adapter=self._adapter(),
            data_bucket=BUCKET,
            queue=JobQueue(self._pools(), self._limit_of),
            clock=self.at_once.clock,
            tokens=lambda: f"{next(self._tokens):08x}",
            stopwatch=self.at_once.stopwatch,
        )

    def _jobs(self) -> JobLedger:
        return JobLedger(self.ledger, self._pools())

    def _pools(self) -> Pools:
        return Pools(self.ledger, lambda _seconds: self.at_once.pause(), self.random.random)

    def _adapter(self) -> GlueJobs:
        return GlueJobs(_Service(self, "Glue", self.glue), "stack-")

    def _limit_of(self, pool: PoolItem) -> Limit:
        return Limit(self.limits[pool.name], "test")

    def _invoke(
        self,
        name: str,
        function: Callable[[], Any],
        then: Callable[[Any, BaseException | None], None],
    ) -> None:
        invocation = Invocation(
            f"{name}-{next(self._names)}",
            self.at_once.clock_ahead(self.ahead()),
            self.at_once.now,
            FUNCTION_SECONDS,
        )

        def tolerant() -> Any:
            result = function()
            return None if name in ("watcher", "stopper") else result

        def reported(result: Any, error: BaseException | None) -> None:
            if name == "submit-job":
                then(result, error)
            elif error is not None and not isinstance(error, (Killed, PipelineError)):
                raise error

        self.at_once.invoke(invocation, tolerant, reported)

    def _wake(self) -> None:
        if self.watching:
            self.wake()
            self.at_once.plan(WAKE_SECONDS, self._wake)

    # the outside

    def _of_ledger(self, operation: str, run: Callable[[], Any]) -> Any:
        return self.at_once.call(
            f"DynamoDB {operation}",
            run,
            lambda name: TransientFailure(f"{name}: no response"),
            has_date=True,
        )

    def of_service(self, service: str, operation: str, run: Callable[[], Any]) -> Any:
        if operation == "start_job_run":
            self.glue._places = self.places
        return self.at_once.call(
            f"{service} {operation}",
            run,
            lambda _name: service_error(operation, "InternalServiceException", 500),
            repeats=service != "Glue",
        )

    def job_started(self, request: dict[str, Any], run_id: str) -> None:
        """At Glue; called as soon as it has taken the job."""
        key = request["Arguments"]["--JOB_KEY"]
        self.started[key] += 1
        self._must(self.started[key] == 1, f"{key} was submitted twice")
        self._count()
        self.at_once.plan(2.0, partial(self._glue_state, run_id, "STARTING", "RUNNING"))
        seconds = self.job_seconds()
        self.at_once.plan(seconds, partial(self._job_ends, run_id))

    def _job_ends(self, run_id: str) -> None:
        self._glue_state(run_id, "RUNNING", "SUCCEEDED")
        self._glue_state(run_id, "STOPPING", "STOPPED")
        for seconds in self.event_seconds():
            self.at_once.plan(seconds, self.wake)

    def _glue_state(self, run_id: str, old: str, new: str) -> None:
        run = self.glue.run_of(run_id)
        if run["JobRunState"] == old:
            ended = {} if new == "RUNNING" else {"CompletedOn": self.glue._clock()}
            run |= {"JobRunState": new, **ended}

    def _count(self) -> None:
        pools = {(unit.run_id, unit.number): unit.pool or ENGINE_POOL for unit in self.units}
        going: Counter[str] = Counter()
        for run in self.glue.runs:
            if run["JobRunState"] in ("STARTING", "RUNNING"):
                key = JobKey.from_text(run["Arguments"]["--JOB_KEY"])
                going[pools[key.run_id, layout.split_unit_id(key.unit_id)[1]]] += 1
        for pool, jobs in going.items():
            self.most[pool] = max(self.most[pool], jobs)
            self._must(jobs <= self.limits[pool], f"{jobs} jobs at once in {pool}")

    def _must(self, holds: bool, problem: str) -> None:
        """Nobody may catch it, so it is noted beside the error."""
        if not holds:
            self.at_once.problems.append(AssertionError(problem))

    # the ledger

    def _changed(self, key: Key, old: Item | None, new: Item) -> None:
        if key.item.startswith(PoolItem.PREFIX):
            before = PoolItem.from_item(old) if old else PoolItem(name=key.item)
            self.granted.append((key.item, before, PoolItem.from_item(new)))

    def _set_run(self, run_id: str, **attributes: Any) -> None:
        call, self.ledger._call = self.ledger._call, lambda _operation, run: run()
        try:
            self.ledger.update(run_id, "RUN", attributes)
        finally:
            self.ledger._call = call

    def _left(self, run_id: str) -> Sequence[Item]:
        items = [item for key, item in self.ledger._items.items() if key.run_id == run_id]
        return [item for item in items if item.get("state") in ("SUBMITTED", "RUNNING")]


class _TrueTime(FakeClock):
    def __init__(self, at_once: Interleaving) -> None:
        super().__init__()
        self._at_once = at_once

    def __call__(self) -> Any:
        return self._at_once.true_time()


class _Service:
    """A client, each operation of which is an outside call."""

    def __init__(self, world: QueueWorld, name: str, fake: Any) -> None:
        self.meta = fake.meta
        self._world, self._name, self._fake = world, name, fake

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        function = getattr(self._fake, operation)

        def call(**request: Any) -> Any:
            def run() -> Any:
                response = function(**request)
                if operation == "start_job_run":
                    self._world.job_started(request, response["JobRunId"])
                return response

            return self._world.of_service(self._name, operation, run)

        return call
