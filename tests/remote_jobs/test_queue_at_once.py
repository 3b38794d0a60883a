"""The queue while functions of all kinds run at once, die, and have wrong clocks.

`queue_trial` draws what happens; each trial is the same for the same seed. QUEUE_TRIALS=500 makes
more of them.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import Any, Final

import pytest
from queue_trial import FATES, NAMED_POOL, check, trial
from queue_world import ENGINE_POOL, QueueWorld

TRIALS: Final = int(os.environ.get("QUEUE_TRIALS", "25"))
# Every call of the outside, by service. The client of Glue sends no request twice by itself.
CALLS: Final = {
    "DynamoDB GetItem ADOPTED",
    "DynamoDB GetItem JOB",
    "DynamoDB GetItem POOL",
    "DynamoDB GetItem RUN",
    "DynamoDB PutItem ADOPTED",
    "DynamoDB PutItem JOB",
    "DynamoDB Query JOB",
    "DynamoDB Query POOL",
    "DynamoDB Query active-jobs",
    "DynamoDB UpdateItem JOB",
    "DynamoDB UpdateItem POOL",
    "Glue batch_stop_job_run",
    "Glue get_job_run",
    "Glue get_job_runs",
    "Glue start_job_run",
    "Lambda send_durable_execution_callback_heartbeat",
    "Lambda send_durable_execution_callback_success",
}
# When a job is to be cancelled, and had ended already: too seldom to break in each way.
SELDOM: Final = {"Glue batch_stop_job_run", "Glue get_job_run"}
POSSIBLE: Final = {
    (call, fate)
    for call in CALLS - SELDOM
    for fate in FATES
    if fate != "repeated" or not call.startswith("Glue")
}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_whatever_happens_jobs_run_once_in_turn_and_within_the_limit(cloud: Any) -> None:
    befallen: Counter[tuple[str, str]] = Counter()
    seen: Counter[str] = Counter()
    at_its_limit = 0
    for seed in range(TRIALS):
        world = trial(cloud.put, seed, befallen=befallen)
        check(world)
        seen += world.at_once.seen
        at_its_limit += any(world.most[pool] == limit for pool, limit in world.limits.items())
    for call in sorted(seen):
        fates = ", ".join(f"{fate} {befallen[call, fate]}" for fate in FATES)
        print(f"{seen[call]:7d}  {call}: {fates}")
    assert seen.keys() <= CALLS, "a call that is not in the list"
    assert at_its_limit >= TRIALS / 2, "else never more than the limit says little"
    assert seen.keys() >= CALLS - SELDOM, "a call that is never made any more"
    if TRIALS >= 100:
        assert {pair for pair in POSSIBLE if not befallen[pair]} == set(), "what never broke"


def one_after_another(cloud: Any, fate: str | None, at: int) -> QueueWorld:
    """Two runs of two jobs each at one place, whose n-th outside call breaks."""
    world = QueueWorld(cloud.put, 1, {ENGINE_POOL: 1, NAMED_POOL: 1})
    world.job_seconds = lambda: 20.0
    calls = iter(range(1, 1_000_000))
    world.at_once.fate = lambda _invocation, _call: fate if next(calls) == at else None
    world.run("a", 2)
    world.run("b", 1)
    world.at_once.run(900)
    return world


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("fate", FATES)
def test_broken_at_any_one_call_everything_ends_as_without_that(cloud: Any, fate: str) -> None:
    undisturbed = one_after_another(cloud, None, 0)
    check(undisturbed)
    last = undisturbed.at_once.seen.total()
    assert last > 100
    step = max(1, last // int(os.environ.get("QUEUE_CALLS", "40")))
    for at in range(1, last, step):
        world = one_after_another(cloud, fate, at)
        check(world)
        assert len(world.glue.runs) == 3, f"call {at}"


class TestOperations:
    def test_a_job_costs_one_submission_whatever_the_contention(self, cloud: Any) -> None:
        world = QueueWorld(cloud.put, 3, {ENGINE_POOL: 1})
        world.places = 1
        world.run("large", 12)
        world.run("small", 1)
        world.at_once.run(3000)
        check(world)
        assert [unit.calls for unit in world.units] == [1] * 13
        assert len(world.glue.runs) == 13

    def test_a_small_run_does_not_wait_for_a_large_one(self, cloud: Any) -> None:
        world = QueueWorld(cloud.put, 3, {ENGINE_POOL: 1})
        world.run("large", 12)
        world.at_once.plan(60, lambda: world.run("small", 1))
        world.at_once.run(3000)
        runs = [run["Arguments"]["--RUN_ID"] for run in world.glue.runs]
        assert runs.index("small") <= 2


class TestALostRecord:
    def test_jobs_get_their_places_again_and_those_that_wait_their_turns(self, cloud: Any) -> None:
        """Somebody has deleted it: until the next wake nobody knows who runs."""
        world = QueueWorld(cloud.put, 3, {ENGINE_POOL: 2})
        world.run("a", 5)
        world.at_once.run(30)
        running = set(world.pool(ENGINE_POOL).held)
        world.ledger.delete(world.pool_key(ENGINE_POOL))
        world.at_once.run(90)
        pool = world.pool(ENGINE_POOL)
        assert set(pool.held) == running
        assert len(pool.waiting) == 3
        assert (pool.engine, pool.target) == ("glue", "stack-clean-csv"), "to ask for its limit"
        world.at_once.run(1500)
        check(world)


@pytest.mark.slow
def test_a_pool_in_use_by_too_many_at_once_keeps_nobody_out(cloud: Any) -> None:
    """Forty submissions of one pool at the same moment, each a compare-and-set."""
    world = QueueWorld(cloud.put, 3, {ENGINE_POOL: 40})
    world.at_once.step_seconds = (0.0, 0.002)
    world.run("a", 40)
    world.at_once.run(1200)
    check(world)
    assert world.most[ENGINE_POOL] > 20


def test_a_place_whose_change_was_done_without_a_response_is_used_at_once(cloud: Any) -> None:
    """The client repeats the write, which is refused: what it granted is submitted all the same."""
    world = QueueWorld(cloud.put, 3, {ENGINE_POOL: 3})
    world.at_once.step_seconds = (0.0, 0.01)
    world.job_seconds = lambda: 20.0
    world.event_seconds = lambda: ()
    world.at_once.fate = lambda invocation, call: (
        "repeated"
        if invocation.name.startswith("watcher") and call == "DynamoDB UpdateItem POOL"
        else None
    )
    world.run("a", 6)
    world.at_once.run(100)
    assert len(world.glue.runs) == 6, "the next wake after the ends"


@pytest.mark.parametrize("seed", range(4))
def test_functions_whose_clocks_differ_by_minutes_submit_nothing_twice(
    cloud: Any, seed: int
) -> None:
    """Who is ahead takes every place for unused, and every claim for one that is over."""
    world = QueueWorld(cloud.put, seed, {ENGINE_POOL: 4})
    world.ahead = lambda: world.random.choice((-120.0, 120.0))
    world.at_once.step_seconds = (0.0, 0.02, 0.1)
    world.at_once.stalls = lambda call: 15.0 if call == "Glue start_job_run" else 0.0
    world.run("a", 8)
    for at in range(2, 60, 3):
        world.at_once.plan(at, world.wake)
    world.at_once.run(1200)
    check(world)
