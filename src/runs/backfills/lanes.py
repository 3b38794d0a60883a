"""What a lane of a backfill does next: which window it runs, or that it is done.

A lane asks before each window, with what became of the one before. Pauses, stops, and whether
another run has stored a window meanwhile, are looked at then, and the response is recorded in the
history of the execution: no code of the orchestrator decides it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from contracts.errors import Conflict
from contracts.ledger_items import BackfillItem, Lane
from contracts.messages import (
    BACKFILL_OPERATIONS,
    WINDOWS_PER_EXECUTION,
    EndedWindow,
    LaneStep,
    NextWindow,
)
from contracts.run import RunStatus
from contracts.run_request import RunRequest
from contracts.times.backfill import Only, WindowState
from ledger.runs import find_run
from ledger.table import Ledger
from runs.backfills.coverage import Look
from runs.backfills.looking import look_meanwhile, remembered
from runs.backfills.records import Windows, change_backfill

_REASONS_AT_MOST: Final = 100  # of windows without a run
_STATES: Final = {
    RunStatus.SUCCEEDED: WindowState.STORED,
    RunStatus.SKIPPED: WindowState.EMPTY,
    RunStatus.FAILED: WindowState.FAILED,
    RunStatus.STOPPED: WindowState.STOPPED,
}


@dataclass
class _Deciding:
    """One decision over a backfill as it was read."""

    item: BackfillItem
    message: NextWindow
    ledger: Ledger
    windows: Windows
    now: datetime
    look: Callable[[BackfillItem], Look]

    def __post_init__(self) -> None:
        self.states = [WindowState(state) for state in self.item.states]
        self.changes: dict[str, Any] = {}
        self.is_stopping = False

    @property
    def current(self) -> bool:
        """Whether the lane is one of the execution that works on the backfill."""
        return self.message.generation == self.item.generation

    def decide(self) -> Lane:
        """What the lane does; `changes` is what that changes of the backfill."""
        message = self.message
        lane = Lane(call=message.call, operations=message.operations)
        elsewhere = message.ended is not None and not self._record_end(message.ended)
        # A run that is being stopped ends in a moment: its window is not left as one that runs.
        held = self.item.holding and not (elsewhere and self.is_stopping)
        if self.current and not held:
            if self._has_used_up(lane):
                pass  # the next execution looks at a run that goes on elsewhere
            elif elsewhere and message.ended is not None:
                lane = replace(lane, window=message.ended.number, look_again=True)
            elif not self._is_full():
                lane = replace(lane, window=self._chosen())
        self.changes.update(states="".join(self.states))
        if self.current:
            self.changes.update(lanes={**self.item.lanes, str(message.lane): lane})
        return lane

    def _record_end(self, ended: EndedWindow) -> bool:
        """Record what became of a window's run; false: it has not ended."""
        state = self.states[ended.number]
        if state not in (WindowState.RUNNING, WindowState.LEFT):
            return True  # recorded before: by a repeat, or by another execution
        if state is WindowState.RUNNING and not self.current:
            return True  # a lane of the current execution waits for it
        request = _request_of(self.item, self.windows, ended.number)
        if ended.run_id not in (None, request.run_id):
            return True  # the window is to be run again, by another run
        run = find_run(self.ledger, request.run_id)
        if not self.current and (run is None or run.differences(request)):
            return True  # the current execution has yet to run it
        why = None
        if run is None:
            state, why = WindowState.FAILED, ended.error or "its run was not claimed"
        elif run.differences(request):
            state, why = WindowState.FAILED, f"{request.run_id} is another run: {ended.error}"
        elif run.status in _STATES:
            state = _STATES[run.status]
        else:
            self.is_stopping = run.stop_requested_at is not None
            return False
        self.states[ended.number] = state
        if why is not None and len(self.item.reasons) < _REASONS_AT_MOST:
            self.changes.update(reasons={**self.item.reasons, str(ended.number): why})
        return True

    def _has_used_up(self, lane: Lane) -> bool:
        """Whether the execution has made as many operations as it may before its lanes end."""
        others = (each for name, each in self.item.lanes.items() if name != str(self.message.lane))
        return lane.operations + sum(each.operations for each in others) > BACKFILL_OPERATIONS

    def _is_full(self) -> bool:
        """Whether no more windows begin in this execution."""
        now = replace(self.item, states="".join(self.states))
        return now.failed_too_often or now.begun >= WINDOWS_PER_EXECUTION

    def _chosen(self) -> int | None:
        """The next window that is to be run; those that are stored meanwhile are passed over."""
        request = self.item.requested
        left = [at for at, state in enumerate(self.states) if state is WindowState.LEFT]
        if not left:
            return None
        look = Look(request)
        if request.only is not Only.ALL:
            look = self.look(self.item)
            self.changes.update(remembered(look, self.now, self.item))
        coverage = look.coverage()
        # All of them now: these runs are looked at only once.
        for number in left:
            if coverage.holds(self.windows[number]):
                own = _request_of(self.item, self.windows, number).run_id in look.stored_by
                self.states[number] = WindowState.STORED if own else WindowState.STORED_BEFORE
        left = [at for at in left if self.states[at] is WindowState.LEFT]
        if not left:
            return None
        number = left[-1 if request.newest_first else 0]
        self.states[number] = WindowState.RUNNING
        self.changes.update(begun=self.item.begun + 1)
        return number


def next_window(message: NextWindow, ledger: Ledger, now: datetime) -> LaneStep:
    """The next window of a lane; a repeat gets the same.

    Raises:
        Conflict: the lane has made a later call; nobody waits for this one.
        NotFound: there is no such backfill.
    """
    windows = Windows(ledger, message.backfill_id)
    decided: list[Lane] = []
    looks: list[Look] = []

    def look(item: BackfillItem) -> Look:
        """Once, however often the decision is taken: it takes the longest."""
        if not looks:
            looks.append(look_meanwhile(ledger, item, now))
        return looks[0]

    def decide(item: BackfillItem) -> dict[str, Any] | None:
        held = item.lanes.get(str(message.lane))
        decided.clear()
        if message.generation == item.generation and held and held.call >= message.call:
            decided.append(held)
            return None
        deciding = _Deciding(item, message, ledger, windows, now, look)
        decided.append(deciding.decide())
        return deciding.changes

    item = change_backfill(ledger, message.backfill_id, decide, now)
    (lane,) = decided
    if lane.call != message.call:
        raise Conflict(f"lane {message.lane} has made call {lane.call}, after {message.call}")
    if lane.window is None:
        return LaneStep()
    if lane.look_again:
        return LaneStep(number=lane.window, look_again=True)
    return LaneStep(number=lane.window, request=_request_of(item, windows, lane.window))


def _request_of(item: BackfillItem, windows: Windows, number: int) -> RunRequest:
    return item.requested.run_request(windows[number], item.times_again(number))
