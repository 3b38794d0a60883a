"""Units of a long run that failed for what may pass run again in the same execution."""

from __future__ import annotations

from typing import Any

import pytest
from world import Deployment, World, error_named, sqs_event

from durable_pipeline import app

RUN: dict[str, Any] = {"datasetName": "orders", "startDateTime": "2026-11-01", "runId": "r-1"}
THROUGHOUT = 5  # tries of a step that fails with TransientFailure


def rounds(world: World) -> list[dict[str, Any]]:
    return [each for each in world.payloads("record-unit") if each["kind"] == "round"]


def started(world: World) -> list[tuple[str, int]]:
    return [(each["unitId"], each["runAttempt"]) for each in world.starts()]


def down(world: World, unit: str, rounds: int = 1) -> None:
    """A step of the unit fails throughout so many rounds."""
    errors = [error_named("TransientFailure", "no response")] * (rounds * THROUGHOUT)
    world.fail("validate", *errors, unit=unit)


def test_what_failed_for_what_may_pass_runs_again_after_a_wait(
    deployment: Deployment, world: World
) -> None:
    down(world, "00000-001")

    execution = deployment.run(RUN, app.handle_run)

    assert execution.response["status"] == "SUCCEEDED"
    assert world.unit_status() == {"STORED": 3}
    (begun,) = rounds(world)
    assert (begun["runAttempt"], begun["waitSeconds"], begun["units"]) == (1, 60, 1)
    assert started(world)[3:] == [("00000-001", 2)]
    (recorded,) = world.payloads("record-run")
    assert recorded["runAttempt"] == 2  # the attempt that the ledger is at
    assert execution.operations()["wait-for-round"] == 1
    assert execution.operations()["run-shard"] == 1


def test_jobs_of_the_second_round_have_keys_of_their_own(
    deployment: Deployment, world: World
) -> None:
    """As those of a taking-over, which adopt what succeeded before."""
    down(world, "00000-001")
    deployment.run(RUN, app.handle_run)
    jobs = [each for each in world.payloads("submit-job") if each["key"]["unitId"] == "00000-001"]
    assert [each["key"]["attempt"] for each in jobs] == [1, 11]
    assert [each["runAttempt"] for each in jobs] == [1, 2]


def test_units_of_several_shards_run_again(deployment: Deployment, world: World) -> None:
    world.objects, world.units_per_shard = 6, 2
    for unit in ("00000-001", "00002-000", "00002-001"):
        down(world, unit)

    deployment.run(RUN, app.handle_run)

    assert world.unit_status() == {"STORED": 6}
    assert started(world)[6:] == [("00000-001", 2), ("00002-000", 2), ("00002-001", 2)]


def test_there_are_no_more_rounds_than_deliveries(deployment: Deployment, world: World) -> None:
    down(world, "00000-001", rounds=9)

    execution = deployment.run(RUN, app.handle_run)

    assert execution.status == "FAILED"
    assert [each["waitSeconds"] for each in rounds(world)] == [60, 900]
    assert [attempt for _unit, attempt in started(world)[3:]] == [2, 3]
    assert world.units["00000-001"]["failure"]["errorType"] == "TransientFailure"


@pytest.mark.parametrize("error", ["InvalidData", "NotFound", "NotConfigured"])
def test_what_fails_for_good_does_not_run_again(
    deployment: Deployment, world: World, error: str
) -> None:
    world.fail("validate", error_named(error), unit="00000-001")
    deployment.run(RUN, app.handle_run)
    assert rounds(world) == []
    assert world.unit_status() == {"STORED": 2, "FAILED": 1}


def test_in_the_queues_function_the_message_comes_again_instead(
    deployment: Deployment, world: World
) -> None:
    down(world, "00000-001")
    execution = deployment.run(sqs_event(RUN))
    assert execution.response == {"batchItemFailures": [{"itemIdentifier": "m-1"}]}
    assert rounds(world) == []


def test_a_run_that_is_to_stop_meanwhile_has_no_further_round(
    deployment: Deployment, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    down(world, "00000-001")
    normal = world._record_unit

    def stop_then(payload: dict[str, Any]) -> Any:
        world.stopping = payload["kind"] == "round"
        return normal(payload)

    monkeypatch.setattr(world, "_record_unit", stop_then)
    deployment.run(RUN, app.handle_run)
    assert [each["runAttempt"] for each in world.payloads("record-run")] == [1]
    assert len(started(world)) == 3


def test_a_run_that_failed_fast_has_no_further_round(deployment: Deployment, world: World) -> None:
    down(world, "00000-000")
    deployment.run({**RUN, "failFast": True}, app.handle_run)
    assert rounds(world) == []
    assert world.unit_status() == {"FAILED": 1, "NOT_STARTED": 2}
