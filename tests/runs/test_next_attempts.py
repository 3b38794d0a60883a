"""A long run whose execution died goes on at its next attempt, or ends as a dead letter."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from control_fakes import client_error
from job_fakes import Killed
from job_world import RUN_ID
from reaper_world import FIRST, SECOND, ReaperWorld

from contracts import layout
from contracts.errors import RunConflict
from contracts.job import JobState
from contracts.messages import ClaimRun, StopOutcome, StopRun, letter_of
from contracts.run_request import RunRequest, format_timestamp
from ledger.runs import find_run
from runs.claims import claim_run
from runs.dead_letters import reject_message
from runs.executions import Ended
from runs.long.execution_name import execution_name
from runs.reaping.reaper import OVERDUE_GRACE, ReaperIncomplete

ALIAS = "long:live"
DIED = ["FAILED", "TIMED_OUT"]


def arn(name: str) -> str:
    return FIRST.replace("first", name)


def name(attempt: int) -> str:
    return execution_name("test", "pipeline", RUN_ID, attempt)


class Starts:
    """Lambda, as far as executions are started by name."""

    def __init__(self, world: ReaperWorld) -> None:
        self.world = world
        self.started: dict[str, bytes] = {}

    def invoke(self, **asked: Any) -> dict[str, Any]:
        assert (asked["FunctionName"], asked["InvocationType"]) == (ALIAS, "Event")
        named, payload = asked["DurableExecutionName"], asked["Payload"]
        if self.started.setdefault(named, payload) != payload:
            raise client_error("DurableExecutionAlreadyStartedException", 409)
        self.world.executions.setdefault(arn(named), Ended("RUNNING"))
        return {"StatusCode": 202, "DurableExecutionArn": arn(named)}

    def get_durable_execution(self, **asked: Any) -> dict[str, Any]:
        return {"Status": self.world.ended(asked["DurableExecutionArn"]).status}


@pytest.fixture
def world(cloud, clients) -> ReaperWorld:
    return ReaperWorld(cloud, clients, long_run_function=ALIAS)


@pytest.fixture(autouse=True)
def starts(world, clients) -> Starts:
    fake = Starts(world)
    clients.use("lambda", world.fate.over(fake))
    return fake


def die(world: ReaperWorld, status: str = "FAILED", execution: str = FIRST) -> None:
    world.end(status, "no memory left", execution)
    world.reap(status, execution)


def claim(world: ReaperWorld, execution: str, handed_over_by: str | None = None) -> Any:
    request = RunRequest.from_json(json.loads(world.run()["request"]))
    message = ClaimRun(request=request, execution_arn=execution, handed_over_by=handed_over_by)
    return claim_run(message, world.cloud.ledger, world.clock())


class TestTheNextAttempt:
    @pytest.mark.parametrize("status", DIED)
    def test_it_is_started_by_name_and_waits(self, world, starts, status):
        die(world, status)
        run = world.run()
        assert list(starts.started) == [name(2)]
        assert json.loads(starts.started[name(2)]) == {
            "request": json.loads(run["request"]),
            "runAttempt": 2,
            "handedOverBy": FIRST,
            "waitSeconds": 60,
        }
        assert (run["status"], run["run_attempt"], run["holder"]) == ("CLAIMED", 2, arn(name(2)))
        assert run["waits_until"] == format_timestamp(world.clock() + timedelta(seconds=60))
        assert "no memory left; attempt 2 begins at" in run["reason"]
        assert world.cloud.published() == [], "the run has not ended"
        assert world.cloud.dead_letters() == []

    def test_the_new_execution_claims_the_run_once_it_has_waited(self, world):
        die(world)
        claimed = claim(world, arn(name(2)), FIRST)
        assert (claimed.outcome, claimed.run_attempt) == ("CLAIMED", 2)
        assert find_run(world.cloud.ledger, RUN_ID).stack_named_attempt == 2

    def test_one_whose_event_was_lost_is_found_by_the_sweep(self, world, starts):
        world.end("FAILED")
        world.sweep()
        world.sweep()
        assert list(starts.started) == [name(2)]

    def test_so_is_one_that_the_service_does_not_know_any_more(self, world, starts):
        world.end("GONE")
        world.sweep()
        assert (list(starts.started), world.run()["holder"]) == ([name(2)], arn(name(2)))

    def test_it_waits_longer_each_time(self, world, starts):
        die(world)
        die(world, execution=arn(name(2)))
        assert json.loads(starts.started[name(3)])["waitSeconds"] == 900
        assert json.loads(starts.started[name(3)])["handedOverBy"] == arn(name(2))

    def test_there_are_no_more_attempts_than_deliveries(self, world, starts):
        die(world)
        die(world, execution=arn(name(2)))
        die(world, execution=arn(name(3)))
        assert list(starts.started) == [name(2), name(3)]
        assert (world.run()["status"], world.run()["run_attempt"]) == ("FAILED", 3)
        assert [news["status"] for news in world.cloud.published()] == ["FAILED"]

    def test_those_after_a_persons_decision_count_from_there(self, world, starts):
        world.cloud.ledger.update(RUN_ID, "RUN", {"run_attempt": 4, "resumed_attempt": 3})
        die(world)
        assert list(starts.started) == [name(5)]

    def test_the_units_of_its_rounds_wait_no_more(self, world):
        world.cloud.ledger.update(RUN_ID, "RUN", {"waiting_units": 3})
        die(world)
        assert "waiting_units" not in world.run()


class TestNone:
    def test_a_run_of_the_queue_comes_again_by_its_message(self, world, starts):
        batch = FIRST.replace(":long:", ":pipeline:")
        world.put_held_run(RUN_ID, holder=batch)
        die(world, execution=batch)
        assert starts.started == {}
        assert world.run()["status"] == "FAILED"
        assert world.cloud.dead_letters() == []

    def test_an_execution_that_was_stopped_by_hand_stays_stopped(self, world, starts):
        die(world, "STOPPED")
        assert (starts.started, world.run()["status"]) == ({}, "STOPPED")
        assert world.cloud.dead_letters() == []

    def test_a_run_that_is_to_stop_ends_as_stopped(self, world, starts):
        world.cloud.ledger.update(RUN_ID, "RUN", {"stop_requested_at": "2026-11-20T08:15:00Z"})
        die(world)
        assert (starts.started, world.run()["status"]) == ({}, "STOPPED")

    def test_nothing_is_started_twice_where_its_message_came_first(self, world, starts):
        world.before("update_item", 1, world.take_over)
        with pytest.raises(ReaperIncomplete, match="changed while"):
            die(world)
        world.reap("FAILED")
        assert (starts.started, world.run()["holder"]) == ({}, SECOND)

    def test_a_decision_to_stop_it_just_then_is_heeded(self, world, starts):
        decision = {"stop_requested_at": "2026-11-20T08:15:00Z"}
        world.before("update_item", 1, lambda: world.cloud.ledger.update(RUN_ID, "RUN", decision))
        with pytest.raises(ReaperIncomplete):
            die(world)
        world.reap("FAILED")
        assert (starts.started, world.run()["status"]) == ({}, "STOPPED")

    def test_one_that_waits_is_stopped_as_any_long_run(self, world, starts):
        die(world)
        starts.stop_durable_execution = lambda **asked: world.end(
            "STOPPED", "asked", asked["DurableExecutionArn"]
        )
        starts.get_durable_execution_history = lambda **_asked: {"Events": []}
        stopped = world.reaper.stop_run(StopRun(run_id=RUN_ID))
        assert stopped.outcome is StopOutcome.STOPPED

    def test_content_under_its_name_that_is_another_run_is_reported(self, world, starts):
        starts.started[name(2)] = b"{}"
        with pytest.raises(ReaperIncomplete, match=RunConflict.__name__):
            die(world)


class TestItsJobs:
    def test_a_running_job_goes_on_and_is_adopted(self, world):
        world.submit(world.message(execution_arn=FIRST))
        die(world)
        world.clock.advance(60)
        claim(world, arn(name(2)), FIRST)
        message = world.message(run_attempt=2, callback="callback2", execution_arn=arn(name(2)))
        world.submit(message)
        assert len(world.glue.runs) == 1
        assert (world.job().callback_id, world.job().state) == ("callback2", JobState.SUBMITTED)

    def test_the_sweep_leaves_them_until_the_attempt_has_had_time_for_them(self, world):
        world.submit(world.message(execution_arn=FIRST, timeout_seconds=7200))
        die(world)
        world.clock.advance(60 + OVERDUE_GRACE.total_seconds() - 1)
        world.sweep()
        assert world.job().cancelling is None
        world.clock.advance(1)
        world.sweep()
        assert world.job().cancelling is not None


class TestDeadLetters:
    def exhaust(self, world: ReaperWorld) -> None:
        world.cloud.ledger.update(RUN_ID, "RUN", {"run_attempt": 3})
        die(world)

    def test_a_run_without_a_further_attempt_goes_to_the_dead_letter_queue(self, world):
        self.exhaust(world)
        (letter,) = world.cloud.dead_letters()
        values = {key: each["StringValue"] for key, each in letter["MessageAttributes"].items()}
        assert letter["Body"] == world.run()["request"]
        assert (values["RunId"], values["MessageId"]) == (RUN_ID, f"{RUN_ID}/3")
        assert values["Reason"].startswith("its execution failed: no memory left; no further")

    def test_once_and_not_by_the_sweep_again(self, world):
        self.exhaust(world)
        world.reap("FAILED")
        world.sweep()
        assert len(world.cloud.dead_letters()) == 1

    def test_one_that_its_execution_did_not_live_to_send_is_sent(self, world, starts):
        ended = {"status": "FAILED", "reason": "1 of 3 units failed"}
        world.cloud.ledger.update(RUN_ID, "RUN", ended)
        die(world)
        (letter,) = world.cloud.dead_letters()
        assert letter["MessageAttributes"]["Reason"]["StringValue"].startswith("1 of 3 units")
        assert starts.started == {}

    def test_one_that_its_execution_has_sent_is_not_sent_again(self, world):
        world.cloud.ledger.update(RUN_ID, "RUN", {"status": "FAILED"})
        run = find_run(world.cloud.ledger, RUN_ID)
        letter = letter_of(run.requested, run.run_attempt, "why", permanent=True)
        queue = world.cloud.dead_letter_queue_url
        reject_message(letter, world.cloud.ledger, queue, world.clock())
        die(world)
        (sent,) = world.cloud.dead_letters()
        assert sent["MessageAttributes"]["Reason"]["StringValue"].startswith("why; the same")

    @pytest.mark.parametrize(
        "ended",
        [
            {"status": "SUCCEEDED"},
            {"status": "FAILED", "superseded_by": "run-2"},
            {"status": "FAILED", "resumed_attempt": 1},
        ],
    )
    def test_no_other_run_is_sent(self, world, ended):
        world.cloud.ledger.update(RUN_ID, "RUN", ended)
        die(world)
        assert world.cloud.dead_letters() == []


@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <function SpooledTemporaryFile"
    ":pytest.PytestUnraisableExceptionWarning"
)
class TestCrashes:
    @pytest.mark.parametrize("after", [False, True])
    @pytest.mark.parametrize("swept", [False, True])
    def test_killed_at_any_outside_call_one_attempt_begins(self, cloud, clients, after, swept):
        for position in range(30):
            world = ReaperWorld(cloud, clients, long_run_function=ALIAS)
            world.cloud.ledger.update(RUN_ID, "RUN", {}, ("continues", "waits_until", "reason"))
            starts = Starts(world)
            clients.use("lambda", world.fate.over(starts))
            unit = layout.unit_id(0, position)
            world.submit(world.message(unit=unit, callback=f"c{position}", execution_arn=FIRST))
            world.end("FAILED")
            world.fate.kill_at(position + 1, after=after)
            try:
                world.reap("FAILED")
            except Killed:
                world.fate.spare()
                world.clock.advance(3)
                world.sweep() if swept else world.reap("FAILED")
                killed = True
            else:
                killed = False
            world.fate.spare()
            run = world.run()
            assert list(starts.started) == [name(2)]
            assert (run["run_attempt"], run["holder"]) == (2, arn(name(2)))
            assert claim(world, arn(name(2)), FIRST).outcome == "CLAIMED"
            assert world.job(unit=unit).cancelling is None
            if not killed:
                break
        assert 2 < position < 29

    @pytest.mark.parametrize("after", [False, True])
    def test_killed_at_any_outside_call_the_last_failure_is_a_dead_letter(
        self, cloud, clients, after
    ):
        for position in range(40):
            world = ReaperWorld(cloud, clients, long_run_function=ALIAS)
            attempt = 3 + position  # its letter has its own id
            world.put_held_run(RUN_ID, run_attempt=attempt)
            world.cloud.ledger.update(RUN_ID, "RUN", {}, ("reaped",))
            world.end("FAILED")
            world.fate.kill_at(position + 1, after=after)
            try:
                world.reap("FAILED")
            except Killed:
                world.fate.spare()
                world.reap("FAILED")
                killed = True
            else:
                killed = False
            world.fate.spare()
            assert (world.run()["status"], world.run()["reaped"]) == ("FAILED", "announced")
            letters = world.cloud.dead_letters()
            ids = {each["MessageAttributes"]["MessageId"]["StringValue"] for each in letters}
            assert ids == {f"{RUN_ID}/{attempt}"}
            assert len(letters) <= 2, "only a failure between the sending and its mark doubles it"
            if not killed:
                break
        assert 6 < position < 39
