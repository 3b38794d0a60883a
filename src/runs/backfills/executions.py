"""Executions of backfills, one after another: each is the next generation, started by name.

The generation is made in the ledger first, by a conditional write; then its execution is started by
a name made of backfill and generation. Each call goes on where the one before broke off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from contracts.ledger_items import ACTIVE_BACKFILL, BackfillItem
from contracts.messages import StartBackfill
from contracts.times.backfill import BackfillStatus, WindowState
from ledger.table import Ledger
from runs.backfills.names import backfill_execution_name
from runs.backfills.records import change_backfill
from runs.long.starting import start_by_name
from runtime.handler import Clock


def next_generation(
    item: BackfillItem, wait_seconds: int | None = None, **more: Any
) -> dict[str, Any]:
    """What changes of a backfill when its next execution is to work on it.

    Windows that the one before was running are left again: their runs have the same ids, so the
    next execution finds them where they are.

    Args:
        more: further attributes to change.
    """
    running, left = WindowState.RUNNING.value, WindowState.LEFT.value
    return dict(
        status=BackfillStatus.RUNNING,
        generation=item.generation + 1,
        starting=True,
        wait_seconds=wait_seconds,
        states=item.states.replace(running, left),
        lanes={},
        begun=0,
        active=ACTIVE_BACKFILL,
        ended_at=None,
        reason=None,
        **more,
    )


@dataclass(frozen=True)
class BackfillExecutions:
    """Starts of the function of backfills.

    Attributes:
        function: with its alias.
        environment, stack: part of the names.
    """

    ledger: Ledger
    function: str
    environment: str
    stack: str
    clock: Clock

    def start(self, item: BackfillItem) -> BackfillItem:
        """Start the execution of the backfill's generation, or find it started, and record it.

        Raises:
            RunConflict: an execution of this name runs with other content.
            NotConfigured: the function is not durable.
        """
        name = backfill_execution_name(
            self.environment, self.stack, item.backfill_id, item.generation
        )
        event = StartBackfill(
            request=item.requested, generation=item.generation, wait_seconds=item.wait_seconds
        )
        arn = start_by_name(self.function, name, event, f"backfill {item.backfill_id}")

        def started(now: BackfillItem) -> dict[str, Any] | None:
            if now.generation != item.generation or not now.starting:
                return None  # it has begun itself, or another one works on it
            return dict(execution_arn=arn, starting=False)

        return change_backfill(self.ledger, item.backfill_id, started, self.clock())
