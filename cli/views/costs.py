"""What runs cost, for people."""

from __future__ import annotations

from cli.documents.costs import CostDocument, RunCostDocument
from cli.views.records import Column, Records, number
from costs.texts import money


def money_or_not(usd: float | None) -> str:
    return "not known" if usd is None else money(usd)


def bill(run: RunCostDocument) -> Records:
    """A line per meter."""
    columns = (Column("service"), Column("meter"), number("amount"), number("cost"))
    rows = (
        (
            line.service,
            line.meter,
            f"{line.amount:,}",
            "no price" if line.usd is None else money(line.usd),
        )
        for line in run.lines
    )
    return Records.of(columns, rows)


def costs_table(document: CostDocument) -> Records:
    """A line per run."""
    columns = (
        Column("run"),
        Column("dataset"),
        Column("status", drop=2),
        number("units"),
        number("cost"),
        Column("estimate", right=True, drop=1),
        Column("a unit", right=True, drop=3),
    )
    return Records.of(columns, map(_row, document.runs))


def _row(run: RunCostDocument) -> tuple[str, ...]:
    return (
        run.run_id,
        run.dataset_name,
        run.status.value,
        f"{run.units:,}",
        money_or_not(run.usd) + (" so far" if run.so_far and run.usd is not None else ""),
        "" if run.estimated_usd is None else money(run.estimated_usd),
        "" if run.usd_per_unit is None else money(run.usd_per_unit),
    )


def summary(run: RunCostDocument, prices_of: str) -> list[str]:
    """What is to be said of one run's cost, line by line."""
    if run.usd is None:
        why = "it has not ended a unit yet" if run.so_far else "an earlier release ran it"
        return [f"what run {run.run_id} has used is not known: {why}"]
    said = [f"run {run.run_id}: {money_or_not(run.usd)}{' so far' if run.so_far else ''}"]
    if run.usd_per_unit is not None:
        said[0] += f", {money(run.usd_per_unit)} a unit ({run.units:,} units)"
    if run.estimated_usd is not None:
        said[0] += f"; estimated {money(run.estimated_usd)}"
    if run.not_priced:
        said.append(f"not priced: {', '.join(run.not_priced)}")
    if run.unmetered_units:
        said.append(f"{run.unmetered_units:,} units did not say what they used")
    said.append(f"list prices of {prices_of}, without free tier; docs/cost.md has what is left out")
    return said
