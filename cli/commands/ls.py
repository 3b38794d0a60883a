"""`pipeline ls`: the runs, newest first."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from cli.client.deployment import find_deployment
from cli.client.run_list import STATUSES, RunList, Wanted
from cli.client.times import since as since_instant
from cli.client.unit_pages import UnitPages, with_progress
from cli.documents.base import print_document
from cli.documents.ledger import run_document
from cli.documents.run_list import RunsDocument
from cli.exit_codes import REFUSED, CommandFailed
from cli.options import JsonOption, RegionOption, StackOption
from cli.views.printing import make_console
from cli.views.run_list import runs_table
from contracts.run_request import format_timestamp


def ls(
    since: Annotated[
        str,
        typer.Option(
            help="Runs that were claimed from then on: 24h, 7d, a day (2026-11-01) or an instant."
        ),
    ] = "24h",
    status: Annotated[
        list[str] | None,
        typer.Option(help="Only runs that stand or ended so, such as FAILED; may be repeated."),
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Only runs of this dataset.")] = None,
    running: Annotated[
        bool, typer.Option("--running", help="Only runs that have not ended.")
    ] = False,
    waiting: Annotated[
        bool,
        typer.Option(
            "--waiting", help="Only runs that wait: for their data, or until units run again."
        ),
    ] = False,
    with_losses: Annotated[
        bool, typer.Option("--with-losses", help="Only runs that SUCCEEDED_WITH_LOSSES.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    cursor: Annotated[
        str | None,
        typer.Option(help="Go on where a list before ended: the cursor of its --json."),
    ] = None,
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """List the runs, newest first, with their counts; also those that failed before any unit.

    A run stands where its first claim put it, whatever came later. Of the newest 20 that have not
    ended, what is stored so far is counted. Messages that were refused have no run: pipeline
    dead-letters. More of one run: pipeline show RUN.
    """
    now = datetime.now(UTC)
    after = since_instant(since, now)
    wanted = Wanted(
        statuses=_statuses(status or []),
        dataset=dataset,
        running=running,
        waiting=waiting,
        with_losses=with_losses,
    )
    deployment = find_deployment(stack, region)
    ledger = deployment.client("dynamodb"), deployment.output("LedgerTable")
    runs = RunList(*ledger)
    # A clock of another machine may be ahead.
    found = runs.runs(after, now + timedelta(days=1), wanted, cursor)
    shown = list(itertools.islice(found, limit))
    more = next(found, None) is not None
    shown = with_progress(shown, UnitPages(*ledger))
    if json_output:
        document = RunsDocument(
            since=format_timestamp(after),
            runs=tuple(map(run_document, shown)),
            more=more,
            cursor=shown[-1].item.claimed if more else None,
        )
        print_document(document)
        return
    console = make_console()
    if shown:
        console.print(runs_table(shown, now))
    else:
        which = "" if wanted == Wanted() else " of these"
        console.print(
            f"no run{which} was claimed since {format_timestamp(after.replace(microsecond=0))};"
            " look further back: --since 7d",
            soft_wrap=True,
        )
    if more:
        console.print(
            f"the newest {limit:,} are shown, there are more: --limit, --cursor", style="dim"
        )


def _statuses(texts: list[str]) -> frozenset[str]:
    found = frozenset(text.strip().upper().replace("-", "_") for text in texts)
    if unknown := sorted(found - STATUSES):
        raise CommandFailed(
            f"--status {unknown[0]} is no status of a run",
            REFUSED,
            f"one of {', '.join(sorted(STATUSES))}",
        )
    return found
