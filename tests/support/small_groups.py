"""Twelve small objects of one dataset, whose units hold several of them."""

from __future__ import annotations

from typing import Any, Final

from deployed_steps import DeployedSteps
from world import error_named

OBJECTS: Final = 12  # each with two rows of its own, and one whose key all objects have
RUN: Final[dict[str, Any]] = {
    "datasetName": "small",
    "startDateTime": "2026-11-01",
    "endDateTime": "2026-11-02",
    "runId": "r-1",
}
DONE: Final[dict[str, Any]] = {"batchItemFailures": []}


def contract(group: str, jobs: str = "") -> str:
    """The contract as YAML.

    Args:
        group: the value of `source.group`.
        jobs: the field of that name, if it has any.
    """
    return f"""
name: small
source:
  prefix: landing/small/
  partition: dt=%Y-%m-%d/
  suffix: .csv
  group: {group}
columns:
  - {{name: id, required: true}}
  - {{name: n, type: integer, required: true, minimum: 0, unique: true}}
{jobs}
targets:
  files: {{prefix: results/small/}}
  dynamodb: {{key: [id], provenance: true}}
  redshift: {{table: small, key: [id]}}
limits: {{unitSeconds: 1, rejectedPercentage: 40}}
"""


def key_of(number: int) -> str:
    return f"landing/small/dt=2026-11-01/{number:03d}.csv"


def put(deployed: DeployedSteps, number: int, body: str | bytes | None = None) -> None:
    text = f"id,n\nshared,{number}\n{number}-a,100\n{number}-b,200\n"
    deployed.cloud.put(key_of(number), text if body is None else body)


def put_all(deployed: DeployedSteps, text: str) -> None:
    """The contract and all objects."""
    deployed.cloud.put("datasets/small.yaml", text, deployed.cloud.code_bucket)
    for number in range(OBJECTS):
        put(deployed, number)


def dynamodb_rows(deployed: DeployedSteps) -> dict[str, dict[str, Any]]:
    return {item["id"]["S"]: item for item in deployed.stored_rows()}


def all_of(numbers: set[int]) -> set[str]:
    """The keys that so many objects make."""
    return {"shared"} | {f"{number}-{letter}" for number in numbers for letter in "ab"}


def die_once(deployed: DeployedSteps, operation: str) -> list[Exception]:
    """Let a step die once, after its work; returns what is still to be raised."""
    deaths = [error_named("TransientFailure", "died after its work")]

    def die(name: str, _payload: dict[str, Any]) -> None:
        if name == operation and deaths:
            raise deaths.pop()

    deployed.after_step = die
    return deaths
