"""The orchestrator's settings: which function stands behind each operation."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

STEP_OPERATIONS: Final = (
    "claim-run",
    "load-dataset",
    "list-urls",
    "prepare-warehouse",
    "start-run",
    "submit-job",
    "check-job",
    "cancel-job",
    "validate",
    "transform",
    "store-files",
    "store-dynamodb",
    "store-redshift",
    "explain-load",
    "record-items",
    "record-unit",
    "publish-files",
    "record-run",
    "notify",
    "reject-message",
)


def function_variable(operation: str) -> str:
    """The environment variable that names an operation's function: `CLAIM_RUN_FUNCTION`."""
    return f"{operation.replace('-', '_').upper()}_FUNCTION"


@dataclass(frozen=True)
class Settings:
    """Read once at cold start; an execution stays on the version whose settings it began with.

    Attributes:
        functions: function name by operation.
        heartbeat_seconds: a job callback without a sign of life for so long is checked.
        short_run_seconds: declared work that the SQS-triggered function takes on per batch.
    """

    functions: Mapping[str, str]
    heartbeat_seconds: int = 180
    short_run_seconds: int = 600

    @classmethod
    def from_environment(cls) -> Settings:
        """Read the environment.

        `start-run` may be absent: the long-running function has no use for it, and its template
        cannot name the function that starts it.

        Raises:
            RuntimeError: functions are not named; lists all of them.
        """
        variables = {operation: function_variable(operation) for operation in STEP_OPERATIONS}
        missing = [
            variable
            for operation, variable in variables.items()
            if operation != "start-run" and not os.environ.get(variable)
        ]
        if missing:
            raise RuntimeError(f"missing environment variables: {', '.join(missing)}")
        return cls(
            functions={name: os.environ.get(variable, "") for name, variable in variables.items()},
            heartbeat_seconds=int(os.environ.get("HEARTBEAT_SECONDS", "180")),
            short_run_seconds=int(os.environ.get("SHORT_RUN_SECONDS", "600")),
        )
