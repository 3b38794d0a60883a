"""Run chains of stages in turn, each way, and print medians and their ratios."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.orchestration import dbos_way, lambda_way
from benchmarks.orchestration.lambda_way import Execution

PLAIN, FAST, DBOS = "as the SDK has it", "FastSuspend", "DBOS, SQLite"


@dataclass(frozen=True)
class Cost:
    """What a stage costs, in milliseconds; billed: None where nothing is billed by time."""

    name: str
    latency: float
    billed: float | None = None
    invocations: float | None = None


def cost_of(name: str, executions: Sequence[Execution], stages: int) -> Cost:
    """Medians of executions, each for one stage."""
    return Cost(
        name,
        median(each.seconds for each in executions) / stages * 1000,
        median(each.billed for each in executions) / stages * 1000,
        median(each.invocations for each in executions) / stages,
    )


def measure(stages: int, rounds: int) -> list[Cost]:
    """The three ways in turn, so many times; the first time is not counted."""
    plain: list[Execution] = []
    fast: list[Execution] = []
    dbos: list[float] = []
    with lambda_way.deployed() as ours, dbos_way.launched() as theirs:
        for _ in range(rounds + 1):
            plain.append(ours.run(stages, fast=False))
            fast.append(ours.run(stages, fast=True))
            dbos.append(theirs(stages))
    return [
        cost_of(PLAIN, plain[1:], stages),
        cost_of(FAST, fast[1:], stages),
        Cost(DBOS, median(dbos[1:]) / stages * 1000),
    ]


def table(costs: Sequence[Cost]) -> str:
    """Markdown; ratios are to the first row."""
    first = costs[0]
    lines = [
        "| way | latency a stage, ms | billed a stage, ms | invocations a stage |",
        "|---|---|---|---|",
    ]
    for cost in costs:
        cells = [_cell(cost, first, lambda each: each.latency)]
        cells.append(_cell(cost, first, lambda each: each.billed))
        cells.append("" if cost.invocations is None else f"{cost.invocations:.2f}")
        lines.append(f"| {cost.name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(cost: Cost, first: Cost, of: Callable[[Cost], float | None]) -> str:
    value, reference = of(cost), of(first)
    return "" if value is None or not reference else f"{value:.1f} ({value / reference:.2f})"


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stages", type=int, default=20, help="of one chain")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    print(table(measure(options.stages, options.rounds)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
