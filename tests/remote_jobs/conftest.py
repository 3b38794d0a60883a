from __future__ import annotations

from typing import Any

import pytest
from aws_cloud import _environment, clients, cloud, lambda_context
from job_world import World
from local_warehouse import warehouse

__all__ = ["_environment", "clients", "cloud", "lambda_context", "warehouse"]


@pytest.fixture
def world(cloud: Any, clients: Any) -> World:  # noqa: F811
    """Pools of one place each, where a module has no world of its own."""
    world = World(cloud, clients)
    world.places = 1
    return world
