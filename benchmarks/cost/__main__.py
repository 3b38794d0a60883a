"""Print what orchestrating a thousand objects costs, each way, and the ratios."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.cost.ours import MEGABYTES, milliseconds_per_invocation, orchestrated
from benchmarks.cost.transitions import machine, transitions
from contracts.costs.usage import Amounts, Meter
from costs.model import cost_of
from costs.prices import Prices, shipped_prices

OBJECTS: Final = 1000
POLLS: Final = 10
GROUP: Final = 200
_RECORD_UNIT_MB_MS: Final = 256 * 60  # of one call of record-unit: assumed, as AWS was not measured
_TRANSITIONS: Final = "state-transitions"


@dataclass(frozen=True)
class Way:
    """One way to do the work.

    Attributes:
        counted: what is billed of it, as text.
        usd: for OBJECTS objects.
    """

    name: str
    counted: str
    usd: float


@dataclass(frozen=True)
class Goal:
    """Ours is to cost at most a `least`-th of the other."""

    ours: str
    other: str
    least: float


POLL, TOKEN = "Step Functions, poll loop", "Step Functions, task tokens"
MAP, MAP_BATCHED = "Distributed Map, Standard children", f"the same, {GROUP} objects to a child"
OURS, GROUPED = "the pipeline", f"the pipeline, groups of {GROUP}"
FAST, GROUPED_FAST = f"{OURS}, FastSuspend", f"{GROUPED}, FastSuspend"
GOALS: Final = (
    Goal(OURS, POLL, 16),
    Goal(OURS, TOKEN, 2),
    Goal(OURS, MAP, 1.5),
    Goal(GROUPED, POLL, 80),
    Goal(GROUPED, MAP_BATCHED, 1.5),
    Goal(FAST, POLL, 16),
    Goal(FAST, TOKEN, 2),
    Goal(FAST, MAP, 1.5),
)


def theirs(polls: int) -> list[Way]:
    """Step Functions, by counted transitions."""
    found = [
        (POLL, OBJECTS * transitions(machine("poll-loop"), polls=polls)),
        (TOKEN, OBJECTS * transitions(machine("task-token"))),
        (MAP, transitions(machine("distributed-map"), objects=OBJECTS)),
        (MAP_BATCHED, transitions(machine("distributed-map"), objects=OBJECTS, batch=GROUP)),
    ]
    return [
        Way(name, f"{count:,} transitions", cost_of({_TRANSITIONS: count}).usd)
        for name, count in found
    ]


def ours(name: str, usage: Amounts, scale: float, milliseconds: float) -> Way:
    """The pipeline.

    Args:
        usage: of a run.
        scale: so many such runs make OBJECTS objects.
        milliseconds: of an invocation of the orchestrator.
    """
    scaled = {meter: round(amount * scale) for meter, amount in usage.items()}
    recorded = scaled[Meter.REQUESTS.of("record-unit")]
    scaled[Meter.MB_MS.of("record-unit")] = recorded * _RECORD_UNIT_MB_MS
    usd = cost_of(scaled, _with_time(milliseconds)).usd
    counted = (
        f"{scaled[Meter.OPERATIONS]:,} operations, {scaled[Meter.INVOCATIONS]:,} invocations of"
        f" {milliseconds:.0f} ms, {scaled[Meter.WRITTEN_BYTES] / 1e6:.1f} MB"
    )
    return Way(name, counted, usd)


def _with_time(milliseconds: float) -> Prices:
    """The shipped prices, with the orchestrator's time as it was measured here."""
    prices = shipped_prices()
    gb_seconds = MEGABYTES / 1024 * milliseconds / 1000
    return prices.model_copy(
        update={"assumed": {**prices.assumed, "orchestratorGbSeconds": gb_seconds}}
    )


def measure(units: int, polls: int) -> list[Way]:
    """Every way; ours by runs of `units` objects, and of as many groups as OBJECTS make."""
    single, grouped = orchestrated(units), orchestrated(OBJECTS // GROUP)
    slow, fast = (milliseconds_per_invocation(fast=each) for each in (False, True))
    return [
        *theirs(polls),
        ours(OURS, single, OBJECTS / units, slow),
        ours(FAST, single, OBJECTS / units, fast),
        ours(GROUPED, grouped, 1, slow),
        ours(GROUPED_FAST, grouped, 1, fast),
    ]


def table(ways: Sequence[Way]) -> str:
    """Markdown; ratios are to the first row."""
    first = ways[0].usd
    lines = ["| way | counted | USD | of the poll loop |", "|---|---|---|---|"]
    lines += [
        f"| {way.name} | {way.counted} | {way.usd:.4f} | 1/{first / way.usd:.1f} |" for way in ways
    ]
    return "\n".join(lines)


def verdicts(ways: Sequence[Way]) -> str:
    """Which goals are reached."""
    usd = {way.name: way.usd for way in ways}
    lines = ["| goal | measured | reached |", "|---|---|---|"]
    for goal in GOALS:
        ratio = usd[goal.other] / usd[goal.ours]
        lines.append(
            f"| {goal.ours}: at most 1/{goal.least:g} of {goal.other} | 1/{ratio:.1f}"
            f" | {'yes' if ratio >= goal.least else 'no'} |"
        )
    return "\n".join(lines)


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cost", description=__doc__)
    parser.add_argument("--units", type=int, default=200, help="objects of the measured run")
    parser.add_argument("--polls", type=int, default=POLLS, help="of a job, by the poll loop")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    ways = measure(options.units, options.polls)
    print(f"Orchestrating {OBJECTS:,} objects, one job and one store each;", end=" ")
    print(f"jobs are polled {options.polls} times. Prices of {shipped_prices().label}.\n")
    print(table(ways), verdicts(ways), sep="\n\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
