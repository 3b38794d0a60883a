"""`pipeline rejected`: the rows that a run did not store, with their reasons."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from cli.client.ledger import short_url
from cli.client.quarantine import Reject, RowValues, read_snapshot, rejected_rows, summary
from cli.documents.base import print_document
from cli.documents.rejected import BrokenRule, RejectedDocument, RejectedRow
from cli.exit_codes import NOT_FOUND, REFUSED, CommandFailed
from cli.options import (
    JsonOption,
    RegionOption,
    RunIdArgument,
    StackOption,
    find_run,
    ledger_of,
)
from cli.views.printing import make_console
from cli.views.tables import records_table
from contracts.dataset import DatasetSnapshot

_SHOWN: Final = 80  # characters of a value or a raw row in the table


def rejected(
    run_id: RunIdArgument,
    unit: Annotated[
        str | None, typer.Option(help="Only rows of this unit, such as 00000-003.")
    ] = None,
    rule: Annotated[str | None, typer.Option(help="Only rows that this rule rejected.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="Rows to show; 0 shows all.")] = 50,
    out: Annotated[
        Path | None,
        typer.Option(help="Write all rows to this new file, one JSON object per line."),
    ] = None,
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """Show the rows that a run rejected, with the rule and the reason.

    Reads the run's quarantine objects. To have rows processed after all, write them to a file with
    --out, correct the values of each line, delete the lines that are not worth it, and send the
    file: pipeline resend.
    """
    if out is not None and out.exists():
        raise CommandFailed(f"--out {out} exists already", REFUSED, "give another name")
    deployment, run = find_run(stack, region, run_id)
    run_id = run.run_id
    found = _Found(read_snapshot(deployment, run_id), rule)
    rows = rejected_rows(deployment, found.snapshot, unit)
    if out is None:
        found.show(rows, limit)
    else:
        found.write(rows, out, RowValues(deployment, found.snapshot))
    if unit and not found.counts and not rule:
        raise CommandFailed(
            f"unit {unit} of run {run_id} has no rejected rows",
            NOT_FOUND,
            f"pipeline units {run_id} lists the units with their counts",
        )
    units = ledger_of(deployment).units(run_id) if found.units else []
    failed = [row.unit_id for row in units if row.failure and row.unit_id in found.units]
    if json_output:
        print_document(found.document(run_id, out, failed))
        return
    _print(run_id, found, out)
    if failed:
        make_console().print(
            f"{len(failed)} of these units failed ({', '.join(failed[:5])}): none of their rows"
            f" are stored, not even the valid ones; pipeline results {run_id} says what to do",
            soft_wrap=True,
        )
    partly = [row for row in units if not row.failure and row.unit_id in found.units]
    left_out = sum(row.item.objects.failed for row in partly if row.item.objects)
    if left_out:
        make_console().print(
            f"{left_out} objects of these units were left out: none of their rows are stored, not"
            f" even the valid ones; pipeline results {run_id} says what to do",
            soft_wrap=True,
        )


@dataclass
class _Found:
    """Rejected rows as they are read: all are counted, some are retained for display."""

    snapshot: DatasetSnapshot
    rule: str | None
    counts: Counter[tuple[str, str | None]] = field(default_factory=Counter)
    units: set[str] = field(default_factory=set)
    shown: list[Reject] = field(default_factory=list)

    def show(self, rows: Iterable[tuple[str, Reject]], limit: int) -> None:
        for unit_id, reject in self._counted(rows):
            if not limit or len(self.shown) < limit:
                self.shown.append({"unit": unit_id, **reject})

    def write(self, rows: Iterable[tuple[str, Reject]], out: Path, values: RowValues) -> None:
        with out.open("w", encoding="utf-8") as file:
            for unit_id, reject in self._counted(rows):
                line = {"unit": unit_id, **values.added_to(reject)}
                file.write(json.dumps(line, ensure_ascii=False) + "\n")

    def _counted(self, rows: Iterable[tuple[str, Reject]]) -> Iterator[tuple[str, Reject]]:
        for unit_id, reject in rows:
            if self.rule in (None, reject["rule"]):
                self.units.add(unit_id)
                self.counts[reject["rule"], reject.get("column")] += 1
                yield unit_id, reject

    def document(self, run_id: str, out: Path | None, failed: list[str]) -> RejectedDocument:
        return RejectedDocument(
            run_id=run_id,
            rows=self.counts.total(),
            rules=tuple(
                BrokenRule(rule=rule, column=column, rows=rows)
                for (rule, column), rows in self.counts.items()
            ),
            shown=tuple(RejectedRow.of(reject) for reject in self.shown),
            out=str(out) if out else None,
            failed_units=tuple(failed),
        )


def _print(run_id: str, found: _Found, out: Path | None) -> None:
    console, counts, shown = make_console(), found.counts, found.shown
    if shown:
        place = ("unit", "line") if found.snapshot.group is None else ("unit", "object", "line")
        titles = (*place, "rule", "column", "reason", "raw")
        console.print(records_table(titles, [_cells(reject, titles) for reject in shown]))
    named = [(" ".join(filter(None, key)), rows) for key, rows in counts.most_common()]
    console.print(f"{counts.total()} rejected rows" + (f" ({summary(named)})" if named else ""))
    if out:
        console.print(
            f"{out}: correct the `values`, then: pipeline resend {out} --run {run_id}",
            soft_wrap=True,
        )
    elif counts.total() > len(shown):
        console.print(f"{len(shown)} of them are shown; --limit 0 shows all, --out writes all")


def _cells(reject: Reject, titles: tuple[str, ...]) -> tuple[str, ...]:
    texts = []
    for title in titles:
        value = _cell(reject, title)
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        text = "" if value is None else text
        texts.append(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…")
    return tuple(texts)


def _cell(reject: Reject, title: str) -> Any:
    """The value; a row that transform rejected has neither a line nor a text of its own."""
    if title == "raw":
        return reject.get("raw", reject.get("row", reject.get("result")))
    if title == "object":
        source_object = reject.get("object")
        if isinstance(source_object, str):
            return short_url(source_object)
        return short_url(reject.get("source", ""))
    return reject.get(title)
