"""The invocations that the job watcher makes: of submit-job, and of itself for what is left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from contracts.base import canonical_json
from contracts.errors import TransientFailure
from contracts.job import JobKey
from contracts.messages import SubmitQueued
from runtime import clients

WAKE: Final = "wake"
# Of one wake after another. Lambda ends a chain of functions that invoke each other after about 16
# (Lambda Developer Guide, "Recursive loop detection"); the schedule goes on within a minute anyway.
WAKES_AT_MOST: Final = 8


def submit_queued(function: str, key: JobKey) -> None:
    """Have submit-job submit the job whose turn it is, and wait for it.

    Raises:
        TransientFailure: it failed. What it did not record, a later wake tries again.
        PipelineError: it could not be invoked.
    """
    message = SubmitQueued(queued=key).to_json()
    with clients.translated(f"invoking {function} for job {key}"):
        response = clients.client("lambda").invoke(
            FunctionName=function, Payload=canonical_json(message).encode()
        )
    if "FunctionError" in response:
        said = response["Payload"].read(1000).decode(errors="replace")
        raise TransientFailure(f"{function} failed for job {key}: {said}")


def wake_again(function: str, event: Mapping[str, Any]) -> bool:
    """Invoke the watcher once more, for what it had no time for; False: the schedule does it.

    Args:
        event: what woke it this time.
    """
    wakes = event.get(WAKE, 0)
    if wakes >= WAKES_AT_MOST:
        return False
    with clients.translated(f"waking {function} again"):
        clients.client("lambda").invoke(
            FunctionName=function,
            InvocationType="Event",
            Payload=canonical_json({WAKE: wakes + 1}).encode(),
        )
    return True
