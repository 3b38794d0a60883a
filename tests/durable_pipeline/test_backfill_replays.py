"""Backfills in flight survive a deployment: today's code fits yesterday's histories of them.

`make record-histories` records them anew, as those of runs.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from aws_durable_execution_sdk_python.lambda_service import Operation
from backfill_world import backfill
from replays import RECORDED, reopened, replay_handler
from test_backfill_execution import Backfills, _environment, backfills, clients, cloud
from world import Execution, error_named

from contracts.messages import BackfillAction
from contracts.run import RunStatus
from contracts.run_request import RunRequest
from durable_pipeline import backfill as orchestrator
from durable_pipeline.settings import BackfillSettings, Settings

__all__ = ["_environment", "backfills", "clients", "cloud"]  # fixtures
FOLDER = RECORDED / "backfills"
RECORDING = bool(os.environ.get("RECORD_HISTORIES"))
RECORDINGS = sorted(FOLDER.glob("*.json"))


def with_everything(backfills: Backfills) -> Execution:
    """Two lanes, a step that is tried again, an empty window, and a run that goes on elsewhere."""
    backfills.step_errors = [None, error_named("TransientFailure")]
    backfills.world.outcomes["2026-11-02"] = RunStatus.SKIPPED
    backfills.world.outcomes["2026-11-03"] = RunStatus.RUNNING
    request = backfill(endDateTime="2026-11-07", atOnce=2)
    third = request.run_request(request.windows()[2], 0)

    def end_the_third(of: RunRequest) -> None:
        """Its own execution has ended by then; another one has stored it."""
        if "20261105" in str(of.run_id):
            backfills.world.put_run(third, RunStatus.SUCCEEDED)

    backfills.before_run = end_the_third
    return backfills.run(request)


def stopped(backfills: Backfills) -> Execution:
    """A person stops it while its second window runs."""

    def stop(request: RunRequest) -> None:
        if "20261102" in str(request.run_id):
            backfills.world.control(BackfillAction.STOP, reason="enough")

    backfills.before_run = stop
    return backfills.run(backfill())


SCENARIOS = {"with-everything": with_everything, "stopped": stopped}


@pytest.mark.skipif(not RECORDING, reason="make record-histories records them")
@pytest.mark.parametrize("name", SCENARIOS)
def test_record(backfills: Backfills, name: str) -> None:
    recording = SCENARIOS[name](backfills).recording()
    assert recording["operations"]
    FOLDER.mkdir(exist_ok=True)
    text = json.dumps(recording, indent=1, sort_keys=True)
    (FOLDER / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def replayed(recording: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """Today's handler over a history, the insides of its child contexts included."""
    functions = Settings(functions={"backfill-windows": "backfill-windows"})
    orchestrator.use_settings(BackfillSettings(steps=functions, long_run_function="long-run"))
    operations = [reopened(Operation.from_json_dict(item)) for item in recording["operations"]]
    return replay_handler(recording["arn"], operations, orchestrator.handle_backfill)


def test_every_scenario_was_recorded() -> None:
    assert {path.stem for path in RECORDINGS} >= set(SCENARIOS)


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_a_recorded_backfill_is_replayed_without_a_new_operation(path: Path) -> None:
    recording = json.loads(path.read_text(encoding="utf-8"))
    output, recorder = replayed(recording)
    assert output["Status"] == "SUCCEEDED"
    assert json.loads(output["Result"]) == recording["response"]
    assert recorder.started() == []


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_a_changed_operation_of_a_backfill_is_noticed(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert '"run-window"' in text
    output, _ = replayed(json.loads(text.replace('"run-window"', '"run-one"')))
    assert output["Status"] == "FAILED"
    assert "NonDeterministicExecutionError" in json.dumps(output["Error"])
