"""List buckets of several sizes, each way in turn, and print what a key costs."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

SIZES: Final = (10_000, 100_000, 1_000_000)
REFERENCE: Final = "boto3"
WAYS: Final = (REFERENCE, "listing", "manifest")


@dataclass(frozen=True)
class Cost:
    """Of one way and one size: medians.

    Attributes:
        microseconds: of processor time, for each key.
        rate: keys a second, by the clock.
        megabytes: by which the process grew at most (its peak), and `peak`, of the whole process.
    """

    way: str
    keys: int
    microseconds: float
    rate: float
    megabytes: float


@contextmanager
def served() -> Iterator[str]:
    """The port of a server in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.listing.server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603
        try:
            yield server.stdout.readline().strip() if server.stdout else ""
        finally:
            server.terminate()


def one(way: str, port: str, keys: int) -> dict[str, Any]:
    """What one listing took, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.listing.one_way", way, port, str(keys)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)  # noqa: S603
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def measure(sizes: Sequence[int], rounds: int) -> list[Cost]:
    """Each size each way in turn, so many times."""
    costs = []
    with served() as port:
        for keys in sizes:
            taken: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
            for _ in range(rounds):
                for way in WAYS:
                    taken[way].append(one(way, port, keys))
            costs += [
                Cost(
                    way,
                    keys,
                    median(each["processor"] for each in taken[way]) / keys * 1e6,
                    keys / median(each["seconds"] for each in taken[way]),
                    median(each["megabytes"] for each in taken[way]),
                )
                for way in WAYS
            ]
    return costs


def table(costs: Sequence[Cost]) -> str:
    """Markdown; ratios are to boto3 with as many keys."""
    lines = [
        "| keys | way | processor a key, µs | keys a second | MB grown |",
        "|---|---|---|---|---|",
    ]
    of_reference = {cost.keys: cost for cost in costs if cost.way == REFERENCE}
    for cost in costs:
        to = of_reference[cost.keys]
        lines.append(
            f"| {cost.keys:,} | {cost.way}"
            f" | {cost.microseconds:.1f} ({cost.microseconds / to.microseconds:.2f})"
            f" | {cost.rate:,.0f} ({cost.rate / to.rate:.2f}) | {cost.megabytes:.0f} |"
        )
    return "\n".join(lines)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="KEYS")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(table(measure(options.sizes, options.rounds)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
