from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aws_cloud import _environment, clients, cloud, lambda_context
from aws_durable_execution_sdk_python import state
from deployed_steps import DeployedSteps

__all__ = ["_environment", "clients", "cloud", "lambda_context"]


@pytest.fixture
def deployed(
    cloud: Any,
    clients: Any,
    monkeypatch: pytest.MonkeyPatch,  # noqa: F811
    tmp_path: Path,
) -> Iterator[DeployedSteps]:
    monkeypatch.setattr(state, "_STOP_SIGNAL_POLL_SECONDS", 0.002)
    steps = DeployedSteps(cloud, clients, tmp_path)
    yield steps
    steps.close()
