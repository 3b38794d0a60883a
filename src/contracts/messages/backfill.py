"""Messages about backfills: of their execution, of its step, and of those who control one."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal

from pydantic import Field

from contracts.base import Contract
from contracts.messages.decision import STOP_REASON_CHARACTERS
from contracts.run_request import RunRequest, Timestamp
from contracts.times.backfill import BackfillCounts, BackfillRequest, BackfillStatus

# Of the 3,000 operations that an execution may have. A window costs two: next-window, run-window.
# Every lane may have gone on to as many as RESERVED when the last window begins: a chunk's context,
# and all tries of two calls, each with a wait before it.
WINDOWS_PER_EXECUTION: Final = 1000
BACKFILL_OPERATIONS: Final = 2300
FAILURE_CHARACTERS: Final = 500


class StartBackfill(Contract):
    """The event that starts an execution of a backfill.

    Attributes:
        generation: the so many-th execution of it.
        wait_seconds: until it begins; absent: it begins at once.
    """

    request: BackfillRequest
    generation: int = 1
    wait_seconds: int | None = None


class BeginBackfill(Contract):
    """backfill_windows: make this execution the one that works on the backfill.

    Returns BegunBackfill.
    """

    kind: Literal["begin"] = "begin"
    request: BackfillRequest
    generation: int
    execution_arn: str


class BegunBackfill(Contract):
    """Response to BeginBackfill.

    Attributes:
        lanes: how many windows run side by side; 0: none is to be run.
    """

    lanes: int


class EndedWindow(Contract):
    """A window whose run an execution has waited for.

    Attributes:
        number: its place in order of time, from 0.
        run_id: of the run; absent: the function is of a release that does not say it.
        error: how the invocation failed, if it did; what became of the run is in the ledger.
    """

    number: int
    run_id: str | None = None
    error: str | None = Field(default=None, max_length=FAILURE_CHARACTERS)


class NextWindow(Contract):
    """backfill_windows: what the lane does next. Returns LaneStep.

    Attributes:
        lane, call: which lane's so many-th call; a repeat gets the same response.
        operations: durable operations that the lane has made so far.
        ended: the window that it had before.
    """

    kind: Literal["next"] = "next"
    backfill_id: str
    generation: int
    lane: int
    call: int
    operations: int
    ended: EndedWindow | None = None


class LaneStep(Contract):
    """Response to NextWindow: a window to run, or one to look at again; else the lane is done.

    Attributes:
        number: of the window.
        request: of its run.
        look_again: the window's run goes on elsewhere: ask again later.
    """

    number: int | None = None
    request: RunRequest | None = None
    look_again: bool = False


class EndBackfill(Contract):
    """backfill_windows: end this execution; where windows are left, start the next one.

    Returns EndedBackfill.
    """

    kind: Literal["end"] = "end"
    backfill_id: str
    generation: int
    execution_arn: str


class EndedBackfill(Contract):
    """Response to EndBackfill.

    Attributes:
        next_execution: the one that goes on with it.
    """

    backfill_id: str
    status: BackfillStatus
    counts: BackfillCounts
    next_execution: str | None = None
    reason: str | None = None


class BackfillAction(StrEnum):
    """What a person asks of a backfill."""

    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"


class ControlBackfill(Contract):
    """A request about one backfill, as `pipeline backfill` sends it to the reaper.

    Returns ControlledBackfill.

    Attributes:
        reason: why it is stopped, in one sentence.
        failed_too: windows that have failed are run again, too, when it is resumed.
    """

    backfill_id: str
    action: BackfillAction
    reason: str | None = Field(default=None, max_length=STOP_REASON_CHARACTERS)
    failed_too: bool = False


class ControlOutcome(StrEnum):
    """DONE: the decision is recorded. ALREADY: it was so before, nothing was changed.
    ENDED: it has ended, so there is nothing to pause or to stop.
    NOTHING_LEFT: no window is left to be run. UNKNOWN: there is no such backfill."""

    DONE = "DONE"
    ALREADY = "ALREADY"
    ENDED = "ENDED"
    NOTHING_LEFT = "NOTHING_LEFT"
    UNKNOWN = "UNKNOWN"


class ControlledBackfill(Contract):
    """What came of a ControlBackfill.

    Attributes:
        status: of the backfill then; absent where there is none.
        pausing, stopping: windows that run now go on to their ends, no more begin.
        execution_arn: of the execution that goes on with it, after RESUME.
    """

    backfill_id: str
    outcome: ControlOutcome
    status: BackfillStatus | None = None
    counts: BackfillCounts | None = None
    pausing: bool = False
    stopping: bool = False
    execution_arn: str | None = None
    at: Timestamp | None = None
