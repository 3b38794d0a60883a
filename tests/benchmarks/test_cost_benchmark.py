"""The cost benchmark counts what is billed, each way."""

from __future__ import annotations

import pytest
from world import World

from benchmarks.cost.__main__ import GOALS, GROUP, MAP, OBJECTS, POLL, TOKEN, ours, theirs, verdicts
from benchmarks.cost.ours import orchestrated
from benchmarks.cost.transitions import machine, transitions
from contracts.costs.usage import Meter


@pytest.mark.parametrize(("polls", "count"), [(1, 7), (2, 10), (10, 34)])
def test_a_poll_costs_three_transitions(polls: int, count: int) -> None:
    assert transitions(machine("poll-loop"), polls=polls) == count


def test_a_task_token_costs_none_while_it_waits() -> None:
    assert transitions(machine("task-token")) == 4


@pytest.mark.parametrize(("batch", "count"), [(1, 1 + 1000 * 4), (200, 1 + 5 * 4), (300, 1 + 16)])
def test_a_map_counts_once_and_its_children_as_often_as_they_are(batch: int, count: int) -> None:
    assert transitions(machine("distributed-map"), objects=1000, batch=batch) == count


def test_states_that_are_not_counted_are_refused() -> None:
    odd = {"StartAt": "A", "States": {"A": {"Type": "Parallel", "End": True}}}
    with pytest.raises(ValueError, match="Parallel"):
        transitions(odd)


def test_our_operations_come_from_the_code() -> None:
    units = 3
    usage = orchestrated(units)
    beside = 8  # start, claim, notify, load, list, map, record; the last notification is not in it
    planned = World().planned_operations
    assert units * planned < usage[Meter.OPERATIONS] <= units * planned + beside
    assert usage[Meter.INVOCATIONS] > units
    assert usage[Meter.WRITTEN_BYTES] > units * 500


def test_transitions_are_priced_by_the_same_table() -> None:
    usd = {way.name: way.usd for way in theirs(polls=10)}
    assert usd[POLL] == pytest.approx(34 * OBJECTS * 25e-6)
    assert usd[TOKEN] == pytest.approx(4 * OBJECTS * 25e-6)


def test_each_goal_says_whether_it_is_reached() -> None:
    usage = {"operations": 1000, "written-bytes": 0, "orchestrator-invocations": 0}
    usage["lambda-requests:record-unit"] = 0
    names = {goal.ours for goal in GOALS}
    ways = [*theirs(polls=10), *(ours(name, usage, 1, 100) for name in sorted(names))]
    said = verdicts(ways).splitlines()[2:]
    assert len(said) == len(GOALS)
    poll, batched = said[0], next(line for line in said if f"{GROUP} objects" in line)
    assert poll.endswith("| 1/106.2 | yes |")
    assert batched.endswith("| no |")
    assert MAP in said[2]
