"""What a step's call makes of a function that is not there or returns something else."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from world import Deployment, World, error_named, sqs_event

from contracts.steps import UnitRef, function_variable, step_functions
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


KILLED = "RequestId: 1 Error: Runtime exited with error: signal: killed"


@pytest.mark.parametrize("error_type", ["Runtime.OutOfMemory", "Runtime.ExitError"])
def test_a_function_that_ran_out_of_memory_is_named_with_its_size(
    deployment: Deployment, world: World, error_type: str
) -> None:
    world.objects = 1
    world.fail("validate", *[error_named(error_type, KILLED)] * 10)

    deployment.run(sqs_event(RUN))

    failure = world.units["00000-000"]["failure"]
    assert failure["errorType"] == error_type
    assert failure["message"].startswith("ValidateFunction was killed")
    assert "their memory of 2048 MB: raise its MemorySize in template.yaml" in failure["message"]
    assert failure["message"].endswith(KILLED)


def test_so_is_one_whose_memory_or_disk_does_not_suffice_after_four_tries(
    deployment: Deployment, world: World
) -> None:
    world.objects = 1
    world.fail("validate", *[error_named("OutOfMemory", "part-0.csv: too little memory")] * 10)
    deployment.run(sqs_event(RUN))
    failure = world.units["00000-000"]["failure"]
    assert failure["message"].endswith("too little memory. It is ValidateFunction, with 2048 MB")
    assert world.count("validate") == 4


def test_a_function_whose_size_is_not_known_is_named_without_it(
    deployment: Deployment, world: World
) -> None:
    world.objects = 1
    world.fail("transform", *[error_named("Runtime.OutOfMemory", KILLED)] * 10)

    deployment.run(sqs_event(RUN))

    message = world.units["00000-000"]["failure"]["message"]
    assert message.startswith("TransformFunction was killed")
    assert "their memory: raise its MemorySize" in message


@pytest.mark.parametrize("words", ["exit status 1", "signal: segmentation fault"])
def test_a_function_that_died_otherwise_is_not_said_to_lack_memory(
    deployment: Deployment, world: World, words: str
) -> None:
    world.objects = 1
    message = f"Runtime exited with error: {words}"
    world.fail("validate", *[error_named("Runtime.ExitError", message)] * 10)

    deployment.run(sqs_event(RUN))

    assert world.units["00000-000"]["failure"]["message"] == message


def test_the_settings_know_the_memory_of_every_function(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in step_functions():
        monkeypatch.setenv(function_variable(name), name)
    monkeypatch.setenv("MEGABYTES", "*=256,validate=2048,store-dynamodb=1769")

    megabytes = Settings.from_environment().megabytes

    assert set(megabytes) == set(step_functions())
    named = [megabytes[name] for name in ("validate", "store-dynamodb", "notify")]
    assert named == [2048, 1769, 256]


@pytest.mark.parametrize(("value", "redeliver"), [("redeliver", True), ("dead-letter", False)])
def test_the_settings_say_what_becomes_of_permanent_failures(
    monkeypatch: pytest.MonkeyPatch, value: str, redeliver: bool
) -> None:
    for name in step_functions():
        monkeypatch.setenv(function_variable(name), name)
    monkeypatch.setenv("PERMANENT_FAILURES", value)

    assert Settings.from_environment().redeliver_permanent is redeliver


def test_the_settings_round_fractions_up(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in step_functions():
        monkeypatch.setenv(function_variable(name), name)
    for name in ("HEARTBEAT_SECONDS", "SHORT_RUN_SECONDS", "MAX_RECEIVE_COUNT"):
        monkeypatch.setenv(name, "150.5")

    settings = Settings.from_environment()

    read = (settings.heartbeat_seconds, settings.short_run_seconds, settings.rounds)
    assert read == (151, 151, 151)
