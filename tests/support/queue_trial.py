"""A trial of the queue: what a seed draws happens to it, and then all that must hold is checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any, Final

from interleaving import Invocation
from queue_world import ENGINE_POOL, QueueWorld

from contracts.job import JobState, Priority
from contracts.ledger_items import PoolItem

NAMED_POOL: Final = "nightly"
TROUBLE_SECONDS: Final = 600.0  # so long things break; what follows is undisturbed
FATES: Final = ("before", "after", "lost", "repeated")


def trial(
    put: Callable[[str, str], Any],
    seed: int,
    *,
    skew: float = 120.0,
    befallen: Counter[tuple[str, str]] | None = None,
) -> QueueWorld:
    """Several runs in two pools, with all kinds of trouble.

    Args:
        skew: by how many seconds each function's clock may be wrong.
        befallen: what befell calls in earlier trials; what did not yet is likelier.
    """
    draw = Random(seed)  # noqa: S311
    so_far = Counter() if befallen is None else befallen
    world = QueueWorld(put, seed, {ENGINE_POOL: draw.randint(1, 3), NAMED_POOL: draw.randint(1, 2)})

    chance = draw.choice((0.0, 0.03, 0.08))  # of each outside call to fail

    def fate(_invocation: Invocation, call: str) -> str | None:
        if world.at_once.now > TROUBLE_SECONDS:
            return None
        kind = draw.choice(FATES)
        likelier = 8 if so_far[call, kind] == 0 else 1
        if draw.random() >= chance * likelier:
            return None
        so_far[call, kind] += 1
        return kind

    world.at_once.fate = fate
    world.at_once.stalls = lambda call: (
        draw.choice((0.0, 0.0, 0.0, 15.0)) if call == "Glue start_job_run" else 0.0
    )
    world.ahead = lambda: draw.uniform(-skew, skew)
    world.job_seconds = lambda: draw.choice((5.0, 30.0, 120.0))
    world.event_seconds = lambda: draw.choice(((), (1.0,), (1.0, 2.0), (5.0, 30.0)))
    world.index_lag = lambda: (
        draw.choice((0.0, 1.0, 5.0, 45.0)) if world.at_once.now < TROUBLE_SECONDS else 0.0
    )
    for number in range(draw.randint(2, 3)):
        world.run(
            f"run-{number}",
            draw.randint(1, 5),
            draw.choice((None, None, NAMED_POOL)),
            draw.choice((Priority.NORMAL, Priority.NORMAL, Priority.HIGH, Priority.LOW)),
            draw.choice((0.0, 3.0, 40.0)),
        )
    if draw.random() < 0.6:
        world.at_once.plan(draw.uniform(1, 300), lambda: world.take_over("run-0"))
    if draw.random() < 0.6:
        world.at_once.plan(draw.uniform(1, 300), lambda: world.stop("run-1"))
    for at in range(0, int(TROUBLE_SECONDS), 100):
        world.at_once.plan(at, lambda: _others_use_it(world, draw))
    world.at_once.plan(TROUBLE_SECONDS, lambda: _nobody_else_uses_it(world))
    world.at_once.run(TROUBLE_SECONDS)
    world.at_once.run(TROUBLE_SECONDS + 2400)
    return world


def check(world: QueueWorld) -> None:
    """What must hold after a trial; that never too many run at once is checked all the time."""
    for unit in world.units:
        results = world.results(unit)
        # A step that failed awaits its callback no more, so nobody hears of that one.
        assert len(results) <= 1, f"{unit}: {results}"
        assert len(results) + len(unit.responses) >= 1, f"{unit} waits for ever"
        assert unit.calls - unit.failed_calls == 1 or unit.run_attempt > 1, unit
    states = Counter(run["JobRunState"] for run in world.glue.runs)
    assert states.keys() <= {"SUCCEEDED", "STOPPED"}
    world.watching = False
    world.at_once.run(world.at_once.now + 200)
    for name in world.limits:
        pool = world.pool(name)
        assert (pool.held, pool.waiting) == ({}, {}), f"leaked in {name}"
    for item in world.ledger._items.values():
        if "job_id" in item and "state" in item:
            assert JobState(item["state"]).ended, item
            assert "active" not in item, item
    _check_order(world)
    for name in world.limits:
        _check_turns(world, PoolItem.key_of(name).item)


def _check_order(world: QueueWorld) -> None:
    for _, before, after in world.granted:
        for job_id in after.held.keys() & before.waiting.keys():
            place = after.held[job_id]
            earlier = [
                ticket
                for ticket in after.waiting.values()
                if ticket.run_id == place.run_id and ticket.number < place.number
            ]
            free = (after.limit or 0) - len(after.held)
            assert len(earlier) <= max(free, 0), f"{job_id} overtook {earlier}"


def _check_turns(world: QueueWorld, name: str) -> None:
    """While a run waits, no other of its priority gets more than two turns before it, beside those
    that had places when they came; a turn that was given back was none."""
    since: dict[str, Counter[str]] = {}  # by waiting run, turns of others since its own last
    for of_pool, before, after in world.granted:
        if of_pool != name:
            continue
        priorities = {ticket.run_id: ticket.priority for ticket in after.waiting.values()}
        for job_id in before.held.keys() & after.waiting.keys():
            for turns in since.values():
                turns[before.held[job_id].run_id] -= 1
        for job_id in after.held.keys() & before.waiting.keys():
            place = after.held[job_id]
            since.pop(place.run_id, None)
            for run_id, turns in since.items():
                if priorities.get(run_id) is place.priority:
                    turns[place.run_id] += 1
        since = {run_id: since.get(run_id, Counter()) for run_id in priorities}
        for run_id, turns in since.items():
            most = max(turns.values(), default=0)
            assert most <= 2 + (after.limit or 0), f"{run_id} waits while others get turns: {turns}"


def _others_use_it(world: QueueWorld, draw: Random) -> None:
    world.places = draw.choice((0, 1, 2, 1000))


def _nobody_else_uses_it(world: QueueWorld) -> None:
    world.places = 1000
