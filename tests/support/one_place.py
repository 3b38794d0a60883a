"""Jobs of several units that ask for one pool."""

from __future__ import annotations

from typing import Any

from job_world import GLUE_JOB, World

from contracts import layout
from contracts.job import JobStatus
from contracts.messages import SubmitJob

POOL = f"glue/{GLUE_JOB}"


def message(world: World, position: int, **more: Any) -> SubmitJob:
    unit = layout.unit_id(0, position)
    options = {"callback": f"callback{position}", "queue_seconds": 3600, **more}
    return world.message(unit=unit, **options)


def submit(world: World, position: int, **more: Any) -> JobStatus:
    return world.submit(message(world, position, **more))
