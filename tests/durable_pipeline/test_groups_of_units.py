"""Units of an execution in groups: what becomes of each, whoever opens and ends their context."""

from __future__ import annotations

from typing import Any

import pytest
from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.exceptions import NonDeterministicExecutionError
from world import Deployment, World

from durable_pipeline import sdk
from durable_pipeline.sharding.groups import UNITS_PER_GROUP, process_each

UNITS = [f"00000-{number:03d}" for number in range(2 * UNITS_PER_GROUP + 3)]
BROKEN = (0, UNITS_PER_GROUP, UNITS_PER_GROUP + 7)
RUN = {"datasetName": "orders", "startDateTime": "2026-11-01", "runId": "r-1", "maxConcurrency": 5}


def process(context: DurableContext, index: int) -> dict[str, Any]:
    context.invoke("validate", {"key": {"unitId": UNITS[index]}}, name="validate")
    if index in BROKEN:
        raise ValueError(f"unit {index} is broken")
    return {"status": "STORED"} if index % 2 else {"status": "STORED", "rows": index}


@durable_execution
def handle(event: dict[str, Any], context: DurableContext) -> dict[str, Any]:
    found = process_each(context, UNITS, process, at_once=event["atOnce"], grouped=event["grouped"])
    context.invoke("notify", {}, name="notify")  # what follows replays all of it
    return {
        "results": {str(index): result for index, result in sorted(found.results.items())},
        "failed": {str(index): why for index, why in sorted(found.failed.items())},
    }


def contexts(deployment: Deployment, prefix: str) -> list[str]:
    (execution,) = deployment.runner._store.list_all()
    return sorted(
        str(each.name) for each in execution.operations if str(each.name or "").startswith(prefix)
    )


@pytest.fixture
def deployment(world: World, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    monkeypatch.setattr(world, "handler", lambda _operation: lambda _payload, _context: {})
    return Deployment(world)


@pytest.mark.parametrize("at_once", [1, 10, 2 * UNITS_PER_GROUP])
def test_units_that_break_are_named_and_the_others_have_their_results(
    deployment: Deployment, at_once: int
) -> None:
    ends = [
        deployment.run({"atOnce": at_once, "grouped": grouped}, handle).response
        for grouped in (True, False)
    ]
    assert ends[0] == ends[1]
    assert ends[0]["failed"] == {str(index): f"unit {index} is broken" for index in BROKEN}
    others = {str(index) for index in range(len(UNITS))} - set(ends[0]["failed"])
    assert set(ends[0]["results"]) == others


def test_each_group_is_a_context_with_the_names_of_its_units(deployment: Deployment) -> None:
    deployment.run({"atOnce": 10, "grouped": True}, handle)
    assert contexts(deployment, "units-") == [
        "units-00000-000-to-00000-019",
        "units-00000-020-to-00000-039",
        "units-00000-040-to-00000-042",
    ]
    assert contexts(deployment, "unit-") == [f"unit-{unit}" for unit in UNITS]


def test_as_many_as_a_group_has_lie_in_the_map_itself(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.UNITS", UNITS[:UNITS_PER_GROUP])
    deployment.run({"atOnce": 10, "grouped": True}, handle)
    assert contexts(deployment, "units-") == []


def test_code_that_does_not_fit_the_history_fails_the_execution(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_context: DurableContext, _index: int) -> dict[str, Any]:
        raise NonDeterministicExecutionError("other operations than recorded")

    monkeypatch.setattr(f"{__name__}.process", broken)
    execution = deployment.run({"atOnce": 10, "grouped": True}, handle)
    assert execution.status == "FAILED"


def test_with_an_sdk_that_was_not_read_there_are_no_groups(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sdk, "installed", lambda: "3.1.0")
    world.objects = UNITS_PER_GROUP + 1
    deployment = Deployment(world)
    deployment.run(RUN)
    assert world.unit_status() == {"STORED": UNITS_PER_GROUP + 1}
    assert contexts(deployment, "units-") == []
