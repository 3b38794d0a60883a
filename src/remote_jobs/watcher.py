"""Completes the callbacks of jobs that ended; sends heartbeats for those that wait or run; stops
those that are late.

It ignores the event that woke it and checks every active job of the ledger at its engine, so events
may be late, repeated or lost. A job or engine that fails does not delay the others; the whole check
fails at its end, for the alarm. Jobs of an engine with a request quota are checked in turn.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from contracts.errors import NotFound, PipelineError
from contracts.job import Engine, JobState
from remote_jobs.callbacks import Callbacks, Delivery
from remote_jobs.checking import located
from remote_jobs.engines.base import EngineStatus, Quota, RemoteJobs, Response
from remote_jobs.engines.logs import with_log_tail
from remote_jobs.ledger import JobLedger
from remote_jobs.quota import RequestBudget, requests_for
from remote_jobs.record import JobRecord, state_of
from remote_jobs.tally import Done, Tally
from runtime.handler import (
    Clock,
    logger,
    utc_now,
)

AT_ONCE: Final = 8
# A callback is checkpointed before its job is submitted, so it is known within seconds; one that is
# still unknown so long after the job's end belongs to an execution that is gone.
UNKNOWN_CALLBACK_GRACE: Final = timedelta(minutes=15)
# EMR copies a step's log to S3 every five minutes. The report of a failed job waits for it so long:
# the cause is worth more than a quicker failure.
LOG_PATIENCE: Final = timedelta(minutes=6)
# How long after its deadline a job is still checked. Without a limit, a job that its engine reports
# as running though it was cancelled, or whose state nobody knows, would be checked for ever.
NEVER_ENDING: Final = timedelta(days=1)


@dataclass(frozen=True)
class _Going:
    """An engine's jobs that have not ended, as far as the ledger knows."""

    adapter: RemoteJobs
    records: Sequence[JobRecord]


@dataclass(frozen=True)
class Watcher:
    """Checks all active jobs, as far as the engines' quotas allow it at once.

    Attributes:
        adapter: gives the adapter of an engine, or raises NotConfigured.
        executor: makes so many threads.
    """

    jobs: JobLedger
    adapter: Callable[[Engine], RemoteJobs]
    callbacks: Callbacks
    clock: Clock = utc_now
    executor: Callable[[int], Executor] = ThreadPoolExecutor
    engines: Sequence[Engine] = tuple(engine for engine in Engine if not engine.invoked)

    def run(self) -> Tally:
        """Check every job, side by side as far as quotas allow."""
        tally = Tally()
        with self.executor(AT_ONCE) as pool:
            going = {}
            for engine in self.engines:
                try:
                    if found := self._begin_with_engine(engine, pool, tally):
                        going[engine] = found
                except Exception as error:
                    self._failed(tally, error, engine=engine)
            for engine, records in self._taking_turns(going, tally).items():
                try:
                    self._check_jobs(going[engine].adapter, records, pool, tally)
                except Exception as error:
                    self._failed(tally, error, engine=engine)
        counts = {done.value: tally.done[done] for done in Done}
        errors = len(tally.errors)
        logger.info("watched", extra={"active": tally.active, **counts, "errors": errors})
        return tally

    def _begin_with_engine(self, engine: Engine, pool: Executor, tally: Tally) -> _Going | None:
        """Report the ends that are known; returns the jobs that are left to check."""
        records = list(self._active(engine, tally))
        if not records:
            return None
        ended = [record for record in records if record.state.ended]
        self._each(pool, tally, ended, self._report)
        going = [record for record in records if not record.state.ended]
        return _Going(self.adapter(engine), going)

    def _taking_turns(
        self, going: Mapping[Engine, _Going], tally: Tally
    ) -> dict[Engine, list[JobRecord]]:
        """The jobs that may be checked now; engines that share a quota wait in one queue."""
        budget = RequestBudget(self.jobs.ledger, self.clock)
        sharing: dict[str, list[_Going]] = defaultdict(list)
        for engine, found in going.items():
            sharing[found.adapter.quota.name if found.adapter.quota else engine].append(found)
        taken: dict[Engine, list[JobRecord]] = defaultdict(list)
        for name, each in sharing.items():
            records = [record for found in each for record in found.records]
            try:
                now = budget.take(each[0].adapter.quota, name, records, self._requests)
            except PipelineError as error:
                self._failed(tally, error, quota=name)
                continue
            for record in now:
                taken[record.engine].append(record)
        return taken

    def _check_jobs(
        self,
        adapter: RemoteJobs,
        going: Sequence[JobRecord],
        pool: Executor,
        tally: Tally,
    ) -> None:
        submitted = [record for record in going if record.service_id is not None]
        responses = adapter.status_of_many([record.remote for record in submitted])
        self._each(
            pool, tally, submitted, lambda job: self._follow(job, responses[job.job_id], adapter)
        )
        intents = [record for record in going if record.service_id is None]
        self._each(pool, tally, intents, lambda job: self._check_intent(job, adapter))

    def _requests(self, record: JobRecord, quota: Quota) -> float:
        """What it takes to check a job, in requests."""
        return requests_for(record, quota, self.clock())

    def _active(self, engine: Engine, tally: Tally) -> Iterator[JobRecord]:
        for record in self.jobs.active(engine):
            tally.active += 1
            if isinstance(record, JobRecord):
                tally.jobs.append(record)
                yield record
            else:
                self._failed(tally, record, engine=engine)

    def _each(
        self,
        pool: Executor,
        tally: Tally,
        records: Sequence[JobRecord],
        function: Callable[[JobRecord], Done],
    ) -> None:
        """Call the function for every job, some of them at once."""
        futures = [(record, pool.submit(function, record)) for record in records]
        for record, future in futures:
            try:
                tally.done[future.result()] += 1
            except Exception as error:
                self._failed(tally, error, job_id=record.job_id, run_id=record.key.run_id)

    def _follow(self, record: JobRecord, response: Response, adapter: RemoteJobs) -> Done:
        """Record and report what the engine said of a submitted job."""
        now = self.clock()
        status = state_of(record, response)
        record = self.jobs.known_as(record, status.service_id)
        if status.state.ended:
            return self._end(record, status)
        if isinstance(response, NotFound):
            logger.warning("its engine does not know the job", extra={"job_id": record.job_id})
            if record.overdue(now):
                return self._end_as_late(record, f"{record.engine} does not know the job any more")
            return Done.NOTHING
        if status.state is JobState.RUNNING and record.state is JobState.SUBMITTED:
            record = self.jobs.running(record, status, now)
        if now.timestamp() > record.deadline + NEVER_ENDING.total_seconds():
            return self._end_as_late(record, f"{record.engine} still says {status.raw_state}")
        if record.overdue(now):
            return self._stop_late(record, adapter)
        if record.cancelling:  # silence makes the orchestrator check it
            return Done.NOTHING
        return self._heartbeat(record)

    def _stop_late(self, record: JobRecord, adapter: RemoteJobs) -> Done:
        """Have its engine stop a job that is late; a later wake finds it ended, and reports it."""
        if self.jobs.mark_for_cancellation(record, record.lateness):
            adapter.cancel(record.remote)
        return Done.NOTHING

    def _heartbeat(self, record: JobRecord) -> Done:
        delivery = self.callbacks.heartbeat(record.callback_id)
        return Done.HEARTBEAT if delivery is Delivery.DELIVERED else Done.NOTHING

    def _check_intent(self, record: JobRecord, adapter: RemoteJobs) -> Done:
        """Find what an interrupted call submitted; end what nobody will submit any more."""
        now = self.clock()
        if record.submitting_until is not None and not record.interrupted(now):
            return Done.NOTHING
        if located(self.jobs, adapter, record, self.clock).service_id is not None:
            return Done.NOTHING
        if not record.overdue(now):
            return self._heartbeat(record)  # it waits for its turn
        status = EngineStatus(JobState.TIMED_OUT, "NOT SUBMITTED", record.lateness)
        # Only if it still is as the index had it: it may have got its place just now.
        given_up, current = self.jobs.give_up_intent(record.ended(status, now))
        return self._report(current) if given_up else Done.NOTHING

    def _end_as_late(self, record: JobRecord, error: str) -> Done:
        return self._end(record, EngineStatus(JobState.TIMED_OUT, "UNKNOWN", error))

    def _end(self, record: JobRecord, status: EngineStatus) -> Done:
        status = with_log_tail(record.engine, record.remote, status)
        recorded = self.jobs.end(record.ended(status, self.clock()), reported=False)
        mine = (
            recorded.active and recorded.state.ended and recorded.callback_id == record.callback_id
        )
        if not mine:
            return Done.NOTHING
        if status.log_pending and not self._out_of_patience(recorded):
            return self._heartbeat(recorded)
        return self._complete(recorded)

    def _report(self, record: JobRecord) -> Done:
        """Report an end that was recorded before, with the job's log if it was pending."""
        as_recorded = EngineStatus(record.state, record.state, log_tail=record.log_tail)
        status = with_log_tail(record.engine, record.remote, as_recorded)
        if status.log_pending and not self._out_of_patience(record):
            return self._heartbeat(record)
        if status.log_tail != record.log_tail:
            log_url = record.log_url or status.log_url
            record = replace(record, log_tail=status.log_tail, log_url=log_url)
            self.jobs.store_log(record)
        return self._complete(record)

    def _out_of_patience(self, record: JobRecord) -> bool:
        """Whether to report the job without its log, which should be there by now."""
        ended_at = record.ended_at or self.clock()
        return self.clock() - ended_at >= LOG_PATIENCE

    def _complete(self, record: JobRecord) -> Done:
        """Report the end; the job stays active only while its callback may become known."""
        now = self.clock()
        delivery = self.callbacks.complete(record.callback_id, record.status(now))
        ended_at = record.ended_at or now
        if delivery is Delivery.UNKNOWN and now - ended_at < UNKNOWN_CALLBACK_GRACE:
            logger.info("callback not known", extra={"job_id": record.job_id})
            return Done.NOTHING
        self.jobs.reported(record)
        return Done.REPORTED if delivery is Delivery.DELIVERED else Done.NOTHING

    @staticmethod
    def _failed(tally: Tally, error: Exception, **about: str) -> None:
        tally.errors.append(error)
        logger.warning("not checked", extra={"error": repr(error), **about})
