"""submit_job at its edges: runs that are over, the run's own row, and the time a claim leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from aws_cloud import LEDGER_TABLE
from job_fakes import Killed, service_error
from job_world import RUN_ID, World

from contracts import layout
from contracts.errors import (
    OwnershipLost,
    PipelineError,
    RunStopped,
    TransientFailure,
)
from contracts.job import Engine, JobState
from contracts.messages import SubmitJob
from remote_jobs.starting import SUBMISSION_SECONDS
from runtime.handler import metrics


@pytest.fixture
def world(cloud: Any, clients: Any) -> World:
    return World(cloud, clients)


def set_run(world: World, **attributes: Any) -> None:
    world.cloud.ledger.update(RUN_ID, "RUN", attributes)


def about_run(world: World, **more: Any) -> SubmitJob:
    """The job that writes the run's own row to the warehouse."""
    world.cloud.put(layout.load_key(RUN_ID, layout.RUN_UNIT), '{"statements": ["SELECT 1"]}')
    return world.message(engine=Engine.REDSHIFT, unit=layout.RUN_UNIT, stage="record-run", **more)


class TestARunThatIsOver:
    def test_nothing_of_its_units_is_submitted(self, world: World) -> None:
        set_run(world, status="FAILED")
        with pytest.raises(OwnershipLost, match=f"run {RUN_ID} has ended as FAILED"):
            world.submit()
        assert world.glue.runs == []

    def test_its_own_row_still_goes_to_the_warehouse(self, world: World) -> None:
        set_run(world, status="SUCCEEDED")
        assert world.submit(about_run(world)).state is JobState.SUBMITTED
        assert len(world.redshift.statements) == 1

    def test_a_stopped_run_begins_no_job_but_its_own_row(self, world: World) -> None:
        set_run(world, stop_requested_at="2026-11-20T08:00:00Z")
        with pytest.raises(RunStopped, match="stopped on request"):
            world.submit()
        assert world.glue.runs == []
        assert world.submit(about_run(world)).state is JobState.SUBMITTED
        assert len(world.redshift.statements) == 1

    def test_its_own_row_is_written_by_its_holder_only(self, world: World) -> None:
        message = about_run(world)
        world.hold_run(2)
        with pytest.raises(OwnershipLost, match="attempt 2, not 1"):
            world.submit(message)
        assert world.redshift.statements == []

    def test_a_run_that_the_ledger_does_not_know_is_nobody_elses(self, world: World) -> None:
        key = {"run_id": {"S": RUN_ID}, "item": {"S": "RUN"}}
        world.cloud.client("dynamodb").delete_item(TableName=LEDGER_TABLE, Key=key)
        assert world.submit().service_id == "jr_0000"


@pytest.mark.parametrize(("seconds", "submitted"), [(15.0, True), (15.1, False)])
def test_a_claim_has_to_outlast_the_one_request_that_submits(
    world: World, seconds: float, *, submitted: bool
) -> None:
    """45 seconds less the 30 that a request can take: connecting and reading may time out."""
    create = world.jobs.create

    def slow(record: Any) -> Any:
        world.elapsed += seconds
        return create(record)

    world.jobs.create = slow
    assert world.submit().service_id == ("jr_0000" if submitted else None)
    assert len(world.glue.runs) == submitted


def test_a_later_attempt_without_an_earlier_job_submits_its_first(world: World) -> None:
    world.hold_run(2)
    status = world.submit(world.message(run_attempt=2))
    assert (status.attempt, status.service_id) == (11, "jr_0000")


def counted() -> dict[str, float]:
    """The metrics since the last look."""
    found = {name: sum(metric["Value"]) for name, metric in metrics.metric_set.items()}
    metrics.clear_metrics()
    return found


def test_a_job_is_counted_as_submitted_once_and_as_adopted_by_every_repeat(world: World) -> None:
    world.submit()
    assert counted() == {"JobsSubmitted": 1}
    world.submit()
    assert counted() == {"JobsAdopted": 1}


def test_one_that_is_found_at_its_engine_is_counted_as_adopted(world: World) -> None:
    lost = service_error("StartJobRun", "InternalServiceException", 500)
    world.glue.break_once("StartJobRun", lost, after=True)
    with pytest.raises(TransientFailure):
        world.submit()
    assert counted() == {}
    world.submit()
    assert counted() == {"JobsAdopted": 1}


def test_of_a_run_that_is_to_stop_a_former_holder_is_refused_as_such(world: World) -> None:
    message = world.message()
    world.hold_run(2)
    set_run(world, stop_requested_at="2026-11-20T08:00:00Z")
    with pytest.raises(OwnershipLost, match="attempt 2, not 1"):
        world.submit(message)


class TestAnIntentOfAnotherCall:
    """Both calls found no job; the other one wrote its intent first."""

    def meanwhile(self, world: World, other: Callable[[], object]) -> None:
        create, jobs = world.jobs.create, cast(Any, world.jobs)

        def late(record: Any) -> Any:
            jobs.create = create
            other()
            return create(record)

        jobs.create = late

    def test_a_job_that_the_other_submitted_is_taken_for_this_call(self, world: World) -> None:
        self.meanwhile(world, world.submit)
        status = world.submit(world.message(callback="callback2"))
        assert status.service_id == "jr_0000"
        assert len(world.glue.runs) == 1
        assert world.record().callback_id == "callback2"

    def test_one_that_the_other_may_be_submitting_is_waited_for(self, world: World) -> None:
        world.glue.break_once("StartJobRun", Killed(), after=False)

        def dies() -> None:
            with pytest.raises(Killed):
                world.submit()

        self.meanwhile(world, dies)
        assert world.submit().service_id is None
        assert world.glue.runs == []
        world.clock.advance(SUBMISSION_SECONDS + 1)
        assert world.submit().service_id == "jr_0000"

    def test_one_that_ended_at_once_is_reported_as_it_ended(self, world: World) -> None:
        world.glue.refuse_once("StartJobRun", "InvalidInputException")

        def fails() -> None:
            with pytest.raises(PipelineError):
                world.submit()

        self.meanwhile(world, fails)
        assert world.submit().state is JobState.FAILED
        assert world.glue.runs == []
