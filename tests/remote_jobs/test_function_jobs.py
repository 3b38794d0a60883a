"""A function's job: said once what to invoke, its end recorded by whichever step comes next."""

from __future__ import annotations

from typing import Any

import pytest
from job_fakes import FakeClock
from job_world import FUNCTION, RUN_ID, UNIT
from reaper_world import FIRST, ReaperWorld

from contracts.errors import NotConfigured, NotFound, OwnershipLost, RunStopped
from contracts.job import Engine, JobEnd, JobKey, JobState
from contracts.messages import EndUnit, StopRun, SubmitJob, Validate
from contracts.run import StageFailure, UnitStatus
from ledger.stop_decision import record_decision
from remote_jobs.engines.base import RemoteJob
from remote_jobs.engines.lambda_functions import RUNS_FOR_AT_MOST, LambdaJobs, resolve
from steps import record_unit, validate


@pytest.fixture
def world(cloud: Any, clients: Any) -> ReaperWorld:
    return ReaperWorld(cloud, clients)


def message(world: ReaperWorld, **fields: Any) -> SubmitJob:
    fields = {"callback": FIRST, "execution_arn": FIRST, **fields}
    return world.message(engine=Engine.LAMBDA, **fields)


def ended(sent: SubmitJob, state: str = "FAILED", **fields: Any) -> JobEnd:
    return JobEnd(key=sent.key, state=JobState(state), **fields)


class TestSubmission:
    def test_the_call_carries_the_arguments_of_any_job(self, world: ReaperWorld) -> None:
        status = world.submit(message(world))

        assert status.call is not None
        assert status.call.function == FUNCTION
        assert status.call.event == {
            "JOB_ID": status.job_id,
            "JOB_KEY": f"{RUN_ID}/{UNIT}/by-function/1",
            "RUN_ID": RUN_ID,
            "UNIT_ID": UNIT,
            "INPUT_URL": "s3://data-bucket/landing/sales/0.csv",
            "OUTPUT_URL": status.output_url,
            "DATASET_URL": f"s3://data-bucket/runs/{RUN_ID}/dataset.json",
            "INDEX": "sales",
            "QUERY": "amount > 10",
            "DEPTH": "2",
        }
        item = world.item(message(world))
        assert (item["state"], item["target"], item["engine"]) == ("RUNNING", FUNCTION, "lambda")
        assert item["console_url"].endswith("#/functions/enrich-sales?tab=monitoring")

    def test_a_repeat_returns_the_same_call(self, world: ReaperWorld) -> None:
        first = world.submit(message(world))
        world.clock.advance(30)

        assert world.submit(message(world)) == first
        assert world.started(Engine.LAMBDA) == [first.job_id]

    def test_a_job_that_has_ended_is_not_to_be_invoked_again(self, world: ReaperWorld) -> None:
        world.submit(message(world))
        end = ended(message(world), "SUCCEEDED")

        status = world.submit(message(world).model_copy(update={"ended_jobs": (end,)}))

        assert (status.state, status.call) == (JobState.SUCCEEDED, None)

    def test_after_a_stop_nothing_is_to_be_invoked(self, world: ReaperWorld) -> None:
        record_decision(StopRun(run_id=RUN_ID), world.cloud.ledger, world.clock())

        with pytest.raises(RunStopped):
            world.submit(message(world))
        assert world.started(Engine.LAMBDA) == []

    def test_a_former_holder_may_not_begin_one(self, world: ReaperWorld) -> None:
        world.take_over()
        with pytest.raises(OwnershipLost):
            world.submit(message(world))

    def test_a_function_that_is_not_allowed_any_more_leaves_no_trace(
        self, world: ReaperWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(world, "adapter", lambda _engine: LambdaJobs((f"{FUNCTION}-2",)))

        with pytest.raises(NotConfigured, match="function enrich-sales is not allowed"):
            world.submit(message(world))
        assert world.started(Engine.LAMBDA) == []


class TestTakingOver:
    def test_what_an_earlier_attempt_left_whole_is_adopted(self, world: ReaperWorld) -> None:
        """Its function came to its end, its execution did not live to record that."""
        first = world.submit(message(world))
        world.put_report(first)
        world.take_over()

        status = world.submit(message(world, run_attempt=2))

        assert (status.state, status.call) == (JobState.SUCCEEDED, None)
        assert (status.job_id, status.output_url) == (first.job_id, first.output_url)
        assert not world.record(message(world)).active

    @pytest.mark.parametrize("state", [None, "FAILED"])
    def test_anything_else_is_another_job_in_another_place(
        self, world: ReaperWorld, state: str | None
    ) -> None:
        first = world.submit(message(world))
        ends = (ended(message(world), state),) if state else ()
        world.take_over()

        status = world.submit(message(world, run_attempt=2).model_copy(update={"ended_jobs": ends}))

        assert status.call is not None
        assert status.job_id != first.job_id
        assert status.call.event["OUTPUT_URL"] != first.output_url


class TestEnds:
    def test_the_next_submission_records_the_end(self, world: ReaperWorld) -> None:
        world.submit(message(world))
        world.clock.advance(30)
        end = ended(message(world), error="ValueError: row 3", log_tail="File enrich.py")

        world.submit(message(world, retry=2).model_copy(update={"ended_jobs": (end,)}))

        record = world.record(message(world))
        assert (record.state, record.active) == (JobState.FAILED, False)
        assert (record.error, record.log_tail) == ("ValueError: row 3", "File enrich.py")
        assert record.ended_at == world.clock()

    def test_so_does_validate_whatever_it_makes_of_the_output(
        self, world: ReaperWorld, monkeypatch: pytest.MonkeyPatch, lambda_context: Any
    ) -> None:
        status = world.submit(message(world))
        monkeypatch.setenv("DATA_BUCKET", world.cloud.data_bucket)
        end = ended(message(world), "SUCCEEDED")
        sent = Validate(run_id=RUN_ID, unit_id=UNIT, input_url=status.output_url, ended_jobs=(end,))

        with pytest.raises(NotFound, match="report.json"):
            validate.handler(sent.to_json(), lambda_context)
        assert world.record(message(world)).state is JobState.SUCCEEDED

    def test_so_does_the_end_of_the_unit_and_a_repeat_changes_nothing(
        self, world: ReaperWorld, lambda_context: Any
    ) -> None:
        world.submit(message(world))
        failure = StageFailure(stage="by-function", error_type="JobFailed", message="no")
        for state in ("TIMED_OUT", "FAILED"):
            sent = EndUnit(
                run_id=RUN_ID,
                unit_id=UNIT,
                run_attempt=1,
                status=UnitStatus.FAILED,
                failure=failure,
                ended_jobs=(ended(message(world), state, error=state),),
            )
            record_unit.handler(sent.to_json(), lambda_context)

        record = world.record(message(world))
        assert (record.state, record.error) == (JobState.TIMED_OUT, "TIMED_OUT")

    def test_an_end_of_a_job_that_was_never_recorded_is_passed_over(
        self, world: ReaperWorld
    ) -> None:
        end = ended(message(world, retry=3))

        assert world.submit(message(world).model_copy(update={"ended_jobs": (end,)})).call


class TestNobodyElse:
    def test_the_watcher_leaves_it_alone(self, world: ReaperWorld) -> None:
        world.submit(message(world))
        assert world.watch().active == 0

    def test_stopping_says_that_a_running_function_cannot_be_cancelled(
        self, world: ReaperWorld
    ) -> None:
        status = world.submit(message(world))

        stopped = world.reaper.stop_run(StopRun(run_id=RUN_ID))

        assert stopped.jobs_cancelled == ()
        assert "a running function cannot be cancelled" in stopped.jobs_going_on[status.job_id]

    def test_one_whose_execution_was_stopped_is_no_complaint_and_ends_in_time(
        self, world: ReaperWorld
    ) -> None:
        world.submit(message(world))
        world.end("STOPPED")

        world.reap()  # would raise, were there something for the same call to go on with
        assert world.record(message(world)).state is JobState.RUNNING
        world.clock.advance(RUNS_FOR_AT_MOST.total_seconds())
        world.sweep()

        record = world.record(message(world))
        assert record.state.ended
        assert record.error == "its execution was stopped"


ARN = "arn:aws:lambda:us-east-1:123456789012:function:"


class TestResolving:
    @pytest.mark.parametrize(
        ("function", "allowed", "arn"),
        [
            ("enrich", [f"{ARN}enrich", f"{ARN}enrich-2"], f"{ARN}enrich"),
            (f"{ARN}enrich", [f"{ARN}enrich"], f"{ARN}enrich"),
            ("enrich:live", [f"{ARN}enrich"], f"{ARN}enrich:live"),
            (f"{ARN}enrich:7", [f"{ARN}enrich"], f"{ARN}enrich:7"),
            ("enrich:live", [f"{ARN}enrich:live"], f"{ARN}enrich:live"),
        ],
    )
    def test_a_name_is_the_allowed_function_or_a_version_of_it(
        self, function: str, allowed: list[str], arn: str
    ) -> None:
        assert resolve(function, allowed) == arn

    @pytest.mark.parametrize(
        ("function", "allowed"),
        [
            ("enrich", [f"{ARN}enrich-2"]),
            ("enrich", [f"{ARN}enrich:live"]),
            ("enrich:test", [f"{ARN}enrich:live"]),
            (f"{ARN}enrich".replace("us-east-1", "eu-west-1"), [f"{ARN}enrich"]),
        ],
    )
    def test_any_other_is_refused_by_name(self, function: str, allowed: list[str]) -> None:
        with pytest.raises(NotConfigured, match=f"function {function} is not allowed"):
            resolve(function, allowed)

    def test_one_name_of_two_functions_is_ambiguous(self) -> None:
        other = f"{ARN}enrich".replace("123456789012", "210987654321")
        with pytest.raises(NotConfigured, match="several of this name"):
            resolve("enrich", [f"{ARN}enrich", other])
        assert resolve(other, [f"{ARN}enrich", other]) == other


def test_a_status_follows_from_the_clock_alone() -> None:
    clock = FakeClock()
    jobs = LambdaJobs((FUNCTION,), clock)
    key = JobKey(run_id=RUN_ID, unit_id=UNIT, stage="by-function", attempt=1)
    job = RemoteJob("job-1", key, FUNCTION, asked_at=clock(), service_id="job-1")

    clock.advance(RUNS_FOR_AT_MOST.total_seconds() - 1)
    assert jobs.cancel(job)
    clock.advance(1)
    assert not jobs.cancel(job)
    assert jobs.cancel_many([job]) == {}
