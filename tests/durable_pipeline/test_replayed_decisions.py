"""Whether a unit begins stays as it was decided, whenever the orchestrator is killed.

A real history is cut as a kill leaves it: some units have ended, in any order, some are under way,
and some were killed just after their response, before or after it was checkpointed. The next
invocation replays that.
"""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass, replace
from typing import Any

import pytest
from aws_durable_execution_sdk_python.lambda_service import (
    Operation,
    OperationAction,
    OperationStatus,
    OperationUpdate,
)
from replays import reopened, replay_operations
from world import Deployment, World, error_named

from contracts.messages import operations as limits
from durable_pipeline import app

PARALLEL: dict[str, Any] = {
    "datasetName": "orders",
    "startDateTime": "2026-11-01",
    "runId": "r-1",
    "maxConcurrency": 5,
}
SMALL = {"OPERATIONS": 400, "EXTRA": 150, "ENDING": 30}


@dataclass
class History:
    """The operations of one execution, and which unit each is of."""

    arn: str
    operations: list[Operation]

    def __post_init__(self) -> None:
        contexts = [each for each in self.operations if str(each.name).startswith("unit-")]
        self.units = {each.operation_id: each for each in contexts}
        groups = {each.parent_id for each in contexts}
        maps = {each.parent_id for each in self.operations if each.operation_id in groups}
        self.map_and_units = maps | groups | set(self.units)
        self.responses = {
            each.parent_id: '"begin": false' not in str(each.chained_invoke_details.result)
            for each in self.operations
            if each.name == "submit-job" and each.chained_invoke_details
        }

    def killed(self, how: dict[str, str], rng: random.Random) -> list[Operation]:
        """The state that a kill leaves, by what it met each unit at; others were not reached."""
        left: list[Operation] = []
        for each in self.operations:
            unit = each.operation_id if each.operation_id in self.units else each.parent_id
            at = how.get(unit or "")
            if unit not in self.units:
                left.append(reopened(each))
            elif at is None:
                continue
            elif each.operation_id == unit:
                left.append(each if at == "ended" else reopened(each))
            elif at == "under way" or each.name == "await-job":
                left.append(each)
            elif at in ("decided", "asking") and each.name == "submit-job":
                left.append(each if at == "decided" else undecided(each))
        first = next(n for n, each in enumerate(left) if each.name == "units") + 1
        behind = [each for each in left[first:] if each.parent_id in self.map_and_units]
        rng.shuffle(behind)
        return left[:first] + behind


def undecided(operation: Operation) -> Operation:
    return replace(
        operation,
        status=OperationStatus.STARTED,
        chained_invoke_details=None,
        end_timestamp=None,
    )


@functools.cache
def recorded() -> History:
    """An execution that began some units and left others; run once, as nothing changes it."""
    world = World()
    deployment = Deployment(world)
    world.objects = world.units_per_shard = 24
    for number in range(24):
        errors = [error_named("TransientFailure")] * 4
        world.fail("validate", *errors, unit=f"00000-{number:03d}")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SMALL.items():
            patch.setattr(limits, name, value)
        deployment.run(PARALLEL, app.handle_run)
    first = deployment.runner._store.list_all()[0]
    found = History(first.durable_execution_arn, list(first.operations))
    assert {True, False} == set(found.responses.values())
    return found


@pytest.fixture
def history(monkeypatch: pytest.MonkeyPatch) -> History:
    found = recorded()
    for name, value in SMALL.items():
        monkeypatch.setattr(limits, name, value)
    return found


def started_in(unit: str, updates: list[OperationUpdate]) -> list[str]:
    return [
        str(update.name)
        for update in updates
        if update.parent_id == unit and update.action is OperationAction.START
    ]


@pytest.mark.slow
def test_the_whole_history_is_replayed_in_any_order_without_a_new_operation(
    history: History,
) -> None:
    for seed in range(5):
        rng = random.Random(seed)  # noqa: S311  (an order, not a secret)
        operations = [reopened(each) for each in history.operations]
        head, rest = operations[:1], operations[1:]
        rng.shuffle(rest)
        output, recorder = replay_operations(history.arn, head + rest, app.handle_run)
        assert output["Status"] == "SUCCEEDED"
        assert recorder.started() == []


@pytest.mark.parametrize("seed", range(12))
def test_a_kill_changes_no_decision(history: History, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311  (an order, not a secret)
    reached = list(history.units)[: rng.randint(PARALLEL["maxConcurrency"], len(history.units))]
    how = dict.fromkeys(reached, "ended")
    met = rng.sample(reached, PARALLEL["maxConcurrency"])
    how |= {unit: rng.choice(("under way", "decided", "asking", "about to ask")) for unit in met}
    how[met[0]] = "asking"  # so that the map does not come to its end

    output, recorder = replay_operations(history.arn, history.killed(how, rng), app.handle_run)

    assert output["Status"] == "PENDING"
    for unit, at in how.items():
        began = started_in(unit, recorder.updates)
        ended = [
            update
            for update in recorder.updates
            if update.operation_id == unit and update.action is OperationAction.SUCCEED
        ]
        if at == "decided" and history.responses[unit]:
            assert began[:1] == ["validate"]  # it goes on with its first stage
            assert not ended
        elif at == "about to ask":
            assert set(began) == {"submit-job"}
        else:
            assert began == []
        if at == "decided" and not history.responses[unit]:
            assert len(ended) == 1
            assert '"status"' not in str(ended[0].payload)  # left for another execution
