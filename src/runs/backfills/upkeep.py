"""A backfill whose execution died goes on in another one, as long as that gets anywhere."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from contracts.errors import PipelineError
from contracts.ledger_items import BackfillItem
from contracts.messages import ControlBackfill, ControlledBackfill, seconds_before_attempt
from contracts.times.backfill import BackfillStatus
from ledger.table import Ledger
from runs.backfills.announcing import BackfillEnds
from runs.backfills.control import BackfillControl
from runs.backfills.ending import ended, held
from runs.backfills.executions import BackfillExecutions, next_generation
from runs.backfills.records import (
    active_backfills,
    change_backfill,
    unannounced_backfills,
)
from runs.executions import ENDED_BADLY, Ended, Executions, is_settling_since
from runtime.handler import Clock, logger

_STOPPED_BY_HAND = "STOPPED"


class BackfillsIncomplete(PipelineError):
    """Some backfills could not be looked at; repeating the call goes on with them."""


@dataclass(frozen=True)
class BackfillUpkeep:
    """What the reaper does for backfills.

    Attributes:
        executions: starts those that go on.
        ends: announces those that have ended.
        status_of: looks up an execution's status.
        most: how many executions may die one after another before a window ends.
    """

    ledger: Ledger
    executions: BackfillExecutions
    ends: BackfillEnds
    status_of: Executions
    most: int
    clock: Clock

    def control(self, message: ControlBackfill) -> ControlledBackfill:
        """Do what a person has decided."""
        control = BackfillControl(
            self.ledger, self.executions, self.ends, self.status_of, self.clock
        )
        return control.take(message)

    def reap(self, arn: str, status: str) -> None:
        """Have the backfill of this execution, if it is one's, go on.

        Args:
            status: how the execution ended.
        """
        for item in active_backfills(self.ledger):
            if item.execution_arn == arn and status in ENDED_BADLY:
                self._go_on(item, replace(self.status_of(arn), status=status))

    def sweep(self) -> None:
        """Have those go on whose execution has ended, whatever event was lost, and announce ends
        that were not.

        Raises:
            BackfillsIncomplete: some could not be looked at.
        """
        problems = []
        for item in active_backfills(self.ledger):
            with logger.append_context_keys(backfill_id=item.backfill_id):
                try:
                    how = self.status_of(item.execution_arn)
                    settling = is_settling_since(item.updated_at, how.status, self.clock())
                    if item.starting or not (how.alive or settling):
                        self._go_on(item, how)
                except Exception as error:  # the others must still go on
                    logger.warning("backfill not swept", extra={"error": repr(error)})
                    problems.append(f"backfill {item.backfill_id}: {error!r}")
        for item in unannounced_backfills(self.ledger):
            with logger.append_context_keys(backfill_id=item.backfill_id):
                try:
                    self.ends.announce(item)
                except Exception as error:  # the others must still be announced
                    logger.warning("end not announced", extra={"error": repr(error)})
                    problems.append(f"backfill {item.backfill_id}: {error!r}")
        if problems:
            raise BackfillsIncomplete(f"{len(problems)} left: {'; '.join(problems[:5])}")

    def _go_on(self, item: BackfillItem, how: Ended) -> None:
        arn = item.execution_arn

        def decide(now: BackfillItem) -> dict[str, Any] | None:
            active = now.status is BackfillStatus.RUNNING
            if not active or now.starting or now.execution_arn != arn:
                return None
            return self._what_follows(now, how)

        item = change_backfill(self.ledger, item.backfill_id, decide, self.clock())
        if item.starting:
            logger.warning("backfill goes on", extra={"why": how.reason})
            self.executions.start(item)
        self.ends.announce(item)

    def _what_follows(self, item: BackfillItem, how: Ended) -> dict[str, Any]:
        if item.holding:
            return held(item, self.clock)
        if how.status == _STOPPED_BY_HAND:
            return ended(BackfillStatus.STOPPED, how.reason, self.clock)
        got_on = item.counts.ended > item.ended_before
        restarts = 1 if got_on else item.restarts + 1
        if restarts > self.most:
            why = f"{how.reason}; so did {self.most} before it, without a window that ended"
            return ended(BackfillStatus.FAILED, why, self.clock)
        return next_generation(
            item,
            seconds_before_attempt(restarts),
            restarts=restarts,
            ended_before=item.counts.ended,
        )
