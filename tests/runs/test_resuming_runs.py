"""A person resumes a run that was stopped: its message then starts its next attempt."""

from __future__ import annotations

import json
from typing import Any

import pytest
from job_fakes import Killed
from job_world import RUN_ID, UNIT
from reaper_world import FIRST, SECOND, ReaperWorld

from contracts.errors import Conflict, RunStopped
from contracts.messages import (
    Claim,
    ClaimOutcome,
    ClaimRun,
    ResumedRun,
    ResumeOutcome,
    ResumeRun,
    StartUnit,
    StopOutcome,
    StopRun,
)
from contracts.run_request import RunRequest
from ledger.stop_decision import refuse_stopped, take_back_decision
from runs import claims
from runs.executions import Ended
from runs.unit.beginning import start_unit
from steps import reaper


@pytest.fixture
def world(cloud, clients) -> ReaperWorld:
    return ReaperWorld(cloud, clients)


def stop(world: ReaperWorld) -> StopOutcome:
    return world.reaper.stop_run(StopRun(run_id=RUN_ID, reason="wrong input")).outcome


def resume(world: ReaperWorld, run_id: str = RUN_ID) -> ResumedRun:
    return world.reaper.resume_run(ResumeRun(run_id=run_id))


def stopped(world: ReaperWorld) -> None:
    """The run is STOPPED, and its execution has ended."""
    world.end("STOPPED")
    assert stop(world) is StopOutcome.STOPPED


def claim(world: ReaperWorld, request: str, monkeypatch: Any) -> Claim:
    """What the message does."""
    monkeypatch.setattr(claims, "execution_status", lambda arn: world.ended(arn).status)
    message = ClaimRun(request=RunRequest.from_json(json.loads(request)), execution_arn=SECOND)
    return claims.claim_run(message, world.cloud.ledger, world.clock())


class TestTheDecisionIsTakenBack:
    def test_the_run_may_be_started_again_at_its_next_attempt(self, world, monkeypatch):
        stopped(world)
        end = world.run()["end_date_time"]
        resumed = resume(world)
        assert (resumed.outcome, resumed.run_attempt) == (ResumeOutcome.RESUMED, 1)
        assert not {"stop_requested_at", "stop_reason", "reaped"} & set(world.run())
        assert "resume it once more" in world.run()["reason"]
        claimed = claim(world, resumed.request, monkeypatch)
        assert (claimed.outcome, claimed.run_attempt) == (ClaimOutcome.TAKEN_OVER, 2)
        assert (world.run()["holder"], world.run()["end_date_time"]) == (SECOND, end)

    def test_its_steps_begin_again(self, world):
        stopped(world)
        with pytest.raises(RunStopped):
            refuse_stopped(world.cloud.ledger, RUN_ID)
        resume(world)
        refuse_stopped(world.cloud.ledger, RUN_ID)

    def test_a_repeat_resumes_once(self, world, monkeypatch):
        """It was killed before the message was sent, or after: the same message is sent again."""
        stopped(world)
        first = resume(world)
        before = world.run()
        assert resume(world) == first
        assert world.run() == before
        world.executions[SECOND] = Ended("RUNNING")
        claim(world, first.request, monkeypatch)
        again = resume(world)
        assert (again.outcome, again.run_attempt) == (ResumeOutcome.RUNNING, 2)
        assert again.request is None
        assert claim(world, first.request, monkeypatch).run_attempt == 2

    def test_of_two_at_once_both_find_it_resumed(self, world):
        stopped(world)
        world.before("update_item", 1, lambda: resume(world))
        assert resume(world).outcome is ResumeOutcome.RESUMED
        assert world.run()["resumed_attempt"] == 1

    def test_a_run_that_keeps_changing_is_reported(self, world):
        stopped(world)
        seconds = iter(range(60))

        def decide_anew() -> None:
            asked = f"2026-11-20T09:00:{next(seconds):02d}Z"
            world.cloud.ledger.update(RUN_ID, "RUN", {"stop_requested_at": asked})

        real = world.cloud.client("dynamodb")
        world.clients.use("dynamodb", AlwaysChanging(real, decide_anew))
        with pytest.raises(Conflict):
            take_back_decision(RUN_ID, world.cloud.ledger, world.clock())

    def test_an_execution_that_was_stopped_by_hand_counts_as_the_decision(self, world):
        world.end("STOPPED")
        world.reap()
        assert "stop_requested_at" not in world.run()
        assert resume(world).outcome is ResumeOutcome.RESUMED

    def test_it_can_be_stopped_and_resumed_again(self, world, monkeypatch):
        stopped(world)
        resumed = resume(world)
        assert stop(world) is StopOutcome.STOPPED
        assert claim(world, resumed.request, monkeypatch).outcome is ClaimOutcome.ENDED
        assert resume(world).outcome is ResumeOutcome.RESUMED
        world.executions[SECOND] = Ended("RUNNING")
        assert claim(world, resumed.request, monkeypatch).run_attempt == 2
        assert stop(world) is StopOutcome.STOPPING
        assert resume(world).outcome is ResumeOutcome.ACTIVE

    def test_an_end_that_was_not_announced_is_announced_first(self, world):
        world.end("STOPPED")
        decision = {"status": "STOPPED", "stop_requested_at": "2026-11-20T08:00:00Z"}
        world.cloud.ledger.update(RUN_ID, "RUN", {**decision, "reaped": "marked"})
        assert resume(world).outcome is ResumeOutcome.RESUMED
        assert [news["status"] for news in world.cloud.published()] == ["STOPPED"]

    def test_the_event_of_its_execution_changes_nothing_afterwards(self, world):
        stopped(world)
        resume(world)
        before = world.run()
        world.reap()
        world.sweep()
        assert world.run() == before

    @pytest.mark.parametrize("after", [False, True])
    def test_a_kill_at_any_request_is_made_good_by_a_repeat(self, world, after):
        stopped(world)
        for number in range(1, 20):
            world.fate.kill_at(number, after=after)
            try:
                resumed = resume(world)
            except Killed:
                continue
            finally:
                world.fate.spare()
            break
        assert resumed.outcome is ResumeOutcome.RESUMED
        assert (world.run()["status"], world.run()["resumed_attempt"]) == ("FAILED", 1)


class TestRefusals:
    @pytest.mark.parametrize("status", ["SUCCEEDED", "SKIPPED", "FAILED"])
    def test_a_run_that_was_not_stopped_is_not_changed(self, world, status):
        world.cloud.ledger.update(RUN_ID, "RUN", {"status": status})
        before = world.run()
        resumed = resume(world)
        assert (resumed.outcome, resumed.status) == (ResumeOutcome.ENDED, status)
        assert (resumed.request, world.run()) == (None, before)

    def test_a_run_that_goes_on(self, world):
        before = world.run()
        assert (resume(world).outcome, resume(world).stopping) == (ResumeOutcome.ACTIVE, False)
        assert world.run() == before

    def test_a_run_that_is_still_being_stopped(self, world):
        assert stop(world) is StopOutcome.STOPPING
        assert (resume(world).outcome, resume(world).stopping) == (ResumeOutcome.ACTIVE, True)
        assert world.run()["stop_reason"] == "wrong input"

    def test_a_superseded_run(self, world):
        stopped(world)
        world.cloud.ledger.update(RUN_ID, "RUN", {"superseded_by": "newer"})
        resumed = resume(world)
        assert (resumed.outcome, resumed.superseded_by) == (ResumeOutcome.SUPERSEDED, "newer")
        assert world.run()["status"] == "STOPPED"

    def test_a_run_that_is_superseded_just_now(self, world):
        stopped(world)
        mark = {"superseded_by": "newer"}
        world.before("update_item", 1, lambda: world.cloud.ledger.update(RUN_ID, "RUN", mark))
        assert resume(world).outcome is ResumeOutcome.SUPERSEDED
        assert world.run()["status"] == "STOPPED"

    def test_a_run_that_nobody_knows(self, world):
        assert resume(world, "other").outcome is ResumeOutcome.UNKNOWN
        assert world.run("other") is None


def test_the_handler_takes_it_and_returns(world, lambda_context):
    stopped(world)
    event = {"detail-type": "Resume Run", "detail": {"runId": RUN_ID}}
    response = reaper.handler(event, lambda_context)
    assert ResumedRun.from_json(response).outcome is ResumeOutcome.RESUMED


def test_a_shard_of_a_run_whose_execution_was_stopped_begins_nothing_more(world):
    """Its units see it at their next stage, as after `pipeline stop`."""
    world.end("STOPPED")
    world.reap()
    with pytest.raises(RunStopped, match="its execution was stopped"):
        refuse_stopped(world.cloud.ledger, RUN_ID)
    message = StartUnit(run_id=RUN_ID, unit_id=UNIT, run_attempt=1)
    with pytest.raises(Exception, match="has ended as STOPPED"):
        start_unit(message, world.cloud.ledger, world.cloud.data_bucket, world.clock())
    assert world.run()["holder"] == FIRST


class AlwaysChanging:
    """The ledger's client, before each of whose updates something else happens."""

    def __init__(self, real: Any, action: Any) -> None:
        self.real, self.action, self.acting = real, action, False

    def __getattr__(self, operation: str) -> Any:
        return getattr(self.real, operation)

    def update_item(self, **arguments: Any) -> Any:
        if not self.acting:
            self.acting = True
            self.action()
            self.acting = False
        return self.real.update_item(**arguments)
