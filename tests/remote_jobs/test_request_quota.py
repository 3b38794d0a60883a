"""What the watcher asks with 200 active jobs, by a clock that is passed in."""

from __future__ import annotations

import pytest
from job_fakes import Killed
from job_world import RUN_ID, World
from memory_ledger import MemoryLedger

from contracts import layout
from contracts.job import Engine, JobState
from contracts.ledger_items import QUOTAS
from remote_jobs.engines.emr_steps import QUOTA
from remote_jobs.starting import SUBMISSION_SECONDS
from remote_jobs.stopper import JobStopper
from remote_jobs.tally import Done

pytestmark = pytest.mark.slow
EMR_REQUESTS_PER_SECOND = 0.5
JOBS = 200
MINUTES = 6
HEARTBEAT_SECONDS = 180


@pytest.fixture
def world(cloud, clients) -> World:
    cloud.ledger = MemoryLedger()  # in a table of moto's so many jobs take ten seconds of each test
    return World(cloud, clients)


def submit(world: World, engine: Engine, number: int = JOBS) -> None:
    for position in range(number):
        unit = layout.unit_id(0, position)
        if engine is Engine.REDSHIFT:
            world.cloud.put(layout.load_key(RUN_ID, unit), '{"statements": ["SELECT 1"]}')
        callback = f"{engine}{position}"
        message = world.message(engine=engine, unit=unit, callback=callback, timeout_seconds=86_400)
        world.submit(message)
        world.refill_submissions(engine)
    if engine is Engine.EMR_SSM:
        world.ssm.run()
    world.emr.requests.clear()


def heartbeats(world: World) -> dict[str, int]:
    return {name: each.heartbeats for name, each in world.durable.callbacks.items()}


@pytest.mark.parametrize(
    ("engine", "at_most"),
    [(Engine.GLUE, 1), (Engine.EMR_SERVERLESS, 4), (Engine.REDSHIFT, JOBS)],
)
def test_a_look_at_two_hundred_jobs_costs_few_requests(world, engine, at_most):
    submit(world, engine)
    service = {
        Engine.GLUE: world.glue,
        Engine.EMR_SERVERLESS: world.serverless,
        Engine.REDSHIFT: world.redshift,  # which lists nobody another role's statements
    }[engine]
    service.requests.clear()
    assert world.watch().done[Done.HEARTBEAT] == JOBS
    assert len(service.requests) == at_most


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "events_per_minute"), [(Engine.EMR, 0), (Engine.EMR, 3), (Engine.EMR_SSM, 0)]
)
def test_emr_is_asked_within_its_quota_and_every_job_is_seen(world, engine, events_per_minute):
    """Each minute the schedule, and events between."""
    submit(world, engine)
    wakes = events_per_minute + 1
    silent = dict.fromkeys(heartbeats(world), 0.0)
    longest = 0.0
    before = heartbeats(world)
    for _ in range(MINUTES * wakes):
        sent = len(world.emr.requests)
        world.watch()
        assert len(world.emr.requests) - sent <= QUOTA.burst
        after = heartbeats(world)
        for name in silent:
            silent[name] = 0.0 if after[name] > before[name] else silent[name] + 60 / wakes
        longest = max(longest, *silent.values())
        before = after
        world.clock.advance(60 / wakes)
    assert len(world.emr.requests) <= QUOTA.burst + EMR_REQUESTS_PER_SECOND * MINUTES * 60
    assert longest < HEARTBEAT_SECONDS


def test_both_ways_to_emr_share_its_quota(world):
    submit(world, Engine.EMR, 70)
    submit(world, Engine.EMR_SSM, 70)
    for _ in range(3):  # the commands name their steps
        world.watch()
        world.clock.advance(60)
    world.emr.requests.clear()
    assert world.watch().done[Done.HEARTBEAT] == 120
    assert len(world.emr.requests) == QUOTA.burst


def test_each_job_that_ended_is_completed_within_a_few_looks(world):
    submit(world, Engine.EMR)
    for step in range(JOBS):
        world.emr.finish(step=step)
    looks = 0
    while world.watch().active:
        looks += 1
        world.clock.advance(60)
    assert looks <= 3
    for position in range(JOBS):
        (response,) = world.responses(f"emr{position}")
        assert response.state is JobState.SUCCEEDED


def test_few_jobs_are_seen_at_every_look(world):
    submit(world, Engine.EMR, 30)
    for _ in range(5):
        assert world.watch().done[Done.HEARTBEAT] == 30
        world.clock.advance(60)
    assert len(world.emr.requests) == 15


@pytest.mark.slow
def test_many_jobs_of_one_engine_do_not_take_the_turns_of_another(world):
    submit(world, Engine.EMR, 130)
    submit(world, Engine.EMR_SSM, 20)
    world.watch()
    world.clock.advance(60)
    before = heartbeats(world)
    for _ in range(4):
        world.watch()
        world.clock.advance(60)
    after = heartbeats(world)
    assert all(after[name] > before[name] for name in after)


def test_stopping_interrupted_submissions_stays_within_the_quota(world):
    for position in range(QUOTA.burst + 3):
        world.emr.break_once("AddJobFlowSteps", Killed(), after=True)
        with pytest.raises(Killed):
            world.submit(world.message(engine=Engine.EMR, unit=layout.unit_id(0, position)))
        world.refill_submissions(Engine.EMR)
    world.clock.advance(SUBMISSION_SECONDS + 1)
    world.emr.requests.clear()
    stopper = JobStopper(world.jobs, world.adapter, world.sleep, world.clock)
    left = stopper.stop(world.jobs.of_run(RUN_ID), "stopped", patience_seconds=0)
    assert world.emr.count("ListSteps") <= 2 * QUOTA.burst
    world.clock.advance(60)
    while left.going_on:
        left = stopper.stop(world.jobs.of_run(RUN_ID), "stopped", patience_seconds=0)
        world.clock.advance(60)
    assert {step["Status"]["State"] for step in world.emr.steps} == {"CANCELLED"}


def test_stopping_two_hundred_jobs_stays_within_the_quota(world):
    """The reaper's part: an execution with all of them was stopped."""
    submit(world, Engine.EMR)
    world.stops_after = 0
    stopper = JobStopper(world.jobs, world.adapter, world.sleep, world.clock)
    jobs = world.jobs.of_run(RUN_ID)
    started = world.clock()
    left = stopper.stop(jobs, "stopped", patience_seconds=60)
    for _ in range(10):
        if not left.going_on:
            break
        world.clock.advance(60)
        left = stopper.stop(world.jobs.of_run(RUN_ID), "stopped", patience_seconds=60)
    assert left.going_on == {}
    assert {step["Status"]["State"] for step in world.emr.steps} == {"CANCELLED"}
    seconds = (world.clock() - started).total_seconds()
    assert len(world.emr.requests) <= QUOTA.burst + EMR_REQUESTS_PER_SECOND * seconds
    assert world.emr.count("CancelSteps") <= JOBS / 10


def test_two_watchers_at_once_do_not_spend_the_same_requests(world):
    submit(world, Engine.EMR, 120)
    get_item = world.cloud.ledger.get_item

    def another_turn_meanwhile(run_id, item):
        found = get_item(run_id, item)
        if run_id == QUOTAS:
            world.cloud.ledger.get_item = get_item
            assert world.watch().done[Done.HEARTBEAT] == 120
        return found

    world.cloud.ledger.get_item = another_turn_meanwhile
    assert world.watch().done[Done.HEARTBEAT] == 0
    assert len(world.emr.requests) == QUOTA.burst


def test_jobs_that_wait_for_a_place_spend_nothing(world):
    world.emr._places = 0
    assert world.submit(world.message(engine=Engine.EMR)).service_id is None
    world.emr.requests.clear()
    world.watch()
    assert world.emr.requests == []
    assert world.cloud.ledger.get_item(QUOTAS, QUOTA.name) is None


def test_interrupted_submissions_are_searched_for_within_the_quota(world):
    for position in range(QUOTA.burst + 3):
        world.emr.break_once("AddJobFlowSteps", Killed(), after=True)
        with pytest.raises(Killed):
            world.submit(world.message(engine=Engine.EMR, unit=layout.unit_id(0, position)))
        world.refill_submissions(Engine.EMR)
    world.clock.advance(SUBMISSION_SECONDS + 1)
    world.emr.requests.clear()
    world.watch()
    # submit-job searches for the other three, in whose places it is called again.
    assert len(world.emr.requests) == QUOTA.burst + 3
    world.clock.advance(60)
    world.watch()
    for position in range(QUOTA.burst + 3):
        message = world.message(engine=Engine.EMR, unit=layout.unit_id(0, position))
        assert world.record(message).service_id is not None
