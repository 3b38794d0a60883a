"""Ends a run whose execution no longer can: marks it in the ledger, then announces the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aws_lambda_powertools.metrics import MetricUnit

from contracts.errors import OwnershipLost
from contracts.ledger_items import ANNOUNCED, UNANNOUNCED, RunItem
from contracts.messages import Notify, RecordRun
from contracts.run import RunStatus, UnitStatus
from contracts.run_request import format_timestamp
from ledger.conditions import RUN
from ledger.runs import change_run, find_run, held_as, stop_unchanged
from ledger.table import Ledger
from ledger.units import units_of
from runs.announcement import run_event
from runs.executions import Ended
from runs.recording import Recording, record_run
from runs.topic import Event, EventName
from runtime.handler import Clock, logger, metrics

_NEIGHBOUR: Final = (
    "its execution was stopped while it held an earlier run of the same batch; the run's message"
    " starts it again"
)


@dataclass(frozen=True)
class RunEndings:
    """Ends runs in the ledger and announces the end; either may be repeated.

    Attributes:
        publish: sends a notification.
        reject: puts a long run that failed on the dead-letter queue; nothing for any other run.
        stack: for the commands in it.
        ledger_retention_days: see `runs.recording.Recording`.
    """

    ledger: Ledger
    data_bucket: str
    publish: Callable[[Event], None]
    reject: Callable[[RunItem], None]
    clock: Clock
    stack: str | None = None
    ledger_retention_days: str = "0"

    def mark(self, run: RunItem, ended: Ended) -> None:
        """End the run in the ledger, if it is still as it was read."""
        status, reason = self._end_of(run, ended)
        now = format_timestamp(self.clock())
        changes = dict(
            **dict.fromkeys(RunItem.OF_WAITING),
            status=status,
            reason=reason,
            ended_at=now,
            updated_at=now,
            reaped=UNANNOUNCED,
            reaped_for=run.holder,
            waits_until=None,
            waiting_units=None,
        )
        going_on = RUN.status.is_in([RunStatus.CLAIMED, RunStatus.RUNNING])
        as_read = held_as(run) & going_on & stop_unchanged(run)
        if change_run(self.ledger, run.run_id, as_read, **changes)[0]:
            metrics.add_metric(f"Runs{status.value.title()}", MetricUnit.Count, 1)
            logger.info("run ended by the reaper", extra=changes)

    def _end_of(self, run: RunItem, ended: Ended) -> tuple[RunStatus, str]:
        if run.stopping:
            return RunStatus.STOPPED, run.why_stopped
        if ended.run_status is RunStatus.STOPPED and not self._was_executed(run):
            return RunStatus.FAILED, _NEIGHBOUR
        return ended.run_status, ended.reason

    def _was_executed(self, run: RunItem) -> bool:
        """Whether this is the run that the execution was executing when it was stopped.

        It is the run with a unit under way, else one that has begun units, else the first that the
        execution claimed, as a batch executes its runs in that order. Runs that had ended or were
        stopped before do not count.
        """
        first, rank = run, self._rank(run)
        for run_id in self.ledger.runs_held_by(run.holder):
            other = find_run(self.ledger, run_id)
            if other is None or other.holder != run.holder or run_id == run.run_id:
                continue
            of_this_end = other.reaped_for == run.holder
            if (of_this_end or not other.status.ended) and self._rank(other) < rank:
                first, rank = other, self._rank(other)
        return first.run_id == run.run_id

    def _rank(self, run: RunItem) -> tuple[int, str, str]:
        units = units_of(self.ledger, run.run_id)
        states = {unit.status for unit in units if unit.run_attempt == run.run_attempt}
        work = 0 if UnitStatus.RUNNING in states else 1 if states else 2
        return work, run.submitted_at or run.claimed_at or "", run.run_id

    def announce(self, run: RunItem) -> None:
        """Write the results document of the units so far, and publish the end of the run."""
        message = RecordRun(
            request=run.requested,
            run_attempt=run.run_attempt,
            execution_arn=run.holder,
            status=run.status,
            reason=run.reason,
        )
        recording = Recording(
            data_bucket=self.data_bucket, ledger_retention_days=self.ledger_retention_days
        )
        now = self.clock()
        try:
            recorded = record_run(message, recording, self.ledger, now)
        except OwnershipLost:
            logger.info("the run was taken over while its end was being recorded")
            return
        news = Notify(
            event=EventName.RUN_ENDED,
            run_id=run.run_id,
            dataset_name=run.dataset_name,
            run_attempt=run.run_attempt,
            result=recorded.result,
        )
        self.publish(run_event(news, now, self.stack))
        self.reject(run)
        # Not if somebody has decided to stop the run meanwhile: that end is still to be announced.
        as_announced = held_as(run) & RUN.status.eq(run.status) & stop_unchanged(run)
        change_run(self.ledger, run.run_id, as_announced, reaped=ANNOUNCED, active=None)
