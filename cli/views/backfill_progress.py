"""Live progress of a backfill: a view that moves on a terminal, appended lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from cli.client.backfill_follow import BackfillSnapshot
from cli.views.ages import age
from cli.views.backfills import progress_bar, window_span
from cli.views.records import Column, Records
from contracts.run_request import parse_timestamp
from contracts.times.backfill import WindowState

# Then one says how it stands, though nothing is new: with the pause between two looks on AWS, no
# silence is longer than ten seconds.
SILENT_SECONDS: Final = 7.0
_COLUMNS: Final = (Column("from"), Column("run"))
_WORDS: Final = {
    WindowState.RUNNING: "runs",
    WindowState.STORED: "is done",
    WindowState.EMPTY: "is done, without objects",
    WindowState.FAILED: "FAILED",
    WindowState.STOPPED: "was STOPPED",
    WindowState.STORED_BEFORE: "was stored by another run meanwhile",
    WindowState.NOT_CHOSEN: "is passed over",
    WindowState.LEFT: "is left again",
}


def show_backfill_progress(
    console: Console, snapshots: Iterable[BackfillSnapshot]
) -> BackfillSnapshot:
    """Show each snapshot as it comes; returns the last one."""
    last: BackfillSnapshot | None = None
    if console.is_terminal:
        with Live(console=console, refresh_per_second=1, transient=True) as live:
            for last in snapshots:
                live.update(_view(last), refresh=True)
    else:
        for last, news in worth_saying(snapshots):
            for line in progress_lines(last, news):
                console.print(line, soft_wrap=True)
    if last is None:
        raise ValueError("a backfill is followed by one snapshot at least")
    return last


def worth_saying(
    snapshots: Iterable[BackfillSnapshot], silent_seconds: float = SILENT_SECONDS
) -> Iterator[tuple[BackfillSnapshot, BackfillSnapshot | None]]:
    """Those that have news, that come after so long a silence, or that are the last; each with the
    one that was said before."""
    said: BackfillSnapshot | None = None
    latest: BackfillSnapshot | None = None
    for latest in snapshots:
        silent = said is None or latest.seconds - said.seconds >= silent_seconds
        if silent or latest.over or latest.changed_since(said):
            yield latest, said
            said = latest
    if latest is not None and latest is not said:
        yield latest, said


def progress_lines(snapshot: BackfillSnapshot, before: BackfillSnapshot | None) -> Iterator[str]:
    """What is new since the one before, then how it stands."""
    at = f"{snapshot.seconds:7.1f} s  "
    if snapshot.item is None:
        yield f"{at}waiting for its execution to begin"
        return
    for number, window, run_id in snapshot.changed_since(before):
        state = WindowState(snapshot.item.states[number])
        yield f"{at}{window_span(window)[0]}  {run_id}  {_WORDS[state]}"
    yield f"{at}{_standing(snapshot, lambda: datetime.now(UTC))}"


def _standing(snapshot: BackfillSnapshot, now: Callable[[], datetime]) -> str:
    item = snapshot.item
    if item is None:
        return "waiting for its execution to begin"
    if snapshot.over:
        return f"{item.status}: {item.counts.words}"
    holding = "being stopped; " if item.stop_requested_at else "being paused; "
    text = f"{holding if item.holding else ''}{progress_bar(item, now())}"
    if item.updated_at:
        since = max((now() - parse_timestamp(item.updated_at)).total_seconds(), 0.0)
        text += f"; nothing new for {age(since)}" if since >= 1 else ""
    return text


def _view(snapshot: BackfillSnapshot) -> Group:
    parts: list[Text | Records] = [Text(_standing(snapshot, lambda: datetime.now(UTC)))]
    if running := snapshot.running():
        rows = ((window_span(window)[0], run_id) for _, window, run_id in running)
        parts.append(Records.of(_COLUMNS, rows))
    return Group(*parts)
