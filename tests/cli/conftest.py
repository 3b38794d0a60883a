"""Fixtures of the command line's tests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import quick_moto  # noqa: F401
from cli_world import FakeLambda, World, make_deployment
from moto import mock_aws
from moto.sqs.models import SQSBackend
from quarantine_world import Quarantine

from cli.client import deployment as deployment_module


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    receive = SQSBackend.receive_message

    def receive_at_once(
        backend: SQSBackend, queue_name: str, count: int, _wait: int, *more: Any
    ) -> Any:
        """Nobody sends anything while a command waits for messages."""
        return receive(backend, queue_name, count, 0, *more)

    monkeypatch.setattr(SQSBackend, "receive_message", receive_at_once)
    with mock_aws():
        functions = FakeLambda()
        yield World(make_deployment(functions), functions)


@pytest.fixture
def local(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    """The world, described by a `.local/cloud.json` as a local cloud writes it."""
    (tmp_path / ".local").mkdir()
    description = {
        "endpointUrl": "http://127.0.0.1:1",
        "outputs": dict(world.deployment.outputs),
        "parameters": {"RedshiftWorkgroupName": "local", "RedshiftDatabase": "dev"},
    }
    (tmp_path / ".local" / "cloud.json").write_text(json.dumps(description))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(deployment_module, "_listens", lambda _url: True)

    def client(service: str, _endpoint: str | None, _region: str | None) -> Any:
        return world.deployment.client(service)

    monkeypatch.setattr(deployment_module, "_client", client)
    return world


@pytest.fixture
def quarantine(local: World, tmp_path: Path) -> Quarantine:
    return Quarantine(local, tmp_path).freeze()
