"""The end of a backfill is announced, once."""

from __future__ import annotations

import json
from typing import Any

import pytest
from backfill_world import BackfillWorld, backfill, execution_of
from control_fakes import Executions
from job_fakes import Fate, Killed

from contracts.messages import BackfillAction
from contracts.run import RunStatus
from contracts.times.backfill import BackfillStatus
from ledger.table import Ledger
from steps import backfill_windows, notification_consumer, reaper

PAUSE, STOP, RESUME = BackfillAction.PAUSE, BackfillAction.STOP, BackfillAction.RESUME


@pytest.fixture
def world(cloud: Any, clients: Any) -> BackfillWorld:
    lambdas = Executions()
    clients.use("lambda", lambdas)
    return BackfillWorld(cloud, lambdas)


def begun(world: BackfillWorld) -> None:
    world.begin(backfill())
    request = world.next(1).request
    assert request is not None
    world.run(request)


def test_a_backfill_that_succeeded_is_announced_once(world: BackfillWorld) -> None:
    world.drive(backfill())
    world.end()
    world.upkeep.sweep()
    (news,) = world.cloud.published()
    assert news["eventId"] == "november/backfill-ended/1"
    assert (news["event"], news["status"]) == ("backfill-ended", "SUCCEEDED")
    assert (news["backfillId"], news["datasetName"]) == ("november", "orders")
    assert news["counts"]["done"] == 3
    assert news["text"].splitlines() == [
        "Backfill november of orders SUCCEEDED: 3 of 3 windows done",
        "What to do next:",
        "   pipeline backfill show november",
    ]
    assert world.item.active is None


def test_one_that_failed_says_why_and_ends_again_once_resumed(world: BackfillWorld) -> None:
    world.outcomes["2026-11-02"] = RunStatus.FAILED
    world.drive(backfill())
    (news,) = world.cloud.published()
    assert news["status"] == "FAILED"
    assert "Reason: 1 of 3 windows failed" in news["text"]
    assert "   pipeline backfill resume november --failed" in news["text"]

    world.outcomes.clear()
    world.control(RESUME, failed_too=True)
    assert world.cloud.published() == [], "it goes on"
    world.drive_one(backfill(), 2)
    (again,) = world.cloud.published()
    assert (again["eventId"], again["status"]) == ("november/backfill-ended/2", "SUCCEEDED")


def test_a_stop_is_announced_when_it_comes_true(world: BackfillWorld) -> None:
    begun(world)
    world.control(STOP, reason="wrong contract")
    assert world.cloud.published() == []
    world.next(2, 0)
    world.end()
    (news,) = world.cloud.published()
    assert (news["status"], news["counts"]["left"]) == ("STOPPED", 2)
    assert "Reason: it was stopped on request: wrong contract" in news["text"]
    assert news["text"].endswith("   pipeline backfill resume november")


def test_a_pause_is_no_end_but_a_stop_of_a_paused_one_is(world: BackfillWorld) -> None:
    begun(world)
    world.control(PAUSE)
    world.next(2, 0)
    world.end()
    assert world.cloud.published() == []
    world.control(STOP)
    world.control(STOP)
    assert [news["status"] for news in world.cloud.published()] == ["STOPPED"]


@pytest.mark.parametrize("status", ["STOPPED", "FAILED"])
def test_the_reaper_announces_what_it_ends(world: BackfillWorld, status: str) -> None:
    begun(world)
    for generation in (1, 2, 3, 4):
        world.lambdas.status[execution_of(generation)] = status
        world.upkeep.reap(execution_of(generation), status)
        if world.item.status is not BackfillStatus.RUNNING:
            break
        world.begin(backfill(), generation + 1)
    assert [news["status"] for news in world.cloud.published()] == [status]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("repeat", ["the step", "the sweep"])
def test_killed_at_any_outside_call_the_end_is_announced_under_one_id(
    cloud: Any, clients: Any, repeat: str, after: bool
) -> None:
    lambdas = Executions()
    clients.use("lambda", lambdas)
    seen = 0
    for position in range(1, 10):
        world = BackfillWorld(cloud, lambdas, backfill_id=f"b{position}")
        request = backfill(backfillId=world.backfill_id, endDateTime="2026-11-02", only="all")
        world.begin(request)
        first = world.next(1).request
        assert first is not None
        world.run(first)
        world.next(2, 0)
        fate = Fate()
        for service in ("dynamodb", "sns"):
            clients.use(service, fate.over(cloud.client(service)))
        fate.kill_at(position, after=after)
        killed = False
        try:
            world.end()
        except Killed:
            killed = True
        fate.spare()
        if repeat == "the step" or world.item.status is BackfillStatus.RUNNING:
            world.end()
        world.upkeep.sweep()
        news = cloud.published()
        assert {each["eventId"] for each in news} == {f"{world.backfill_id}/backfill-ended/1"}
        assert len(news) <= 2
        assert world.item.active is None
        seen += len(news) > 1
        if not killed:
            break
    assert 3 < position < 9, "calls were killed before and after the publishing one"
    assert seen > 0, "a repeat was sent, which consumers know by its id"


def test_the_deployed_functions_announce_it(
    world: BackfillWorld, lambda_context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENVIRONMENT", "test")
    monkeypatch.setenv("STACK_NAME", "pipeline")
    monkeypatch.setenv("BACKFILL_FUNCTION", "backfill:live")
    begun(world)
    world.control(STOP)
    world.next(2, 0)
    message = {"backfillId": "november", "generation": 1, "executionArn": execution_of(1)}
    backfill_windows.handler({"kind": "end", **message}, lambda_context)
    (news,) = world.cloud.published()
    assert news["text"].endswith("   pipeline backfill resume november --stack pipeline")
    reaper.handler({"detail-type": "Scheduled Event"}, lambda_context)
    assert world.cloud.published() == []


def test_the_consumer_takes_it_and_drops_a_repeat(world: BackfillWorld) -> None:
    world.drive(backfill())
    (news,) = world.cloud.published()
    ledger = Ledger("ledger")
    body = json.dumps(news)
    consume = notification_consumer.consume
    assert consume(body, "m1", ledger, world.now) is True
    assert consume(body, "m2", ledger, world.now) is False
    assert "runId" not in news
