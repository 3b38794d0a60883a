"""What the execution of a backfill asks: it begins, its lanes get windows, it ends."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from backfill_world import NOW, BackfillWorld, backfill, doomed, execution_of, limits
from control_fakes import Executions

from contracts.errors import Conflict, NotFound, RunConflict
from contracts.ledger_items import BackfillItem, RunItem
from contracts.messages import BackfillAction, EndedWindow
from contracts.run import RunStatus
from contracts.run_request import RunRequest
from contracts.times.backfill import BackfillStatus
from ledger.table import Ledger
from runs.backfills.coverage import Look
from runs.backfills.ending import NONE_BEGAN
from runs.backfills.looking import GOING_ON_AT_MOST, look_meanwhile
from runs.backfills.records import Windows, change_backfill


@pytest.fixture
def world(cloud: Any, clients: Any) -> BackfillWorld:
    lambdas = Executions()
    clients.use("lambda", lambdas)
    return BackfillWorld(cloud, lambdas)


def other_run(run_id: str, start: str, end: str) -> RunRequest:
    return RunRequest.from_json(
        {"datasetName": "orders", "runId": run_id, "startDateTime": start, "endDateTime": end}
    )


def first_of_three(world: BackfillWorld, **fields: Any) -> None:
    """A backfill whose first window has been given to its lane, and run."""
    world.begin(backfill(**fields))
    step = world.next(1)
    assert step.request is not None
    world.run(step.request)


# -- windows in turn


def test_windows_are_run_in_order_and_each_once(world: BackfillWorld) -> None:
    ended = world.drive(backfill())
    days = [run_id.rpartition("-")[2][:8] for run_id in world.executed]
    assert days == ["20261101", "20261102", "20261103"]
    assert (ended.status, world.states) == (BackfillStatus.SUCCEEDED, "sss")
    assert (ended.counts.total, ended.counts.done) == (3, 3)
    assert world.item.active is None


def test_newest_first(world: BackfillWorld) -> None:
    world.drive(backfill(newestFirst=True))
    assert world.executed == sorted(world.executed, reverse=True)


def test_a_window_is_one_run_request(world: BackfillWorld) -> None:
    world.begin(backfill(query="a = 1", index="x", priority="low", maxConcurrency=3))
    request = world.next(1).request
    assert request is not None
    assert request.to_json() == {
        "datasetName": "orders",
        "startDateTime": "2026-11-01T00:00:00Z",
        "endDateTime": "2026-11-02T00:00:00Z",
        "query": "a = 1",
        "index": "x",
        "priority": "low",
        "maxConcurrency": 3,
        "runId": "bf-november-20261101T000000Z",
    }


def test_lanes_share_the_windows(world: BackfillWorld) -> None:
    assert world.begin(backfill(atOnce=2)) == 2
    numbers = [world.next(1, lane=lane).number for lane in (0, 1)]
    assert numbers == [0, 1]
    assert world.states == "rr."
    assert world.next(1, lane=1).number == 1  # a repeat
    with pytest.raises(Conflict):
        world.next(0, lane=1)


def test_no_more_lanes_than_windows(world: BackfillWorld) -> None:
    assert world.begin(backfill(atOnce=10)) == 3


def test_windows_stay_as_they_were_recorded(
    world: BackfillWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.begin(backfill(zone="Europe/Berlin"))
    recorded = Windows(world.cloud.ledger, "november").all()
    monkeypatch.setattr("contracts.times.backfill.zone_named", lambda _name: NOW.tzinfo)
    world.begin(backfill(zone="Europe/Berlin"))
    assert Windows(world.cloud.ledger, "november").all() == recorded
    assert Windows(world.cloud.ledger, "november")[2] == recorded[2]


def test_thousands_of_windows_lie_in_several_items(world: BackfillWorld) -> None:
    request = backfill(startDateTime="2026-01-01", endDateTime="2026-11-01", window="3h")
    world.begin(request)
    assert len(world.states) == 2432
    assert Windows(world.cloud.ledger, "november").all() == request.windows()
    assert Windows(world.cloud.ledger, "november")[1000] == request.windows()[1000]


def test_windows_of_an_execution_that_died_before_there_was_a_backfill_are_replaced(
    world: BackfillWorld,
) -> None:
    Windows(world.cloud.ledger, "november").record(
        backfill(startDateTime="2026-01-01", window="3h").boundaries()
    )
    world.begin(backfill())
    assert world.states == "..."
    recorded = Windows(world.cloud.ledger, "november")
    assert [recorded[number] for number in range(3)] == backfill().windows()


# -- what a run came to


@pytest.mark.parametrize(
    ("status", "state"),
    [("SUCCEEDED", "s"), ("SKIPPED", "e"), ("FAILED", "f"), ("STOPPED", "x")],
)
def test_a_window_is_what_its_run_is_in_the_ledger(
    world: BackfillWorld, status: str, state: str
) -> None:
    world.outcomes["2026-11-01"] = RunStatus(status)
    first_of_three(world)
    assert world.next(2, 0, error="Runtime.ExitError: the response was lost").number == 1
    assert world.states == f"{state}r."


def test_a_run_that_goes_on_elsewhere_is_looked_at_again(world: BackfillWorld) -> None:
    world.outcomes["2026-11-01"] = RunStatus.RUNNING
    first_of_three(world)
    for call in (2, 3):
        step = world.next(call, 0, error="Runtime.ExitError: died")
        assert (step.number, step.look_again, step.request) == (0, True, None)
        assert world.next(call, 0) == step
    request = world.item.requested.run_request(Windows(world.cloud.ledger, "november")[0])
    world.put_run(request, RunStatus.SUCCEEDED)
    assert world.next(4, 0).number == 1
    assert world.states == "sr."


def test_a_window_without_a_run_has_failed_with_the_reason(world: BackfillWorld) -> None:
    world.begin(backfill())
    world.next(1)
    assert world.next(2, 0, error="InvalidRequest: no such column").number == 1
    assert world.states == "fr."
    assert world.item.reasons == {"0": "InvalidRequest: no such column"}


def test_a_run_id_that_another_run_has_is_a_failure(world: BackfillWorld) -> None:
    world.begin(backfill())
    step = world.next(1)
    assert step.request is not None
    other = step.request.model_copy(update={"query": "other = 1"})
    world.put_run(other, RunStatus.SUCCEEDED)
    world.next(2, 0, error="RunConflict: run bf-november: query")
    assert world.states[0] == "f"
    assert "is another run: RunConflict" in world.item.reasons["0"]


def test_failures_are_recorded_and_it_goes_on(world: BackfillWorld) -> None:
    world.outcomes["2026-11-02"] = RunStatus.FAILED
    ended = world.drive(backfill())
    assert world.states == "sfs"
    assert (ended.status, ended.reason) == (BackfillStatus.FAILED, "1 of 3 windows failed")


def test_no_more_windows_begin_once_more_have_failed_than_tolerated(world: BackfillWorld) -> None:
    world.outcomes = dict.fromkeys(("2026-11-01", "2026-11-02"), RunStatus.FAILED)
    ended = world.drive(backfill(maxFailures=1, endDateTime="2026-11-06"))
    assert world.states == "ff..."
    assert ended.status is BackfillStatus.FAILED
    assert ended.reason == "2 windows failed, more than 1; no more begin"


# -- which windows


@pytest.mark.parametrize(
    ("only", "states"), [("missing", "b.."), ("failed", "b.-"), ("all", "...")]
)
def test_what_is_stored_is_judged_at_the_beginning(
    world: BackfillWorld, only: str, states: str
) -> None:
    world.put_run(other_run("a", "2026-11-01", "2026-11-02"), RunStatus.SUCCEEDED)
    world.put_run(other_run("b", "2026-11-02", "2026-11-02T06:00:00Z"), RunStatus.STOPPED)
    world.begin(backfill(only=only))
    assert world.states == states


def test_what_another_run_stores_meanwhile_is_passed_over(world: BackfillWorld) -> None:
    """Also by a run that was claimed long before, and was still running."""
    slow = other_run("slow", "2026-11-02", "2026-11-03")
    world.put_run(slow, RunStatus.RUNNING)
    world.now = NOW.replace(hour=9)
    first_of_three(world)
    world.now = NOW.replace(hour=10)
    world.put_run(slow, RunStatus.SUCCEEDED, claimed_at=NOW)
    assert world.next(2, 0).number == 2
    assert world.states == "sbr"


def test_runs_that_never_end_are_looked_at_by_key(world: BackfillWorld) -> None:
    """And the others, which were claimed after them, not again at every window."""
    for number in range(GOING_ON_AT_MOST):
        slow = other_run(f"slow-{number:02}", "2026-11-03", "2026-11-03T06:00:00Z")
        world.put_run(slow, RunStatus.RUNNING, claimed_at=NOW.replace(hour=1, minute=number))
    first_of_three(world)
    assert world.item.judged_from == "2026-11-20T08:14:00Z"
    assert len(world.item.going_on) == GOING_ON_AT_MOST

    world.now = NOW.replace(hour=9)
    late = other_run("late", "2026-11-03", "2026-11-04")
    world.put_run(late, RunStatus.RUNNING)
    world.now = NOW.replace(hour=10)
    step = world.next(2, 0)
    assert "late" not in world.item.going_on
    assert world.item.judged_from == "2026-11-20T09:15:00Z"  # there is no more room
    assert step.request is not None
    world.run(step.request)
    world.put_run(slow, RunStatus.FAILED, claimed_at=NOW.replace(hour=1))
    world.put_run(late, RunStatus.SUCCEEDED, claimed_at=NOW.replace(hour=9))
    assert world.next(3, 1).number is None
    assert world.states == "ssb"
    assert slow.run_id not in world.item.going_on
    assert world.item.judged_from == "2026-11-20T10:14:00Z"


def test_only_runs_of_its_own_are_left_to_its_lanes(world: BackfillWorld) -> None:
    """Not those of a backfill whose id begins as its own does."""
    for name in ("november", "november-r2", "november-r10", "november-x", "november-r11"):
        run = other_run(f"bf-{name}-20261102T000000Z", "2026-11-02", "2026-11-03")
        world.put_run(run, RunStatus.RUNNING)
    world.begin(backfill())
    assert set(world.item.going_on) == {
        "bf-november-x-20261102T000000Z",
        "bf-november-r11-20261102T000000Z",
    }


def test_runs_that_cannot_store_a_window_are_not_looked_at_again(world: BackfillWorld) -> None:
    one = RunRequest.from_json(
        {"datasetName": "orders", "runId": "one", "inputUrl": "s3://data/landing/orders/a.csv"}
    ).model_copy(update={"end_date_time": NOW})
    elsewhere = other_run("elsewhere", "2026-12-01", "2026-12-02")
    query = other_run("query", "2026-11-01", "2026-11-02").model_copy(
        update={"query": '"inputUrl": = 1'}
    )
    for each in (one, elsewhere, query):
        world.put_run(each, RunStatus.RUNNING)
    world.begin(backfill(query=query.query))
    assert world.item.going_on == ("query",)
    assert world.item.judged_from == "2026-11-20T08:14:00Z"


@pytest.mark.parametrize("request_text", ['{"asksForMore": true}', "no JSON"])
def test_a_run_of_a_later_release_counts_for_nothing(
    world: BackfillWorld, request_text: str
) -> None:
    world.put_run(other_run("later", "2026-11-01", "2026-11-02"), RunStatus.SUCCEEDED)
    world.put_run(other_run("a", "2026-11-02", "2026-11-03"), RunStatus.SUCCEEDED)
    world.cloud.ledger.update("later", "RUN", {"request": request_text})
    world.begin(backfill())
    assert world.states == ".b."
    assert world.next(1).number == 0


def test_runs_are_looked_at_once_however_often_the_decision_is_taken(
    world: BackfillWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = []

    def look(ledger: Ledger, item: BackfillItem, now: datetime) -> Look:
        looked.append(item.version)
        change_backfill(ledger, "november", lambda _item: {"going_on": ("other",)}, now)
        return look_meanwhile(ledger, item, now)

    world.begin(backfill())
    monkeypatch.setattr("runs.backfills.lanes.look_meanwhile", look)
    version = world.item.version
    assert world.next(1).number == 0
    assert (looked, world.item.version) == ([version], version + 2)
    assert world.item.going_on == ("other",)  # which somebody else has found


def test_of_a_run_only_what_its_range_is_known_by_is_read(world: BackfillWorld) -> None:
    world.put_run(other_run("a", "2026-11-01", "2026-11-02"), RunStatus.FAILED, reason="long")
    (item,) = world.cloud.ledger.runs_claimed(
        "2026-11-20", dataset="orders", attributes=RunItem.OF_ITS_RANGE
    )
    assert set(item) == set(RunItem.OF_ITS_RANGE) - {"start_date_time"}


@pytest.mark.parametrize("newest_first", [False, True])
def test_a_later_window_that_another_run_stores_meanwhile_is_not_run(
    world: BackfillWorld, newest_first: bool
) -> None:
    """Though others are run before its turn comes."""
    world.begin(backfill(endDateTime="2026-11-06", newestFirst=newest_first))
    other = ("2026-11-02", "2026-11-03") if newest_first else ("2026-11-04", "2026-11-05")
    order = []
    step = world.next(1)
    world.put_run(other_run("other", *other), RunStatus.SUCCEEDED)
    for call in range(2, 10):
        if step.request is None:
            break
        order.append(step.number)
        world.run(step.request)
        world.now += timedelta(hours=1)
        step = world.next(call, step.number)
    assert order == ([4, 3, 2, 0] if newest_first else [0, 1, 2, 4])
    assert world.states == ("sbsss" if newest_first else "sssbs")


def test_all_windows_are_run_again_if_that_is_asked_for(world: BackfillWorld) -> None:
    world.put_run(other_run("a", "2026-11-01", "2026-11-04"), RunStatus.SUCCEEDED)
    world.drive(backfill(only="all"))
    assert world.states == "sss"


def test_nothing_is_run_where_all_is_stored(world: BackfillWorld) -> None:
    world.put_run(other_run("a", "2026-11-01", "2026-11-04"), RunStatus.SUCCEEDED)
    ended = world.drive(backfill())
    assert (world.executed, world.states, ended.status) == ([], "bbb", BackfillStatus.SUCCEEDED)


# -- the next execution


def test_the_next_execution_goes_on_after_so_many_windows(
    world: BackfillWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    with limits(monkeypatch, WINDOWS_PER_EXECUTION=2):
        ended = world.drive(backfill(endDateTime="2026-11-06"))
    assert (ended.status, world.states, world.item.generation) == ("SUCCEEDED", "sssss", 3)
    names = [execution_of(generation).rpartition("/")[0] for generation in (2, 3)]
    assert len(world.lambdas.started) == len(set(names)) == 2
    payload = json.loads(list(world.lambdas.started.values())[0])
    assert payload == {"request": backfill(endDateTime="2026-11-06").to_json(), "generation": 2}


def test_the_next_execution_goes_on_before_operations_are_used_up(
    world: BackfillWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    with limits(monkeypatch, BACKFILL_OPERATIONS=4):
        world.begin(backfill(atOnce=2))
        assert world.next(1, lane=0).number == 0  # 2 operations
        assert world.next(1, lane=1).number == 1  # 4 together
        assert world.next(2, lane=1).number is None
    assert world.item.generation == 1


def test_looks_at_a_run_use_operations_too(
    world: BackfillWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.outcomes["2026-11-01"] = RunStatus.RUNNING
    with limits(monkeypatch, BACKFILL_OPERATIONS=4):
        first_of_three(world)
        assert world.next(2, 0).look_again
        step = world.next(3, 0)
    assert (step.number, step.look_again) == (None, False)
    assert world.end().next_execution == execution_of(2)
    assert world.begin(backfill(), 2) == 1
    assert world.next(1, generation=2).number == 0
    assert world.next(2, 0, generation=2).look_again
    world.outcomes.clear()
    request = world.item.requested.run_request(Windows(world.cloud.ledger, "november")[0])
    world.put_run(request, RunStatus.SUCCEEDED)
    assert world.next(3, 0, generation=2).number == 1


def test_an_execution_in_which_no_window_begins_is_the_last(world: BackfillWorld) -> None:
    world.begin(backfill())
    ended = world.end()
    assert (ended.status, ended.reason) == (BackfillStatus.FAILED, NONE_BEGAN)
    assert world.lambdas.started == {}


def test_an_execution_that_another_one_has_followed_gets_no_windows(world: BackfillWorld) -> None:
    first_of_three(world)
    world.control(BackfillAction.PAUSE)
    world.control(BackfillAction.RESUME)
    assert world.item.generation == 2
    assert world.next(2, 0).number is None  # what became of its window is recorded all the same
    assert world.states == "s.."
    assert world.begin(backfill(), 2) == 1
    assert world.begin(backfill(), 1) == 0
    assert world.end(1).next_execution == execution_of(2)
    assert world.item.status is BackfillStatus.RUNNING


@pytest.mark.parametrize("given", [False, True])
def test_an_older_execution_records_no_failure_of_a_window_without_a_run(
    world: BackfillWorld, given: bool
) -> None:
    """Whether or not the execution that goes on has given it to a lane."""
    world.begin(backfill())
    world.next(1)
    world.control(BackfillAction.PAUSE)
    world.control(BackfillAction.RESUME)
    world.begin(backfill(), 2)
    if given:
        assert world.next(1, generation=2).number == 0
    assert world.next(2, 0, error="Timeout: no response").number is None
    assert world.states == ("r.." if given else "...")
    assert world.item.reasons == {}


def test_an_older_execution_does_not_end_a_window_that_a_lane_waits_for(
    world: BackfillWorld,
) -> None:
    world.outcomes["2026-11-01"] = RunStatus.FAILED
    first_of_three(world)
    world.control(BackfillAction.PAUSE)
    world.control(BackfillAction.RESUME)
    world.begin(backfill(), 2)
    step = world.next(1, generation=2)  # its run is executed once more
    world.next(2, 0)
    assert world.states == "r.."
    world.outcomes.clear()
    assert step.request is not None
    world.run(step.request)
    world.next(2, 0, generation=2)
    assert world.states == "sr."


def test_the_end_of_a_run_before_does_not_end_a_window_that_is_run_again(
    world: BackfillWorld,
) -> None:
    world.outcomes["2026-11-01"] = RunStatus.FAILED
    world.drive(backfill())
    world.control(BackfillAction.RESUME, failed_too=True)
    world.begin(backfill(), 2)
    before = world.executed[0]
    ended = EndedWindow(number=0, run_id=before, error="Timeout: no response")
    assert world.next(1, ended, generation=2).number == 0
    assert (world.states, world.item.reasons) == ("rss", {})


def test_a_window_under_way_is_found_by_the_next_execution(world: BackfillWorld) -> None:
    world.outcomes["2026-11-01"] = RunStatus.RUNNING
    first_of_three(world)
    world.control(BackfillAction.PAUSE)
    world.control(BackfillAction.RESUME)
    world.begin(backfill(), 2)
    step = world.next(1, generation=2)
    assert step.request is not None
    assert step.request.run_id == world.executed[0]
    assert world.next(2, 0, generation=2).look_again


@pytest.mark.parametrize("other", [{"window": "2d"}, {"atOnce": 2}, {"only": "all"}])
def test_another_backfill_of_the_same_name_is_refused(
    world: BackfillWorld, other: dict[str, Any]
) -> None:
    world.begin(backfill())
    with pytest.raises(RunConflict, match="asks for something else"):
        world.begin(backfill(**other))


def test_a_later_execution_of_a_backfill_that_is_gone_is_refused(world: BackfillWorld) -> None:
    with pytest.raises(NotFound):
        world.begin(backfill(), 2)


# -- killed


def test_killed_at_any_outside_call_it_comes_to_the_same_end(
    cloud: Any, clients: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each effect of every step, with two lanes and two executions.

    Who dies before an effect leaves what who dies after the one before it leaves.
    """
    lambdas = Executions()
    fate = doomed(clients, lambdas)

    def drive() -> tuple[Any, ...]:
        world = BackfillWorld(cloud, lambdas, outcomes={"2026-11-02": RunStatus.FAILED})
        world.forget()
        lambdas.started.clear()
        ended = world.drive(backfill(atOnce=2))
        executed = Counter(world.executed)
        fate.spare()
        return ended.status, world.states, executed, sorted(lambdas.started)

    with limits(monkeypatch, WINDOWS_PER_EXECUTION=2):
        whole = drive()
        effects = list(fate.names)
        for call in range(1, len(effects) + 1):
            fate.kill_at(call, after=True)
            assert drive() == whole, call
    status, states, executed, started = whole
    assert (status, states) == (BackfillStatus.FAILED, "sfs")
    assert set(executed.values()) == {1}
    assert len(started) == 1
    assert set(effects) == {"put_item", "update_item", "invoke"}
