"""`pipeline results`: the results document of a run."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.text import Text

from cli.client.deployment import Deployment
from cli.client.ledger import Run
from cli.exit_codes import NOT_FOUND, STILL_RUNNING, CommandFailed
from cli.options import JsonOption, RegionOption, RunIdArgument, StackOption, find_run
from cli.views.outcome import print_failures, print_findings, print_lines, print_next_steps
from cli.views.tables import STATUS_STYLES, make_console, outcomes_table, print_json
from contracts import layout
from contracts.manifest import left_out
from contracts.run import RunResult, UnitOutcome, UnitStatus
from runs.notification_text import balance, missing_in_warehouse, published

_OUTCOMES: Final = b'"outcomes": ['
_CHUNK_BYTES: Final = 1024 * 1024


@dataclass(frozen=True)
class Document:
    """A results document, as record-run writes it.

    Attributes:
        head: all of it but its outcomes.
        outcomes: of every unit, in manifest order; can be gone through once.
    """

    head: dict[str, Any]
    outcomes: Iterator[UnitOutcome]

    @classmethod
    def read(cls, lines: Iterable[bytes]) -> Document:
        """Read the head; the outcomes, of which there may be 100,000, as they are asked for."""
        rest = iter(lines)
        head: list[bytes] = []
        for line in rest:
            if line.strip() == _OUTCOMES:
                break
            head.append(line)
        values = json.loads(b"\n".join(head).rstrip().removesuffix(b",") + b"}")
        return cls(values, _outcomes(rest))


def _outcomes(lines: Iterator[bytes]) -> Iterator[UnitOutcome]:
    for line in lines:
        text = line.strip().removesuffix(b",")
        if text.startswith(b"{"):
            yield UnitOutcome.from_json(json.loads(text))


def results(
    run_id: RunIdArgument,
    units: Annotated[
        int, typer.Option(min=0, help="How many units to show, those with losses first.")
    ] = 20,
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """What came of a run: outcome, counts, broken rules, failed units, outputs, what to do next.

    Example: pipeline results november-1
    """
    deployment, run = find_run(stack, region, run_id)
    console = make_console()
    lines = _document_lines(deployment, run)
    if lines is None:
        _print_without_units(console, deployment, run, json_output=json_output)
    elif json_output:
        for line in lines:
            sys.stdout.buffer.write(line + b"\n")
        sys.stdout.buffer.flush()
    else:
        _print_document(console, Document.read(lines), deployment.stack, units)


def _document_lines(deployment: Deployment, run: Run) -> Iterator[bytes] | None:
    """Lines of the document; None where the run ended before it had units.

    Raises:
        CommandFailed: the run has not ended, or its document is gone.
    """
    if not run.status.ended:
        raise CommandFailed(
            f"run {run.run_id} is {run.status}: its results are written when it has ended;"
            f" follow it: pipeline status --follow {run.run_id}",
            STILL_RUNNING,
        )
    if run.results_url is None:
        return None
    s3 = deployment.client("s3")
    bucket, key = layout.split_s3_url(run.results_url)
    try:
        body = s3.get_object(Bucket=bucket, Key=key)["Body"]
    except s3.exceptions.NoSuchKey:
        raise CommandFailed(
            f"{run.results_url} is gone: files of runs are kept for RunFilesRetentionDays",
            NOT_FOUND,
        ) from None
    lines: Iterator[bytes] = body.iter_lines(chunk_size=_CHUNK_BYTES)
    return lines


def _print_without_units(
    console: Console, deployment: Deployment, run: Run, *, json_output: bool
) -> None:
    if json_output:
        print_json(console, run.raw)
        return
    _print_outcome(console, run.run_id, (run.outcome or run.status).value, run.reason)
    print_next_steps(console, run.next_steps, deployment.stack)


def _print_document(console: Console, document: Document, stack: str | None, units: int) -> None:
    result = RunResult.from_json(document.head)
    _print_outcome(console, result.run_id, result.outcome.value, result.reason)
    if result.items is not None:
        items = result.items
        console.print(
            f"items: {items.total} = {items.stored} stored + {items.rejected} rejected"
            f" + {items.failed} failed; each has its result under {result.item_results_url}",
            soft_wrap=True,
        )
    console.print(
        f"units: {result.units.total} = {result.units.stored} stored + {result.units.failed} failed"
    )
    console.print(f"rows of stored units: {balance(result.rows)}")
    if result.hidden_objects:
        print_lines(console, [f"objects: {left_out(result.hidden_objects)}"])
    if result.files:
        print_lines(console, [published(result.files)])
    if result.warehouse_error:
        print_lines(console, [missing_in_warehouse(result.warehouse_error)])
    print_findings(console, result.findings)
    print_failures(console, result.failures)
    _print_units(console, document.outcomes, units)
    print_next_steps(console, result.next_steps, stack)


def _print_units(console: Console, outcomes: Iterable[UnitOutcome], most: int) -> None:
    """Those with losses first; of a large run neither all are kept nor shown."""
    lossy: list[UnitOutcome] = []
    clean: list[UnitOutcome] = []
    count = 0
    for outcome in outcomes:
        count += 1
        lost = outcome.rows.rejected or outcome.rows.warned
        kept = lossy if lost or outcome.status is UnitStatus.FAILED else clean
        if len(kept) < most:
            kept.append(outcome)
    shown = [*lossy, *clean][:most]
    if shown:
        console.print()
        console.print(outcomes_table(shown))
    if count > len(shown):
        console.print(f"{len(shown)} of {count} units shown (--units, or --json for all)")


def _print_outcome(console: Console, run_id: str, outcome: str, reason: str | None) -> None:
    line = Text(f"Run {run_id}: ")
    line.append(outcome, style=STATUS_STYLES.get(outcome, ""))
    if reason:
        line.append(f": {reason}")
    console.print(line, soft_wrap=True)
