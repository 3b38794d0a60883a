"""Ends what is left of an execution that was stopped, failed or ran out of time.

The service runs no code of such an execution any more. `reap` marks the runs that the execution
still holds, stops their jobs, sees that they have ended, and announces the end. A run that a
redelivered message has taken over meanwhile is left alone: the mark is a compare-and-set on holder
and attempt, and so is every job (remote_jobs.stopper).

`sweep` searches the active runs and jobs for those that nobody owns any more, whatever event was
lost. `stop_run` stops one run, `resume_run` resumes it. All may be repeated; what is not done is
done by the next call.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from aws_lambda_powertools.metrics import MetricUnit

from contracts import layout
from contracts.errors import PipelineError
from contracts.job import Engine
from contracts.ledger_items import ACTIVE_RUN, UNANNOUNCED, RunItem
from contracts.messages import (
    ResumedRun,
    ResumeOutcome,
    ResumeRun,
    StopOutcome,
    StoppedRun,
    StopRun,
)
from contracts.run import RunStatus
from contracts.run_request import parse_timestamp
from ledger.runs import find_run
from ledger.stop_decision import record_decision, take_back_decision
from ledger.table import PARTITION, Ledger
from remote_jobs.ledger import JobLedger
from remote_jobs.record import JobRecord
from remote_jobs.stopper import JobStopper, Stopped
from runs.executions import (
    ENDED_BADLY,
    GONE,
    SETTLING,
    Ended,
    Executions,
    count_end,
    is_settling,
)
from runs.reaping.endings import RunEndings
from runs.topic import Event
from runtime.handler import (
    Clock,
    logger,
    metrics,
    utc_now,
)

# Longer than a submission may be under way. Then the call fails, and is repeated a minute later.
PATIENCE: Final = timedelta(seconds=75)
OVERDUE_GRACE: Final = timedelta(minutes=15)  # the orchestrator's own time to cancel a late job
STOP_PATIENCE_SECONDS: Final = 20  # a person is waiting


class ReaperIncomplete(PipelineError):
    """Some runs or jobs are not finished; repeating the call goes on with them."""


@dataclass(frozen=True)
class Reaper:
    """Ends runs and jobs whose execution has ended.

    Attributes:
        executions: looks up an execution's status.
        publish: sends a notification.
        stop_long_run: stops the execution of a long run from outside; false: it did not.
        begin_next_attempt: begins that of a long run whose execution died; false: it has none.
        reject: puts a long run that failed on the dead-letter queue; nothing for any other run.
        stack: for the commands in it.
        ledger_retention_days: see `runs.recording.Recording`.
    """

    ledger: Ledger
    jobs: JobLedger
    stopper: JobStopper
    executions: Executions
    data_bucket: str
    publish: Callable[[Event], None]
    stop_long_run: Callable[[RunItem], bool]
    begin_next_attempt: Callable[[RunItem, Ended], bool]
    reject: Callable[[RunItem], None]
    clock: Clock = utc_now
    engines: Sequence[Engine] = tuple(Engine)
    stack: str | None = None
    ledger_retention_days: str = "0"

    @property
    def endings(self) -> RunEndings:
        """How runs are ended."""
        return RunEndings(
            self.ledger,
            self.data_bucket,
            self.publish,
            self.reject,
            self.clock,
            self.stack,
            self.ledger_retention_days,
        )

    def stop_run(self, message: StopRun) -> StoppedRun:
        """Record a person's decision to stop one run, then do what follows from it.

        What fails after the decision is recorded is left to the next sweep, or to a repeat.
        """
        outcome, run = record_decision(message, self.ledger, self.clock())
        stopped = Stopped()
        if outcome in (StopOutcome.STOPPING, StopOutcome.STOPPED):
            try:
                jobs = self.jobs.of_run(message.run_id)
                stopped = self._sweep_run(message.run_id, jobs, STOP_PATIENCE_SECONDS)
            except PipelineError as error:
                logger.warning("the decision stands; its jobs go on", extra={"error": repr(error)})
            run = find_run(self.ledger, message.run_id) or run
            if run is not None and run.status is RunStatus.STOPPED:
                outcome = StopOutcome.STOPPED
        asked = run.stop_requested_at if run else None
        return StoppedRun(
            run_id=message.run_id,
            outcome=outcome,
            status=run.status if run else None,
            superseded_by=run.superseded_by if run else None,
            requested_at=parse_timestamp(asked) if asked else None,
            reason=run.stop_reason if run else None,
            jobs_cancelled=stopped.cancelled,
            jobs_ended_before=stopped.ended_before,
            jobs_going_on={job: str(why) for job, why in stopped.going_on.items()},
        )

    def resume_run(self, message: ResumeRun) -> ResumedRun:
        """Take a person's decision back, so that the run's message starts its next attempt.

        An end that is still to be announced is announced first. A repeat returns the same until an
        execution has taken the run over.
        """
        run = find_run(self.ledger, message.run_id)
        if run is not None and run.status is RunStatus.STOPPED and run.reaped == UNANNOUNCED:
            try:
                self._sweep_run(message.run_id, self.jobs.of_run(message.run_id))
            except PipelineError as error:
                logger.warning("the run is resumed all the same", extra={"error": repr(error)})
        outcome, run = take_back_decision(message.run_id, self.ledger, self.clock())
        if run is None:
            return ResumedRun(run_id=message.run_id, outcome=outcome)
        return ResumedRun(
            run_id=message.run_id,
            outcome=outcome,
            status=run.status,
            run_attempt=run.run_attempt,
            stopping=run.stopping,
            superseded_by=run.superseded_by,
            request=run.request if outcome is ResumeOutcome.RESUMED else None,
        )

    def reap(self, arn: str, status: str) -> None:
        """End the runs that the execution holds, and their jobs.

        Args:
            status: how the execution ended.

        Raises:
            ReaperIncomplete: some of it is not done.
        """
        if status not in ENDED_BADLY:
            return
        count_end(arn, status)
        ended = replace(self.executions(arn), status=status)
        until = self.clock() + PATIENCE
        problems: list[str] = []
        for run_id in self.ledger.runs_held_by(arn):
            with logger.append_context_keys(run_id=run_id):
                try:
                    left = max(0, int((until - self.clock()).total_seconds()))
                    stopped = self._reap_run(run_id, arn, ended, left)
                except Exception as error:  # the other runs must still be ended
                    logger.warning("run not reaped", extra={"error": repr(error)})
                    problems.append(f"run {run_id}: {error!r}")
                else:
                    problems += stopped.unfinished
        problems += self._reap_jobs(arn, ended, max(0, int((until - self.clock()).total_seconds())))
        _complain(problems)

    def _reap_jobs(self, arn: str, ended: Ended, patience_seconds: int) -> list[str]:
        """Stop jobs of an execution that holds no run: a shard's, whose run goes on."""
        records = [
            record
            for engine in self.engines
            for record in self.jobs.active(engine)
            if isinstance(record, JobRecord) and record.execution == arn and not record.state.ended
        ]
        runs = {record.key.run_id for record in records}
        adopted = {run_id for run_id in runs if self._is_continued(run_id, arn)}
        left = [record for record in records if record.key.run_id not in adopted]
        stopped = self._stop(left, ended.reason, patience_seconds)
        return stopped.unfinished

    def _is_continued(self, run_id: str, arn: str) -> bool:
        """Whether the run has begun an attempt that goes on where this execution died."""
        run = find_run(self.ledger, run_id)
        return run is not None and run.continues == arn

    def sweep(self) -> None:
        """End runs whose holder is gone; stop active jobs of such and of ended runs, and those that
        are being cancelled or long overdue.

        Raises:
            ReaperIncomplete: some could not be checked.
        """
        problems: list[str] = []
        of_runs: dict[str, list[JobRecord]] = defaultdict(list)
        for item in self.ledger.query_active(ACTIVE_RUN):
            of_runs[item[PARTITION]] = []
        for engine in self.engines:
            for record in self.jobs.active(engine):
                if isinstance(record, PipelineError):
                    problems.append(str(record))
                elif not record.state.ended:  # an end that is not reported yet is the watcher's
                    of_runs[record.key.run_id].append(record)
        for run_id, records in of_runs.items():
            with logger.append_context_keys(run_id=run_id):
                try:
                    stopped = self._sweep_run(run_id, records)
                except Exception as error:
                    logger.warning("run not swept", extra={"error": repr(error)})
                    problems.append(f"run {run_id}: {error!r}")
                else:
                    problems += [f"job {job}: {why!r}" for job, why in stopped.errors.items()]
        metrics.add_metric("ReaperSweeps", MetricUnit.Count, 1)
        _complain(problems)

    def _reap_run(self, run_id: str, arn: str, ended: Ended, patience_seconds: int) -> Stopped:
        """Mark the run, stop its jobs, announce its end; nothing if another execution holds it."""
        run = find_run(self.ledger, run_id)
        if run is None or run.holder != arn:
            return Stopped()
        if not run.status.ended:
            if self.begin_next_attempt(run, ended):
                return Stopped()  # it adopts the jobs
            self.endings.mark(run, ended)
        elif run.reaped is None:
            self.reject(run)  # its execution has, unless it died just then
        # Read the jobs first, then check that the execution still holds the run. After a takeover
        # before that check, these may be the next attempt's jobs; after a later one, the jobs it
        # adopts have other callbacks, and the compare-and-set refuses them.
        jobs = self.jobs.of_run(run_id)
        now = find_run(self.ledger, run_id)
        if now is None or (now.holder, now.run_attempt) != (arn, run.run_attempt):
            return Stopped()
        reason = run.why_stopped if run.stopping else ended.reason
        stopped = self._stop(jobs, reason, patience_seconds)
        if now.reaped == UNANNOUNCED:
            self.endings.announce(now)
        return stopped

    def _sweep_run(
        self, run_id: str, records: Sequence[JobRecord], patience_seconds: int = 0
    ) -> Stopped:
        run = find_run(self.ledger, run_id)
        if run is None:
            return self._stop(records, "its run is not in the ledger any more")
        holder = self.executions(run.holder)
        if is_settling(run, holder.status, self.clock()):
            return Stopped()  # the next sweep looks again
        unannounced = run.reaped == UNANNOUNCED
        if unannounced and holder.alive:
            return Stopped()  # its execution may still announce the end that it recorded
        if unannounced or not run.status.ended:
            if run.stopping and holder.alive and self.stop_long_run(run):
                holder = self.executions(run.holder)
            elif not unannounced and holder.status in ENDED_BADLY:  # its event was lost
                count_end(run.holder, holder.status)
            if unannounced or not holder.alive:
                return self._reap_run(run_id, run.holder, holder, patience_seconds)
            if run.stopping:
                units = [job for job in records if job.key.unit_id != layout.RUN_UNIT]
                return self._stop(units, run.why_stopped, patience_seconds)
            late = (self.clock() - OVERDUE_GRACE).timestamp()
            overdue = [job for job in records if job.deadline < late or job.cancelling]
            late_ones = self._stop(overdue, "still running long after its deadline")
            left = [job for job in records if job not in overdue and not self._awaited(job, run)]
            unawaited = self._stop(left, "the execution that waited for it has ended")
            return late_ones.and_also(unawaited)
        # The run's own row goes to the warehouse when the run has ended in the ledger.
        orphans = [
            record
            for record in records
            if not (holder.alive and record.key.unit_id == layout.RUN_UNIT)
        ]
        return self._stop(orphans, f"its run has ended as {run.status}")

    def _awaited(self, record: JobRecord, run: RunItem) -> bool:
        """Whether the execution that waits for a job of a living run is alive, too."""
        if record.execution in (None, run.holder):
            return True
        if record.execution == run.continues and run.waits_until is not None:
            return self.clock() < parse_timestamp(run.waits_until) + OVERDUE_GRACE
        shard = self.executions(str(record.execution))
        settling = shard.status == GONE and self.clock() - record.submitted_at < SETTLING
        return shard.alive or settling

    def _stop(
        self, records: Sequence[JobRecord], reason: str, patience_seconds: int = 0
    ) -> Stopped:
        stopped = self.stopper.stop(records, reason, patience_seconds)
        if records:
            metrics.add_metric("OrphanedJobs", MetricUnit.Count, len(records))
            ended = [record.job_id for record in stopped.ended]
            logger.warning("jobs without an owner", extra={"why": reason, "ended": ended})
        return stopped


def _complain(problems: Sequence[str]) -> None:
    if problems:
        raise ReaperIncomplete(f"{len(problems)} left: {'; '.join(problems[:5])}")
