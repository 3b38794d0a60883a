"""`pipeline results`: what came of a run that has ended."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Annotated, Final

import typer
from rich.console import Console

from cli.client.deployment import Deployment
from cli.client.ledger import Run, next_steps_of
from cli.documents.results import ResultsDocument, StoredResults
from cli.exit_codes import NOT_FOUND, STILL_RUNNING, CommandFailed
from cli.options import JsonOption, RegionOption, RunIdArgument, StackOption, find_run
from cli.views.outcome import print_headline, print_sections, result_of
from cli.views.printing import make_console
from cli.views.tables import outcomes_table
from contracts import layout
from contracts.run import RunResult, UnitOutcome, UnitState
from runs.outcome_text import evidence, next_steps

_CHUNK_BYTES: Final = 1024 * 1024


def results(
    run_id: RunIdArgument,
    units: Annotated[
        int, typer.Option(min=0, help="How many units to show, those with losses first.")
    ] = 20,
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """Show what came of a run: outcome, counts, broken rules, failed units, outputs, next steps.

    Reads the results document that the run wrote when it ended. Of a run that has not ended,
    pipeline status --follow shows the progress.
    """
    deployment, run = find_run(stack, region, run_id)
    lines = _document_lines(deployment, run)
    if json_output:
        _write_document(run, lines)
        return
    console = make_console()
    if lines is None:
        _print_result(console, run, result_of(run), (), deployment.stack, units)
    else:
        stored = StoredResults.read(lines)
        result = RunResult.from_json(stored.head)
        _print_result(console, run, result, stored.outcomes, deployment.stack, units)


def _document_lines(deployment: Deployment, run: Run) -> Iterator[bytes] | None:
    """Lines of the document; None where the run ended before it had units.

    Raises:
        CommandFailed: the run has not ended, or its document is gone.
    """
    if not run.status.ended:
        raise CommandFailed(
            f"run {run.run_id} is {run.status}: its results are written when it has ended",
            STILL_RUNNING,
            f"follow it: pipeline status --follow {run.run_id}",
        )
    if run.results_url is None:
        return None
    s3 = deployment.client("s3")
    bucket, key = layout.split_s3_url(run.results_url)
    try:
        body = s3.get_object(Bucket=bucket, Key=key)["Body"]
    except s3.exceptions.NoSuchKey:
        raise CommandFailed(
            f"{run.results_url} is gone: the files of runs expire after RunFilesRetentionDays",
            NOT_FOUND,
            f"the ledger has the totals: pipeline status {run.run_id}",
        ) from None
    lines: Iterator[bytes] = body.iter_lines(chunk_size=_CHUNK_BYTES)
    return lines


def _write_document(run: Run, lines: Iterator[bytes] | None) -> None:
    outcomes: Iterable[UnitOutcome] = ()
    if lines is None:
        document = ResultsDocument.of_run(run)
    else:
        stored = StoredResults.read(lines)
        document, outcomes = ResultsDocument.of_stored(stored.head, run), stored.outcomes
    for part in document.lines(outcomes):
        sys.stdout.write(part)
    sys.stdout.flush()


def _print_result(
    console: Console,
    run: Run,
    result: RunResult,
    outcomes: Iterable[UnitOutcome],
    stack: str | None,
    units: int,
) -> None:
    print_headline(console, result)
    print_sections(console, evidence(result))
    _print_units(console, outcomes, units)
    print_sections(console, next_steps(next_steps_of(run.item, result.next_steps), stack))


def _print_units(console: Console, outcomes: Iterable[UnitOutcome], most: int) -> None:
    """Units with losses first; at most `most` of each kind are held and shown."""
    lossy: list[UnitOutcome] = []
    clean: list[UnitOutcome] = []
    count = 0
    for outcome in outcomes:
        count += 1
        lost = outcome.rows.rejected or outcome.rows.warned
        group = lossy if lost or outcome.status is not UnitState.STORED else clean
        if len(group) < most:
            group.append(outcome)
    shown = [*lossy, *clean][:most]
    if shown:
        console.print()
        console.print(outcomes_table(shown))
    if count > len(shown):
        console.print(f"{len(shown)} of {count} units shown (--units, or --json for all)")
