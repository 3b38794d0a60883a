"""Begins the next attempt of a long run whose execution died, as the queue does for short runs.

The message of a long run was acknowledged when the run was handed over, so nothing else would start
it again. The attempt is made in the ledger first, by compare-and-set, then its execution is started
by name; each call of `begin` goes on where the one before broke off.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from contracts.errors import Conflict
from contracts.ledger_items import ACTIVE_RUN, RunItem
from contracts.messages import HandedOver, seconds_before_attempt
from contracts.run import RunStatus
from contracts.run_request import format_timestamp
from ledger.conditions import RUN
from ledger.runs import change_run, held_as, stop_unchanged
from ledger.table import Ledger
from runs.executions import GONE, Ended
from runs.long.starting import LongRunStarts
from runtime.handler import Clock, logger

_DIED: Final = frozenset({"FAILED", "TIMED_OUT", GONE})  # of itself; nobody has stopped it
_GOING_ON: Final = RUN.status.is_in([RunStatus.CLAIMED, RunStatus.RUNNING])


@dataclass(frozen=True)
class NextAttempts:
    """Attempts at runs of the long-running function.

    Attributes:
        holds: whether a run is held by an execution of the long-running function.
        most: how many attempts at a run there are in all.
    """

    ledger: Ledger
    starts: LongRunStarts
    holds: Callable[[RunItem], bool]
    most: int
    clock: Clock

    def begin(self, run: RunItem, ended: Ended) -> bool:
        """Begin the next attempt of a run that has not ended, if it is to have one.

        Args:
            ended: how the execution that holds the run has ended.

        Returns:
            False: the run ends with its execution.

        Raises:
            Conflict: the run has changed since it was read.
        """
        if run.stopping or run.superseded_by is not None or ended.status not in _DIED:
            return False
        if run.continues != run.holder:
            if not self.holds(run) or run.run_attempt - (run.resumed_attempt or 0) >= self.most:
                return False
            run = self._make(run, ended)
        self._start(run)
        return True

    def _make(self, run: RunItem, ended: Ended) -> RunItem:
        """Make the attempt, which its execution does not hold yet."""
        attempt, now = run.run_attempt + 1, self.clock()
        until = format_timestamp(now + timedelta(seconds=seconds_before_attempt(run.run_attempt)))
        as_read = held_as(run) & _GOING_ON & stop_unchanged(run) & RUN.superseded_by.not_exists()
        _, current = change_run(
            self.ledger,
            run.run_id,
            as_read,
            status=RunStatus.CLAIMED,
            reason=f"{ended.reason}; attempt {attempt} begins at {until}",
            run_attempt=attempt,
            stack_named_attempt=attempt,
            continues=run.holder,
            previous_holder=run.holder,
            previous_timed_out=ended.status == "TIMED_OUT",
            waits_until=until,
            waiting_units=None,
            updated_at=now,
            active=ACTIVE_RUN,
            submitted_at=now,
        )
        # Our own write may be what refused it: the client sends a request again.
        if current is None or (current.continues, current.run_attempt) != (run.holder, attempt):
            raise Conflict(f"run {run.run_id} changed while its next attempt was to begin")
        logger.warning("next attempt begun", extra={"why": ended.reason, "run_attempt": attempt})
        return current

    def _start(self, run: RunItem) -> None:
        """Start the attempt's execution, or find it started, and make it the holder."""
        event = HandedOver(
            request=run.requested,
            run_attempt=run.run_attempt,
            handed_over_by=run.holder,
            wait_seconds=seconds_before_attempt(run.run_attempt - 1),
        )
        started = self.starts.start(run, event)
        change_run(
            self.ledger,
            run.run_id,
            held_as(run) & _GOING_ON,
            holder=started.execution_arn,
            updated_at=self.clock(),
        )
