"""Run one load of jobs through the queue, and print how long they waited."""

from __future__ import annotations

import argparse
import heapq
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Final
from unittest.mock import patch

from moto import mock_aws

from benchmarks.queue.deployment import BUCKET, Deployment, Job, Ran
from contracts.job import Priority
from contracts.ledger_items import PoolItem
from remote_jobs.pools import turns
from runtime import clients
from runtime.handler import metrics
from sources import frozen

PLACES: Final = 3
# Of the runs, in the order in which they come.
SIZES: Final = (60, 1, 10, 3, 80, 1, 25, 1, 50, 19)
JOB_SECONDS: Final = (60.0, 180.0)
PAUSE_SECONDS: Final = (100.0, 900.0)  # between two runs
TIMEOUT_SECONDS: Final = 3600
AT_MOST: Final = 1.1


@dataclass(frozen=True)
class Waits:
    """How the jobs of a load waited.

    Attributes:
        mean, longest: seconds.
        idle: place-seconds in which a place was free while a job waited.
        never: jobs that timed out before they had a place.
        calls: of submit-job by orchestrators, for each job.
    """

    name: str
    mean: float
    longest: float
    idle: float
    never: int = 0
    calls: float = 1


def load_of(sizes: Sequence[int], seed: int) -> list[Job]:
    """Runs of these sizes, each asking for all its jobs when it comes."""
    draw = Random(seed)  # noqa: S311
    begins = accumulate([0.0, *(draw.uniform(*PAUSE_SECONDS) for _ in sizes[1:])])
    return [
        Job(f"run-{number}", position, asked, draw.uniform(*JOB_SECONDS))
        for number, (size, asked) in enumerate(zip(sizes, begins, strict=True))
        for position in range(size)
    ]


def perfect(load: Sequence[Job], places: int) -> list[Ran]:
    """First come, first served, without any delay: no place is free while a job waits."""
    free = [0.0] * places
    ran = []
    for job in sorted(load, key=lambda job: job.asked):
        started = max(job.asked, heapq.heappop(free))
        ran.append(Ran(job, started))
        heapq.heappush(free, started + job.seconds)
    return ran


def perfect_in_turn(load: Sequence[Job], places: int) -> list[Ran]:
    """Runs take turns as in the queue, without any delay."""
    jobs = {str(job.key): job for job in load}
    pool = PoolItem(name="perfect", limit=places)
    comes = sorted(load, key=lambda job: job.asked)
    ends: list[tuple[float, str]] = []
    ran, now = [], 0.0
    while comes or ends:
        now = min([job.asked for job in comes[:1]] + [end for end, _ in ends[:1]])
        while ends and ends[0][0] <= now:
            pool = turns.left(pool, [heapq.heappop(ends)[1]])
        while comes and comes[0].asked <= now:
            job = comes.pop(0)
            pool = turns.drawn(pool, str(job.key), job.key, Priority.NORMAL, now)
        pool, given = turns.granted(pool, places, now)
        for name in given:
            ran.append(Ran(jobs[name], now))
            heapq.heappush(ends, (now + jobs[name].seconds, name))
    return ran


def polling(load: Sequence[Job], places: int, seed: int) -> tuple[list[Ran], int]:
    """As it was before the queue: each job asks again by itself, after 15 s, 30 s, and so on, up to
    an eighth of its timeout, each time by up to a half less. Returns the calls, too."""
    draw = Random(seed)  # noqa: S311
    longest = min(3600.0, max(15.0, TIMEOUT_SECONDS / 8))
    asking = [(job.asked, number, 0, job) for number, job in enumerate(load)]
    heapq.heapify(asking)
    ends: list[float] = []
    ran, calls = [], 0
    while asking:
        now, number, asked, job = heapq.heappop(asking)
        calls += 1
        ends = [end for end in ends if end > now]
        if now - job.asked > TIMEOUT_SECONDS:
            continue
        if len(ends) < places:
            ran.append(Ran(job, now))
            ends.append(now + job.seconds)
        else:
            delay = min(15.0 * 2**asked, longest) * draw.uniform(0.5, 1)
            heapq.heappush(asking, (now + delay, number, asked + 1, job))
    return ran, calls


def waits_of(name: str, load: Sequence[Job], ran: Sequence[Ran], calls: int) -> Waits:
    """What is said of them; a job that never ran counts with its timeout."""
    never = len(load) - len(ran)
    waits = [each.waited for each in ran] + [float(TIMEOUT_SECONDS)] * never
    mean = sum(waits) / len(waits)
    return Waits(name, mean, max(waits), idle(ran), never, calls / len(load))


def idle(ran: Sequence[Ran], places: int = PLACES) -> float:
    """Place-seconds in which a place was free and a job, which ran later, waited."""
    changes = [(each.job.asked, 1, 0) for each in ran]
    changes += [(each.started, -1, 1) for each in ran]
    changes += [(each.ended, 0, -1) for each in ran]
    seconds, before, waiting, running = 0.0, 0.0, 0, 0
    for at, more_waiting, more_running in sorted(changes):
        seconds += (at - before) * min(waiting, max(0, places - running))
        before, waiting, running = at, waiting + more_waiting, running + more_running
    return seconds


def measure(sizes: Sequence[int] = SIZES, seed: int = 1) -> list[Waits]:
    """The reference first, another one, the queue with events and without, and polling."""
    load = load_of(sizes, seed)
    found = [
        waits_of("perfect, runs take turns", load, perfect_in_turn(load, PLACES), len(load)),
        waits_of("perfect, first come first served", load, perfect(load, PLACES), len(load)),
    ]
    for name, events in (("queue, woken by events", True), ("queue, by the schedule only", False)):
        with small_aws():
            deployment = Deployment(load, PLACES, events=events)
            found.append(waits_of(name, load, deployment.run(), deployment.calls))
    ran, calls = polling(load, PLACES, seed)
    found.append(waits_of("polling, as before", load, ran, calls))
    return found


@contextmanager
def small_aws() -> Iterator[None]:
    """S3, with what runs have frozen; of nobody else."""
    clients.client.cache_clear()
    frozen.read_snapshot.cache_clear()
    frozen.read_manifest_part.cache_clear()
    try:
        with mock_aws(), patch.dict(os.environ, AWS_DEFAULT_REGION="us-east-1"):
            clients.client("s3").create_bucket(Bucket=BUCKET)
            yield
    finally:
        clients.client.cache_clear()
        metrics.clear_metrics()


def table(found: Sequence[Waits]) -> str:
    """Markdown; in brackets times the reference."""
    reference = found[0]
    lines = [
        "| scheduler | mean wait, s | longest, s | idle place-seconds | timed out | calls a job |",
        "|---|---|---|---|---|---|",
    ]
    for waits in found:
        mean = f"{waits.mean:,.0f} ({waits.mean / reference.mean:.2f})"
        longest = f"{waits.longest:,.0f} ({waits.longest / reference.longest:.2f})"
        lines.append(
            f"| {waits.name} | {mean} | {longest} | {waits.idle:,.0f} | {waits.never} "
            f"| {waits.calls:.1f} |"
        )
    return "\n".join(lines)


def main() -> int:
    """Print the table; fail if the queue with events waits longer than it may."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    found = measure(seed=options.seed)
    print(table(found))
    ratio = found[2].mean / found[0].mean
    print(f"\nmean wait with events, beside the perfect scheduler: {ratio:.3f} (at most {AT_MOST})")
    return int(ratio > AT_MOST)


if __name__ == "__main__":
    sys.exit(main())
