"""Executions in flight survive a deployment: today's code fits yesterday's histories."""

from __future__ import annotations

import json
from typing import Any

import pytest
from replays import RECORDED, replay

RECORDINGS = sorted([*RECORDED.glob("*.json"), *RECORDED.glob("unit-flow-2/*.json")])


@pytest.fixture(params=RECORDINGS, ids=lambda path: path.relative_to(RECORDED).as_posix())
def recording(request: pytest.FixtureRequest) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(request.param.read_text(encoding="utf-8"))
    return loaded


def test_there_are_recordings() -> None:
    assert RECORDINGS


def test_a_recorded_history_is_replayed_without_a_new_operation(recording: dict[str, Any]) -> None:
    output, recorder = replay(recording)

    assert output["Status"] == "SUCCEEDED"
    assert json.loads(output["Result"]) == recording["response"]
    assert recorder.started() == []


def test_a_changed_operation_is_noticed(recording: dict[str, Any]) -> None:
    renamed = json.loads(json.dumps(recording).replace('"validate"', '"check-rows"'))

    output, _recorder = replay(renamed)

    assert output["Status"] == "FAILED"
    assert "NonDeterministicExecutionError" in json.dumps(output["Error"])
