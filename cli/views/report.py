"""What is told at the end of a run: history, counts, stored items, warehouse, rejected rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console, RenderableType
from rich.text import Text

from cli.client.deployment import Deployment
from cli.client.follow import Snapshot
from cli.client.ledger import Item, UnitRow
from cli.client.stored import Question, Rejected, rejected_rows, stored_items, warehouse_answers
from cli.views.next_steps import environment_commands, look_further
from cli.views.outcome import (
    failed_units,
    print_failures,
    print_findings,
    print_lines,
    print_next_steps,
    title,
)
from cli.views.tables import (
    STATUS_STYLES,
    history_json,
    history_table,
    records_table,
    units_table,
)
from contracts.run import RowCounts, UnitStatus
from runs.notification_text import missing_in_warehouse

_EXAMPLE_CHARACTERS: Final = 400
_URLS_SHOWN: Final = 5


@dataclass(frozen=True)
class Report:
    """A run that is over, and what it left behind."""

    snapshot: Snapshot
    items: tuple[Item, ...] = ()
    rejected: Rejected = Rejected((), ())
    warehouse: tuple[Question, ...] = ()
    commands: tuple[str, ...] = ()
    stack: str | None = None

    @property
    def total(self) -> RowCounts:
        """The stored units' rows, added up here so that they can be compared with the run's."""
        return sum((unit.rows for unit in self._stored), RowCounts())

    @property
    def _stored(self) -> list[UnitRow]:
        return [unit for unit in self.snapshot.units if unit.status is UnitStatus.STORED]

    @property
    def adds_up(self) -> bool:
        """Every stored unit balances, and the units add up to what the run recorded."""
        run = self.snapshot.run
        return all(unit.rows.balanced for unit in self._stored) and (
            run is None or not run.status.ended or run.rows == self.total
        )

    def to_json(self) -> dict[str, Any]:
        snapshot, run = self.snapshot, self.snapshot.run
        return {
            "runId": snapshot.run_id,
            "status": run.status if run else ("REFUSED" if snapshot.refusal else "UNKNOWN"),
            "reason": snapshot.refusal or (run.reason if run else None),
            "exitCode": snapshot.exit_code,
            "run": run.raw if run else None,
            "units": [unit.raw for unit in snapshot.units],
            "rows": self.total.to_json(),
            "addsUp": self.adds_up,
            "execution": history_json(run.holder, snapshot.execution)
            if run and snapshot.execution
            else None,
            "storedItems": list(self.items),
            "rejected": {"urls": self.rejected.urls, "examples": self.rejected.examples},
            "warehouse": [_question_json(question) for question in self.warehouse],
            "commands": list(self.commands),
        }


def make_report(deployment: Deployment, snapshot: Snapshot) -> Report:
    """Gather what a run left behind, as far as it came."""
    run = snapshot.run
    if run is None:
        return Report(snapshot)
    return Report(
        snapshot=snapshot,
        items=tuple(stored_items(deployment, run.run_id)),
        rejected=rejected_rows(deployment, run.dataset_name, run.run_id),
        warehouse=tuple(warehouse_answers(deployment, run.run_id)),
        commands=(
            *environment_commands(deployment),
            *look_further(deployment, run.run_id, run.dataset_name, run.holder),
        ),
        stack=deployment.stack,
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
        _print_commands(console, report.commands)
    print_outcome(console, snapshot)


def print_evidence(console: Console, snapshot: Snapshot, stack: str | None) -> None:
    """Of a run that has ended: what rows broke, why units failed, and what to do next."""
    run = snapshot.run
    if run is None or not run.status.ended:
        return
    print_findings(console, run.findings)
    print_failures(console, failed_units(snapshot.units))
    print_next_steps(console, run.next_steps, stack)


def print_outcome(console: Console, snapshot: Snapshot) -> None:
    """One or two lines: how it ended, and why."""
    run = snapshot.run
    if snapshot.refusal:
        console.print(Text("The message was refused. ", style="bold red") + Text(snapshot.refusal))
        console.print("It lies on the dead-letter queue with this reason: pipeline dead-letters")
    if run is None:
        if not snapshot.refusal:
            console.print(
                f"Nothing is known of run {snapshot.run_id} after {snapshot.seconds:.0f} s: the"
                " message was not taken yet, or the function fails before it claims the run"
            )
        return
    outcome = Text(f"Run {run.run_id}: ")
    status = str(run.outcome or run.status) if run.status.ended else str(run.status)
    outcome.append(status, style=STATUS_STYLES.get(status, ""))
    if run.reason:
        outcome.append(f": {run.reason}")
    console.print(outcome)
    if snapshot.stood_before:
        console.print("It had ended before this message was sent, which started nothing new.")
    if run.warehouse_error:
        print_lines(console, [missing_in_warehouse(run.warehouse_error)])
    execution = snapshot.execution
    if not run.status.ended and execution and execution.status != "RUNNING":
        console.print(
            f"Its execution is {execution.status} ({execution.error or 'no error told'}); when the"
            " queue delivers the message again, another execution takes the run over."
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
    total = report.total
    if report.adds_up:
        sums = (
            f"{total.rows_in:,} rows in = {total.filtered:,} filtered + {total.rejected:,} rejected"
            f" + {total.removed:,} removed + {total.stored:,} stored: the counts add up"
        )
        if total.warned:
            sums += f" ({total.warned:,} of the rows break a rule that only warns)"
        if total.superseded:
            sums += f" ({total.superseded:,} stay in DynamoDB as a newer run stored them)"
        console.print(Text(sums, style="green"))
    else:
        console.print(Text("the counts do NOT add up", style="bold red"))
    run = report.snapshot.run
    items = run.raw.get("items") if run else None
    if items and "stored" in items:
        told = ", ".join(f"{items[name]:,} {name}" for name in ("stored", "rejected", "failed"))
        console.print(f"{items['total']:,} items of the array: {told}")


def _print_items(console: Console, items: Sequence[Item]) -> None:
    if not items:
        return
    title(console, "Some stored items (DynamoDB)")
    names = list(dict.fromkeys(name for item in items for name in item))
    titles = ["attribute", *(f"item {number}" for number in range(1, len(items) + 1))]
    console.print(records_table(titles, [[name, *(i.get(name) for i in items)] for name in names]))


def _print_warehouse(console: Console, questions: Sequence[Question]) -> None:
    for question in questions:
        title(console, "Warehouse (Redshift Data API)")
        console.print(Text(question.sql, style="italic"))
        if question.result is None:
            console.print(Text(f"no answer: {question.failure}", style="bold red"))
        else:
            console.print(_result_view(question))


def _result_view(question: Question) -> RenderableType:
    """A table; a single wide row goes from top to bottom."""
    result = question.result
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


def _print_commands(console: Console, commands: Sequence[str]) -> None:
    title(console, "To look further")
    for command in commands:
        console.print(command, soft_wrap=True)


def _question_json(question: Question) -> dict[str, Any]:
    result = question.result
    return {
        "sql": question.sql,
        "failure": question.failure,
        "rows": [dict(zip(result.columns, row, strict=True)) for row in result.rows]
        if result
        else [],
    }
