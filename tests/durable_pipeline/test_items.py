"""A run over a JSON array: its batches go through the stages, and its items have results."""

from __future__ import annotations

from typing import Any

import pytest
from world import Deployment, World, error_named, sqs_event

ARRAY: dict[str, Any] = {"datasetName": "orders", "inputUrl": "s3://data/i.json", "runId": "r-1"}


@pytest.fixture
def over_items(world: World) -> World:
    world.of_items, world.jobs = True, []
    return world


def test_every_batch_of_items_has_its_results_written_before_its_end(
    deployment: Deployment, over_items: World
) -> None:
    execution = deployment.run(sqs_event({**ARRAY, "maxConcurrency": 1}))

    assert execution.response == {"batchItemFailures": []}
    stages = [name for name, _ in over_items.calls if name in ("record-items", "record-unit")]
    assert stages == ["record-unit", "record-items", "record-unit"] * 3
    items = {"total": 10, "stored": 9, "rejected": 1, "failed": 0, "notStarted": 0}
    assert [unit["items"] for unit in over_items.units.values()] == [items] * 3


@pytest.mark.slow
def test_batches_of_items_run_side_by_side_unless_asked_otherwise(
    deployment: Deployment, over_items: World
) -> None:
    over_items.objects = 12

    deployment.run(sqs_event(ARRAY))
    assert 1 < over_items.most_running <= 10

    over_items.most_running = 0
    deployment.run(sqs_event({**ARRAY, "runId": "r-2", "maxConcurrency": 1}))
    assert over_items.most_running == 1


def test_a_failed_batch_reports_its_items_why(deployment: Deployment, over_items: World) -> None:
    over_items.fail("transform", error_named("InvalidData", "no key"), unit="00000-001")

    deployment.run(sqs_event(ARRAY))

    reported = {payload["unitId"]: payload for payload in over_items.payloads("record-items")}
    assert reported["00000-001"]["failure"]["message"] == "no key"
    assert "failure" not in reported["00000-000"]
    assert over_items.units["00000-001"]["items"]["failed"] == 9


def test_items_are_reported_of_what_transform_has_found_unstorable(
    deployment: Deployment, over_items: World
) -> None:
    over_items.set_aside = 1

    deployment.run(sqs_event(ARRAY))

    reported = over_items.payloads("record-items")
    urls = [payload["setAsideUrl"] for payload in reported]
    assert len(urls) == 3
    assert all(url.startswith("s3://data/") for url in urls)


def test_a_batch_whose_items_cannot_be_recorded_has_failed(
    deployment: Deployment, over_items: World
) -> None:
    over_items.fail("record-items", error_named("InvalidData", "no place"), unit="00000-001")

    deployment.run(sqs_event(ARRAY))

    assert over_items.unit_status() == {"STORED": 2, "FAILED": 1}
    failed = over_items.units["00000-001"]
    assert (failed["failure"]["stage"], "items" in failed) == ("record-items", False)


def test_too_many_rejected_items_are_a_reason_to_refuse_the_message(
    deployment: Deployment, over_items: World
) -> None:
    over_items.rejected_items = 8

    execution = deployment.run(sqs_event({**ARRAY, "toleratedFailurePercentage": 70}))

    assert execution.response == {"batchItemFailures": []}
    assert over_items.unit_status() == {"STORED": 3}
    (refused,) = over_items.payloads("reject-message")
    assert (refused["runId"], refused["messageId"]) == ("r-1", "m-1")


def test_too_many_failed_batches_are_a_reason_to_send_the_message_again(
    deployment: Deployment, over_items: World
) -> None:
    over_items.fail("validate", error_named("InvalidData"), unit="00000-001")

    execution = deployment.run(sqs_event({**ARRAY, "toleratedFailurePercentage": 20}))

    assert execution.response == {"batchItemFailures": [{"itemIdentifier": "m-1"}]}
    assert over_items.payloads("reject-message") == []


def test_an_attempt_that_lost_the_run_leaves_the_batch_alone(
    deployment: Deployment, over_items: World
) -> None:
    over_items.objects = 1
    over_items.fail("record-items", error_named("OwnershipLost"))

    deployment.run(sqs_event(ARRAY))

    assert over_items.units["00000-000"] == {"status": "RUNNING"}


def test_an_empty_array_ends_the_run_as_skipped(deployment: Deployment, over_items: World) -> None:
    over_items.objects = 0

    deployment.run(sqs_event(ARRAY))

    (recorded,) = over_items.payloads("record-run")
    assert recorded["reason"] == "no items to process: s3://data/i.json"


def test_a_batch_of_items_costs_the_operations_that_are_planned_for_it(
    deployment: Deployment, over_items: World
) -> None:
    over_items.objects = 1
    one = sum(deployment.run(sqs_event(ARRAY)).operations().values())
    over_items.objects = 4
    four = sum(deployment.run(sqs_event(ARRAY)).operations().values())

    assert four - one == 3 * over_items.planned_operations
