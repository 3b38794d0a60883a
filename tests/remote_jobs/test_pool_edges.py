"""The queue where two calls meet over one job, and where its record is hard to change."""

from __future__ import annotations

from typing import Any

import pytest
from aws_cloud import LEDGER_TABLE
from job_fakes import service_error
from job_world import GLUE_JOB, World
from one_place import POOL, message, submit
from queue_edges import in_use_by_all

from contracts.errors import TransientFailure
from contracts.job import Engine, JobState
from ledger.table import Ledger
from remote_jobs.engines.emr_steps import SUBMISSIONS
from remote_jobs.pools import turns
from remote_jobs.quota import RequestBudget
from remote_jobs.starting import SUBMISSION_SECONDS


class TestTwoCallsOfOneJob:
    def test_one_that_is_late_does_not_end_what_the_other_submits(self, world: World) -> None:
        """Its time to wait is over just while it is being submitted."""
        key = message(world, 0).key
        seen = []

        def another_call() -> None:
            world.glue.while_starting = lambda: None
            world.clock.advance(2)
            world.submit_queued(key)
            seen.append(world.jobs.get(key).state)

        world.glue.while_starting = another_call
        assert submit(world, 0, queue_seconds=1).service_id == "jr_0000"
        assert seen == [JobState.SUBMITTED]

    def test_a_place_is_not_given_back_by_who_lost_the_claim(self, world: World) -> None:
        """It was refused, and slow; meanwhile another call has submitted the job."""
        key = message(world, 0).key
        world.glue._places = 0

        def another_call() -> None:
            world.glue.while_starting = lambda: None
            world.glue._places = 1
            world.clock.advance(SUBMISSION_SECONDS + 1)
            world.submit_queued(key)
            world.glue._places = 0

        world.glue.while_starting = another_call
        submit(world, 0)
        assert world.jobs.get(key).service_id == "jr_0000"
        pool = world.pools.read(POOL)
        assert (len(pool.held), len(pool.waiting)) == (1, 0)

    def test_being_slow_ourselves_is_no_refusal_of_the_engine(self, world: World) -> None:
        create = world.jobs.create

        def slow(record: Any) -> Any:
            world.elapsed += 16
            return create(record)

        world.jobs.create = slow  # type: ignore[method-assign]
        assert submit(world, 0).service_id is None
        pool = world.pools.read(POOL)
        assert (pool.refusals, len(pool.waiting)) == (0, 1)
        assert world.watch().submitted == 1

    def test_a_job_that_runs_though_its_ticket_waits_gets_a_place(self, world: World) -> None:
        submit(world, 0)
        (job_id, place) = next(iter(world.pools.read(POOL).held.items()))
        world.pools.update(
            POOL, lambda pool: turns.returned(pool, job_id, place.taken, 0, refused=False)
        )
        world.places = 0  # which would give it none in its turn
        world.clock.advance(60)
        world.watch()
        pool = world.pools.read(POOL)
        assert (list(pool.held), pool.waiting) == ([job_id], {})
        assert len(world.glue.runs) == 1


class TestARecordThatIsHardToChange:
    def test_a_refused_job_is_no_error_though_its_place_is_not_given_back(
        self, world: World
    ) -> None:
        world.glue._places = 0
        with in_use_by_all(world.pools, after=1):
            assert submit(world, 0).service_id is None
        world.glue._places = 1
        world.clock.advance(SUBMISSION_SECONDS + 60)
        world.watch()
        assert world.record(message(world, 0)).service_id == "jr_0000"

    def test_a_job_that_was_taken_is_no_error_though_that_is_not_noted(self, world: World) -> None:
        world.glue._places = 0
        submit(world, 0)
        world.glue._places = 1
        world.clock.advance(60)
        key = message(world, 0).key
        with in_use_by_all(world.pools, after=1):
            world.submit_queued(key)
        assert world.jobs.get(key).service_id == "jr_0000"

    def test_a_job_without_a_ticket_gets_one_from_the_watcher(self, world: World) -> None:
        with in_use_by_all(world.pools, after=0):
            assert submit(world, 0).service_id is None
        assert world.pools.read(POOL).tickets == 0
        assert world.watch().submitted == 1
        pool = world.pools.read(POOL)
        assert (pool.engine, pool.target) == ("glue", GLUE_JOB), "what its limit is read from"


class TestTheQuotaOfSubmissions:
    """Of EMR, of the account: five at once, then one every two seconds."""

    @pytest.fixture(autouse=True)
    def _with_places(self, world: World) -> None:
        world.places = 100

    def test_who_is_beyond_it_waits_and_costs_no_request(self, world: World) -> None:
        for position in range(8):
            submit(world, position, engine=Engine.EMR)
        assert len(world.emr.steps) == world.emr.count("AddJobFlowSteps") == 5
        pool = next(iter(world.pools.all()))
        assert (len(pool.held), len(pool.waiting), pool.refusals) == (5, 3, 0)

    def test_the_watcher_submits_as_many_as_it_allows_by_then(self, world: World) -> None:
        for position in range(8):
            submit(world, position, engine=Engine.EMR)
        assert world.watch().submitted == 0
        world.clock.advance(4)
        assert world.watch().submitted == 2
        world.clock.advance(60)
        assert world.watch().submitted == 1
        assert len(world.emr.steps) == 8

    def test_engines_whose_jobs_are_steps_share_it(self, world: World) -> None:
        for position in range(3):
            submit(world, position, engine=Engine.EMR)
        for position in range(3, 8):
            submit(world, position, engine=Engine.EMR_SSM)
        assert (len(world.emr.steps), len(world.ssm.commands)) == (3, 2)

    def test_of_a_pool_of_the_contract_too(self, world: World) -> None:
        for position in range(7):
            submit(world, position, engine=Engine.EMR, pool="nightly")
        world.watch()
        assert len(world.emr.steps) == 5
        for _ in range(3):
            world.clock.advance(10)
            world.watch()
        assert len(world.emr.steps) == 7

    def test_who_meets_others_looks_again(self, world: World) -> None:
        budget, ledger = RequestBudget(world.cloud.ledger, world.clock), world.cloud.ledger
        change, others = ledger.change, [True]
        assert budget.left(SUBMISSIONS) == SUBMISSIONS.burst

        def late(*arguments: Any) -> Any:
            if others:
                others.clear()
                RequestBudget(Ledger(LEDGER_TABLE), world.clock).draw(SUBMISSIONS)
            return change(*arguments)

        ledger.change = late
        assert budget.draw(SUBMISSIONS)
        assert budget.left(SUBMISSIONS) == SUBMISSIONS.burst - 2


def test_of_jobs_beyond_a_full_record_no_more_are_read_than_it_has_room_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "MOST_TICKETS", 2)
    for position in range(8):
        submit(world, position)
    assert len(world.pools.read(POOL).waiting) == 2
    read = []
    find = world.jobs.find
    world.jobs.find = lambda key: read.append(key) or find(key)  # type: ignore[method-assign]
    world.watch()
    assert read == []


def test_a_lost_response_of_the_engine_keeps_the_place(world: World) -> None:
    """The job may run."""
    lost = service_error("StartJobRun", "InternalServiceException", 500)
    world.glue.break_once("StartJobRun", lost, after=True)
    with pytest.raises(TransientFailure):
        submit(world, 0)
    assert submit(world, 1).service_id is None
    world.clock.advance(SUBMISSION_SECONDS + 1)
    world.watch()
    assert len(world.glue.runs) == 1
