"""A person pauses a backfill, stops it, or has it go on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from contracts.errors import NotFound
from contracts.ledger_items import BackfillItem
from contracts.messages import (
    BackfillAction,
    ControlBackfill,
    ControlledBackfill,
    ControlOutcome,
)
from contracts.run_request import format_timestamp
from contracts.times.backfill import AGAIN_AT_MOST, BackfillStatus, WindowState
from ledger.table import Ledger
from runs.backfills.announcing import BackfillEnds
from runs.backfills.ending import held
from runs.backfills.executions import BackfillExecutions, next_generation
from runs.backfills.records import change_backfill
from runs.executions import Executions, is_settling_since
from runtime.handler import Clock

_Decision = tuple[ControlOutcome, dict[str, Any] | None]
_LOST = (WindowState.FAILED, WindowState.STOPPED)


@dataclass(frozen=True)
class BackfillControl:
    """Decisions of people about backfills.

    Attributes:
        executions: starts the execution that goes on.
        ends: announces what ends at once.
        status_of: looks up an execution's status.
    """

    ledger: Ledger
    executions: BackfillExecutions
    ends: BackfillEnds
    status_of: Executions
    clock: Clock

    def take(self, message: ControlBackfill) -> ControlledBackfill:
        """Do what is asked; a repeat changes nothing more."""
        decide = {
            BackfillAction.PAUSE: self._pause,
            BackfillAction.STOP: self._stop,
            BackfillAction.RESUME: self._resume,
        }[message.action]
        outcome = ControlOutcome.UNKNOWN

        def decided(item: BackfillItem) -> dict[str, Any] | None:
            nonlocal outcome
            outcome, changes = decide(item, message)
            return changes

        try:
            item = change_backfill(self.ledger, message.backfill_id, decided, self.clock())
        except NotFound:
            unknown = ControlOutcome.UNKNOWN
            return ControlledBackfill(backfill_id=message.backfill_id, outcome=unknown)
        if message.action is BackfillAction.RESUME and item.starting:
            item = self.executions.start(item)
            outcome = ControlOutcome.DONE
        self.ends.announce(item)
        running = item.status is BackfillStatus.RUNNING
        return ControlledBackfill(
            backfill_id=item.backfill_id,
            outcome=outcome,
            status=item.status,
            counts=item.counts,
            pausing=running and item.paused_at is not None,
            stopping=running and item.stop_requested_at is not None,
            execution_arn=item.execution_arn,
        )

    def _pause(self, item: BackfillItem, _message: ControlBackfill) -> _Decision:
        if item.status not in (BackfillStatus.RUNNING, BackfillStatus.PAUSED):
            return ControlOutcome.ENDED, None
        if item.holding:
            return ControlOutcome.ALREADY, None
        return ControlOutcome.DONE, dict(paused_at=self.clock())

    def _stop(self, item: BackfillItem, message: ControlBackfill) -> _Decision:
        if item.status is BackfillStatus.STOPPED or item.stop_requested_at is not None:
            return ControlOutcome.ALREADY, None
        if item.status in (BackfillStatus.SUCCEEDED, BackfillStatus.FAILED):
            return ControlOutcome.ENDED, None
        at = format_timestamp(self.clock())
        asked = dict(stop_requested_at=at, stop_reason=message.reason)
        if item.status is BackfillStatus.RUNNING:
            return ControlOutcome.DONE, asked
        stopping = replace(item, stop_requested_at=at, stop_reason=message.reason)
        return ControlOutcome.DONE, {**asked, **held(stopping, self.clock)}

    def _resume(self, item: BackfillItem, message: ControlBackfill) -> _Decision:
        states = [WindowState(state) for state in item.states]
        again = item.again
        if message.failed_too:
            again = "".join(_once_more(item, at) for at in range(len(states)))
            states = [WindowState.LEFT if each in _LOST else each for each in states]
        if not {WindowState.LEFT, WindowState.RUNNING} & set(states):
            return ControlOutcome.NOTHING_LEFT, None
        working = item.status is BackfillStatus.RUNNING and not item.holding
        if working and (item.starting or self._is_worked_on(item, self.clock())):
            return ControlOutcome.ALREADY, None
        left = {str(at) for at, state in enumerate(states) if state is WindowState.LEFT}
        changes = next_generation(
            replace(item, states="".join(states)),
            paused_at=None,
            stop_requested_at=None,
            stop_reason=None,
            restarts=0,
            submitted_at=self.clock(),
            failed_before=sum(state in _LOST for state in states),
            reasons={at: why for at, why in item.reasons.items() if at not in left},
            again=again,
        )
        return ControlOutcome.DONE, changes

    def _is_worked_on(self, item: BackfillItem, now: datetime) -> bool:
        status = self.status_of(item.execution_arn)
        return status.alive or is_settling_since(item.updated_at, status.status, now)


def _once_more(item: BackfillItem, number: int) -> str:
    """How often a window is to be run again; one that has failed once more, in a new run.

    A new one, as the old one goes by the contract and the objects that it has failed with.
    """
    lost = WindowState(item.states[number]) in _LOST
    return str(min(item.times_again(number) + lost, AGAIN_AT_MOST))
