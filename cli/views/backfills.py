"""Backfills, for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from rich.console import Console
from rich.text import Text

from cli.client.backfill_actions import StoppedWindow
from cli.client.backfill_view import (
    FAILED_SHOWN,
    BackfillView,
    WindowRow,
    next_steps,
    seconds_left,
)
from cli.client.backfills import Plan, PlannedWindow
from cli.documents.backfill_plans import WindowOutcome, total_bytes, total_objects
from cli.views.ages import age
from cli.views.outcome import print_lines, title
from cli.views.records import Column, Records, number
from cli.views.tables import STATUS_STYLES
from contracts.ledger_items import BackfillItem
from contracts.messages import BackfillAction, ControlledBackfill, ControlOutcome, StopOutcome
from contracts.run_request import format_timestamp, parse_timestamp
from contracts.times.backfill import BackfillCounts, BackfillRequest, BackfillStatus, Only
from contracts.times.windows import Window
from costs.texts import money

_WIDTH: Final = 20
_CHOSEN: Final = {
    Only.MISSING: "missing windows only",
    Only.FAILED: "failed windows only",
    Only.ALL: "all windows",
}
_WINDOWS_SHOWN: Final = 50
_LIST: Final = (
    Column("backfill"),
    Column("status"),
    Column("dataset", drop=2),
    Column("windows", right=True),
    number("failed"),
    number("left"),
    Column("began", right=True, drop=1),
    Column("why", exact=False, drop=3),
)
_PLANNED: Final = (
    Column("from"),
    Column("to", drop=1),
    Column("what"),
    number("objects"),
    number("bytes"),
)
_ROWS: Final = (Column("from"), Column("run"), Column("status"), Column("why", exact=False))


def backfills_table(items: Iterable[BackfillItem], now: datetime) -> Records:
    """A line per backfill."""
    return Records.of(_LIST, (_line(item, now) for item in items))


def print_backfill(console: Console, view: BackfillView, stack: str | None, now: datetime) -> None:
    """One on one screen: how it stands, what failed, what to do next."""
    item = view.item
    style = STATUS_STYLES.get(item.status, "")
    console.print(Text(_sentence(view), style=style), soft_wrap=True)
    progress = f"Progress: {progress_bar(item, now)}"
    print_lines(console, [*_asked(item.requested), progress, _sum(item.counts)])
    # A run may have ended, as when it was stopped, before its backfill has noted that.
    ended = [row for row in view.running if row.status is not None and row.status.ended]
    running = [row for row in view.running if row not in ended]
    for name, rows in (("Running now", running), ("Ended, not counted yet", ended)):
        if rows:
            title(console, f"{name} ({len(rows):,})")
            console.print(Records.of(_ROWS, map(_row, rows)))
    if view.failed:
        title(console, f"Windows that failed ({item.counts.failed:,})")
        console.print(Records.of(_ROWS, map(_row, view.failed)))
        if item.counts.failed > FAILED_SHOWN:
            print_lines(console, [f"and {item.counts.failed - FAILED_SHOWN:,} more"])
    steps = next_steps(view)
    if steps:
        title(console, "What to do next")
        print_lines(console, (f"{step.why} {step.command_on(stack)}" for step in steps))


def print_plan(console: Console, plan: Plan) -> None:
    """What a backfill would do."""
    print_lines(console, _asked(plan.request))
    chosen = plan.chosen
    passed = [each for each in plan.windows if each not in chosen]
    shown = plan.windows[:_WINDOWS_SHOWN]
    console.print(Records.of(_PLANNED, map(_planned, shown)))
    if len(plan.windows) > len(shown):
        print_lines(console, [f"and {len(plan.windows) - len(shown):,} more (--json lists all)"])
    print_lines(
        console,
        [
            f"would be run: {_together(chosen)}",
            f"passed over: {_together(passed)}",
            *_expected_cost(plan),
            *([f"objects are not known: {plan.unlisted}"] if plan.unlisted else []),
            f"backfill {plan.request.backfill_id}"
            + (f" was started before: {plan.existing.status}" if plan.existing else ""),
        ],
    )


def _expected_cost(plan: Plan) -> list[str]:
    estimate = plan.estimate
    if estimate is None:
        return []
    by = f"{estimate.runs} past runs" if estimate.runs > 1 else "one past run"
    return [f"expected to cost {money(estimate.usd)}, by {by} of the dataset (docs/cost.md)"]


def window_span(window: Window) -> tuple[str, str]:
    """Begin and end, as short as they are exact: dates where both are midnights."""
    times = [format_timestamp(each) for each in window]
    if all(each.endswith("T00:00:00Z") for each in times):
        times = [each[:10] for each in times]
    return times[0], times[1]


def progress_bar(item: BackfillItem, now: datetime) -> str:
    """`[##########----------] 2 of 4 (1 failed), 50%, about 3 min left`."""
    counts = item.counts
    failed = f" ({counts.failed:,} failed)" if counts.failed else ""
    share = counts.ended / counts.total
    filled = int(share * _WIDTH)
    text = f"[{'#' * filled}{'-' * (_WIDTH - filled)}] {counts.ended:,} of"
    text += f" {counts.total:,}{failed}, {int(share * 100)}%"
    left = seconds_left(item, now)
    return text if left is None else f"{text}, about {age(left)} left"


def control_text(
    controlled: ControlledBackfill, action: BackfillAction, *, runs_too: bool = False
) -> str:
    """What came of pausing, resuming or stopping one."""
    what = f"backfill {controlled.backfill_id}"
    counts = controlled.counts.words if controlled.counts else ""
    if controlled.outcome is ControlOutcome.ENDED:
        return f"nothing to {action}: {what} has ended, {controlled.status}: {counts}"
    if controlled.outcome is ControlOutcome.NOTHING_LEFT:
        hint = "; add --failed to run those that failed again" if "failed" in counts else ""
        return f"not resumed: no window of {what} is left: {counts}{hint}"
    before = "already " if controlled.outcome is ControlOutcome.ALREADY else ""
    if controlled.pausing or controlled.stopping:
        state = "paused" if controlled.pausing else "stopped"
        going_on = "runs of its windows are stopped" if runs_too else "windows that run go on"
        return f"{what} is {before}being {state}; {going_on}: {counts}"
    if action is BackfillAction.RESUME:
        return f"{what} {'goes on' if not before else 'is running already'}: {counts}"
    return f"{what} is {before}{controlled.status}: {counts}"


def stopped_text(stopped: StoppedWindow) -> str:
    """What became of the run of a window, whose backfill was stopped with its runs."""
    if stopped.outcome is StopOutcome.UNKNOWN:
        return f"run {stopped.run_id} has not begun yet; repeat the command to stop it"
    said = {StopOutcome.STOPPED: "is STOPPED", StopOutcome.ENDED: "had ended"}
    return f"run {stopped.run_id} {said.get(stopped.outcome, 'is being stopped')}"


def _sentence(view: BackfillView) -> str:
    item = view.item
    state = "is being paused" if view.pausing else "is being stopped" if view.stopping else ""
    state = state or f"is {item.status}"
    why = f": {item.reason}" if item.reason else ""
    return f"Backfill {item.backfill_id} of {item.dataset_name} {state}{why}"


def _asked(request: BackfillRequest) -> Iterator[str]:
    first, last = window_span(Window(request.start_date_time, request.end_date_time))
    order = "newest first" if request.newest_first else "in order"
    zone = f", days of {request.zone}" if request.zone else ""
    yield (
        f"{first} to {last} in windows of {request.window}{zone}; {order},"
        f" {request.at_once} at once; {_CHOSEN[request.only]}"
    )
    more = {
        "query": request.query,
        "index": request.index,
        "priority": request.priority,
        "units side by side": request.max_concurrency,
        "failures at most": request.max_failures,
    }
    if said := [f"{name}: {value}" for name, value in more.items() if value is not None]:
        yield "; ".join(said)


def _sum(counts: BackfillCounts) -> str:
    empty = f" ({counts.empty:,} without objects)" if counts.empty else ""
    return (
        f"Windows: {counts.total:,} = {counts.done:,} done{empty} + {counts.failed:,} failed"
        f" + {counts.running:,} running + {counts.left:,} left"
        f" + {counts.passed_over:,} passed over"
    )


def _line(item: BackfillItem, now: datetime) -> tuple[str | Text, ...]:
    counts = item.counts
    began = parse_timestamp(item.created_at) if item.created_at else now
    status = str(item.status)
    if item.status is BackfillStatus.RUNNING and item.holding:
        status = "STOPPING" if item.stop_requested_at else "PAUSING"
    return (
        item.backfill_id,
        Text(status, style=STATUS_STYLES.get(status, "")),
        item.dataset_name,
        f"{counts.ended:,}/{counts.total:,}",
        f"{counts.failed:,}",
        f"{counts.left + counts.running:,}",
        f"{age((now - began).total_seconds())} ago",
        item.reason or "",
    )


def _row(row: WindowRow) -> tuple[str, ...]:
    return window_span(row.window)[0], row.run_id, row.status or "", row.reason or ""


def _planned(each: PlannedWindow) -> tuple[str, ...]:
    outcome = WindowOutcome.of(each.state)
    what = "to be run" if outcome is WindowOutcome.LEFT else outcome.lower().replace("_", " ")
    counts = ("", "")
    if each.objects is not None:
        counts = f"{each.objects.objects:,}", f"{each.objects.bytes:,}"
    return (*window_span(each.window), what, *counts)


def _together(windows: list[PlannedWindow]) -> str:
    text = f"{len(windows):,} windows"
    objects, size = total_objects(windows), total_bytes(windows)
    return text if objects is None else f"{text}, {objects:,} objects, {size or 0:,} bytes"
