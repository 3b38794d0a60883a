"""Job events wake the watcher; what they say is not believed, so they may come in any shape.

Twice, late, out of order, of jobs that nobody knows, or not at all: the end of each job is
reported once, as it really was, and there is one job.
"""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from emr_fakes import CLUSTER, INSTANCE
from job_fakes import FakeClock
from job_world import CLUSTER_ENGINES, RUN_ID, SERVICES, World
from serverless_fakes import APPLICATION, ROLE_ARN

from contracts import layout
from contracts.job import Engine, JobState
from remote_jobs.tally import Done
from runtime.handler import utc_now
from steps import job_watcher

NAMES = {
    Engine.GLUE: ("aws.glue", "Glue Job State Change"),
    Engine.EMR: ("aws.emr", "EMR Step Status Change"),
    Engine.EMR_SSM: ("aws.emr", "EMR Step Status Change"),
    Engine.EMR_SERVERLESS: ("aws.emr-serverless", "EMR Serverless Job Run State Change"),
    Engine.REDSHIFT: ("aws.redshift-data", "Redshift Data Statement Status Change"),
}
# In the words of each engine, as events and responses have them.
RUNNING = {Engine.REDSHIFT: "STARTED"}
SUCCEEDED = {
    Engine.EMR: "COMPLETED",
    Engine.EMR_SSM: "COMPLETED",
    Engine.EMR_SERVERLESS: "SUCCESS",
    Engine.REDSHIFT: "FINISHED",
}


@pytest.fixture
def world(cloud, clients, monkeypatch) -> World:
    for name, value in {
        "EMR_CLUSTER_ID": CLUSTER,
        "SSM_INSTANCE_ID": INSTANCE,
        "EMR_SERVERLESS_APPLICATION_ID": APPLICATION,
        "EMR_SERVERLESS_ROLE_ARN": ROLE_ARN,
    }.items():
        monkeypatch.setenv(name, value)
    world = World(cloud, clients, clock=FakeClock(utc_now()))  # as the handler knows no other
    for service in ("glue", "emr", "ssm", "redshift-data", "emr-serverless", "lambda"):
        clients.use(service, world.client(service))
    return world


def event(engine: Engine, state: str, about: str) -> dict[str, Any]:
    source, detail_type = NAMES[engine]
    detail = {"state": state, "jobRunId": about, "stepId": about, "statementId": about}
    return {"source": source, "detail-type": detail_type, "detail": detail}


@pytest.fixture
def deliver(lambda_context):
    """Events come, as EventBridge brings them."""

    def bring(*events: dict[str, Any]) -> None:
        for each in events:
            job_watcher.handler(each, lambda_context)

    return bring


@pytest.mark.parametrize("engine", SERVICES)
class TestAnyEngine:
    def started(self, world: World, engine: Engine) -> str:
        """A job that runs; returns the id that its events carry."""
        message = world.message(engine=engine)
        world.cloud.put(
            layout.load_key(RUN_ID, message.key.unit_id), '{"statements": ["SELECT 1"]}'
        )
        world.submit(message)
        if engine is Engine.EMR_SSM:
            world.ssm.run()
            world.watch()
        service = world.emr if engine in CLUSTER_ENGINES else world.service(engine)
        service.finish(RUNNING.get(engine, "RUNNING"))
        return str(world.record(message).service_id).rpartition("/")[2]

    def end(self, world: World, engine: Engine) -> None:
        service = world.emr if engine in CLUSTER_ENGINES else world.service(engine)
        service.finish(SUCCEEDED.get(engine, "SUCCEEDED"))

    def test_an_event_that_comes_twice_returns_once(self, world, deliver, engine):
        job = self.started(world, engine)
        self.end(world, engine)
        ended = event(engine, SUCCEEDED.get(engine, "SUCCEEDED"), job)
        deliver(ended, ended, ended)
        (response,) = world.responses()
        assert response.state is JobState.SUCCEEDED
        assert len(world.started(engine)) == 1

    def test_an_end_that_is_reported_too_soon_is_not_believed(self, world, deliver, engine):
        job = self.started(world, engine)
        deliver(
            event(engine, SUCCEEDED.get(engine, "SUCCEEDED"), job), event(engine, "FAILED", job)
        )
        assert world.responses() == []
        self.end(world, engine)
        deliver(event(engine, "FAILED", job))
        (response,) = world.responses()
        assert response.state is JobState.SUCCEEDED, "by the engine's word, not by the event's"

    def test_an_old_event_after_the_end_changes_nothing(self, world, deliver, engine):
        job = self.started(world, engine)
        self.end(world, engine)
        deliver(event(engine, SUCCEEDED.get(engine, "SUCCEEDED"), job))
        stored = world.item(world.message(engine=engine))
        deliver(event(engine, RUNNING.get(engine, "RUNNING"), job))
        assert world.item(world.message(engine=engine)) == stored
        assert len(world.responses()) == 1

    def test_an_event_of_an_unknown_job_is_as_good_as_any(self, world, deliver, engine):
        self.started(world, engine)
        self.end(world, engine)
        deliver(event(engine, "FAILED", "nobodys"))
        (response,) = world.responses()
        assert response.state is JobState.SUCCEEDED

    def test_events_that_are_lost_are_made_up_for_by_the_schedule(self, world, engine):
        self.started(world, engine)
        self.end(world, engine)
        assert world.watch().done[Done.REPORTED] == 1


@pytest.mark.slow
def test_in_whatever_order_they_come_each_job_is_completed_once(world, deliver):
    units = [layout.unit_id(0, position) for position in range(3)]
    orders = list(itertools.permutations(units))
    for number, order in enumerate(orders):
        messages = [
            world.message(unit=unit, retry=number + 1, callback=f"{unit}/{number}")
            for unit in units
        ]
        for message in messages:
            world.submit(message)
        for position, unit in enumerate(order):
            first = number * len(units)
            world.glue.finish("SUCCEEDED", run=first + units.index(unit))
            if position:  # the first event is lost, the others come twice
                reported = event(Engine.GLUE, "SUCCEEDED", f"jr_{first:04d}")
                deliver(reported, reported)
        for unit in units:
            (response,) = world.responses(f"{unit}/{number}")
            assert response.state is JobState.SUCCEEDED
    assert len(world.glue.runs) == len(units) * len(orders)
