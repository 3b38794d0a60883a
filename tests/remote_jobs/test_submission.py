"""submit_job: one job per key, whatever dies, repeats or is full."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

import pytest
from emr_fakes import refusal
from job_fakes import Killed, service_error
from job_world import EMR_ENGINES, GLUE_JOB, RUN_ID, UNIT, World
from noted_client import Noted

from contracts import layout
from contracts.errors import (
    NotConfigured,
    NotFound,
    OwnershipLost,
    PipelineError,
    TransientFailure,
)
from contracts.job import Engine, JobState, JobStatus
from contracts.messages import SubmitJob
from remote_jobs.starting import SUBMISSION_SECONDS
from runtime.tokens import random_token
from steps import submit_job


@pytest.fixture
def world(cloud, clients) -> World:
    return World(cloud, clients)


def until_it_returns(
    world: World, call: Callable[[], JobStatus], died: type[BaseException] = Killed
) -> JobStatus:
    """Call as the orchestrator does after a death, and the watcher while it waits."""
    for _ in range(400):
        try:
            status = call()
        except died:
            status = None
        if status is not None and (status.service_id or status.state.ended):
            return status
        world.clock.advance(40)
    raise AssertionError("it never returned")


class TestWhatAJobIsGiven:
    def test_a_glue_job_gets_its_ids_its_input_and_the_contracts_arguments(self, world):
        status = world.submit()
        assert world.glue.runs[0]["JobName"] == GLUE_JOB
        assert world.glue.runs[0]["Arguments"] == {
            "--JOB_ID": status.job_id,
            "--JOB_KEY": f"{RUN_ID}/{UNIT}/clean/1",
            "--RUN_ID": RUN_ID,
            "--UNIT_ID": UNIT,
            "--INPUT_URL": "s3://data-bucket/landing/sales/0.csv",
            "--OUTPUT_URL": f"s3://data-bucket/runs/{RUN_ID}/units/{UNIT}/jobs/clean/1/",
            "--DATASET_URL": f"s3://data-bucket/runs/{RUN_ID}/dataset.json",
            "--INDEX": "sales",
            "--QUERY": "amount > 10",
            "--DEPTH": "2",
        }
        assert status.state is JobState.SUBMITTED
        assert status.output_url == world.glue.runs[0]["Arguments"]["--OUTPUT_URL"]
        assert status.service_id == world.glue.runs[0]["Id"]

    def test_a_job_id_is_a_timestamp_and_a_unique_part(self, world):
        assert re.fullmatch(r"20261120T081500Z-[0-9a-f]{8}", world.submit().job_id)
        assert re.fullmatch(r"[0-9a-f]{8}", random_token())
        assert random_token() != random_token()

    def test_the_second_job_of_a_chain_reads_the_firsts_output(self, world):
        first = world.submit()
        world.submit(world.message(stage="enrich", input_url=first.output_url))
        assert world.glue.runs[1]["Arguments"]["--INPUT_URL"] == first.output_url

    def test_only_the_first_job_of_a_chain_filters(self, world):
        first = world.submit()
        world.submit(world.message(stage="enrich", input_url=first.output_url))
        given = [run["Arguments"].get("--QUERY") for run in world.glue.runs]
        assert given == ["amount > 10", None]

    @pytest.mark.parametrize("engine", EMR_ENGINES)
    def test_a_spark_job_gets_its_script_its_options_and_the_same_arguments(self, world, engine):
        glue_status = world.submit()
        message = world.message(engine=engine, input_url=glue_status.output_url)
        status = world.submit(message)
        world.ssm.run()
        if engine is Engine.EMR_SERVERLESS:
            spark = world.serverless.runs[0]["request"]["jobDriver"]["sparkSubmit"]
            assert spark["sparkSubmitParameters"] == "--conf 'spark.x=1 2'"
            script, *words = [spark["entryPoint"], *spark["entryPointArguments"]]
        else:
            command = world.emr.steps[0]["Config"]["Args"]
            timeout = ["timeout", "--foreground", "--kill-after=30", "960"]
            assert command[:4] == timeout, "a minute after our own"
            assert command[4:7] == ["spark-submit", "--conf", "spark.x=1 2"]
            script, *words = command[7:]
        assert script == "s3://code-bucket/jobs/enrich.py"
        assert dict(zip(words[::2], words[1::2], strict=True)) == {
            "--JOB_ID": status.job_id,
            "--JOB_KEY": f"{RUN_ID}/{UNIT}/{message.key.stage}/1",
            "--RUN_ID": RUN_ID,
            "--UNIT_ID": UNIT,
            "--INPUT_URL": glue_status.output_url,
            "--OUTPUT_URL": status.output_url,
            "--DATASET_URL": f"s3://data-bucket/runs/{RUN_ID}/dataset.json",
            "--INDEX": "sales",
        }

    def test_a_load_runs_its_prepared_statements(self, world):
        message = world.message(engine=Engine.REDSHIFT)
        status = world.submit(message)
        statement = world.redshift.statements[0]
        timeout = "SET statement_timeout TO 900000"
        assert statement["request"]["Sqls"] == [timeout, "INSERT INTO sales SELECT 1"]
        assert statement["StatementName"] == status.job_id
        named = layout.s3_url("data-bucket", layout.load_key(RUN_ID, UNIT))
        assert world.item(message)["input_url"] == named

    def test_a_stage_the_contract_does_not_have_is_refused_before_any_trace(self, world):
        with pytest.raises(NotConfigured, match="no job polish"):
            world.submit(world.message(stage="polish"))
        assert list(world.cloud.ledger.query(RUN_ID, "JOB#")) == []

    def test_missing_statements_are_named(self, world):
        message = world.message(engine=Engine.REDSHIFT, input_url="s3://data-bucket/gone.json")
        with pytest.raises(NotFound, match="data-bucket/gone.json"):
            world.submit(message)


class TestOnce:
    @pytest.mark.slow
    @pytest.mark.parametrize("after", [False, True])
    @pytest.mark.parametrize("engine", list(Engine))
    def test_killed_at_any_outside_call_it_still_makes_one_job(self, world, engine, after):
        """Every call in turn; units keep the rounds apart."""
        for position in range(100):
            unit = layout.unit_id(0, position)
            world.cloud.put(layout.load_key(RUN_ID, unit), '{"statements": ["SELECT 1"]}')
            message = world.message(engine=engine, unit=unit)
            world.fate.kill_at(position + 1, after=after)
            status = until_it_returns(world, lambda message=message: world.submit(message))
            survived = world.fate.calls == position
            world.fate.spare()
            record = world.record(message)
            started = world.started(engine)
            assert len(started) == position + 1
            assert record.service_id == started[-1] == status.service_id
            assert record.active
            assert record.submitting_until is None
            if survived:  # there were only so many calls
                break
        assert 2 < position < 20

    @pytest.mark.slow
    @pytest.mark.parametrize("seed", range(4))
    @pytest.mark.parametrize("engine", list(Engine))
    def test_killed_again_and_again_it_still_makes_one_job(self, world, engine, seed):
        dice = random.Random(seed)  # noqa: S311 - to be the same every time
        world.fate.decide = lambda _call, _after: dice.random() < 0.4
        message = world.message(engine=engine, timeout_seconds=86400)
        status = until_it_returns(world, lambda: world.submit(message))
        world.fate.spare()
        assert world.started(engine) == [status.service_id]
        assert world.record(message).job_id == status.job_id

    def test_a_call_while_another_is_submitting_waits_its_turn(self, world):
        waiting = []

        def meanwhile() -> None:
            world.glue.while_starting = lambda: None
            waiting.append(world.submit(world.message(callback="callback2")))

        world.glue.while_starting = meanwhile
        world.submit()
        assert [status.service_id for status in waiting] == [None]
        assert len(world.glue.runs) == 1
        assert world.submit(world.message(callback="callback2")).service_id == "jr_0000"
        assert world.item()["callback_id"] == "callback2"

    def test_of_two_calls_that_saw_the_same_intent_one_may_submit(self, world):
        world.glue.break_once("StartJobRun", Killed())
        with pytest.raises(Killed):
            world.submit()
        world.clock.advance(SUBMISSION_SECONDS + 1)
        seen = world.record()
        later = int(world.clock().timestamp()) + SUBMISSION_SECONDS
        assert world.jobs.claim_submission(seen, later)
        assert not world.jobs.claim_submission(seen, later + 1)

    def test_a_call_that_was_held_up_does_not_submit_beside_the_next(self, world):
        """Its claim may have run out by the time its request returns."""

        create = world.jobs.create

        def slow(record):
            world.elapsed += SUBMISSION_SECONDS - 20
            return create(record)

        world.jobs.create = slow
        assert world.submit().service_id is None
        assert world.glue.runs == []
        world.clock.advance(60)
        assert world.submit().service_id == "jr_0000"

    def test_a_full_engine_does_not_make_an_uncertain_submission_forgotten(self, world):
        """The first try may have started a job that the engine lists only later."""
        lost = service_error("StartJobRun", "InternalServiceException", 500)
        world.glue.break_once("StartJobRun", lost, after=True)
        with pytest.raises(TransientFailure):
            world.submit()
        (late,) = world.glue.runs
        world.glue.runs.clear()
        world.clock.advance(SUBMISSION_SECONDS + 1)
        world.glue.refuse_once("StartJobRun", "ConcurrentRunsExceededException")
        assert world.submit().service_id is None, "it waits"
        world.glue.runs.append(late)
        world.clock.advance(60)
        assert world.submit().service_id == late["Id"]
        assert world.glue.runs == [late]

    def test_a_lost_response_is_made_up_for_by_looking_the_job_up(self, world):
        lost = service_error("StartJobRun", "InternalServiceException", 500)
        world.glue.break_once("StartJobRun", lost, after=True)
        with pytest.raises(TransientFailure):
            world.submit()
        status = world.submit()
        assert status.service_id == "jr_0000"
        assert len(world.glue.runs) == 1

    def test_a_job_found_late_is_stopped_when_the_key_was_cancelled_meanwhile(self, world):
        world.glue.while_starting = lambda: world.cancel(world.message().key)
        status = world.submit()
        assert status.state is JobState.CANCELLED
        assert world.glue.runs[0]["JobRunState"] == "STOPPING"

    def test_one_that_cannot_be_stopped_does_not_change_the_response(self, world):
        world.glue.while_starting = lambda: world.cancel(world.message().key)
        world.glue.refuse_once("BatchStopJobRun", "AccessDeniedException")
        assert world.submit().state is JobState.CANCELLED

    def test_a_repeat_returns_with_the_job_as_it_ended(self, world):
        world.submit()
        world.glue.finish("FAILED", "row 3: not a number")
        world.durable.make("callback1")
        world.watch()
        status = world.submit(world.message(callback="callback2"))
        assert status.state is JobState.FAILED
        assert status.error == "row 3: not a number"
        assert len(world.glue.runs) == 1

    def test_an_end_that_the_response_reports_is_not_left_for_the_watcher(self, world):
        world.submit()
        world.glue.finish()
        world.durable.callbacks.clear()  # the first callback is not known (yet)
        world.watch()
        assert world.record().active
        assert world.submit(world.message(callback="callback2")).state is JobState.SUCCEEDED
        assert not world.record().active

    def test_each_retry_is_a_job_of_its_own(self, world):
        first = world.submit()
        world.glue.finish("FAILED")
        second = world.submit(world.message(retry=2, callback="callback2"))
        assert first.job_id != second.job_id
        assert first.output_url != second.output_url
        assert len(world.glue.runs) == 2


class TestFull:
    FULL = (  # what each engine says, and to which request
        (Engine.GLUE, "StartJobRun", "ConcurrentRunsExceededException"),
        (Engine.EMR, "AddJobFlowSteps", "ValidationException"),
        (Engine.EMR_SSM, "ListSteps", "ThrottlingException"),
        (Engine.EMR_SSM, "SendCommand", "ThrottlingException"),
        (Engine.EMR_SERVERLESS, "StartJobRun", "ServiceQuotaExceededException"),
        (Engine.REDSHIFT, "BatchExecuteStatement", "ActiveStatementsExceededException"),
    )

    @pytest.mark.parametrize(("engine", "operation", "code"), FULL)
    def test_full_is_not_failed(self, world, engine, operation, code):
        message = world.message(engine=engine)
        service = world.service(engine)
        if operation == "ListSteps":
            service = world.emr
        full = "Maximum number of active steps(State = 'Running') for cluster exceeded."
        for _ in range(2):
            service.break_once(operation, refusal(operation, code, full))
            assert world.submit(message).service_id is None, "it waits"
            assert not world.record(message).state.ended
            world.clock.advance(60)
        assert world.started(engine) == []
        assert [world.submit(message).service_id] == world.started(engine)

    def test_a_full_engine_leaves_an_intent_that_is_submitted_later(self, world):
        world.glue._places = 0
        assert world.submit().service_id is None, "it waits"
        job_id = world.item()["job_id"]
        assert world.submit().service_id is None, "it waits"
        world.glue._places = 1
        world.clock.advance(60)
        status = world.submit()
        assert status.job_id == job_id, "the id is drawn once per job"
        assert status.service_id == "jr_0000"
        assert world.glue.count("GetJobRuns") == 0, "what was refused need not be looked for"

    def test_the_jobs_clock_starts_when_it_gets_its_place(self, world):
        world.glue._places = 0
        assert world.submit().service_id is None, "it waits"
        world.clock.advance(600)
        world.glue._places = 1
        world.submit()
        assert world.record().deadline == int(world.clock().timestamp()) + 900

    def test_throttling_leaves_the_intent_too(self, world):
        world.glue.refuse_once("StartJobRun", "ThrottlingException")
        assert world.submit().service_id is None, "it waits"
        world.clock.advance(60)
        assert world.submit().service_id == "jr_0000"

    def test_only_the_deadline_ends_the_waiting(self, world):
        world.glue._places = 0
        assert world.submit().service_id is None, "it waits"
        world.clock.advance(901)
        status = world.submit()
        assert status.state is JobState.TIMED_OUT
        assert "no place in pool glue/stack-clean-csv within 900 s" in status.error
        assert not world.record().active
        assert world.glue.runs == []

    def test_a_submission_that_can_never_work_fails_the_job(self, world):
        world.glue.refuse_once("StartJobRun", "InvalidInputException")
        with pytest.raises(PipelineError):
            world.submit()
        record = world.record()
        assert record.state is JobState.FAILED
        assert "InvalidInputException" in record.error
        assert not record.active
        assert world.submit().state is JobState.FAILED, "a repeat does not try again"


class TestTakingOver:
    def second(self, world: World, **more: object) -> SubmitJob:
        world.hold_run(2)
        return world.message(run_attempt=2, callback="callback2", **more)

    def test_a_former_holder_may_not_submit(self, world):
        message = world.message()
        world.hold_run(2)
        with pytest.raises(OwnershipLost, match="attempt 2"):
            world.submit(message)
        assert world.glue.runs == []

    def test_a_running_job_of_the_former_holder_is_adopted(self, world):
        first = world.submit()
        message = self.second(world)
        assert world.submit(message) == first
        assert len(world.glue.runs) == 1
        world.glue.finish()
        world.watch()
        assert [response.state for response in world.responses("callback2")] == [JobState.SUCCEEDED]
        assert world.responses("callback1") == []

    def test_an_adopted_job_is_checked_and_cancelled_under_the_new_key(self, world):
        first = world.submit()
        message = self.second(world)
        world.submit(message)
        assert world.check(message.key, "callback3").job_id == first.job_id
        assert world.cancel(message.key).state is JobState.CANCELLED
        assert world.submit(message).state is JobState.CANCELLED

    def test_a_finished_job_with_its_report_is_adopted(self, world):
        first = world.submit()
        world.glue.finish()
        world.watch()
        world.put_report(first)
        status = world.submit(self.second(world))
        assert (status.job_id, status.state) == (first.job_id, JobState.SUCCEEDED)
        assert len(world.glue.runs) == 1

    @pytest.mark.parametrize("state", ["SUCCEEDED", "FAILED", "STOPPED", "TIMEOUT"])
    def test_one_without_its_output_is_done_again(self, world, state):
        world.submit()
        world.glue.finish(state)
        world.watch()
        status = world.submit(self.second(world))
        assert status.attempt == 11
        assert len(world.glue.runs) == 2

    def test_a_job_on_another_input_is_not_adopted(self, world):
        world.submit(world.message(stage="enrich", input_url="s3://data-bucket/one/"))
        other = self.second(world, stage="enrich", input_url="s3://data-bucket/other/")
        world.submit(other)
        assert len(world.glue.runs) == 2

    def test_an_intent_of_the_former_holder_is_submitted_once(self, world):
        world.glue.break_once("StartJobRun", Killed(), after=True)
        with pytest.raises(Killed):
            world.submit()
        status = until_it_returns(world, lambda: world.submit(self.second(world)))
        assert status.attempt == 1
        assert len(world.glue.runs) == 1

    def test_an_intent_past_its_deadline_is_left_alone(self, world):
        world.glue._places = 0
        assert world.submit().service_id is None, "it waits"
        world.clock.advance(86400)
        world.glue._places = 1
        assert world.submit(self.second(world)).attempt == 11

    def test_a_retry_after_the_taking_over_is_a_new_job(self, world):
        world.submit()
        assert world.submit(self.second(world, retry=2)).attempt == 12

    def test_a_finished_load_is_not_loaded_again(self, world):
        world.submit(world.message(engine=Engine.REDSHIFT))
        world.redshift.finish()
        world.watch()
        status = world.submit(self.second(world, engine=Engine.REDSHIFT))
        assert status.state is JobState.SUCCEEDED
        assert len(world.redshift.statements) == 1

    def test_a_load_of_other_rows_is_another_load(self, world):
        for name in ("one", "other"):
            world.cloud.put(f"{name}.json", '{"statements": ["SELECT 1"]}')
        loads = {"engine": Engine.REDSHIFT}
        one, other = (f"s3://data-bucket/{name}.json" for name in ("one", "other"))
        for attempt, url in enumerate((one, other, one), start=1):
            world.hold_run(attempt)
            world.submit(world.message(run_attempt=attempt, input_url=url, **loads))
            world.redshift.finish()
            world.watch()
            assert len(world.redshift.statements) == attempt
        world.hold_run(4)
        status = world.submit(world.message(run_attempt=4, input_url=one, **loads))
        assert (status.state, len(world.redshift.statements)) == (JobState.SUCCEEDED, 3)

    def test_the_runs_own_row_is_written_by_every_attempt(self, world):
        world.cloud.put(layout.load_key(RUN_ID, layout.RUN_UNIT), '{"statements": ["SELECT 1"]}')
        about_run = {"engine": Engine.REDSHIFT, "unit": layout.RUN_UNIT, "stage": "record-run"}
        world.submit(world.message(**about_run))
        world.redshift.finish()
        world.watch()
        assert world.submit(self.second(world, **about_run)).attempt == 11


class TestHandler:
    def test_it_submits_through_the_configured_clients(self, world, clients, lambda_context):
        clients.use("glue", world.glue)
        response = submit_job.handler(world.message().to_json(), lambda_context)
        assert JobStatus.from_json(response).service_id == "jr_0000"
        assert "active" in world.item()

    def test_a_deployment_without_the_engine_says_so(self, world, lambda_context, monkeypatch):
        monkeypatch.setenv("REDSHIFT_CLUSTER", "")
        with pytest.raises(NotConfigured, match="engine redshift"):
            submit_job.handler(world.message(engine=Engine.REDSHIFT).to_json(), lambda_context)


def test_what_a_write_returns_is_not_read_again(cloud, clients):
    world = World(cloud, clients)
    dynamodb = Noted(cloud.client("dynamodb"))
    clients.use("dynamodb", dynamodb)
    world.submit()
    # The run; the job or an adopted one; the intent; its place; whether the run is to stop; the
    # engine's id.
    place = ["get_item", "update_item"]
    assert dynamodb.calls == [*["get_item"] * 3, "put_item", *place, "get_item", "update_item"]

    dynamodb.calls.clear()
    world.glue.finish()
    world.watch()
    assert dynamodb.calls.count("update_item") == 3, "the end, its place, that it was reported"
    assert dynamodb.calls.count("get_item") == 2, "the pool, and if it still runs"
