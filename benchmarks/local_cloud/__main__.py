"""Measure the local cloud, and print its tables; Linux only, for it reads `/proc`."""

from __future__ import annotations

import argparse
import logging
import math
import sys

from benchmarks.local_cloud import chained, runs, starts


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--messages", type=int, default=500)
    parser.add_argument("--units", type=int, default=1_000)
    parser.add_argument("--invokes", type=int, nargs="*", default=[30, 100, 300])
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    if options.child:
        runs.run_cloud(options.child[0], int(options.child[1]))
        return 0
    print("| a function's process, until it is ready | processor time, ms | ratio |\n|---|---|---|")
    ways = starts.milliseconds(options.rounds)
    for name, value in ways.items():
        print(f"| {name} | {value:.1f} | {value / ways[starts.ALONE]:.2f} |", flush=True)
    if options.invokes:
        print("\n| invokes, ten at a time | each, ms | grows by n to the power of |")
        print("|---|---|---|")
        previous: tuple[int, float] | None = None
        for size, each in chained.milliseconds(options.invokes, options.rounds).items():
            power = 1 + math.log(each / previous[1], size / previous[0]) if previous else None
            print(f"| {size} | {each:.1f} | {f'{power:.2f}' if power is not None else ''} |")
            previous = size, each
    wanted = [(kind, getattr(options, kind)) for kind in runs.KINDS if getattr(options, kind)]
    if wanted:
        print(
            "\n| | number | processor time of each, ms | in a second |\n|---|---|---|---|",
            flush=True,
        )
    for kind, number in wanted:
        used, rate = runs.measure(kind, number)
        print(f"| {kind} | {number} | {used * 1000:.0f} | {rate:.1f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
