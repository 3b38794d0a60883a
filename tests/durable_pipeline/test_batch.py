"""Where the runs of one batch are executed, and what is stored of a refused message."""

from __future__ import annotations

import json
from typing import Any

import pytest
from world import Deployment, World, error_named, sqs_event

from contracts.messages.operations import reserved
from durable_pipeline.batch import _cut

RUN: dict[str, Any] = {"datasetName": "orders", "startDateTime": "2026-11-01", "runId": "r-1"}
REDELIVERED = {"batchItemFailures": [{"itemIdentifier": "m-1"}]}


@pytest.mark.parametrize(("units_per_shard", "handed_over"), [(1, 1), (2, 1), (3, 0)])
def test_a_run_of_several_shards_is_handed_over_however_short_it_is(
    deployment: Deployment, world: World, units_per_shard: int, handed_over: int
) -> None:
    world.units_per_shard, world.unit_seconds = units_per_shard, 1

    deployment.run(sqs_event({**RUN, "detached": False}))

    assert world.count("start-run") == handed_over
    assert world.count("validate") == (0 if handed_over else 3)


def test_a_refused_message_that_cannot_be_stored_goes_back_to_the_queue(
    deployment: Deployment, world: World
) -> None:
    world.fail("reject-message", *[error_named("InvalidData")] * 10)

    execution = deployment.run(sqs_event("no JSON", RUN))

    assert execution.response == REDELIVERED
    assert world.unit_status() == {"STORED": 3}


def test_a_run_leaves_operations_for_those_of_its_batch_that_follow(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int]] = []

    def noting(used_outside: int, others: int, further_runs: int) -> int:
        asked.append((others, further_runs))
        return reserved(used_outside, others, further_runs)

    monkeypatch.setattr("durable_pipeline.shards.reserved", noting)

    deployment.run(sqs_event(RUN, {**RUN, "runId": "r-2"}, {**RUN, "runId": "r-3"}))

    # Replays ask again, in the same words. Each run has three units.
    assert list(dict.fromkeys(asked)) == [(2, 2), (5, 1), (8, 0)]


def test_a_run_that_would_fail_again_is_rejected_at_once_with_its_reason(
    deployment: Deployment, world: World
) -> None:
    world.permanent = True
    world.fail("validate", error_named("InvalidData"), unit="00000-001")

    execution = deployment.run(sqs_event(RUN, {**RUN, "runId": "r-2"}))

    assert execution.response == {"batchItemFailures": []}
    (first,) = world.payloads("reject-message")
    assert (first["messageId"], first["runId"]) == ("m-1", "r-1")
    assert first["reason"].startswith("1 failed; the same message would fail in the same way")
    assert json.loads(first["body"]) == RUN


@pytest.mark.parametrize("permanent", [False, None])
def test_a_run_that_may_succeed_the_next_time_is_delivered_again(
    deployment: Deployment, world: World, permanent: bool | None
) -> None:
    """None: by steps of an earlier release."""
    world.permanent = permanent
    world.fail("validate", error_named("InvalidData"), unit="00000-001")

    execution = deployment.run(sqs_event(RUN))

    assert execution.response == REDELIVERED
    assert world.count("reject-message") == 0


def test_a_deployment_may_have_it_delivered_again_all_the_same(world: World) -> None:
    world.permanent = True
    world.fail("validate", error_named("InvalidData"), unit="00000-001")

    execution = Deployment(world, redeliver_permanent=True).run(sqs_event(RUN))

    assert execution.response == REDELIVERED
    assert world.count("reject-message") == 0


@pytest.mark.parametrize("character", ["a", '"', "\n", "é", "€", "😀"])
def test_a_text_is_cut_as_late_as_its_bytes_as_json_allow(character: str) -> None:
    text = f"12{character * 9}"
    size = len(json.dumps(text))
    assert _cut(text, size) == text
    for limit in range(len(json.dumps("…")), size):
        cut = _cut(text, limit)
        beginning = cut.removesuffix("…")
        assert (cut, len(json.dumps(cut)) <= limit) == (f"{beginning}…", True)
        assert text.startswith(beginning)
        assert len(json.dumps(f"{text[: len(beginning) + 1]}…")) > limit


@pytest.mark.parametrize(
    ("error", "refused"), [("InvalidDataset", True), ("TransientFailure", False)]
)
def test_a_run_that_ends_before_its_units_is_recorded_as_refused_or_not(
    deployment: Deployment, world: World, error: str, *, refused: bool
) -> None:
    """The run that a refused one was to retry is released by that; others are delivered again."""
    world.fail("load-dataset", *[error_named(error)] * 10)

    execution = deployment.run(sqs_event({**RUN, "retryOf": "r-0"}))

    assert execution.response == ({"batchItemFailures": []} if refused else REDELIVERED)

    (recorded,) = world.payloads("record-run")
    assert (recorded["status"], recorded.get("refused", False)) == ("FAILED", refused)
    assert world.count("reject-message") == (1 if refused else 0)


def test_a_direct_start_of_a_superseded_run_says_by_which(
    deployment: Deployment, world: World
) -> None:
    world.claim = {"outcome": "ENDED", "runAttempt": 1, "status": "FAILED", "supersededBy": "r-2"}

    execution = deployment.run(RUN)

    assert execution.response["runId"] == "r-1"
    assert execution.response["standing"].endswith("; run r-2 has superseded it")
    assert world.count("load-dataset") == 0
