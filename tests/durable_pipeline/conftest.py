from __future__ import annotations

import pytest
from aws_durable_execution_sdk_python import state
from world import Deployment, World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def deployment(world: World) -> Deployment:
    return Deployment(world)


@pytest.fixture(autouse=True)
def _quick_invocations(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK notices the end of an invocation at its next poll: 0.1 s each, many per test."""
    monkeypatch.setattr(state, "_STOP_SIGNAL_POLL_SECONDS", 0.002)
