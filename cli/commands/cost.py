"""`pipeline cost`: what runs have used, and what that costs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from cli.client.deployment import find_deployment
from cli.client.run_costs import cost_of_run, prices_from
from cli.client.run_list import RunList, Wanted
from cli.client.times import since as since_instant
from cli.documents.base import print_document
from cli.documents.costs import CostDocument, RunCostDocument
from cli.exit_codes import REFUSED, CommandFailed
from cli.options import JsonOption, RegionOption, StackOption, find_run, ledger_of
from cli.views.costs import bill, costs_table, summary
from cli.views.printing import make_console
from contracts.run_request import format_timestamp
from costs.prices import Prices
from costs.texts import money


def cost(
    run_id: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="Id of the run, or @last. Without it: --last."),
    ] = None,
    last: Annotated[
        str | None,
        typer.Option(
            help="All runs that were claimed from then on: 30d, a day (2026-11-01) or an instant."
        ),
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="With --last: runs of this dataset.")] = None,
    limit: Annotated[
        int, typer.Option(min=1, help="How many runs are listed; all are counted.")
    ] = 50,
    prices: Annotated[
        Path | None,
        typer.Option(help="Your own table of prices; src/costs/prices.yaml is such a table."),
    ] = None,
    stack: StackOption = None,
    region: RegionOption = None,
    json_output: JsonOption = False,
) -> None:
    """Show what a run has used and what that costs, or what all runs of a time cost.

    Amounts are those that steps and services have reported, retries included; prices are list
    prices of us-east-1 without free tier, of the date in src/costs/prices.yaml. What is not
    counted: docs/cost.md. Of a run that has not ended, the units that have are counted.
    """
    if (run_id is None) == (last is None):
        raise CommandFailed(
            "name one run, or a time with --last",
            REFUSED,
            "pipeline cost november-1, or pipeline cost --last 30d",
        )
    if dataset is not None and last is None:
        raise CommandFailed("--dataset goes with --last", REFUSED, "leave it out: a run has one")
    table = prices_from(prices)
    if run_id is not None:
        document = _of_one(run_id, table, stack, region)
    else:
        document = _of_many(last or "", dataset, limit, table, stack, region)
    if json_output:
        print_document(document)
    else:
        _print(document, one=run_id is not None)


def _of_one(run_id: str, table: Prices, stack: str | None, region: str | None) -> CostDocument:
    deployment, run = find_run(stack, region, run_id)
    # Of a run that has not ended, or whose execution died, only its units have said something.
    units = ledger_of(deployment).units(run.run_id) if run.item.usage is None else None
    return _document((cost_of_run(run, table, units, lines=True),), table)


def _of_many(
    last: str,
    dataset: str | None,
    limit: int,
    table: Prices,
    stack: str | None,
    region: str | None,
) -> CostDocument:
    now = datetime.now(UTC)
    after = since_instant(last, now, "--last")
    deployment = find_deployment(stack, region)
    runs = RunList(deployment.client("dynamodb"), deployment.output("LedgerTable"))
    wanted = Wanted(dataset=dataset, expired=True)
    found = runs.runs(after, now + timedelta(days=1), wanted)
    document = _document(tuple(cost_of_run(run, table) for run in found), table)
    changes = {
        "since": format_timestamp(after),
        "dataset": dataset,
        "runs": document.runs[:limit],
    }
    return document.model_copy(update=changes)


def _document(runs: tuple[RunCostDocument, ...], table: Prices) -> CostDocument:
    known = [run.usd for run in runs if run.usd is not None]
    return CostDocument(
        prices_of=table.label,
        runs=runs,
        counted_runs=len(known),
        unknown_runs=len(runs) - len(known),
        usd=round(sum(known), 8),
    )


def _print(document: CostDocument, *, one: bool) -> None:
    console = make_console()
    if one:
        run = document.runs[0]
        if run.lines:
            console.print(bill(run))
        for line in summary(run, document.prices_of):
            console.print(line, soft_wrap=True)
        return
    if document.runs:
        console.print(costs_table(document))
    total = f"{_runs(document.counted_runs)} since {document.since}: {money(document.usd)}"
    if document.unknown_runs:
        others = "under way, stopped, or of earlier releases"
        total += f"; not counted: {_runs(document.unknown_runs)} {others}"
    console.print(total, soft_wrap=True)
    console.print(f"list prices of {document.prices_of}, without free tier", style="dim")


def _runs(count: int) -> str:
    return f"{count:,} run{'s' * (count != 1)}"
