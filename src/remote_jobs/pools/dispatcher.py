"""Gives the free places of every pool to the jobs whose turn it is, and has them submitted.

The ledger's index only finds candidates: what it shows or lacks is read again before a pool's
record is changed by it. A place that nobody uses, because a function died, is freed or given again
here, so at the watcher's next wake.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Final

from contracts.errors import PipelineError
from contracts.job import Engine, JobKey, Priority
from contracts.ledger_items import PoolItem
from remote_jobs.engines.base import RemoteJobs
from remote_jobs.ledger import JobLedger
from remote_jobs.pools import turns
from remote_jobs.pools.limits import Limit
from remote_jobs.pools.queue import LimitOf, of_engine, with_limit
from remote_jobs.pools.store import Pools
from remote_jobs.quota import RequestBudget
from remote_jobs.record import JobRecord
from remote_jobs.tally import Tally
from runtime.handler import Clock, RemainingTime, logger, utc_now

AT_ONCE: Final = 8
# Places given at a time: what is submitted side by side, twice.
MOST_AT_A_TIME: Final = 2 * AT_ONCE
# A limit is read again after so long, while the pool is in use.
LIMIT_SECONDS: Final = 60
# A place that was given so long ago and whose job was not submitted since: its function has died.
UNUSED_SECONDS: Final = 60
# What a round of submissions may take; with less time left none begins.
ROUND_SECONDS: Final = 50


@dataclass
class _Facts:
    """What is known of a pool's jobs beyond its record, each from a consistent read.

    Attributes:
        gone: jobs that have ended, or never were.
        running: submitted jobs without a place.
        without_ticket: intents that neither wait nor have a place, oldest first.
        unused: jobs with a place that no call is submitting, and when it was taken.
        limit: as read now; None: the one in the record is new enough.
        engine, target: what it was read from.
    """

    gone: set[str] = field(default_factory=set)
    running: dict[str, tuple[JobKey, Priority]] = field(default_factory=dict)
    without_ticket: list[JobRecord] = field(default_factory=list)
    unused: dict[str, float] = field(default_factory=dict)
    limit: Limit | None = None
    engine: str | None = None
    target: str | None = None


@dataclass(frozen=True)
class SubmissionsLeft:
    """How many jobs the engine of a pool takes just now.

    Of a pool of the contract, which may be several engines', each submission finds out by itself.
    """

    budget: RequestBudget
    adapter: Callable[[Engine], RemoteJobs]

    def __call__(self, pool: PoolItem) -> int:
        quota = self.adapter(Engine(pool.engine)).submissions if pool.engine else None
        return MOST_AT_A_TIME if quota is None else self.budget.left(quota)


@dataclass(frozen=True)
class Dispatcher:
    """Submits waiting jobs in turn, until no place is free or the time is up.

    Attributes:
        limit_of: the limit of a pool as it is now.
        submit: has submit-job submit the job of this key, which has a place.
        may_submit: how many submissions the engine of this pool takes just now.
        remaining: seconds until this invocation ends.
        executor: makes so many threads.
    """

    jobs: JobLedger
    pools: Pools
    limit_of: LimitOf
    submit: Callable[[JobKey], None]
    remaining: RemainingTime
    may_submit: Callable[[PoolItem], int] = lambda _pool: MOST_AT_A_TIME
    clock: Clock = utc_now
    executor: Callable[[int], Executor] = ThreadPoolExecutor

    def run(self, tally: Tally) -> None:
        """Reconcile every pool with the ledger's active jobs, then submit in turn.

        Args:
            tally: of the watcher, whose jobs are the candidates; gets what failed here, too.
        """
        of_pools: Mapping[str, list[JobRecord]] = defaultdict(list)
        for record in tally.jobs:
            if record.pool is not None:
                of_pools[record.pool].append(record)
        facts: dict[str, _Facts] = {}
        for pool in self._in_use(of_pools):
            try:
                known = self._facts(pool, of_pools[pool.name])
                if pool.waiting or known != _Facts():
                    facts[pool.name] = known
            except PipelineError as error:
                self._failed(tally, error, pool=pool.name)
        with self.executor(AT_ONCE) as executor:
            while facts:
                if self.remaining() < ROUND_SECONDS:
                    tally.left = True
                    return
                facts = self._round(facts, executor, tally)

    def _in_use(self, of_pools: Mapping[str, Sequence[JobRecord]]) -> list[PoolItem]:
        pools = {pool.name: pool for pool in self.pools.all()}
        new = {name: PoolItem(name=name) for name in of_pools.keys() - pools.keys()}
        return [
            of_engine(pool, of_pools[name][0]) if of_pools.get(name) else pool
            for name, pool in sorted({**pools, **new}.items())
            if pool.waiting or pool.held or of_pools.get(name)
        ]

    def _facts(self, pool: PoolItem, records: Sequence[JobRecord]) -> _Facts:
        now = self.clock()
        facts = _Facts()
        if now.timestamp() - pool.limit_at >= LIMIT_SECONDS:
            facts.limit = self.limit_of(pool)
            facts.engine, facts.target = pool.engine, pool.target
        going = {record.job_id: record for record in records if not record.state.ended}
        self._look_at_tickets(pool, going, facts)
        for seen in self._without_place(pool, going.values()):
            record = self.jobs.find(seen.key)
            if record is None or record.job_id != seen.job_id or record.state.ended:
                continue
            if record.service_id is not None:
                facts.running[record.job_id] = (record.key, record.priority)
            elif record.job_id not in pool.waiting and not record.being_submitted(now):
                facts.without_ticket.append(record)
        return facts

    def _look_at_tickets(
        self, pool: PoolItem, going: Mapping[str, JobRecord], facts: _Facts
    ) -> None:
        """Find the tickets and places of jobs that have ended, and the places that nobody uses."""
        now = self.clock()
        for job_id, ticket in {**pool.waiting, **pool.held}.items():
            place = pool.held.get(job_id)
            taken = place.taken if place else None
            unused = taken is not None and now.timestamp() - taken >= UNUSED_SECONDS
            seen = going.get(job_id)
            if seen is not None and (not unused or seen.service_id is not None):
                continue
            record = self.jobs.find(JobKey.from_text(ticket.key))
            if record is None or record.job_id != job_id or record.state.ended:
                facts.gone.add(job_id)
            elif taken is None or record.service_id is not None:
                continue
            elif unused and not record.being_submitted(now):
                facts.unused[job_id] = taken

    @staticmethod
    def _without_place(pool: PoolItem, going: Iterable[JobRecord]) -> list[JobRecord]:
        """Jobs that run without a place, and the oldest without a ticket, if there is room."""
        placeless = [record for record in going if record.job_id not in pool.held]
        running = [record for record in placeless if record.service_id is not None]
        neither = [
            record
            for record in placeless
            if record.service_id is None and record.job_id not in pool.waiting
        ]
        neither.sort(key=lambda record: (record.submitted_at, record.job_id))
        return running + neither[: max(0, turns.MOST_TICKETS - len(pool.waiting))]

    def _round(
        self, facts: Mapping[str, _Facts], executor: Executor, tally: Tally
    ) -> dict[str, _Facts]:
        """Give places and submit once; returns the pools that may have more to give."""
        submissions = []
        for name, known in facts.items():
            try:
                given = self._give_places(name, known)
            except PipelineError as error:
                self._failed(tally, error, pool=name)
                continue
            submissions += [(name, key, executor.submit(self.submit, key)) for key in given]
        for name, key, submission in submissions:
            try:
                submission.result()
                tally.submitted += 1
            except Exception as error:
                self._failed(tally, error, pool=name, job=str(key))
        return {name: _Facts() for name, _, _ in submissions}

    def _give_places(self, name: str, facts: _Facts) -> list[JobKey]:
        """The jobs to submit now: they have got a place, or nobody uses the one they had."""
        now = self.clock()
        at = now.timestamp()
        mine: set[str] = set()  # of all tries: one may have been done though its response was lost

        def give(pool: PoolItem) -> tuple[PoolItem, list[JobKey]]:
            if facts.limit is not None:
                pool = replace(pool, engine=facts.engine, target=facts.target)
                pool = with_limit(pool, facts.limit, now)
            pool = turns.left(pool, facts.gone)
            pool = turns.found_running(pool, facts.running, at)
            for record in facts.without_ticket:
                pool = turns.drawn(pool, record.job_id, record.key, record.priority, at)
            again = [
                job_id
                for job_id, taken in facts.unused.items()
                if (place := pool.held.get(job_id)) and place.taken == taken
            ]
            pool = turns.given_again(pool, again, at)
            most = min(MOST_AT_A_TIME, self.may_submit(pool)) if pool.waiting else 0
            pool, given = turns.granted(pool, most - len(again), at)
            mine.update(again, given)
            places = [pool.held[job_id] for job_id in mine if job_id in pool.held]
            places.sort(key=lambda place: place.number)
            return pool, [JobKey.from_text(place.key) for place in places if place.taken == at]

        return self.pools.change(name, give)[1]

    @staticmethod
    def _failed(tally: Tally, error: Exception, **about: str) -> None:
        tally.errors.append(error)
        logger.warning("not dispatched", extra={"error": repr(error), **about})
