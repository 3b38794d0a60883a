"""What is shown at the end of a run: history, counts, stored items, warehouse, rejected rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console, RenderableType
from rich.text import Text

from cli.client.deployment import Deployment
from cli.client.follow import Snapshot
from cli.client.ledger import Item, UnitRow
from cli.client.stored import QueryOutcome, Rejected, rejected_rows, stored_items, warehouse_results
from cli.documents.history import history_document
from cli.documents.ledger import run_document, unit_document
from cli.documents.rejected import RejectedRow
from cli.documents.report import RejectedRows, ReportDocument, StoredItem, WarehouseQuery
from cli.views.next_steps import environment_commands, look_further
from cli.views.outcome import (
    evidence_of_run,
    print_headline,
    print_sections,
    result_of,
    title,
)
from cli.views.tables import STATUS_STYLES, history_table, records_table, units_table
from contracts.run import RowCounts, UnitState
from runs.outcome_text import facts, rows_sum

_EXAMPLE_CHARACTERS: Final = 400
_URLS_SHOWN: Final = 5


@dataclass(frozen=True)
class Report:
    """A run that is over, and what it left behind.

    Attributes:
        commands: with which to look further.
        ends: the local cloud ends with the report, so that commands need another one.
    """

    snapshot: Snapshot
    items: tuple[Item, ...] = ()
    rejected: Rejected = Rejected((), ())
    warehouse: tuple[QueryOutcome, ...] = ()
    commands: tuple[str, ...] = ()
    stack: str | None = None
    ends: bool = False

    @property
    def total(self) -> RowCounts:
        """The stored units' rows, added up here so that they can be compared with the run's."""
        return sum((unit.rows for unit in self._stored), RowCounts())

    @property
    def _stored(self) -> list[UnitRow]:
        return [unit for unit in self.snapshot.units if unit.status is UnitState.STORED]

    @property
    def adds_up(self) -> bool:
        """Every stored unit balances, and the units add up to what the run recorded."""
        run = self.snapshot.run
        return all(unit.rows.balanced for unit in self._stored) and (
            run is None or not run.status.ended or run.rows == self.total
        )


def make_report(deployment: Deployment, snapshot: Snapshot, *, ends: bool = False) -> Report:
    """Gather what a run left behind, as far as it came."""
    run = snapshot.run
    if run is None:
        return Report(snapshot, ends=ends)
    return Report(
        snapshot=snapshot,
        items=tuple(stored_items(deployment, run.run_id)),
        rejected=rejected_rows(deployment, run.dataset_name, run.run_id),
        warehouse=tuple(warehouse_results(deployment, run.run_id)),
        commands=(
            *environment_commands(deployment),
            *look_further(deployment, run.run_id, run.dataset_name, run.holder),
        ),
        stack=deployment.stack,
        ends=ends,
    )


def print_report(console: Console, report: Report) -> None:
    """The whole report, for people."""
    snapshot = report.snapshot
    if snapshot.run is not None:
        _print_history(console, snapshot)
        _print_counts(console, report)
        _print_items(console, report.items)
        _print_warehouse(console, report.warehouse)
        _print_rejected(console, report.rejected)
        print_evidence(console, snapshot, report.stack)
        _print_commands(console, report)
    print_outcome(console, snapshot, report.stack, ends=report.ends)


def report_document(report: Report) -> ReportDocument:
    """The report for programs."""
    snapshot, run = report.snapshot, report.snapshot.run
    execution = snapshot.execution
    return ReportDocument(
        run_id=snapshot.run_id,
        status=run.status.value if run else ("REFUSED" if snapshot.refusal else "UNKNOWN"),
        reason=snapshot.refusal or (run.reason if run else None),
        exit_code=snapshot.exit_code,
        run=run_document(run) if run else None,
        units=tuple(unit_document(unit) for unit in snapshot.units),
        rows=report.total,
        adds_up=report.adds_up,
        execution=history_document(run.holder, execution) if run and execution else None,
        stored_items=tuple(StoredItem(attributes=item) for item in report.items),
        rejected=RejectedRows(
            urls=report.rejected.urls,
            examples=tuple(RejectedRow.of(row) for row in report.rejected.examples),
        ),
        warehouse=tuple(_query_document(outcome) for outcome in report.warehouse),
        commands=report.commands,
    )


def print_evidence(console: Console, snapshot: Snapshot, stack: str | None) -> None:
    """Of a run that has ended: what rows broke, why units failed, and what to do next."""
    if snapshot.run is not None:
        print_sections(console, evidence_of_run(snapshot.run, stack, snapshot.units))


def print_outcome(
    console: Console, snapshot: Snapshot, stack: str | None, *, ends: bool = False
) -> None:
    """How it ended, and why.

    Args:
        ends: see Report.
    """
    run = snapshot.run
    if snapshot.refusal:
        console.print(Text("The message was refused. ", style="bold red") + Text(snapshot.refusal))
        where = f" --stack {stack}" if stack else ""
        look = "" if ends else f": pipeline dead-letters show {snapshot.message_id}{where}"
        said = f"It is on the dead-letter queue with this reason{look}"
        console.print(said, soft_wrap=True, markup=False, highlight=False)
    if run is None:
        if not snapshot.refusal:
            console.print(
                f"Nothing is known of run {snapshot.run_id} after {snapshot.seconds:.0f} s: its"
                " message was not delivered yet, or the function fails before it claims the run"
            )
        return
    if run.status.ended:
        result = result_of(run)
        print_headline(console, result)
        print_sections(console, facts(result))
    else:
        style = STATUS_STYLES.get(run.status, "")
        console.print(Text(f"Run {run.run_id} of {run.dataset_name} is {run.status}", style=style))
    if snapshot.stood_before:
        console.print("It had ended before this message was sent, which started nothing new.")
    execution = snapshot.execution
    if not run.status.ended and execution and execution.status != "RUNNING":
        console.print(
            f"Its execution is {execution.status} ({execution.error or 'no error reported'}); when"
            " the queue delivers the message again, another execution takes the run over."
        )


def _print_history(console: Console, snapshot: Snapshot) -> None:
    if snapshot.execution is None or snapshot.run is None:
        return
    title(console, f"History of the durable execution {snapshot.run.holder}")
    console.print(history_table(snapshot.execution))


def _print_counts(console: Console, report: Report) -> None:
    if not report.snapshot.units:
        return
    title(console, "Rows")
    console.print(units_table(report.snapshot.units, report.total))
    text = f"Rows of stored units: {rows_sum(report.total)}"
    if report.adds_up:
        console.print(Text(f"{text}: the counts add up", style="green"))
    else:
        console.print(Text(f"{text}: the counts do NOT add up", style="bold red"))


def _print_items(console: Console, items: Sequence[Item]) -> None:
    if not items:
        return
    title(console, "Some stored items (DynamoDB)")
    names = list(dict.fromkeys(name for item in items for name in item))
    titles = ["attribute", *(f"item {number}" for number in range(1, len(items) + 1))]
    console.print(records_table(titles, [[name, *(i.get(name) for i in items)] for name in names]))


def _print_warehouse(console: Console, outcomes: Sequence[QueryOutcome]) -> None:
    for outcome in outcomes:
        title(console, "Warehouse (Redshift Data API)")
        console.print(Text(outcome.sql, style="italic"))
        if outcome.result is None:
            console.print(Text(f"no result: {outcome.failure}", style="bold red"))
        else:
            console.print(_result_view(outcome))


def _result_view(outcome: QueryOutcome) -> RenderableType:
    """A table; a single wide row goes from top to bottom."""
    result = outcome.result
    assert result is not None  # noqa: S101  (the caller has looked)
    if len(result.rows) == 1 and len(result.columns) > 6:
        pairs = zip(result.columns, result.rows[0], strict=True)
        return records_table(("column", "value"), pairs)
    return records_table(result.columns, result.rows)


def _print_rejected(console: Console, rejected: Rejected) -> None:
    if not rejected.urls:
        return
    title(console, "Rejected rows, each with its reason")
    for url in rejected.urls[:_URLS_SHOWN]:
        console.print(url, soft_wrap=True)
    if len(rejected.urls) > _URLS_SHOWN:
        console.print(f"and {len(rejected.urls) - _URLS_SHOWN} more objects beside them")
    for example in rejected.examples:
        text = ", ".join(f"{name}: {value}" for name, value in example.items())
        console.print(Text("  e.g. " + text[:_EXAMPLE_CHARACTERS], style="dim"), soft_wrap=True)


def _print_commands(console: Console, report: Report) -> None:
    if report.ends:  # they would find nothing
        return
    title(console, "To look further")
    for command in report.commands:
        console.print(command, soft_wrap=True)


def _query_document(outcome: QueryOutcome) -> WarehouseQuery:
    result = outcome.result
    return WarehouseQuery(
        sql=outcome.sql,
        failure=outcome.failure,
        columns=result.columns if result else (),
        rows=result.rows if result else (),
    )
