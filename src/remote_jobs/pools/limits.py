"""Stand-in until the real one is merged."""

from __future__ import annotations

from typing import Any, NamedTuple


class Limit(NamedTuple):
    places: int
    source: str


class CurrentPoolsFile:
    def __init__(self, *args: Any) -> None: ...


class Limits:
    def __init__(self, *args: Any) -> None: ...

    def limit_of(
        self,
        pool: str,
        engine: str | None = None,
        target: str | None = None,
        last: int | None = None,
    ) -> Limit:
        return Limit(1000, "stand-in")

    def of(self, pool: Any) -> Limit:
        """The limit of this pool as it is now, or as it was last known."""
        return self.limit_of(pool.name, pool.engine, pool.target, pool.limit)
