"""Names of the executions of backfills: the same for every start of a generation."""

from __future__ import annotations

from runs.long.execution_name import execution_name


def backfill_execution_name(
    environment: str, stack: str, backfill_id: str, generation: int, start: int = 1
) -> str:
    """The name under which one execution of a backfill is started.

    Args:
        environment, stack: as of `execution_name`.
        generation: the so many-th execution of the backfill.
        start: the so many-th of the generation, where those before died before they began.
    """
    # Ids are of small letters, so no other backfill has such a name.
    again = f"-Start{start}" if start > 1 else ""
    return execution_name(environment, stack, f"backfill-{backfill_id}{again}", generation)
