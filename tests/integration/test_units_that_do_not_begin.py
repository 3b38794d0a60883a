"""Units that do not begin, with the real step functions and the ledger's own counts."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from deployed_steps import DeployedSteps
from world import error_named, sqs_event

from contracts.ledger_items import OperationsItem
from contracts.messages import operations as limits
from durable_pipeline import app
from runs.unit import counts

RUN: dict[str, Any] = {
    "datasetName": "standard",
    "inputUrl": "s3://data-bucket/landing/standard/readings.json",  # a tenth of it is broken
    "runId": "r-1",
    "itemsPerBatch": 5,
}


@pytest.fixture(autouse=True)
def _no_warehouse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAREHOUSE", "false")


@pytest.mark.slow
def test_nothing_is_lost_to_the_operations_of_an_execution(
    deployed: DeployedSteps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts, "OPERATIONS", 340)
    for name, value in {"OPERATIONS": 340, "EXTRA": 100, "ENDING": 20}.items():
        monkeypatch.setattr(limits, name, value)
    tries: Counter[str] = Counter()

    def fail_twice(step: str, payload: dict[str, Any]) -> None:
        """So that each unit uses more than is planned for it."""
        if step == "validate":
            tries[payload["unitId"]] += 1
            if tries[payload["unitId"]] <= 2:
                raise error_named("TransientFailure", "no response")

    deployed.after_step = fail_twice

    # One after another, as moto's updates are not atomic: of two at the same time it loses one.
    execution = deployed.run({**RUN, "maxConcurrency": 1}, app.handle_run)

    assert execution.response["status"] == "SUCCEEDED"
    assert execution.response["units"]["stored"] == 20
    assert len(deployed.stored_rows()) == 90
    histories = deployed.runner._store.list_all()
    assert len(histories) > 1
    assert all(len(each.operations) - 1 <= 340 for each in histories)
    for history in histories:
        key = OperationsItem.key_of(history.durable_execution_arn)
        count = OperationsItem.from_item(deployed.cloud.ledger.get_item(*key))
        begun = contexts_of_units(history)
        in_units = [
            each for each in history.operations if {each.operation_id, each.parent_id} & begun
        ]
        assert count.running == frozenset()
        # Exactly what the service counts, but for what was reserved for each until it began.
        assert count.committed == len(in_units) - limits.ASKING * len(begun)


def contexts_of_units(history: Any) -> set[str]:
    """Of those that began here."""
    return {
        each.operation_id
        for each in history.operations
        if str(each.name).startswith("unit-")
        and any(
            inner.name == "validate" and inner.parent_id == each.operation_id
            for inner in history.operations
        )
    }


@pytest.mark.slow
def test_an_array_fails_fast(deployed: DeployedSteps) -> None:
    request = {**RUN, "maxConcurrency": 1, "toleratedFailurePercentage": 3}

    execution = deployed.run(request, app.handle_run)

    assert execution.status == "FAILED"
    document = deployed.cloud.read_json("runs/r-1/results.json")
    units, items = document["units"], document["items"]
    statuses = Counter(outcome["status"] for outcome in document["outcomes"])
    assert statuses["NOT_STARTED"] == units["notStarted"] > 0
    assert units["total"] == units["stored"] + units["failed"] + units["notStarted"] == 20
    lost = items["rejected"] + items["failed"]
    assert lost > 3
    assert items["total"] == items["stored"] + lost + items["notStarted"] == 100
    (ended,) = [each for each in deployed.cloud.published() if each["event"] == "run-ended"]
    assert ended["result"]["units"] == units


@pytest.mark.slow
def test_what_was_not_started_is_processed_when_the_message_comes_again(
    deployed: DeployedSteps,
) -> None:
    request = {**RUN, "maxConcurrency": 1, "toleratedFailurePercentage": 3}
    deployed.run(sqs_event(request))
    assert deployed.run_item("r-1")["status"] == "FAILED"

    deployed.run(sqs_event({**RUN, "runId": "r-2", "retryOf": "r-1", "failFast": False}))

    assert deployed.run_item("r-2")["status"] == "SUCCEEDED"
    assert len(deployed.stored_rows()) == 90


@pytest.mark.slow
def test_a_unit_that_failed_for_what_may_pass_is_stored_in_the_next_round(
    deployed: DeployedSteps,
) -> None:
    down = 5  # as often as a step is tried

    def fail(step: str, payload: dict[str, Any]) -> None:
        nonlocal down
        if step == "store-dynamodb" and payload["unitId"] == "00000-002" and down:
            down -= 1
            raise error_named("TransientFailure", "no response")

    deployed.after_step = fail
    execution = deployed.run({**RUN, "itemsPerBatch": 25}, app.handle_run)

    assert execution.response["status"] == "SUCCEEDED"
    assert execution.response["units"]["stored"] == 4
    run = deployed.run_item("r-1")
    assert (run["run_attempt"], "waits_until" in run) == (2, False)
    attempts = {each["item"]: each["run_attempt"] for each in deployed.items("r-1", "UNIT#")}
    assert Counter(attempts.values()) == {1: 3, 2: 1}
    assert len(deployed.stored_rows()) == 90
