"""What a step's call makes of a function that is not there or returns something else."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from world import Deployment, World, sqs_event

from contracts.steps import UnitRef
from durable_pipeline.settings import Settings
from durable_pipeline.steps import BoundSteps, StageFailed

RUN: dict[str, Any] = {"datasetName": "orders", "startDateTime": "2026-11-01", "runId": "r-1"}


def test_a_response_that_is_not_the_declared_one_fails_the_unit_by_name(
    deployment: Deployment, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not: the unit never came to an end."""
    monkeypatch.setattr(world, "_validate", lambda _payload: {"rowsIn": 13})
    world.objects = 1
    deployment.run(sqs_event(RUN))
    failure = world.units["00000-000"]["failure"]
    assert (failure["stage"], failure["errorType"]) == ("validate", "InvalidResponse")
    assert "validate did not return Validated" in failure["message"]
    assert "validUrl" in failure["message"]


def test_a_function_that_the_deployment_does_not_name_fails_the_stage_with_what_to_add() -> None:
    context: Any = SimpleNamespace()  # nothing is called
    steps = BoundSteps(context, Settings(functions={"validate": ""}))
    with pytest.raises(StageFailed) as raised:
        steps.validate(UnitRef("r-1", "00000-000", 1))
    failure = raised.value.failure
    assert (failure.stage, failure.error_type) == ("validate", "NotConfigured")
    assert "add VALIDATE_FUNCTION: !Ref ValidateFunction to its Environment" in failure.message
