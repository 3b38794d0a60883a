"""job_watcher: whatever wakes it, however often: each end is reported once, none is forgotten."""

from __future__ import annotations

import json

import pytest
from job_fakes import FakeClock, Killed
from job_world import RUN_ID, SERVICES, World

from contracts import layout
from contracts.errors import PipelineError
from contracts.job import Engine, JobState
from remote_jobs.starting import SUBMISSION_SECONDS
from remote_jobs.tally import Done, WatcherIncomplete
from remote_jobs.watcher import NEVER_ENDING, UNKNOWN_CALLBACK_GRACE
from runtime.handler import utc_now
from steps import job_watcher


@pytest.fixture
def world(cloud, clients) -> World:
    return World(cloud, clients)


@pytest.fixture
def many(world):
    """Submits so many jobs, each of its own unit and callback."""

    def submit(number: int) -> None:
        for position in range(number):
            unit = layout.unit_id(0, position)
            world.submit(world.message(unit=unit, callback=f"callback{position}"))

    return submit


class TestReportingEnds:
    def test_an_ended_job_is_completed_once_and_leaves_the_index(self, world):
        status = world.submit()
        world.glue.finish()
        assert world.watch().done[Done.REPORTED] == 1
        assert world.watch().active == 0
        (response,) = world.responses()
        assert response.job_id == status.job_id
        assert response.state is JobState.SUCCEEDED
        assert response.service_id == "jr_0000"
        assert world.item()["ended_at"] == "2026-11-20T08:15:00Z"
        assert "log-events/jr_0000" in world.item()["log_url"]

    def test_a_failure_is_a_response_too(self, world):
        message = world.message(engine=Engine.REDSHIFT)
        world.submit(message)
        world.redshift.finish("FAILED", "relation does not exist")
        world.watch()
        (response,) = world.responses()
        assert (response.state, response.error) == (JobState.FAILED, "relation does not exist")

    def test_a_very_long_error_is_cut(self, world):
        world.submit()
        world.glue.finish("FAILED", "x" * 100_000)
        world.watch()
        assert len(world.responses()[0].error) == 2000

    def test_a_response_that_comes_before_the_callback_is_known_is_given_again(self, world):
        world.submit()
        world.glue.finish()
        world.durable.callbacks.clear()
        tally = world.watch()
        assert (tally.done[Done.NOTHING], tally.errors) == (1, [])
        assert world.record().state is JobState.SUCCEEDED
        world.durable.make("callback1")
        world.watch()
        assert len(world.responses()) == 1
        assert world.watch().active == 0

    def test_it_is_not_given_again_forever(self, world):
        world.submit()
        world.glue.finish()
        world.durable.callbacks.clear()
        world.watch()
        world.clock.advance(UNKNOWN_CALLBACK_GRACE.total_seconds())
        assert world.watch().errors == []
        assert world.watch().active == 0
        assert world.record().state is JobState.SUCCEEDED

    def test_a_callback_that_has_timed_out_is_left_at_once(self, world):
        world.submit()
        world.glue.finish()
        world.durable.callbacks["callback1"].timed_out = True
        assert world.watch().errors == []
        assert world.watch().active == 0

    def test_a_response_that_was_refused_for_now_is_given_next_time(self, world):
        world.submit()
        world.glue.finish()
        operation = "SendDurableExecutionCallbackSuccess"
        world.durable.refuse_once(operation, "TooManyRequestsException", 429)
        assert len(world.watch().errors) == 1
        assert world.watch().done[Done.REPORTED] == 1
        assert len(world.responses()) == 1

    @pytest.mark.slow
    @pytest.mark.parametrize("after", [False, True])
    @pytest.mark.parametrize("engine", SERVICES)
    def test_killed_at_any_outside_call_the_next_run_returns_once(self, world, engine, after):
        call = 0
        while True:
            call += 1
            unit = layout.unit_id(0, call - 1)
            world.cloud.put(layout.load_key(RUN_ID, unit), '{"statements": ["SELECT 1"]}')
            world.fate.spare()
            world.clock.advance(60)
            world.submit(world.message(engine=engine, unit=unit, callback=f"callback{call}"))
            world.finish(engine)
            world.fate.kill_at(call, after=after)
            try:
                world.watch()
            except Killed:
                world.fate.spare()
                world.watch()
                assert world.watch().active == 0
                assert len(world.responses(f"callback{call}")) == 1
            else:
                break
        assert call > 4

    def test_a_job_that_check_job_took_meanwhile_is_completed_to_the_new_callback(self, world):
        world.submit()
        listed = list(world.jobs.active(Engine.GLUE))
        world.check(world.message().key, "callback2")
        world.glue.finish()
        world.jobs.active = lambda engine: listed if engine is Engine.GLUE else []  # a stale index
        world.watch()
        assert world.responses("callback1") == []
        assert not world.record().state.ended
        del world.jobs.active
        world.watch()
        assert len(world.responses("callback2")) == 1


class TestHeartbeats:
    def test_a_running_job_is_stored_alive(self, world):
        world.submit()
        world.glue.finish("RUNNING")
        for _ in range(3):
            assert world.watch().done[Done.HEARTBEAT] == 1
        assert world.durable.callbacks["callback1"].heartbeats == 3
        assert world.record().state is JobState.RUNNING

    def test_an_overdue_job_is_not_so_that_the_orchestrator_cancels_it(self, world):
        world.submit()
        world.clock.advance(901)
        assert world.watch().done[Done.HEARTBEAT] == 0
        assert world.check(world.message().key).overdue

    def test_a_state_nobody_knows_lasts_until_the_deadline_and_is_no_success(self, world):
        world.submit()
        world.glue.finish("HIBERNATING")
        assert world.watch().done[Done.HEARTBEAT] == 1
        world.clock.advance(901)
        assert world.watch().done[Done.HEARTBEAT] == 0
        assert world.cancel(world.message().key).state is JobState.TIMED_OUT

    def test_a_closed_or_unknown_callback_of_a_running_job_is_no_error(self, world):
        world.submit()
        world.durable.callbacks["callback1"].timed_out = True
        assert world.watch().errors == []
        world.durable.callbacks.clear()
        assert world.watch().errors == []
        assert world.record().active

    def test_a_job_its_engine_forgot_gets_none_and_ends_at_its_deadline(self, world):
        world.submit()
        world.glue.runs.clear()
        assert world.watch().done[Done.HEARTBEAT] == 0
        world.clock.advance(901)
        world.watch()
        assert world.responses()[0].state is JobState.TIMED_OUT


class TestIntents:
    def test_an_interrupted_submission_is_found_and_followed(self, world):
        world.glue.break_once("StartJobRun", Killed(), after=True)
        with pytest.raises(Killed):
            world.submit()
        world.watch()
        assert world.record().service_id is None, "the submission may still be under way"
        world.clock.advance(SUBMISSION_SECONDS + 1)
        world.watch()
        assert world.record().service_id == "jr_0000"
        world.glue.finish()
        world.watch()
        assert len(world.responses()) == 1

    def test_a_job_that_waits_for_a_place_costs_no_request(self, world):
        world.glue._places = 0
        assert world.submit().service_id is None, "it waits"
        world.clock.advance(60)
        world.watch()
        assert world.glue.count("GetJobRuns") == 0

    def test_an_interrupted_load_is_found_by_the_function_that_submitted_it(self, world):
        """Redshift lists nobody the statements of another role."""
        message = world.message(engine=Engine.REDSHIFT)
        world.redshift.break_once("BatchExecuteStatement", Killed(), after=True)
        with pytest.raises(Killed):
            world.submit(message)
        world.clock.advance(60)
        world.watch()
        assert world.started(Engine.REDSHIFT) == [world.record(message).service_id]

    def test_an_intent_that_gets_its_place_meanwhile_is_not_ended(self, world):
        """The index is read at the beginning, and behind; the deadline counts anew by then."""
        world.glue._places = 0
        assert world.submit().service_id is None, "it waits"
        as_indexed = world.record()
        world.clock.advance(890)
        world.glue._places = 1
        world.submit()
        world.clock.advance(20)
        active = world.jobs.active
        world.jobs.active = lambda engine: iter([as_indexed] if engine is Engine.GLUE else [])
        world.watch()
        world.jobs.active = active
        assert world.responses() == []
        assert (world.record().state, world.record().active) == (JobState.SUBMITTED, True)

    def test_an_interrupted_serverless_submission_is_found_though_it_takes_a_token(self, world):
        message = world.message(engine=Engine.EMR_SERVERLESS)
        world.serverless.break_once("StartJobRun", Killed(), after=True)
        with pytest.raises(Killed):
            world.submit(message)
        world.clock.advance(SUBMISSION_SECONDS + 1)
        world.watch()
        assert world.record(message).service_id == world.started(Engine.EMR_SERVERLESS)[0]

    def test_a_job_that_its_engine_never_lets_end_is_not_checked_for_ever(self, world):
        world.submit()
        world.glue.finish("HIBERNATING")
        world.clock.advance(900 + NEVER_ENDING.total_seconds())
        world.watch()
        assert world.record().active
        world.clock.advance(1)
        world.watch()
        assert world.record().state is JobState.TIMED_OUT
        assert world.record().error == "glue still says HIBERNATING"
        assert not world.record().active

    def test_an_intent_nobody_submits_ends_at_its_deadline(self, world):
        world.glue.break_once("StartJobRun", Killed())
        with pytest.raises(Killed):
            world.submit()
        world.clock.advance(901)
        world.watch()
        assert world.responses()[0].state is JobState.TIMED_OUT
        assert world.watch().active == 0


class TestTolerance:
    @pytest.mark.slow
    def test_a_hundred_jobs_cost_one_request_to_glue(self, world, many):
        many(101)
        world.glue.requests.clear()
        tally = world.watch()
        assert (tally.active, tally.done[Done.HEARTBEAT]) == (101, 101)
        assert len(world.glue.requests) == 1

    def test_an_engine_that_fails_leaves_the_other(self, world):
        world.submit()
        load = world.message(engine=Engine.REDSHIFT, callback="callback2")
        world.submit(load)
        world.redshift.finish()
        world.glue.refuse_once("GetJobRuns", "ThrottlingException")
        assert len(world.watch().errors) == 1
        assert len(world.responses("callback2")) == 1

    def test_an_engine_that_is_not_configured_any_more_leaves_the_other(self, world):
        world.submit()
        load = world.message(engine=Engine.REDSHIFT, callback="callback2")
        world.submit(load)
        world.redshift.finish()
        adapter = world.adapter

        def without_glue(engine):
            if engine is Engine.GLUE:
                raise PipelineError("no glue here")
            return adapter(engine)

        world.adapter = without_glue
        assert [str(error) for error in world.watch().errors] == ["no glue here"]
        assert len(world.responses("callback2")) == 1

    def test_one_job_that_fails_leaves_the_others(self, world, many):
        many(5)
        for run in range(5):
            world.glue.finish(run=run)
        operation = "SendDurableExecutionCallbackSuccess"
        world.durable.refuse_once(operation, "ServiceException", 500)
        tally = world.watch()
        assert (tally.done[Done.REPORTED], len(tally.errors)) == (4, 1)
        assert world.watch().done[Done.REPORTED] == 1

    def test_an_item_that_is_no_job_leaves_the_others(self, world):
        world.submit()
        odd = {"run_id": RUN_ID, "item": "JOB#odd", "active": "glue", "submitted_at": "2026"}
        world.cloud.ledger.put_if_absent(odd)
        world.glue.finish()
        tally = world.watch()
        assert "JOB#odd" in str(tally.errors[0])
        assert len(world.responses()) == 1


class TestHandler:
    @pytest.fixture
    def world(self, cloud, clients) -> World:
        return World(cloud, clients, clock=FakeClock(utc_now()))  # as the handler knows no other

    @pytest.fixture
    def handled(self, world, clients, lambda_context, capsys):
        """Wakes the watcher; returns its metrics."""
        clients.use("glue", world.glue)
        clients.use("redshift-data", world.redshift)
        clients.use("lambda", world.durable)

        def handle(event):
            capsys.readouterr()
            try:
                job_watcher.handler(event, lambda_context)
            finally:
                lines = capsys.readouterr().out.splitlines()
            return next(json.loads(line) for line in lines if "_aws" in line)

        return handle

    @pytest.mark.parametrize(
        "event",
        [
            {},
            {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}},
            {
                "detail-type": "Glue Job State Change",
                "detail": {"jobRunId": "x"},
            },
        ],
    )
    def test_any_event_wakes_it_and_none_is_believed(self, world, handled, event):
        world.submit()
        assert handled(event)["JobsAnswered"] == [0.0]
        world.glue.finish()
        measured = handled(event)
        assert measured["JobsAnswered"] == [1.0]
        assert measured["WatcherRuns"] == [1.0]
        assert world.responses()[0].state is JobState.SUCCEEDED

    def test_a_silent_day_is_measured_too(self, handled):
        measured = handled({})
        assert (measured["ActiveJobs"], measured["WatcherErrors"]) == ([0.0], [0.0])

    def test_what_failed_is_raised_at_the_end(self, world, handled):
        world.submit()
        world.glue.refuse_once("GetJobRuns", "ThrottlingException")
        with pytest.raises(WatcherIncomplete, match="1 of 1.*Throttled"):
            handled({})
