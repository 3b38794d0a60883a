"""The list of runs, for people."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from rich.text import Text

from cli.client.ledger import Run
from cli.client.run_list import is_waiting, shown_status
from cli.views.ages import age
from cli.views.records import Column, Records, number
from cli.views.tables import STATUS_STYLES
from contracts.run import RowCounts, seconds_between
from contracts.run_request import format_timestamp, parse_timestamp

_COLUMNS = (
    Column("run"),
    Column("status"),
    Column("dataset", drop=2),
    Column("began", right=True, drop=3),
    Column("took", right=True, drop=4),
    Column("units", right=True),
    Column("rows in", right=True, drop=5),
    number("stored"),
    number("rejected"),
    Column("attempt", right=True, drop=6),
    Column("why", exact=False, drop=1),
)


def runs_table(runs: Iterable[Run], now: datetime) -> Records:
    """A line per run: how it stands, when it began, what it took and stored."""
    return Records.of(_COLUMNS, (_row(run, now) for run in runs))


def _row(run: Run, now: datetime) -> tuple[str | Text, ...]:
    status, item = shown_status(run), run.item
    began = parse_timestamp(item.claimed_at) if item.claimed_at else now
    until = item.ended_at or format_timestamp(now)
    seconds = seconds_between(item.claimed_at, until)
    units = f"{run.units.stored:,}/{run.units.total:,}" if run.units.total else ""
    rows = run.rows
    counted = run.units.total and (run.status.ended or rows != RowCounts())
    counts = [f"{each:,}" if counted else "" for each in (rows.rows_in, rows.stored, rows.rejected)]
    return (
        run.run_id,
        Text(status, style=STATUS_STYLES.get(status, "")),
        run.dataset_name,
        f"{age(max((now - began).total_seconds(), 0))} ago",
        "" if seconds is None else age(seconds),
        units,
        *counts,
        "" if run.run_attempt == 1 else str(run.run_attempt),
        _why(run),
    )


def _why(run: Run) -> str:
    if run.superseded_by:
        return f"superseded by {run.superseded_by}"
    if is_waiting(run) and run.item.waiting_for:
        return f"waits for {run.item.waiting_for}"
    if is_waiting(run):
        return f"waits until {run.item.waits_until}"
    if run.item.stopping and not run.status.ended:
        return "is being stopped"
    return (run.reason or "") if run.status.ended else ""
