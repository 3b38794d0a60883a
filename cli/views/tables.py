"""What is known, as tables for people."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.client.history import Execution
from cli.client.ledger import JobRow, UnitRow
from cli.documents.ledger import RunDocument
from cli.views.details import describe
from contracts.run import RowCounts, UnitOutcome, UnitState
from runs.outcome_text import failure_text

STATUS_STYLES: Final[Mapping[str, str]] = {
    "SUCCEEDED": "green",
    "STORED": "green",
    "FAILED": "bold red",
    "TIMED_OUT": "bold red",
    "CANCELLED": "red",
    "STOPPED": "red",
    "SUCCEEDED_WITH_LOSSES": "yellow",
    "SKIPPED": "yellow",
    "SUPERSEDED": "yellow",
    "NOT_STARTED": "yellow",
    "RUNNING": "cyan",
    "STARTED": "cyan",
    "RETRYING": "yellow",
}
_COUNTS: Final = ("rows in", "filtered", "rejected", "removed", "stored", "warned")
_WIDTH_WITHOUT_TERMINAL: Final = 160


def make_console(*, stderr: bool = False) -> Console:
    """A console whose lines are not cut to 80 columns where the output is a file or a pipe.

    Markup is off: messages and errors may hold brackets.
    """
    console = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _WIDTH_WITHOUT_TERMINAL
    return console


def history_table(execution: Execution) -> Table:
    """The operations of an execution, indented by their context."""
    table = _table("operation", "status")
    for title in ("attempts", "seconds"):
        table.add_column(title, justify="right")
    table.add_column("detail", overflow="fold")
    for operation in execution.operations:
        table.add_row(
            "  " * operation.depth + operation.name,
            _status(operation.status),
            str(operation.attempts),
            _seconds(operation.seconds),
            describe(operation, execution.operations),
        )
    table.caption = (
        f"{len(execution.operations)} operations in {execution.invocations} invocations,"
        f" {_seconds(execution.seconds) or '?'} s"
    )
    return table


def units_table(units: Iterable[UnitRow], total: RowCounts | None = None) -> Table:
    """Row counts per unit and in total, and whether each line adds up."""
    table = _table("unit", "object", "status")
    for title in _COUNTS:
        table.add_column(title, justify="right")
    table.add_column("adds up")
    table.add_column("why", overflow="fold")
    for unit in units:
        why = failure_text(unit.failure) if unit.failure else ""
        stored = unit.status is UnitState.STORED
        adds_up = _adds_up(unit.rows) if stored else Text("")
        table.add_row(
            unit.unit_id,
            unit.short_source,
            _status(unit.status),
            *plain_rows(unit.rows),
            adds_up,
            why,
        )
    if total is not None:
        table.add_section()
        table.add_row("total", "", "", *plain_rows(total), _adds_up(total), "", style="bold")
    return table


def outcomes_table(outcomes: Iterable[UnitOutcome]) -> Table:
    """Units of a run that has ended, as its results document has them."""
    table = _table("unit", "status")
    for name in (*_COUNTS, "seconds"):
        table.add_column(name, justify="right")
    table.add_column("failure, or where its rows lie", overflow="fold")
    for outcome in outcomes:
        why, outputs = outcome.failure, outcome.outputs
        places = (outputs.output_url, outputs.quarantine_url, outputs.set_aside_url)
        urls = [url for url in places if url]
        urls += [table for table in outputs.tables if table.startswith("files:")]
        table.add_row(
            outcome.unit_id,
            _status(outcome.status),
            *plain_rows(outcome.rows),
            _seconds(outcome.seconds),
            "\n".join([failure_text(why)] if why else urls),
        )
    return table


def plain_rows(rows: RowCounts) -> tuple[str, ...]:
    """The counts, in the order in which they are always shown."""
    left = (rows.rows_in, rows.filtered, rows.rejected, rows.removed)
    stored = f"{rows.stored:,}"
    if rows.superseded:
        stored += f" ({rows.superseded:,} superseded)"
    return (*(f"{count:,}" for count in left), stored, f"{rows.warned:,}")


def jobs_table(jobs: Iterable[JobRow]) -> Table:
    """The jobs of a run."""
    table = _table()
    table.add_column("job id", no_wrap=True)
    for title in ("unit", "stage", "attempt", "engine", "state", "submitted"):
        table.add_column(title)
    table.add_column("seconds", justify="right")
    for title in ("id at the service", "error"):
        table.add_column(title, overflow="fold")
    for job in jobs:
        table.add_row(
            job.job_id,
            job.unit_id,
            job.stage,
            str(job.attempt),
            job.engine,
            _status(job.state),
            job.submitted_at or "",
            _seconds(job.seconds),
            job.service_id or "",
            job.error or "",
        )
    return table


def run_rows(document: RunDocument) -> list[tuple[str, str]]:
    """Name and value of the fields of a run that have a value, but for what has its own section."""
    rows = []
    for name, value in document.to_json().items():
        if isinstance(value, dict):
            parts = (f"{key} {each}" for key, each in value.items() if each is not None)
            rows.append((name, ", ".join(parts)))
        elif value is not None and not isinstance(value, list):
            rows.append((name, str(value)))
    return rows


def records_table(columns: Sequence[str], records: Iterable[Sequence[Any]]) -> Table:
    """Rows of any kind: items of a table, a query's result."""
    table = _table()
    for column in columns:
        table.add_column(column, overflow="fold")
    for record in records:
        table.add_row(*(Text("" if value is None else str(value)) for value in record))
    return table


def _table(*columns: str) -> Table:
    return Table(
        *columns, header_style="bold", show_edge=False, pad_edge=False, caption_justify="left"
    )


def _adds_up(rows: RowCounts) -> Text:
    return Text("yes") if rows.balanced else Text("NO", style="bold red")


def _status(status: str) -> Text:
    return Text(status, style=STATUS_STYLES.get(status, ""))


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
