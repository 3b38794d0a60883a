"""How many ended jobs an engine of the local cloud keeps, so that memory does not grow for ever."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

RETAINED_JOBS: Final = (
    1000  # of one Glue job, cluster or application; more only while they have not ended
)
Job = TypeVar("Job")


def forget_oldest(
    jobs: dict[str, Job], ended: Callable[[Job], bool], retained: int = RETAINED_JOBS
) -> None:
    """Drop the oldest ended jobs until as few as asked for are left; others are never dropped.

    Args:
        jobs: by id, oldest first.
    """
    surplus = len(jobs) - retained
    if surplus > 0:
        for name in [name for name, job in jobs.items() if ended(job)][:surplus]:
            del jobs[name]
