"""check_job and cancel_job: the engine decides, the deadline ends, the ledger keeps."""

from __future__ import annotations

import math

import pytest
from job_fakes import Killed
from job_world import RUN_ID, SERVICES, World

from contracts import layout, messages
from contracts.errors import NotFound, Throttled
from contracts.job import Engine, JobState, JobStatus
from remote_jobs.engines.emr_steps import QUOTA
from steps import cancel_job, check_job


@pytest.fixture
def world(cloud, clients) -> World:
    return World(cloud, clients)


@pytest.fixture
def key(world):
    return world.message().key


class TestCheck:
    def test_a_running_job_in_time_is_not_overdue(self, world, key):
        world.submit()
        world.glue.finish("RUNNING")
        status = world.check(key)
        assert (status.state, status.overdue) == (JobState.RUNNING, False)
        assert world.item()["callback_id"] == "callback2"

    def test_past_its_deadline_a_job_is_overdue(self, world, key):
        world.submit()
        world.clock.advance(900)
        assert not world.check(key).overdue
        world.clock.advance(1)
        assert world.check(key).overdue

    @pytest.mark.parametrize(
        ("state", "seconds", "lateness"),
        [
            ("STARTING", 601, "never started: it waited at glue until its 600 s were over"),
            ("RUNNING", 901, "still running at its deadline of 900 s"),
            (None, 601, "no place in pool glue/stack-clean-csv within 600 s"),
        ],
    )
    def test_an_overdue_job_says_which_deadline_it_missed(
        self, world, key, state, seconds, lateness
    ):
        if state is None:
            world.glue.refuse_once("StartJobRun", "ConcurrentRunsExceededException")
        world.submit(world.message().model_copy(update={"queue_seconds": 600}))
        if state == "RUNNING":
            world.glue.finish("RUNNING")
        assert world.check(key).lateness is None
        world.clock.advance(seconds)
        status = world.check(key)
        assert (status.overdue, status.lateness) == (True, lateness)

    @pytest.mark.parametrize(
        ("seconds", "state"), [(800, JobState.CANCELLED), (901, JobState.TIMED_OUT)]
    )
    def test_a_service_that_stops_a_late_job_by_itself_has_timed_it_out(
        self, world, key, seconds, state
    ):
        world.submit()
        world.clock.advance(seconds)
        world.glue.finish("STOPPED")
        world.clock.advance(3600)
        assert world.check(key).state is state, "by when it ended, not by when we look"

    def test_an_end_is_stored_and_nobody_returns_it_again(self, world, key):
        world.submit()
        world.glue.finish("ERROR")
        world.clock.advance(2000)
        status = world.check(key)
        assert (status.state, status.overdue) == (JobState.FAILED, False)
        assert status.error == "glue ended the job as ERROR"
        world.watch()
        assert world.responses("callback2") == []
        assert world.check(key, "callback3") == status

    def test_a_job_its_engine_forgot_goes_on_until_its_deadline(self, world, key):
        world.submit()
        world.glue.runs.clear()
        assert world.check(key).state is JobState.SUBMITTED
        world.clock.advance(901)
        assert world.check(key).overdue
        assert world.cancel(key, "deadline").state is JobState.TIMED_OUT

    def test_an_interrupted_submission_is_looked_up(self, world, key):
        world.glue.break_once("StartJobRun", Killed(), after=True)
        with pytest.raises(Killed):
            world.submit()
        assert world.check(key).service_id == "jr_0000"

    def test_the_step_of_a_command_is_stored_once_it_is_known(self, world):
        message = world.message(engine=Engine.EMR_SSM)
        command_id = world.submit(message).service_id
        assert world.check(message.key).service_id == command_id
        world.ssm.run()
        assert world.check(message.key).service_id == f"{command_id}/s-00000"
        world.emr.finish("RUNNING")
        assert world.check(message.key).state is JobState.RUNNING
        world.emr.finish("COMPLETED")
        assert world.check(message.key).state is JobState.SUCCEEDED

    @pytest.mark.parametrize("code", ["ThrottlingException", "AccessDeniedException"])
    def test_past_its_deadline_an_engine_that_cannot_be_asked_saves_no_job(self, world, key, code):
        world.submit()
        world.clock.advance(901)
        world.glue.refuse_once("GetJobRuns", code)
        status = world.check(key)
        assert (status.state, status.overdue) == (JobState.SUBMITTED, True)

    def test_emr_is_asked_within_its_quota_and_else_later(self, world):
        """As many orchestrators ask as have lost their watcher."""
        keys = []
        for position in range(QUOTA.burst + 5):
            world.clock.advance(2)  # as often as steps may be submitted
            message = world.message(
                engine=Engine.EMR, unit=layout.unit_id(0, position), callback=f"c{position}"
            )
            world.submit(message)
            keys.append(message.key)
        world.emr.finish()
        world.emr.requests.clear()
        states = [world.check(key, f"again{number}").state for number, key in enumerate(keys)]
        assert world.emr.count("ListSteps") == QUOTA.burst
        assert states[-1] is JobState.SUBMITTED, "asked later, or reported by the watcher"
        world.clock.advance(60)
        assert world.check(keys[-1], "later").state is JobState.SUCCEEDED

    def test_an_engine_that_cannot_be_asked_is_an_error(self, world, key):
        world.submit()
        world.glue.refuse_once("GetJobRuns", "ThrottlingException")
        with pytest.raises(Throttled):
            world.check(key)

    def test_a_key_without_a_job_is_named(self, world, key):
        with pytest.raises(NotFound, match="run-1/00000-000/clean/1"):
            world.check(key)

    def test_the_handler_returns_with_the_status(self, world, clients, key, lambda_context):
        clients.use("glue", world.glue)
        world.submit()
        message = messages.CheckJob(key=key, callback_id="callback2")
        response = check_job.handler(message.to_json(), lambda_context)
        assert JobStatus.from_json(response).service_id == "jr_0000"
        world.glue.finish()
        world.watch()
        ended = check_job.handler(message.to_json(), lambda_context)
        assert JobStatus.from_json(ended).state is JobState.SUCCEEDED


class TestCancel:
    def test_at_the_deadline_a_job_is_stopped_and_timed_out(self, world, key):
        world.submit()
        world.clock.advance(901)
        assert world.check(key).overdue
        status = world.cancel(key, "still running at its deadline of 900 s")
        assert status.state is JobState.TIMED_OUT
        assert status.error == "still running at its deadline of 900 s"
        assert world.glue.runs[0]["JobRunState"] == "STOPPED"
        assert not world.record().active
        assert "/job/stack-clean-csv/run/jr_0000" in status.console_url
        assert "log-events/jr_0000" in status.log_url

    def test_one_that_is_slow_to_stop_is_reported_as_ended_and_followed_to_its_end(
        self, world, key
    ):
        world.submit()
        world.glue.finish("RUNNING")
        world.watch()
        world.clock.advance(901)
        world.stops_after = math.inf
        status = world.cancel(key, "still running at its deadline of 900 s")
        assert status.state is JobState.TIMED_OUT
        assert status.error == (
            "still running at its deadline of 900 s;"
            " its end is not confirmed yet (glue says STOPPING)"
        )
        assert status.console_url is not None
        record = world.record()
        assert (record.state, record.active) == (JobState.RUNNING, True)
        heartbeats = world.durable.callbacks["callback1"].heartbeats
        world.watch()
        assert world.durable.callbacks["callback1"].heartbeats == heartbeats
        world.glue.finish("STOPPED")
        world.watch()
        record = world.record()
        assert (record.state, record.active) == (JobState.TIMED_OUT, False)
        assert record.error == "still running at its deadline of 900 s"

    def test_a_job_that_is_not_listed_yet_has_not_ended(self, world):
        message = world.message(engine=Engine.EMR)
        world.submit(message)
        listed, world.emr.steps = world.emr.steps, []
        assert world.cancel(message.key).state is JobState.CANCELLED, "as the run is to see it"
        record = world.record(message)
        assert (record.state, record.active) == (JobState.SUBMITTED, True)
        world.emr.steps = listed
        world.cancel(message.key)
        assert listed[0]["Status"]["State"] == "CANCELLED"
        assert not world.record(message).active

    def test_a_step_that_appears_while_its_command_is_cancelled_is_cancelled(self, world):
        message = world.message(engine=Engine.EMR_SSM)
        world.submit(message)
        world.ssm.run()
        world.ssm.report(world.ssm.commands[0], "Failed", "Connection reset")
        listed, world.emr.steps = world.emr.steps, []
        sleep = world.sleep

        def then_it_is_listed(seconds):
            world.emr.steps = listed
            sleep(seconds)

        world.sleep = then_it_is_listed
        assert world.cancel(message.key).state is JobState.CANCELLED
        assert listed[0]["Status"]["State"] == "CANCELLED"
        assert not world.record(message).active

    def test_an_engine_that_cannot_be_asked_does_not_keep_the_run_waiting(self, world, key):
        world.submit()
        world.clock.advance(901)
        for _ in range(9):
            world.glue.refuse_once("GetJobRuns", "ThrottlingException")
        status = world.cancel(key, "too late")
        assert status.state is JobState.TIMED_OUT
        assert "is not confirmed yet" in status.error
        assert world.record().active

    def test_before_the_deadline_it_is_cancelled(self, world, key):
        world.submit()
        assert world.cancel(key).state is JobState.CANCELLED

    def test_a_job_that_ended_by_itself_keeps_its_own_end(self, world, key):
        world.submit()
        world.glue.finish("SUCCEEDED")
        world.clock.advance(901)
        assert world.cancel(key, "too late").state is JobState.SUCCEEDED
        assert world.glue.count("BatchStopJobRun") == 0

    def test_one_that_ends_while_it_is_cancelled_too(self, world, key):
        world.submit()
        world.glue.finish("RUNNING")
        stop = world.glue._stop

        def finished_just_before(**request):
            world.glue.finish("SUCCEEDED")
            return stop(**request)

        world.glue._stop = finished_just_before
        assert world.cancel(key).state is JobState.SUCCEEDED

    def test_a_second_cancel_returns_with_the_first_end(self, world, key):
        world.submit()
        first = world.cancel(key, "one")
        assert world.cancel(key, "two") == first
        assert world.glue.count("BatchStopJobRun") == 1

    def test_an_intent_that_was_not_submitted_just_ends(self, world, key):
        world.glue.refuse_once("StartJobRun", "ThrottlingException")
        assert world.submit().service_id is None, "it waits"
        assert world.cancel(key).state is JobState.CANCELLED
        assert world.submit().state is JobState.CANCELLED
        assert world.glue.runs == []

    def test_a_load_is_cancelled_by_its_statement(self, world):
        message = world.message(engine=Engine.REDSHIFT)
        world.submit(message)
        assert world.cancel(message.key).state is JobState.CANCELLED
        assert world.redshift.statements[0]["Status"] == "ABORTED"

    @pytest.mark.slow
    @pytest.mark.parametrize("after", [False, True])
    @pytest.mark.parametrize("engine", SERVICES)
    def test_killed_at_any_outside_call_the_next_one_ends_it(self, world, engine, after):
        call = 0
        while True:
            call += 1
            unit = layout.unit_id(0, call)
            world.cloud.put(layout.load_key(RUN_ID, unit), '{"statements": ["SELECT 1"]}')
            message = world.message(engine=engine, unit=unit)
            world.fate.spare()
            world.submit(message)
            world.fate.kill_at(call, after=after)
            try:
                world.cancel(message.key)
            except Killed:
                world.fate.spare()
                status = world.cancel(message.key)
                assert status.state is JobState.CANCELLED
                assert not world.record(message).active
            else:
                break
        assert call > 4

    def test_a_step_through_ssm_is_cancelled_wherever_it_is(self, world):
        before = world.message(engine=Engine.EMR_SSM)
        world.submit(before)
        assert world.cancel(before.key).state is JobState.CANCELLED
        world.ssm.run()
        assert world.emr.steps == [], "the command never ran"
        after = world.message(engine=Engine.EMR_SSM, retry=2)
        world.submit(after)
        world.ssm.run()
        assert world.cancel(after.key).state is JobState.CANCELLED
        assert world.emr.steps[0]["Status"]["State"] == "CANCELLED"

    def test_the_handler_returns_with_the_end(self, world, clients, key, lambda_context):
        clients.use("glue", world.glue)
        world.submit()
        world.glue.finish("STOPPED")  # else it waits for that, by the real clock
        message = messages.CancelJob(key=key, reason="asked to")
        response = cancel_job.handler(message.to_json(), lambda_context)
        assert JobStatus.from_json(response).state.ended
