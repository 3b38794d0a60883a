"""Live progress of a run: a table that moves on a terminal, appended lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cli.client.follow import Snapshot
from cli.client.history import Operation
from cli.client.ledger import UnitRow
from cli.views.details import describe
from cli.views.tables import STATUS_STYLES, plain_rows
from contracts.ledger_items import RunItem
from contracts.run import UnitState
from runs.outcome_text import failure_text, rows_sum

UNITS_SHOWN: Final = 20


def show_progress(console: Console, snapshots: Iterable[Snapshot]) -> Snapshot:
    """Show each snapshot as it comes; returns the last one."""
    last: Snapshot | None = None
    if console.is_terminal:
        with Live(console=console, refresh_per_second=4, transient=True) as live:
            for last in snapshots:
                live.update(live_view(last))
    else:
        lines = Lines()
        for last in snapshots:
            for line in lines.news(last):
                console.print(line, soft_wrap=True)
    if last is None:
        raise ValueError("a run is followed by one snapshot at least")
    return last


class Lines:
    """What changed since the snapshot before, one line each."""

    def __init__(self) -> None:
        self._printed: set[tuple[str, str]] = set()
        self._holder: str | None = None

    def news(self, snapshot: Snapshot) -> Iterator[str]:
        """Lines for what this snapshot knows and no earlier one did."""
        if snapshot.run is None:
            if self._is_new("run", "waiting") and snapshot.refusal is None:
                yield _line(snapshot, "", "waiting for the queue to deliver the message", "")
            return
        if snapshot.holder != self._holder:
            if self._holder is not None:
                yield _line(snapshot, "", "the run continues in another execution", "")
            self._holder = snapshot.holder
            yield _line(snapshot, "", "held by", snapshot.holder or "")
        yield from self._waiting(snapshot, snapshot.run.item)
        operations = snapshot.execution.operations if snapshot.execution else ()
        for operation in sorted(operations, key=_last_change):
            if operation.kind == "Context" or not self._is_new(
                f"{self._holder} {operation.id}", _phase(operation)
            ):
                continue
            if operation.ended or operation.kind == "Callback":
                yield _of_operation(snapshot, operation)
        for unit in snapshot.units:
            if unit.status is not UnitState.RUNNING and self._is_new(unit.unit_id, unit.status):
                yield _line(snapshot, unit.unit_id, f"unit {unit.status}", _outcome(unit))

    def _waiting(self, snapshot: Snapshot, run: RunItem) -> Iterator[str]:
        if run.waits_until and self._is_new("waits", run.waits_until):
            units = run.waiting_units
            what = f"{units} units run again" if units else f"attempt {run.run_attempt} begins"
            yield _line(snapshot, "", "waits", f"until {run.waits_until}, then {what}")

    def _is_new(self, what: str, state: str) -> bool:
        known = (what, state) in self._printed
        self._printed.add((what, state))
        return not known


def _last_change(operation: Operation) -> datetime:
    return operation.ended_at or operation.started_at


def _phase(operation: Operation) -> str:
    return operation.status if operation.ended else "under way"


def _of_operation(snapshot: Snapshot, operation: Operation) -> str:
    assert snapshot.execution is not None  # noqa: S101  (it is where the operation comes from)
    said = describe(operation, snapshot.execution.operations)
    seconds = "" if operation.seconds is None else f"{operation.seconds:.1f} s  "
    state = "" if operation.status == "SUCCEEDED" else f"{_phase(operation)}  "
    return _line(snapshot, operation.unit_id or "", operation.name, f"{state}{seconds}{said}")


def _outcome(unit: UnitRow) -> str:
    return f"at {failure_text(unit.failure)}" if unit.failure else rows_sum(unit.rows)


def _line(snapshot: Snapshot, unit: str, what: str, more: str) -> str:
    return f"{snapshot.seconds:6.1f} s  {unit:<9}  {what:<16}  {more}".rstrip()


@dataclass(frozen=True)
class UnitLine:
    """One unit in the moving table."""

    unit_id: str
    source: str
    stage: str
    status: str
    rows: tuple[str, ...]
    trail: str


def unit_lines(snapshot: Snapshot) -> list[UnitLine]:
    """The units worth showing: all of a small run, else those that run or failed and the latest."""
    stages: dict[str, list[Operation]] = {}
    for operation in snapshot.execution.operations if snapshot.execution else ():
        if operation.unit_id and operation.kind != "Context":
            stages.setdefault(operation.unit_id, []).append(operation)
    units = list(snapshot.units)
    if len(units) > UNITS_SHOWN:
        running = [unit for unit in units if unit.status is not UnitState.STORED]
        stored = [unit for unit in units if unit.status is UnitState.STORED]
        shown = running[:UNITS_SHOWN]
        units = shown + (stored[-(UNITS_SHOWN - len(shown)) :] if len(shown) < UNITS_SHOWN else [])
    return [_unit_line(unit, stages.get(unit.unit_id, [])) for unit in units]


def _unit_line(unit: UnitRow, operations: list[Operation]) -> UnitLine:
    now = next((op for op in operations if not op.ended), operations[-1] if operations else None)
    ended = unit.status is not UnitState.RUNNING
    stage = unit.failure.stage if unit.failure else ("" if ended or now is None else now.name)
    return UnitLine(
        unit_id=unit.unit_id,
        source=unit.short_source,
        stage=stage,
        status=unit.status,
        rows=plain_rows(unit.rows) if ended else ("",) * 6,
        trail="".join(_MARKS.get(op.status, "✗") for op in operations),
    )


_MARKS: Final = {"SUCCEEDED": "✓", "STARTED": "…", "RETRYING": "↻"}


def live_view(snapshot: Snapshot) -> Group:
    """What the terminal shows of one snapshot."""
    heading = Text(f"{snapshot.seconds:5.1f} s  run {snapshot.run_id}  ", style="bold")
    if snapshot.run is None:
        return Group(heading, Text("waiting for the queue to deliver the message", style="dim"))
    status = snapshot.run.status
    heading.append(str(status), style=STATUS_STYLES.get(status, ""))
    stages = Text("stages  ")
    for operation in snapshot.execution.operations if snapshot.execution else ():
        if operation.unit_id is None and operation.kind != "Context":
            style = "green" if operation.status == "SUCCEEDED" else "yellow"
            stages.append(f"{operation.name} {_MARKS.get(operation.status, '✗')}  ", style=style)
    table = Table("unit", "object", "stages", "now", "status", box=None, header_style="dim")
    for title in ("in", "filtered", "rejected", "removed", "stored", "warned"):
        table.add_column(title, justify="right")
    for line in unit_lines(snapshot):
        styled = Text(line.status, style=STATUS_STYLES.get(line.status, ""))
        table.add_row(line.unit_id, line.source, line.trail, line.stage, styled, *line.rows)
    ended = sum(unit.status is not UnitState.RUNNING for unit in snapshot.units)
    total = snapshot.objects
    count = Text(f"units   {ended} of {'?' if total is None else total}", style="dim")
    return Group(heading, stages, count, table)
