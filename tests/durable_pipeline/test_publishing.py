"""Where a run publishes its files: once, after all units, before its outcome is recorded."""

from __future__ import annotations

from typing import Any

import pytest
from world import Deployment, World, error_named, sqs_event

from durable_pipeline import app

RUN: dict[str, Any] = {"datasetName": "orders", "startDateTime": "2026-11-01", "runId": "r-1"}


@pytest.fixture(autouse=True)
def _with_files(world: World) -> None:
    world.jobs, world.targets = [], ["files"]


def order(world: World, *operations: str) -> list[str]:
    return [name for name, _ in world.calls if name in operations]


def test_files_are_published_after_all_units_and_before_the_run_is_recorded(
    deployment: Deployment, world: World
) -> None:
    execution = deployment.run(sqs_event(RUN))

    assert execution.response == {"batchItemFailures": []}
    assert order(world, "store-files", "publish-files", "record-run") == [
        *["store-files"] * 3,
        "publish-files",
        "record-run",
    ]
    (recorded,) = world.payloads("record-run")
    assert recorded["files"]["manifestUrl"] == "s3://output/p/_runs/r.json"
    assert world.payloads("notify")[-1]["result"]["files"]["rows"] == 18


def test_a_dataset_without_the_target_publishes_nothing(
    deployment: Deployment, world: World
) -> None:
    world.targets = ["dynamodb"]
    deployment.run(sqs_event(RUN))
    assert world.count("publish-files") == 0


def test_many_units_are_published_in_as_many_calls_as_it_takes(
    deployment: Deployment, world: World
) -> None:
    progress = {"run": "r-1", "after": "00000-001", "pages": 1}
    world.published = [{"progress": progress}, {"progress": {"written": True}}]

    deployment.run(sqs_event(RUN))

    first, second, third = world.payloads("publish-files")
    assert "after" not in first["progress"]
    assert (second["progress"]["after"], second["progress"]["pages"]) == ("00000-001", 1)
    assert third["progress"]["written"] is True


def test_a_run_whose_files_are_not_published_has_failed_and_its_message_returns(
    deployment: Deployment, world: World
) -> None:
    why = "writing s3://output/p/_runs/r-1.json: AccessDenied"
    world.fail("publish-files", error_named("PipelineError", why))

    execution = deployment.run(sqs_event(RUN))

    assert execution.response == {"batchItemFailures": [{"itemIdentifier": "m-1"}]}
    (recorded,) = world.payloads("record-run")
    assert recorded["status"] == "FAILED"
    assert recorded["reason"] == recorded["filesError"]
    assert recorded["reason"] == (
        f"its files were not published: publish-files: PipelineError: {why}"
    )
    assert world.payloads("notify")[-1]["result"]["status"] == "FAILED"


def test_so_it_is_where_the_units_are_batches_of_items_which_are_all_stored(
    deployment: Deployment, world: World
) -> None:
    world.of_items = True
    world.fail("publish-files", error_named("PipelineError", "AccessDenied"))
    execution = deployment.run(sqs_event({**RUN, "inputUrl": "s3://data/items.json"}))
    assert execution.response == {"batchItemFailures": [{"itemIdentifier": "m-1"}]}
    assert world.count("reject-message") == 0


def test_a_run_that_another_execution_holds_by_then_is_not_recorded(
    deployment: Deployment, world: World
) -> None:
    world.fail("publish-files", error_named("OwnershipLost"))
    execution = deployment.run(sqs_event(RUN))
    assert execution.response == {"batchItemFailures": [{"itemIdentifier": "m-1"}]}
    assert world.count("record-run") == 0


def test_a_throttled_bucket_is_asked_again(deployment: Deployment, world: World) -> None:
    world.fail("publish-files", error_named("Throttled"), error_named("Conflict"))
    execution = deployment.run(sqs_event(RUN))
    assert execution.response == {"batchItemFailures": []}
    assert world.count("publish-files") == 3


def test_failed_and_stopped_runs_publish_what_their_units_stored(
    deployment: Deployment, world: World
) -> None:
    world.fail("validate", error_named("InvalidData"), error_named("RunStopped"))
    deployment.run(sqs_event(RUN))
    assert order(world, "publish-files", "record-run") == ["publish-files", "record-run"]
    assert "status" not in world.payloads("record-run")[0]


def test_a_run_of_several_shards_publishes_once(deployment: Deployment, world: World) -> None:
    world.objects, world.units_per_shard = 5, 2
    execution = deployment.run({**RUN, "detached": True}, app.handle_run)
    assert execution.status == "SUCCEEDED"
    assert world.unit_status() == {"STORED": 5}
    assert order(world, "publish-files", "record-run") == ["publish-files", "record-run"]


def test_a_retry_without_units_publishes_what_the_retried_run_left(
    deployment: Deployment, world: World
) -> None:
    world.objects, world.published = 0, [{}]
    deployment.run(sqs_event({**RUN, "retryOf": "r-0"}))
    assert order(world, "publish-files", "record-run") == ["publish-files", "record-run"]
    assert world.payloads("record-run")[0]["status"] == "SKIPPED"


def test_another_run_without_units_publishes_nothing(deployment: Deployment, world: World) -> None:
    world.objects = 0
    deployment.run(sqs_event(RUN))
    assert world.count("publish-files") == 0
