"""How a backfill stands: its windows, with the runs of those that run or have failed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cli.client.backfills import ledger_of
from cli.client.deployment import Deployment
from cli.exit_codes import NOT_FOUND, REFUSED, CommandFailed
from contracts.ledger_items import BackfillItem
from contracts.run import NextStep, RunStatus
from contracts.run_request import parse_timestamp
from contracts.times.backfill import BackfillStatus, WindowState
from contracts.times.windows import Window

LAST: Final = "@last"
FAILED_SHOWN: Final = 20
_BEFORE_ITS_RUN: Final = "its run has not begun"


@dataclass(frozen=True)
class WindowRow:
    """A window that runs or has failed.

    Attributes:
        status: of its run; None: there is none (yet).
        reason: why it failed, or what its run waits for.
    """

    number: int
    window: Window
    state: WindowState
    run_id: str
    status: RunStatus | None
    reason: str | None


@dataclass(frozen=True)
class BackfillView:
    """A backfill as the ledger has it.

    Attributes:
        failed: the first FAILED_SHOWN windows that have failed.
        running: all that run.
    """

    item: BackfillItem
    failed: tuple[WindowRow, ...]
    running: tuple[WindowRow, ...]

    @property
    def pausing(self) -> bool:
        """It is to be paused, and windows are still running."""
        return self.item.status is BackfillStatus.RUNNING and self.item.paused_at is not None

    @property
    def stopping(self) -> bool:
        """Likewise stopped."""
        asked = self.item.stop_requested_at is not None
        return self.item.status is BackfillStatus.RUNNING and asked


def find_backfill(deployment: Deployment, name: str) -> BackfillItem:
    """The backfill of this id, or whose id alone begins so; `@last`: the newest.

    Raises:
        CommandFailed: there is none, or there are several.
    """
    ledger = ledger_of(deployment)
    exact = None if name == LAST else ledger.backfill(name)
    if exact is not None:
        return exact
    known = ledger.backfills()
    if name == LAST and known:
        return known[0]
    found = [each for each in known if each.backfill_id.startswith(name)]
    if len(found) == 1:
        return found[0]
    if found:
        ids = " and ".join(sorted(each.backfill_id for each in found)[:5])
        raise CommandFailed(
            f"several backfills have an id that begins with {name}: {ids}",
            REFUSED,
            "add letters until it fits one",
        )
    raise CommandFailed(
        f"there is no backfill {name}",
        NOT_FOUND,
        "pipeline backfill ls lists them; one that was started just now is there in a moment",
    )


def look_at(deployment: Deployment, item: BackfillItem) -> BackfillView:
    """The backfill with the runs of its windows."""
    windows = ledger_of(deployment).windows(item.backfill_id)
    lost = item.in_state(WindowState.FAILED, WindowState.STOPPED)[:FAILED_SHOWN]
    running = item.in_state(WindowState.RUNNING)
    return BackfillView(
        item=item,
        failed=tuple(_rows(deployment, item, windows, lost)),
        running=tuple(_rows(deployment, item, windows, running)),
    )


def seconds_left(item: BackfillItem, now: datetime) -> float | None:
    """How long the rest takes if its windows take as long as those that were run so far."""
    counts = item.counts
    ran = counts.done + counts.failed
    to_run = counts.left + counts.running
    if item.status is not BackfillStatus.RUNNING or not ran or not to_run or not item.created_at:
        return None
    passed = max((now - parse_timestamp(item.created_at)).total_seconds(), 0.0)
    return passed / ran * to_run


def next_steps(view: BackfillView) -> tuple[NextStep, ...]:
    """What can be done with it."""
    item, found = view.item, []
    name = f"pipeline backfill {{}} {item.backfill_id}"
    for row in view.failed[:1]:
        if row.status is not None:
            found.append(
                NextStep(why="See why a window failed:", command=f"pipeline show {row.run_id}")
            )
    counts = item.counts
    if item.status is BackfillStatus.RUNNING and not (view.pausing or view.stopping):
        found.append(NextStep(why="Pause it before the next window:", command=name.format("pause")))
    elif item.status is not BackfillStatus.SUCCEEDED and (counts.left or counts.running):
        found.append(NextStep(why="Have it go on:", command=name.format("resume")))
    if counts.failed and item.status is not BackfillStatus.RUNNING:
        again = f"{name.format('resume')} --failed"
        found.append(NextStep(why="Run the windows that failed again:", command=again))
    return tuple(found)


def _rows(
    deployment: Deployment, item: BackfillItem, windows: list[Window], numbers: list[int]
) -> Iterator[WindowRow]:
    ledger, request = ledger_of(deployment), item.requested
    for number in numbers:
        run_id = request.run_id(windows[number], item.times_again(number))
        recorded = item.reasons.get(str(number))
        run = None if recorded else ledger.run(run_id)
        said = (run.reason or run.item.waiting_for) if run else recorded or _BEFORE_ITS_RUN
        yield WindowRow(
            number=number,
            window=windows[number],
            state=WindowState(item.states[number]),
            run_id=run_id,
            status=run.status if run else None,
            reason=said,
        )
