"""Live progress of a run: a view that moves on a terminal, appended lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from cli.client.follow import Snapshot
from cli.client.history import Operation
from cli.client.ledger import UnitRow
from cli.client.run_now import UnitNow, units_done, units_now
from cli.views.details import describe
from cli.views.now import bar, doing, job_text, since_text
from cli.views.records import Column, Records
from cli.views.tables import STATUS_STYLES, plain_rows
from contracts.ledger_items import RunItem
from contracts.run import UnitState
from runs.outcome_text import failure_text, rows_sum

UNITS_SHOWN: Final = 20
SILENT_SECONDS: Final = 60.0  # where lines are appended: then one says what is under way
_COLUMNS: Final = (
    Column("unit"),
    Column("object", exact=False, drop=3),
    Column("stages", exact=False, drop=5),
    Column("now"),
    Column("for", right=True),
    Column("job", exact=False, drop=1),
    Column("status"),
    *(
        Column(title, right=True, drop=2 if title in ("stored", "rejected") else 6)
        for title in ("in", "filtered", "rejected", "removed", "stored", "warned")
    ),
)


def show_progress(console: Console, snapshots: Iterable[Snapshot]) -> Snapshot:
    """Show each snapshot as it comes; returns the last one."""
    last: Snapshot | None = None
    if console.is_terminal:
        shown = _Shown()
        with Live(
            get_renderable=shown.view, console=console, refresh_per_second=1, transient=True
        ) as live:
            for last in snapshots:
                shown.take(last)
                live.refresh()
    else:
        lines = Lines()
        for last in snapshots:
            for line in lines.news(last):
                console.print(line, soft_wrap=True)
    if last is None:
        raise ValueError("a run is followed by one snapshot at least")
    return last


class _Shown:
    """The latest snapshot, whose times go on between two looks."""

    def __init__(self) -> None:
        self._snapshot: Snapshot | None = None
        self._taken = datetime.now(UTC)

    def take(self, snapshot: Snapshot) -> None:
        self._snapshot, self._taken = snapshot, datetime.now(UTC)

    def view(self) -> Group:
        now = datetime.now(UTC)
        if self._snapshot is None:
            return Group(Text("looking at the run", style="dim"))
        return live_view(self._snapshot, now, (now - self._taken).total_seconds())


class Lines:
    """What changed since the snapshot before, one line each."""

    def __init__(self) -> None:
        self._printed: set[tuple[str, str]] = set()
        self._holder: str | None = None
        self._said_at = 0.0

    def news(self, snapshot: Snapshot) -> Iterator[str]:
        """Lines for what this snapshot knows and no earlier one did; after a while without any,
        what is under way."""
        for line in self._new(snapshot):
            self._said_at = snapshot.seconds
            yield line
        if not snapshot.over and snapshot.seconds - self._said_at >= SILENT_SECONDS:
            self._said_at = snapshot.seconds
            yield _line(snapshot, "", "under way", doing(snapshot, datetime.now(UTC)))

    def _new(self, snapshot: Snapshot) -> Iterator[str]:
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
    elapsed: str = ""
    job: str = ""


def unit_lines(snapshot: Snapshot, now: datetime | None = None) -> list[UnitLine]:
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
    running_now = {each.unit.unit_id: each for each in units_now(snapshot)}
    at = now or datetime.now(UTC)
    return [
        _unit_line(unit, running_now.get(unit.unit_id), stages.get(unit.unit_id, []), at)
        for unit in units
    ]


def _unit_line(
    unit: UnitRow, running: UnitNow | None, operations: list[Operation], now: datetime
) -> UnitLine:
    ended = unit.status is not UnitState.RUNNING
    stage = unit.failure.stage if unit.failure else ""
    if running is not None:
        stage = running.stage or (operations[-1].name if operations else "")
    return UnitLine(
        unit_id=unit.unit_id,
        source=unit.short_source,
        stage=stage,
        status=unit.status,
        rows=plain_rows(unit.rows) if ended else ("",) * 6,
        trail="".join(_MARKS.get(op.status, "✗") for op in operations),
        elapsed=since_text(running.since, now) if running else "",
        job=job_text(running) if running else "",
    )


_MARKS: Final = {"SUCCEEDED": "✓", "STARTED": "…", "RETRYING": "↻"}


def live_view(snapshot: Snapshot, now: datetime | None = None, passed: float = 0.0) -> Group:
    """What the terminal shows of one snapshot.

    Args:
        now: the time of the view; absent: the present.
        passed: seconds since the snapshot was taken.
    """
    at = now or datetime.now(UTC)
    seconds = snapshot.seconds + passed
    heading = Text(f"{seconds:5.0f} s  run {snapshot.run_id}  ", style="bold")
    if snapshot.run is None:
        return Group(heading, Text("waiting for the queue to deliver the message", style="dim"))
    status = snapshot.run.status
    heading.append(str(status), style=STATUS_STYLES.get(status, ""))
    stages = Text("stages  ")
    for operation in snapshot.execution.operations if snapshot.execution else ():
        if operation.unit_id is None and operation.kind != "Context":
            style = "green" if operation.status == "SUCCEEDED" else "yellow"
            stages.append(f"{operation.name} {_MARKS.get(operation.status, '✗')}  ", style=style)
    rows: Iterator[tuple[str | Text, ...]] = (
        (
            line.unit_id,
            line.source,
            line.trail,
            line.stage,
            line.elapsed,
            line.job,
            Text(line.status, style=STATUS_STYLES.get(line.status, "")),
            *line.rows,
        )
        for line in unit_lines(snapshot, at)
    )
    parts = [heading, stages, Text(f"units   {bar(snapshot, at)}")]
    hidden = len(snapshot.units) - UNITS_SHOWN
    if hidden > 0:
        failed = f", {units_done(snapshot).failed:,} have failed" if snapshot.units else ""
        parts.append(Text(f"        {hidden:,} units are not shown{failed}", style="dim"))
    return Group(*parts, Records.of(_COLUMNS, rows))
