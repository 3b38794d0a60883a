"""A pool that cannot be changed for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from contracts.errors import Conflict
from remote_jobs.pools.store import Pools


@contextmanager
def in_use_by_all(pools: Pools, after: int) -> Iterator[None]:
    """So many changes are done; then others are always faster."""
    change, left = pools.change, [after]

    def late(name: str, *arguments: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise Conflict(f"pool {name} was changed by others all the time")
        return change(name, *arguments)

    object.__setattr__(pools, "change", late)
    try:
        yield
    finally:
        object.__delattr__(pools, "change")
