"""What a unit costs in durable operations: counted, and the same however many units a run has."""

from __future__ import annotations

import os
from typing import Any, Final

import pytest
from world import Deployment, World, sqs_event

from benchmarks.replay.__main__ import Replay, measure
from contracts.messages import operations as limits
from durable_pipeline import app
from durable_pipeline.sharding.groups import UNITS_PER_GROUP

MANY: Final = int(os.environ.get("COUNTED_UNITS", "250"))
RUN: dict[str, Any] = {
    "datasetName": "orders",
    "startDateTime": "2026-11-01",
    "runId": "r-1",
    "maxConcurrency": 10,
}


def inside_units(deployment: Deployment) -> list[int]:
    """Of every execution, the operations of its units: their contexts, and what is in them."""
    counts = []
    for execution in deployment.runner._store.list_all():
        units = {
            each.operation_id for each in execution.operations if str(each.name).startswith("unit-")
        }
        inside = [
            each
            for each in execution.operations
            if each.operation_id in units or each.parent_id in units
        ]
        counts.append(len(inside))
    return counts


@pytest.mark.parametrize(
    ("targets", "operations"),
    [
        (["dynamodb"], 6),
        (["files"], 6),
        (["dynamodb", "redshift"], 8),
        (["redshift"], 8),  # the load ends after its store, so that the unit has an end of its own
        (["files", "dynamodb", "redshift"], 9),
    ],
)
def test_one_job_and_its_stores_cost_a_unit_so_many_operations(
    deployment: Deployment, world: World, targets: list[str], operations: int
) -> None:
    world.targets = targets
    deployment.run(sqs_event(RUN))
    assert world.unit_status() == {"STORED": 3}
    assert inside_units(deployment) == [3 * operations]
    assert {end["operations"] for end in world.ends} == {operations} == {world.planned_operations}


@pytest.mark.parametrize(
    "units",
    [
        10,
        pytest.param(100, marks=pytest.mark.slow),
        pytest.param(MANY, marks=[pytest.mark.slow, pytest.mark.timeout(7200)]),
    ],
)
def test_a_unit_of_a_large_run_costs_what_one_of_a_small_run_costs(
    deployment: Deployment, world: World, units: int
) -> None:
    world.objects = units
    execution = deployment.run(RUN, app.handle_run, patience=120 + units)
    assert execution.response["status"] == "SUCCEEDED"
    assert world.unit_status() == {"STORED": units}
    assert sum(inside_units(deployment)) == 6 * units
    all_operations = [
        len(each.operations) - 1 for each in deployment.runner._store.list_all()
    ]  # each execution itself is no operation
    assert max(all_operations) < limits.OPERATIONS / 2
    shards = len(all_operations) - 1
    # Beside its units, a run in one execution has six and the map of its units. One of several
    # shards freezes its plan, and each of them has its invocation, read-shard and its map. Of more
    # units than a group has, each group is one.
    of_each = world.shard_sizes
    groups = sum(-(-size // UNITS_PER_GROUP) for size in of_each if size > UNITS_PER_GROUP)
    assert sum(all_operations) == 6 * units + groups + 7 + 3 * shards


MOST_REPLAYED: Final = 150  # operations of a unit, of ten side by side
GROWTH: Final = 1.1


@pytest.fixture(scope="module")
def ten_units() -> Replay:
    return min((measure(10) for _ in range(3)), key=lambda each: each.operations_per_unit)


@pytest.mark.parametrize(
    "units",
    [
        pytest.param(100, marks=pytest.mark.slow),
        pytest.param(MANY, marks=[pytest.mark.slow, pytest.mark.timeout(7200)]),
    ],
)
def test_a_unit_of_a_large_run_is_replayed_as_often_as_one_of_a_small_run(
    ten_units: Replay, units: int
) -> None:
    """What invocations load of each unit, of ten side by side, does not grow with the units.

    On a busy machine units share fewer invocations, in either run: the best of three counts.
    """
    most_operations = min(GROWTH * ten_units.operations_per_unit, MOST_REPLAYED)
    most_kilobytes = GROWTH * ten_units.kilobytes_per_unit
    tries = []
    for _ in range(3):
        many = measure(units)
        tries.append((many.operations_per_unit, many.kilobytes_per_unit))
        if (
            many.operations_per_unit <= most_operations
            and many.kilobytes_per_unit <= most_kilobytes
        ):
            break
    else:
        pytest.fail(f"{tries}: more than {most_operations} operations, {most_kilobytes} KB")
