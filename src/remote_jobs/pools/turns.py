"""Whose turn it is in a pool: pure functions from one state of its record to the next.

Runs take turns by start-time fair queueing: each run has a virtual time at which its next turn
starts, a turn lasts one unit of it, divided by the weight of the run's priority, and the turn that
starts first is granted first. A run that comes new starts at the pool's clock, so it waits for
nobody's backlog. Each turn that is granted moves the clock on, so however many new runs come, those
that wait are not behind them for ever: nobody starves. Within a run the lowest ticket number comes
first.

Every function may be repeated for the same job: a conditional write may be done without its writer
getting to know.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Final, TypeVar

from contracts.job import JobKey, Priority
from contracts.ledger_items import Place, PoolItem, Ticket

Value = TypeVar("Value")
WEIGHTS: Final[Mapping[Priority, float]] = {
    Priority.HIGH: 10.0,
    Priority.NORMAL: 1.0,
    Priority.LOW: 0.1,
}
# Both bound the record's size: an item has at most 400 KB (Amazon DynamoDB Developer Guide,
# "Quotas in Amazon DynamoDB"), a ticket takes up to 200 bytes, a place 250. Who finds the queue
# full gets a ticket from the watcher as soon as there is room.
MOST_TICKETS: Final = 1000
MOST_PLACES: Final = 500
# How long an engine is left alone after it refused a job though there was a place: seconds after
# the first refusal, doubled by each further one.
REFUSED_SECONDS: Final = 15
REFUSED_SECONDS_AT_MOST: Final = 120


def places_free(pool: PoolItem, now: float) -> int:
    """Places that may be taken now; none while the engine refuses jobs."""
    if pool.limit is None or now < pool.refused_until:
        return 0
    return max(0, min(pool.limit, MOST_PLACES) - len(pool.held))


def in_turn(pool: PoolItem) -> Iterator[tuple[str, float]]:
    """The waiting jobs as they get places, each with the start of its turn in virtual time."""
    of_runs: dict[str, list[tuple[int, str, float]]] = defaultdict(list)
    for job_id, ticket in pool.waiting.items():
        turn = 1 / WEIGHTS[ticket.priority]
        of_runs[ticket.run_id].append((ticket.number, job_id, turn))
    heads: list[tuple[float, int, str, str, float]] = []
    rest = {run_id: iter(sorted(tickets)) for run_id, tickets in of_runs.items()}

    def put(run_id: str, starts: float) -> None:
        if (head := next(rest[run_id], None)) is not None:
            number, job_id, turn = head
            heapq.heappush(heads, (starts, number, run_id, job_id, turn))

    for run_id in rest:
        put(run_id, max(pool.clock, pool.next_turns.get(run_id, pool.clock)))
    while heads:
        starts, _, run_id, job_id, turn = heapq.heappop(heads)
        yield job_id, starts
        put(run_id, starts + turn)


def drawn(pool: PoolItem, job_id: str, key: JobKey, priority: Priority, now: float) -> PoolItem:
    """Draw a ticket for the job, unless it has one or a place, or too many wait already."""
    if job_id in pool.held or job_id in pool.waiting or len(pool.waiting) >= MOST_TICKETS:
        return pool
    number = pool.tickets + 1
    ticket = Ticket(number=number, key=str(key), priority=priority, since=now)
    return replace(pool, tickets=number, waiting={**pool.waiting, job_id: ticket})


def entered(
    pool: PoolItem, job_id: str, key: JobKey, priority: Priority, now: float
) -> tuple[PoolItem, bool]:
    """Draw a ticket, unless the job has one; take a place if there is one behind those in front.

    Returns:
        Whether it has a place.
    """
    if job_id in pool.held:
        return pool, True
    pool = drawn(pool, job_id, key, priority, now)
    for in_front, (waiting, starts) in enumerate(islice(in_turn(pool), places_free(pool, now))):
        if waiting == job_id:
            return _taken(pool, job_id, starts, now, is_first=in_front == 0), True
    return pool, False


def granted(pool: PoolItem, most: int, now: float) -> tuple[PoolItem, list[str]]:
    """Give the free places, up to `most`, to those whose turn it is; returns their job ids."""
    places = max(0, min(most, places_free(pool, now)))
    first = list(islice(in_turn(pool), places))
    for job_id, starts in first:
        pool = _taken(pool, job_id, starts, now, is_first=True)
    return pool, [job_id for job_id, _ in first]


def returned(pool: PoolItem, job_id: str, taken: float, now: float, *, refused: bool) -> PoolItem:
    """The job gives its place back and waits again with the ticket that it had.

    Args:
        taken: of the place; one that was given to another call since is that one's to return.
        refused: by the engine, for want of a place; then nobody tries it for a while. Submissions
            that were under way at the first refusal count as one with it.
    """
    place = pool.held.get(job_id)
    if place is None or place.taken != taken:
        return pool
    ticket = Ticket(number=place.number, key=place.key, priority=place.priority, since=place.since)
    pool = replace(
        pool,
        held=_without(pool.held, job_id),
        waiting={**pool.waiting, job_id: ticket},
    )
    if place.run_id in pool.next_turns:  # the turn was none, so the run gets it back
        next_turn = pool.next_turns[place.run_id] - 1 / WEIGHTS[place.priority]
        pool = _pruned(replace(pool, next_turns={**pool.next_turns, place.run_id: next_turn}))
    if refused and now >= pool.refused_until:
        refusals = pool.refusals + 1
        seconds = min(REFUSED_SECONDS * 2.0 ** (refusals - 1), REFUSED_SECONDS_AT_MOST)
        pool = replace(pool, refusals=refusals, refused_until=now + seconds)
    return pool


def held_back(pool: PoolItem, until: float) -> PoolItem:
    """Nobody is to be submitted before then."""
    return replace(pool, refused_until=max(pool.refused_until, until))


def left(pool: PoolItem, jobs: Iterable[str]) -> PoolItem:
    """These jobs have ended: they neither wait nor hold a place any more."""
    gone = set(jobs)
    if held := gone & pool.held.keys():
        # One of ours has ended, so the engine may have a place again.
        pool = replace(pool, held=_without(pool.held, *held), refused_until=0.0)
    if waiting := gone & pool.waiting.keys():
        pool = _pruned(replace(pool, waiting=_without(pool.waiting, *waiting)))
    return pool


def accepted(pool: PoolItem) -> PoolItem:
    """The engine has taken a job: it refuses none any more."""
    return replace(pool, refusals=0, refused_until=0.0) if pool.refusals else pool


def found_running(
    pool: PoolItem, jobs: Mapping[str, tuple[JobKey, Priority]], now: float
) -> PoolItem:
    """These jobs run: each holds a place, even if there are more of them than places."""
    held = dict(pool.held)
    for job_id, (key, priority) in jobs.items():
        if job_id in held:
            continue
        ticket = pool.waiting.get(job_id)
        number, since = (ticket.number, ticket.since) if ticket else (0, now)
        held[job_id] = Place(number=number, key=str(key), priority=priority, since=since, taken=now)
    if held.keys() == pool.held.keys():
        return pool
    return replace(pool, held=held, waiting=_without(pool.waiting, *held))


def given_again(pool: PoolItem, jobs: Iterable[str], now: float) -> PoolItem:
    """These jobs hold places that no call submits them with; another call may, from now on."""
    again = {
        job_id: replace(pool.held[job_id], taken=now) for job_id in jobs if job_id in pool.held
    }
    return replace(pool, held={**pool.held, **again}) if again else pool


def _taken(pool: PoolItem, job_id: str, starts: float, now: float, *, is_first: bool) -> PoolItem:
    ticket = pool.waiting[job_id]
    place = Place(
        number=ticket.number,
        key=ticket.key,
        priority=ticket.priority,
        since=ticket.since,
        taken=now,
    )
    next_turn = starts + 1 / WEIGHTS[ticket.priority]
    clock = max(pool.clock, starts) if is_first else pool.clock
    weights = {each.run_id: WEIGHTS[each.priority] for each in pool.waiting.values()}
    taken = replace(
        pool,
        held={**pool.held, job_id: place},
        waiting=_without(pool.waiting, job_id),
        next_turns={**pool.next_turns, ticket.run_id: next_turn},
        # Half of what all runs that wait get while one turn is granted: new runs come before those
        # that had a turn just now, but not for ever.
        clock=clock + 1 / (2 * sum(weights.values())),
    )
    return _pruned(taken)


def _pruned(pool: PoolItem) -> PoolItem:
    """Forget what decides nothing any more, so that the record stays small."""
    clock = pool.clock
    if not pool.waiting:  # nobody is to be compared with anybody
        clock = max([clock, *pool.next_turns.values()])
    later = {run_id: turn for run_id, turn in pool.next_turns.items() if turn > clock}
    return replace(pool, clock=clock, next_turns=later)


def _without(values: Mapping[str, Value], *names: str) -> dict[str, Value]:
    gone = set(names)
    return {name: value for name, value in values.items() if name not in gone}
