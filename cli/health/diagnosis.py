"""What one check of `pipeline doctor` finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from cli.client.deployment import Deployment


class Health(StrEnum):
    """OK; ATTENTION: somebody should look at it; PROBLEM: something does not work; UNKNOWN: it
    could not be seen."""

    OK = "OK"
    ATTENTION = "ATTENTION"
    PROBLEM = "PROBLEM"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True)
class Diagnosis:
    """One finding.

    Attributes:
        about: what was looked at, such as `dead letters` or `run november-1`.
        advice: what to do: a sentence or a command; None: nothing.
    """

    about: str
    health: Health
    found: str
    advice: str | None = None


Check = Callable[[Deployment], list[Diagnosis]]


def with_stack(command: str, deployment: Deployment) -> str:
    """A command of ours, for this deployment."""
    return f"{command} --stack {deployment.stack}" if deployment.stack else command
