"""Following a backfill until nothing works on it any more: what is known at each look."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from cli.client.backfills import ledger_of
from cli.client.deployment import Deployment
from cli.client.executions import fetch_execution
from cli.client.follow import SECONDS_BETWEEN_LOOKS
from cli.exit_codes import FAILED, STILL_RUNNING, SUCCEEDED, CommandFailed
from contracts.ledger_items import BackfillItem
from contracts.times.backfill import BackfillStatus, WindowState
from contracts.times.windows import Window

# Looks between two at the execution, while the backfill is not in the ledger yet.
_LOOKS_AT_LEDGER: Final = 10
_CODES: Final = {
    BackfillStatus.SUCCEEDED: SUCCEEDED,
    BackfillStatus.FAILED: FAILED,
    BackfillStatus.STOPPED: FAILED,
}


@dataclass(frozen=True)
class BackfillSnapshot:
    """What is known of a backfill at one moment.

    Attributes:
        seconds: since the following began.
        item: as the ledger has it; None: its execution has not begun yet.
        windows: of it, in order of time.
        over: nothing works on it any more: it has ended, or is paused.
    """

    backfill_id: str
    seconds: float = 0.0
    item: BackfillItem | None = None
    windows: tuple[Window, ...] = ()
    over: bool = False

    @property
    def exit_code(self) -> int:
        """0: it SUCCEEDED. 1: it FAILED or was STOPPED. 5: it has not ended, or is paused."""
        return _CODES.get(self.item.status, STILL_RUNNING) if self.item else STILL_RUNNING

    def running(self) -> list[tuple[int, Window, str]]:
        """Number, window and run of those that run."""
        return [] if self.item is None else self._in(self.item.in_state(WindowState.RUNNING))

    def changed_since(self, before: BackfillSnapshot | None) -> list[tuple[int, Window, str]]:
        """Windows that have begun or ended since; at the first look those that run."""
        if self.item is None:
            return []
        running, left = WindowState.RUNNING.value, WindowState.LEFT.value
        known = self.item.states.replace(running, left)
        if before is not None and before.item is not None:
            known = before.item.states
        return self._in([at for at, s in enumerate(self.item.states) if s != known[at]])

    def _in(self, numbers: list[int]) -> list[tuple[int, Window, str]]:
        item = self.item
        if item is None:
            return []
        return [
            (
                at,
                self.windows[at],
                item.requested.run_id(self.windows[at], item.times_again(at)),
            )
            for at in numbers
        ]


@dataclass
class BackfillFollower:
    """Looks at one backfill again and again.

    Attributes:
        execution_arn: that was started for it just now, to learn of its death before it has begun.
    """

    deployment: Deployment
    backfill_id: str
    execution_arn: str | None = None
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _windows: tuple[Window, ...] = field(default=(), init=False)
    _looks: int = field(default=0, init=False)

    def watch(self, timeout: float | None = None) -> Iterator[BackfillSnapshot]:
        """What is known, at each look, until nothing works on it any more or the time is over.

        Raises:
            CommandFailed: its execution died before it began.
        """
        began = self.clock()
        while True:
            snapshot = self._look(self.clock() - began)
            yield snapshot
            left = None if timeout is None else timeout - (self.clock() - began)
            if snapshot.over or (left is not None and left <= 0):
                return
            pause = SECONDS_BETWEEN_LOOKS[self.deployment.local]
            self.sleep(pause if left is None else min(pause, left))

    def _look(self, seconds: float) -> BackfillSnapshot:
        ledger = ledger_of(self.deployment)
        item = ledger.backfill(self.backfill_id)
        if item is None:
            self._see_that_it_begins()
            return BackfillSnapshot(self.backfill_id, seconds)
        if not self._windows:
            self._windows = tuple(ledger.windows(self.backfill_id))
        over = item.status is not BackfillStatus.RUNNING
        return BackfillSnapshot(self.backfill_id, seconds, item, self._windows, over)

    def _see_that_it_begins(self) -> None:
        self._looks += 1
        if self.execution_arn is None or self._looks % _LOOKS_AT_LEDGER:
            return
        execution = fetch_execution(self.deployment.client("lambda"), self.execution_arn)
        if execution is not None and execution.status != "RUNNING":
            raise CommandFailed(
                f"the execution of backfill {self.backfill_id} ended before it began:"
                f" {execution.status}: {execution.error or 'no error is known'}",
                FAILED,
                "the same command starts another one",
            )
