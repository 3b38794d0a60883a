"""One run on one screen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Final

from rich.console import Console
from rich.text import Text

from cli.client.follow import Snapshot
from cli.client.ledger import Run
from cli.client.run_list import is_waiting, shown_status
from cli.client.run_now import rows_stored, stage_now, units_done, units_now
from cli.documents.show import adds_up, sentence
from cli.views.now import bar, now_table, since_text
from cli.views.outcome import (
    evidence_of_run,
    failed_units,
    print_lines,
    print_sections,
    result_of,
    title,
)
from cli.views.tables import STATUS_STYLES
from contracts.manifest import left_out
from contracts.run_request import parse_timestamp
from runs.outcome_text import FAILURES_SHOWN, facts, rows_sum, unit_failure_text

_UNITS: Final = 10


def print_run(console: Console, snapshot: Snapshot, stack: str | None, now: datetime) -> None:
    """How it stands, what it does, and what to do next."""
    run = snapshot.run
    if run is None:
        raise ValueError(f"nothing is known of run {snapshot.run_id}")
    style = STATUS_STYLES.get(shown_status(run), "")
    console.print(Text(sentence(snapshot), style=style), soft_wrap=True)
    if run.superseded_by:
        print_lines(console, [f"Run {run.superseded_by} has superseded it."])
    if run.status.ended:
        print_sections(console, facts(result_of(run)))
        _print_adds_up(console, snapshot)
        print_sections(console, evidence_of_run(run, stack, snapshot.units))
        return
    print_lines(console, _state(snapshot, run, now))
    _print_adds_up(console, snapshot)
    _print_now(console, snapshot, now)
    failed = failed_units(snapshot.units)
    if failed:
        title(console, f"Failed units ({len(failed):,})")
        print_lines(console, (f"- {unit_failure_text(each)}" for each in failed[:FAILURES_SHOWN]))
    title(console, "What to do next")
    print_lines(console, _commands(run, stack))


def _state(snapshot: Snapshot, run: Run, now: datetime) -> Iterator[str]:
    item = run.item
    if item.claimed_at:
        attempt = f", attempt {run.run_attempt}" if run.run_attempt > 1 else ""
        passed = since_text(parse_timestamp(item.claimed_at), now)
        yield f"Began {item.claimed_at}, {passed} ago{attempt}"
    if item.stopping:
        why = f": {item.stop_reason}" if item.stop_reason else ""
        yield f"Being stopped since {item.stop_requested_at}{why}"
    if item.waiting_for:
        yield f"Waits since {item.waiting_since} for {item.waiting_for}"
        yield f"Gives up at {item.waiting_until}"
    elif is_waiting(run):
        yield f"Waits until {item.waits_until}, then {item.waiting_units or 'its'} units run again"
    if item.already_stored:
        yield f"Objects: {left_out(0, already_stored=item.already_stored)}"
    done = units_done(snapshot)
    yield f"Progress: {bar(snapshot, now)}"
    if done.total is not None:
        waiting = max(done.total - done.ended - done.running, 0)
        yield (
            f"Units: {done.total:,} = {waiting:,} to begin + {done.running:,} running"
            f" + {done.failed:,} failed + {done.stored:,} stored"
        )


def _print_adds_up(console: Console, snapshot: Snapshot) -> None:
    if not units_done(snapshot).stored:
        return
    run = snapshot.run
    if run is not None and run.status.ended:  # whose rows stand above
        rows = "The rows of its units"
    else:
        rows = f"Rows of stored units: {rows_sum(rows_stored(snapshot.units))}"
    if adds_up(snapshot):
        console.print(Text(f"{rows}: they add up", style="green"), soft_wrap=True)
    else:
        console.print(Text(f"{rows}: they do NOT add up", style="bold red"), soft_wrap=True)


def _print_now(console: Console, snapshot: Snapshot, now: datetime) -> None:
    running = units_now(snapshot)
    stage = stage_now(snapshot)
    title(console, "Running now")
    if running:
        console.print(now_table(islice(running, _UNITS), now))
        if len(running) > _UNITS:
            print_lines(console, [f"and {len(running) - _UNITS:,} more: pipeline units"])
    elif stage is not None:
        print_lines(console, [f"{stage[0]} for {since_text(stage[1], now)}"])
    else:
        execution = snapshot.execution
        what = "no step of it" if execution is None else f"its execution is {execution.status}"
        print_lines(console, [f"{what}; pipeline history shows its operations"])


def _commands(run: Run, stack: str | None) -> Iterator[str]:
    on = f" --stack {stack}" if stack else ""
    yield f"pipeline watch {run.run_id}{on}"
    yield f"pipeline logs {run.run_id} --follow{on}"
    if not run.item.stopping:
        yield f"pipeline stop {run.run_id}{on}"
