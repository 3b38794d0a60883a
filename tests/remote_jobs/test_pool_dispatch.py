"""Jobs that wait for a place: submitted in turn by the watcher, once, and never forgotten."""

from __future__ import annotations

from typing import Any

import pytest
from job_fakes import Killed
from job_world import RUN_ID, World
from one_place import POOL, message, submit

from contracts import layout
from contracts.errors import EngineFull, PipelineError, TransientFailure
from contracts.job import Engine, JobState
from remote_jobs.pools.dispatcher import UNUSED_SECONDS
from remote_jobs.starting import SUBMISSION_SECONDS


def units_at_glue(world: World) -> list[str]:
    return [run["Arguments"]["--UNIT_ID"] for run in world.glue.runs]


class TestInTurn:
    def test_the_second_waits_and_is_submitted_when_the_first_has_ended(self, world: World) -> None:
        assert submit(world, 0).service_id == "jr_0000"
        waits = submit(world, 1)
        assert (waits.state, waits.service_id) == (JobState.SUBMITTED, None)
        world.watch()
        assert len(world.glue.runs) == 1
        assert world.durable.callbacks["callback1"].heartbeats == 1, "it is alive"
        world.glue.finish()
        assert world.watch().submitted == 1, "in the same wake that sees the end"
        assert units_at_glue(world) == [layout.unit_id(0, position) for position in (0, 1)]
        world.glue.finish()
        world.watch()
        assert [response.state for response in world.responses("callback1")] == ["SUCCEEDED"]
        pool = world.pools.read(POOL)
        assert (pool.held, pool.waiting) == ({}, {})

    def test_what_it_runs_is_what_was_asked_for(self, world: World) -> None:
        """The unit's own object with the query; a later job the output of the one before."""
        submit(world, 0)
        submit(world, 1)
        chained = "s3://data-bucket/output/"
        submit(world, 2, stage="enrich", input_url=chained)
        for _ in range(2):
            world.glue.finish()
            world.watch()
        first, second, third = (run["Arguments"] for run in world.glue.runs)
        assert second == {
            **first,
            **{name: second[name] for name in ("--JOB_ID", "--JOB_KEY", "--UNIT_ID")},
            "--INPUT_URL": "s3://data-bucket/landing/sales/1.csv",
            "--OUTPUT_URL": first["--OUTPUT_URL"].replace(
                layout.unit_id(0, 0), second["--UNIT_ID"]
            ),
        }
        assert (third["--INPUT_URL"], third.get("--QUERY")) == (chained, None)

    def test_a_load_waits_for_the_other_load(self, world: World) -> None:
        for position in range(2):
            key = layout.load_key(RUN_ID, layout.unit_id(0, position))
            world.cloud.put(key, '{"statements": ["SELECT 1"]}')
            submit(world, position, engine=Engine.REDSHIFT)
        assert len(world.redshift.statements) == 1
        world.redshift.finish()
        world.watch()
        assert len(world.redshift.statements) == 2

    def test_a_pool_of_the_contract_is_shared_by_engines(self, world: World) -> None:
        submit(world, 0, pool="nightly")
        assert submit(world, 1, pool="nightly", engine=Engine.EMR).service_id is None
        assert submit(world, 2).service_id == "jr_0001", "another pool"
        world.glue.finish(run=0)
        world.watch()
        assert len(world.emr.steps) == 1

    def test_a_refusal_of_the_engine_keeps_the_ticket(self, world: World) -> None:
        """Others use it, too."""
        world.places = 2
        world.glue._places = 0
        assert [submit(world, position).service_id for position in range(3)] == [None] * 3
        assert world.glue.count("StartJobRun") == 1, "one refusal says it for all"
        world.glue._places = 2
        assert world.watch().submitted == 0
        world.clock.advance(60)
        world.watch()
        submitted = sorted(units_at_glue(world))  # side by side
        assert submitted == [layout.unit_id(0, position) for position in (0, 1)]
        assert world.pools.read(POOL).refusals == 0


class TestPeople:
    def test_a_job_of_a_stopped_run_is_never_submitted(self, world: World) -> None:
        submit(world, 0)
        submit(world, 1)
        world.cloud.ledger.update(RUN_ID, "RUN", {"stop_requested_at": "2026-11-20T08:00:00Z"})
        world.glue.finish()
        world.watch()
        assert len(world.glue.runs) == 1
        world.watch()
        (response,) = world.responses("callback1")
        assert response.state is JobState.CANCELLED
        assert "stopped" in str(response.error)
        assert world.pools.read(POOL).waiting == {}

    def test_one_that_is_cancelled_gives_its_ticket_up(self, world: World) -> None:
        submit(world, 0)
        submit(world, 1)
        world.cancel(message(world, 1).key)
        assert world.pools.read(POOL).waiting == {}

    def test_a_job_whose_statements_are_gone_fails_and_is_reported(self, world: World) -> None:
        gone = {"engine": Engine.REDSHIFT, "input_url": "s3://data-bucket/gone.json"}
        world.cloud.put("gone.json", '{"statements": ["SELECT 1"]}')
        world.places = 0
        assert submit(world, 0, **gone).service_id is None
        world.cloud.client("s3").delete_object(Bucket="data-bucket", Key="gone.json")
        world.places = 1
        world.clock.advance(61)
        world.watch()
        world.watch()
        (response,) = world.responses("callback0")
        assert response.state is JobState.FAILED
        assert "gone.json" in str(response.error)
        assert world.pools.read("redshift").held == {}


class TestTakingOver:
    def test_the_next_attempt_has_the_turn_of_the_one_before(self, world: World) -> None:
        submit(world, 0)
        submit(world, 1)
        submit(world, 2)
        world.hold_run(2)
        taken = submit(world, 1, run_attempt=2, callback="again")
        assert (taken.attempt, taken.service_id) == (1, None)
        world.glue.finish()
        world.watch()
        assert units_at_glue(world)[1:] == [layout.unit_id(0, 1)]
        world.glue.finish()
        world.watch()
        assert [response.state for response in world.responses("again")] == ["SUCCEEDED"]
        assert world.responses("callback1") == []

    def test_a_job_that_runs_since_before_pools_holds_a_place(self, world: World) -> None:
        submit(world, 0)
        world.pools.change(POOL, lambda pool: (pool.__class__(name=POOL), None))
        world.watch()
        assert len(world.pools.read(POOL).held) == 1
        assert submit(world, 1).service_id is None


class TestTime:
    def test_it_waits_no_longer_than_it_may(self, world: World) -> None:
        submit(world, 0, timeout_seconds=86400)
        submit(world, 1)
        world.clock.advance(3600)
        world.watch()
        assert world.responses("callback1") == []
        world.clock.advance(1)
        world.watch()
        (response,) = world.responses("callback1")
        assert response.state is JobState.TIMED_OUT
        assert response.error == f"no place in pool {POOL} within 3600 s"
        assert world.pools.read(POOL).waiting == {}

    def test_waiting_takes_nothing_from_the_time_to_run(self, world: World) -> None:
        submit(world, 0)
        submit(world, 1)
        world.clock.advance(3000)
        world.glue.finish()
        world.watch()
        world.clock.advance(500)
        world.glue.finish("RUNNING")
        world.watch()
        world.clock.advance(900)
        world.watch()
        assert not world.record(message(world, 1)).cancelling
        world.clock.advance(1)
        world.watch()
        world.finish_stopping()
        world.watch()
        (response,) = world.responses("callback1")
        assert response.state is JobState.TIMED_OUT
        assert response.error == "still running at its deadline of 900 s"

    def test_one_that_its_engine_never_begins_is_stopped(self, world: World) -> None:
        submit(world, 0)
        world.clock.advance(3601)
        world.watch()
        world.finish_stopping()
        world.watch()
        (response,) = world.responses("callback0")
        assert response.state is JobState.TIMED_OUT
        assert response.error == "never started: it waited at glue until its 3600 s were over"

    def test_the_engines_own_start_counts_where_it_says_it(self, world: World) -> None:
        submit(world, 0, engine=Engine.EMR)
        started = world.clock()
        world.emr.steps[0]["Status"] |= {
            "State": "RUNNING",
            "Timeline": {"StartDateTime": started},
        }
        world.clock.advance(300)
        world.watch()
        record = world.record(message(world, 0, engine=Engine.EMR))
        assert record.deadline == int(started.timestamp()) + 900

    def test_an_orchestrator_of_before_has_the_rule_of_before(self, world: World) -> None:
        """Its jobs may wait as long as they may run."""
        submit(world, 0, timeout_seconds=86400)
        submit(world, 1, queue_seconds=None)
        world.clock.advance(901)
        world.watch()
        (response,) = world.responses("callback1")
        assert response.error == f"no place in pool {POOL} within 900 s"


class TestDeaths:
    def test_a_place_that_nobody_uses_is_given_again(self, world: World) -> None:
        submit(world, 0)
        submit(world, 1)
        world.glue.finish()
        world.glue.break_once("StartJobRun", Killed())
        with pytest.raises(Killed):
            world.watch()
        world.clock.advance(max(UNUSED_SECONDS, SUBMISSION_SECONDS) + 1)
        world.watch()
        assert units_at_glue(world)[1:] == [layout.unit_id(0, 1)]

    def test_a_submission_in_doubt_is_found_and_not_repeated(self, world: World) -> None:
        submit(world, 0)
        submit(world, 1)
        world.glue.finish()
        world.glue.break_once("StartJobRun", Killed(), after=True)
        with pytest.raises(Killed):
            world.watch()
        world.clock.advance(max(UNUSED_SECONDS, SUBMISSION_SECONDS) + 1)
        world.watch()
        assert len(world.glue.runs) == 2
        assert world.record(message(world, 1)).service_id == "jr_0001"

    def test_a_place_whose_job_has_ended_is_freed(self, world: World, monkeypatch: Any) -> None:
        submit(world, 0)
        submit(world, 1)
        monkeypatch.setattr("remote_jobs.ledger.free_place", lambda *_: None)
        world.glue.finish()
        world.watch()
        world.watch()
        assert units_at_glue(world)[1:] == [layout.unit_id(0, 1)]

    def test_an_intent_whose_call_died_before_its_ticket_gets_one(self, world: World) -> None:
        submit(world, 0)
        change = world.pools.change

        def dies(*_: Any) -> Any:
            raise Killed

        object.__setattr__(world.pools, "change", dies)
        with pytest.raises(Killed):
            submit(world, 1)
        object.__setattr__(world.pools, "change", change)
        world.watch()
        assert world.pools.read(POOL).waiting == {}, "the call may still be under way"
        world.clock.advance(SUBMISSION_SECONDS + 1)
        world.watch()
        assert len(world.pools.read(POOL).waiting) == 1
        world.glue.finish()
        world.watch()
        assert units_at_glue(world)[1:] == [layout.unit_id(0, 1)]

    def test_a_stale_index_changes_nothing(self, world: World) -> None:
        submit(world, 0)
        submit(world, 1)
        before = list(world.jobs.active(Engine.GLUE))
        world.glue.finish()
        world.watch()
        world.glue.finish()
        world.watch()
        world.jobs.active = lambda engine: before if engine is Engine.GLUE else []  # type: ignore[method-assign]
        world.watch()
        assert len(world.glue.runs) == 2
        pool = world.pools.read(POOL)
        assert (pool.held, pool.waiting) == ({}, {})

    def test_a_wake_without_time_leaves_the_turns_to_the_next(self, world: World) -> None:
        submit(world, 0)
        submit(world, 1)
        world.glue.finish()
        world.remaining = 10.0
        assert world.watch().left
        assert len(world.glue.runs) == 1
        world.remaining = 100.0
        assert not world.watch().left
        assert len(world.glue.runs) == 2

    def test_a_submission_that_fails_for_now_is_an_error_of_the_wake(self, world: World) -> None:
        submit(world, 0)
        submit(world, 1)
        world.glue.finish()
        lost = TransientFailure("submit-job failed")
        world.before_submission = lost
        tally = world.watch()
        assert tally.errors == [lost]
        world.before_submission = None
        world.clock.advance(UNUSED_SECONDS + 1)
        world.watch()
        assert len(world.glue.runs) == 2

    @pytest.mark.slow
    @pytest.mark.parametrize("after", [False, True])
    def test_killed_at_any_outside_call_every_job_runs_once(
        self, world: World, *, after: bool
    ) -> None:
        """Submitting into a full pool, ending and dispatching, killed at each call in turn."""
        killed = 0
        for call in range(1, 100):
            world.fate.spare()
            world.clock.advance(600)
            first, second = 2 * call, 2 * call + 1
            submit(world, first)
            world.fate.kill_at(call, after=after)
            try:
                submit(world, second)
                world.glue.finish()
                world.watch()
            except Killed:
                killed += 1
            else:
                break
            finally:
                world.fate.spare()
            submit(world, second)
            for _ in range(4):
                world.clock.advance(SUBMISSION_SECONDS + UNUSED_SECONDS)
                for run in world.glue.runs:
                    run["JobRunState"] = "SUCCEEDED"
                world.watch()
            for position in (first, second):
                runs = [
                    unit for unit in units_at_glue(world) if unit == layout.unit_id(0, position)
                ]
                assert len(runs) == 1, (call, position)
                assert len(world.responses(f"callback{position}")) == 1, (call, position)
            pool = world.pools.read(POOL)
            assert (pool.held, pool.waiting) == ({}, {}), call
        assert killed > 8


def test_an_intent_of_before_pools_is_polled_by_its_orchestrator(world: World) -> None:
    """Nobody else submits it: it has no pool."""
    world.glue._places = 0
    submit(world, 0, queue_seconds=None)
    key = world.jobs.get(message(world, 0).key)
    item = {"run_id": RUN_ID, "item": f"JOB#{key.key.unit_id}#clean#0001"}
    world.cloud.ledger.update(item["run_id"], item["item"], {}, ["pool"])
    world.clock.advance(60)
    with pytest.raises(EngineFull):
        submit(world, 0, queue_seconds=None)
    world.watch()
    assert world.glue.runs == []
    world.glue._places = 1
    assert submit(world, 0, queue_seconds=None).service_id == "jr_0000"


def test_no_function_waits_for_a_place(world: World) -> None:
    world.places = 0
    status = submit(world, 0, engine=Engine.LAMBDA, queue_seconds=None)
    assert status.call is not None
    assert world.jobs.get(message(world, 0, engine=Engine.LAMBDA).key).pool is None


def test_a_refused_submission_frees_its_place(world: World) -> None:
    world.glue.refuse_once("StartJobRun", "InvalidInputException")
    with pytest.raises(PipelineError):
        submit(world, 0)
    assert submit(world, 1).service_id == "jr_0000"
