"""Names of the executions that runs are handed over to: equal for equal arguments, and short.

The guide counts names per account and Region, the error of a taken name per function
(DurableExecutionAlreadyStartedException in the Lambda API reference). A name that says which stack
it is of is right under both.
"""

from __future__ import annotations

import hashlib
from typing import Final

NAME_CHARACTERS: Final = 64  # DurableExecutionName in the Lambda API reference: [A-Za-z0-9-_]
STACK_CHARACTERS: Final = 8


def execution_name(environment: str, stack: str, run_id: str, run_attempt: int) -> str:
    """The name under which one attempt of a run is handed over.

    Args:
        environment: the parameter of the template.
        stack: name of the stack, unique in its account and Region; it may be longer than a name,
            so a hash of it is taken.
    """
    return _fitting(f"{environment}-{_digest(stack, STACK_CHARACTERS)}-{run_id}-{run_attempt}")


def name_without_stack(environment: str, run_id: str, run_attempt: int) -> str:
    """The name of attempts claimed by releases whose names lack the stack."""
    return _fitting(f"{environment}-{run_id}-{run_attempt}")


def _fitting(name: str) -> str:
    if len(name) <= NAME_CHARACTERS:
        return name
    return f"{name[: NAME_CHARACTERS - 13]}-{_digest(name, 12)}"


def _digest(text: str, characters: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:characters]
