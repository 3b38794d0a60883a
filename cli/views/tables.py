"""What is known, as tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from rich.text import Text

from cli.client.history import Execution
from cli.client.ledger import JobRow, UnitRow
from cli.documents.ledger import RunDocument
from cli.views.details import describe
from cli.views.records import Column, Records, number, prose
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
_COUNTS: Final = tuple(
    map(number, ("rows in", "filtered", "rejected", "removed", "stored", "warned"))
)
_SHORT: Final = 24  # a column of such texts only is not broken


def history_table(execution: Execution) -> Records:
    """The operations of an execution, indented by their context."""
    columns = (
        Column("operation"),
        Column("status"),
        number("attempts"),
        number("seconds"),
        prose("detail"),
    )
    rows = (
        (
            "  " * operation.depth + operation.name,
            _status(operation.status),
            str(operation.attempts),
            _seconds(operation.seconds),
            describe(operation, execution.operations),
        )
        for operation in execution.operations
    )
    caption = (
        f"{len(execution.operations)} operations in {execution.invocations} invocations,"
        f" {_seconds(execution.seconds) or '?'} s"
    )
    return Records.of(columns, rows, caption=caption)


def units_table(units: Iterable[UnitRow], total: RowCounts | None = None) -> Records:
    """Row counts per unit and in total, and whether each line adds up."""
    ends = (Column("adds up"), prose("why"))
    columns = (Column("unit"), prose("object"), Column("status"), *_COUNTS, *ends)
    rows = (
        (
            unit.unit_id,
            unit.short_source,
            _status(unit.status),
            *plain_rows(unit.rows),
            _adds_up(unit.rows) if unit.status is UnitState.STORED else "",
            failure_text(unit.failure) if unit.failure else "",
        )
        for unit in units
    )
    if total is None:
        return Records.of(columns, rows)
    return Records.of(columns, rows, ("total", "", "", *plain_rows(total), _adds_up(total), ""))


def outcomes_table(outcomes: Iterable[UnitOutcome]) -> Records:
    """Units of a run that has ended, as its results document has them."""
    last = prose("failure, or where its rows lie")
    columns = (Column("unit"), Column("status"), *_COUNTS, number("seconds"), last)
    return Records.of(columns, map(_outcome_row, outcomes))


def _outcome_row(outcome: UnitOutcome) -> tuple[str | Text, ...]:
    why, outputs = outcome.failure, outcome.outputs
    places = (outputs.output_url, outputs.quarantine_url, outputs.set_aside_url)
    urls = [url for url in places if url]
    urls += [table for table in outputs.tables if table.startswith("files:")]
    return (
        outcome.unit_id,
        _status(outcome.status),
        *plain_rows(outcome.rows),
        _seconds(outcome.seconds),
        "\n".join([failure_text(why)] if why else urls),
    )


def plain_rows(rows: RowCounts) -> tuple[str, ...]:
    """The counts, in the order in which they are always shown."""
    left = (rows.rows_in, rows.filtered, rows.rejected, rows.removed)
    stored = f"{rows.stored:,}"
    if rows.superseded:
        stored += f" ({rows.superseded:,} superseded)"
    return (*(f"{count:,}" for count in left), stored, f"{rows.warned:,}")


def jobs_table(jobs: Iterable[JobRow]) -> Records:
    """The jobs of a run."""
    names = ("job id", "unit", "stage", "attempt", "engine", "state", "submitted")
    columns = (*map(Column, names), number("seconds"), Column("id at the service"), prose("error"))
    rows = (
        (
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
        for job in jobs
    )
    return Records.of(columns, rows)


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


def records_table(titles: Sequence[str], records: Iterable[Sequence[Any]]) -> Records:
    """Rows of any kind: items of a table, a query's result."""
    rows = [["" if value is None else str(value) for value in record] for record in records]
    columns = [
        Column(title, exact=all(len(row[at]) <= _SHORT for row in rows))
        for at, title in enumerate(titles)
    ]
    return Records.of(columns, rows)


def _adds_up(rows: RowCounts) -> Text:
    return Text("yes") if rows.balanced else Text("NO", style="bold red")


def _status(status: str) -> Text:
    return Text(status, style=STATUS_STYLES.get(status, ""))


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
