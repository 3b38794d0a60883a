"""Names of the executions of backfills: the same for every start of a generation."""

from __future__ import annotations

from runs.long.execution_name import execution_name


def backfill_execution_name(environment: str, stack: str, backfill_id: str, generation: int) -> str:
    """The name under which one execution of a backfill is started.

    Args:
        environment, stack: as of `execution_name`.
        generation: the so many-th execution of the backfill.
    """
    return execution_name(environment, stack, f"backfill-{backfill_id}", generation)
