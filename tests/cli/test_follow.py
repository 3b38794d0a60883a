"""Following a run: what is known at each moment, and when it is over."""

from __future__ import annotations

from collections.abc import Callable

from cli_world import EXECUTION_ARN, History, World

from cli.client.follow import GRACE_SECONDS, Follower, Snapshot
from cli.client.ledger import LedgerView
from cli.exit_codes import FAILED, REFUSED, SKIPPED, STILL_RUNNING, SUCCEEDED


class Time:
    """A clock that `sleep` moves on; `then` happens while it sleeps."""

    def __init__(self, *then: Callable[[], None]) -> None:
        self.now = 0.0
        self._then = list(then)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self._then:
            self._then.pop(0)()


def watch(follower: Follower, time: Time, timeout: float | None = 120) -> list[Snapshot]:
    return list(follower.watch(timeout, time.clock, time.sleep))


def an_execution(*ended_as: str) -> History:
    history = History()
    history.add("ExecutionStarted", "execution", details={})
    for event in ended_as:
        history.add(event, "execution", details={})
    return history


def test_a_run_is_followed_from_the_queue_to_its_end(world: World) -> None:
    def claimed() -> None:
        world.functions.histories[EXECUTION_ARN] = an_execution()
        world.put_run(status="RUNNING")

    def ended() -> None:
        world.functions.histories[EXECUTION_ARN] = an_execution("ExecutionSucceeded")
        world.put_run(status="SUCCEEDED")

    snapshots = watch(Follower(world.deployment, "run-1", "message-1"), Time(claimed, ended))

    assert [s.run and s.run.status.value for s in snapshots] == [None, "RUNNING", "SUCCEEDED"]
    assert [s.over for s in snapshots] == [False, False, True]
    assert [s.exit_code for s in snapshots] == [STILL_RUNNING, STILL_RUNNING, SUCCEEDED]


def test_a_run_whose_id_is_drawn_is_followed_from_its_claim_on(world: World) -> None:
    def claimed() -> None:
        world.put({"run_id": "message-1", "item": "DRAWN", "drawn_run_id": "run-7"})

    def ended() -> None:
        world.functions.histories[EXECUTION_ARN] = an_execution("ExecutionSucceeded")
        world.put_run("run-7", status="SUCCEEDED")

    follower = Follower(world.deployment, "message-1", "message-1", awaits_id=True)
    assert follower.run_id is None
    snapshots = watch(follower, Time(claimed, ended))

    assert [s.run_id for s in snapshots] == ["message-1", "run-7", "run-7"]
    assert follower.run_id == "run-7"
    assert snapshots[-1].exit_code == SUCCEEDED


def test_a_refusal_is_found_before_an_id_is_drawn(world: World) -> None:
    refused = {"run_id": "rejected", "item": "REJECTED#message-1", "reason": "no such run"}
    world.put(refused)

    follower = Follower(world.deployment, "message-1", "message-1", awaits_id=True)
    (only,) = watch(follower, Time())

    assert (only.refusal, only.exit_code) == ("no such run", REFUSED)


def test_a_run_that_ended_is_over_when_its_execution_has_announced_it(world: World) -> None:
    world.functions.histories[EXECUTION_ARN] = an_execution()
    world.put_run(status="FAILED")

    def announced() -> None:
        world.functions.histories[EXECUTION_ARN] = an_execution("ExecutionSucceeded")

    snapshots = watch(Follower(world.deployment, "run-1"), Time(announced))

    assert [s.over for s in snapshots] == [False, True]
    assert snapshots[-1].exit_code == FAILED


def test_an_execution_that_never_announces_it_is_not_awaited_for_ever(world: World) -> None:
    world.functions.histories[EXECUTION_ARN] = an_execution()
    world.put_run(status="SKIPPED")

    snapshots = watch(Follower(world.deployment, "run-1"), Time())

    assert snapshots[-1].over
    assert snapshots[-1].exit_code == SKIPPED
    assert GRACE_SECONDS <= snapshots[-1].seconds < 2 * GRACE_SECONDS


def test_an_execution_that_broke_fails_the_run_that_has_no_outcome(world: World) -> None:
    world.functions.histories[EXECUTION_ARN] = an_execution("ExecutionTimedOut")
    world.put_run(status="RUNNING")

    last = watch(Follower(world.deployment, "run-1"), Time())[-1]

    assert last.over
    assert last.exit_code == FAILED


def test_a_run_handed_over_is_followed_in_its_new_execution(world: World) -> None:
    twin = EXECUTION_ARN.replace("pipeline", "long-run")
    world.functions.histories[EXECUTION_ARN] = an_execution("ExecutionSucceeded")
    world.put_run(status="CLAIMED")

    def claimed_by_the_twin() -> None:
        world.functions.histories[twin] = an_execution()
        world.put_run(status="RUNNING", holder=twin)

    def ended() -> None:
        world.functions.histories[twin] = an_execution("ExecutionSucceeded")
        world.put_run(status="SUCCEEDED", holder=twin)

    snapshots = watch(Follower(world.deployment, "run-1"), Time(claimed_by_the_twin, ended))

    assert [s.holder for s in snapshots] == [EXECUTION_ARN, twin, twin]
    assert snapshots[-1].exit_code == SUCCEEDED


def test_a_refused_message_ends_it_with_the_reason(world: World) -> None:
    def refused() -> None:
        world.put({"run_id": "rejected", "item": "REJECTED#message-1", "reason": "is not JSON"})

    snapshots = watch(Follower(world.deployment, "message-1", "message-1"), Time(refused))

    assert snapshots[-1].refusal == "is not JSON"
    assert snapshots[-1].exit_code == REFUSED


def test_a_message_refused_after_its_run_was_claimed_is_refused(world: World) -> None:
    world.put_run(status="FAILED", reason="unknown dataset")
    reason = "unknown dataset; there are orders and weather"
    world.put({"run_id": "run-1", "item": "REJECTED#message-1", "reason": reason})

    last = watch(Follower(world.deployment, "run-1", "message-1"), Time())[-1]

    assert last.refusal == reason
    assert last.run is not None
    assert last.exit_code == REFUSED


def test_a_run_that_failed_with_its_units_is_no_refusal(world: World) -> None:
    """Its message is on the dead-letter queue all the same, as it would fail again."""
    world.put_run(status="FAILED", reason="1 of 1 units failed", units={"total": 1, "failed": 1})
    world.put({"run_id": "run-1", "item": "REJECTED#message-1", "reason": "1 of 1 units failed"})
    world.functions.histories[EXECUTION_ARN] = an_execution("ExecutionSucceeded")

    last = watch(Follower(world.deployment, "run-1", "message-1"), Time())[-1]

    assert last.over
    assert (last.refusal, last.exit_code) == (None, FAILED)


def test_a_repeated_message_of_a_finished_run_starts_nothing(world: World) -> None:
    world.put_run(status="SUCCEEDED")
    before = LedgerView(world.deployment.client("dynamodb"), "ledger").run("run-1")

    (only,) = watch(Follower(world.deployment, "run-1", "message-2", before), Time())

    assert only.stood_before
    assert only.exit_code == SUCCEEDED


def test_a_failed_run_that_is_sent_again_is_followed_once_it_is_taken_over(world: World) -> None:
    world.put_run(status="FAILED")
    before = LedgerView(world.deployment.client("dynamodb"), "ledger").run("run-1")

    def taken_over() -> None:
        world.functions.histories[EXECUTION_ARN] = an_execution("ExecutionSucceeded")
        world.put_run(status="SUCCEEDED", run_attempt=2)

    first, last = watch(Follower(world.deployment, "run-1", "message-2", before), Time(taken_over))

    assert first.run is None
    assert last.exit_code == SUCCEEDED


def test_following_stops_after_the_given_time(world: World) -> None:
    snapshots = watch(Follower(world.deployment, "run-1", "message-1"), Time(), timeout=5)

    assert not snapshots[-1].over
    assert snapshots[-1].exit_code == STILL_RUNNING


def test_looks_grow_rarer_when_they_take_long(world: World) -> None:
    time = Time()

    def slow_clock() -> float:
        time.now += 1.0
        return time.now

    looks = list(Follower(world.deployment, "run-1").watch(60, slow_clock, time.sleep))

    assert len(looks) <= 15
