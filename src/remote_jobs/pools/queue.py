"""Jobs and the places they take: what submits and ends jobs uses of the pools."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, NamedTuple

from contracts.errors import Conflict, PipelineError
from contracts.ledger_items import PoolItem
from ledger.table import Ledger
from remote_jobs.pools import turns
from remote_jobs.pools.store import Pools
from remote_jobs.record import JobRecord
from runtime.handler import logger

# The watcher reads the limits of pools in use every minute; a limit so old shows that it does not.
LIMIT_SECONDS: Final = 300
# Of a pool whose limit could never be read: one job at a time shows soon whether it works.
UNKNOWN_LIMIT: Final = 1


class Limit(NamedTuple):
    """How many jobs a pool takes at once, and where that is from, in words."""

    places: int
    origin: str


# The limit of a pool as it is now; None: it cannot be read at present, the last one stays.
Limits = Callable[[PoolItem], Limit | None]


def with_limit(pool: PoolItem, limit: Limit | None, now: datetime) -> PoolItem:
    """The pool with the limit that was read now; a lower one takes no place away."""
    if limit is None:
        return pool if pool.limit is not None else replace(pool, limit=UNKNOWN_LIMIT)
    return replace(
        pool, limit=limit.places, limit_from=limit.origin, limit_at=int(now.timestamp())
    )


@dataclass(frozen=True)
class JobQueue:
    """Takes and frees places for jobs. A job without a pool needs none."""

    pools: Pools
    limits: Limits

    def enter(self, record: JobRecord, now: datetime) -> bool:
        """Whether the job may be submitted: it has a place, or got one. Otherwise it waits.

        It may also wait without a ticket, when the record is full or in use by too many at once:
        the watcher draws one for it.
        """
        if record.pool is None:
            return True
        seen = self.pools.read(record.pool)
        if seen.engine is None and self._is_of_engine(record):
            seen = replace(seen, engine=record.engine.value, target=record.target)
        limit = None
        if due := now.timestamp() - seen.limit_at > LIMIT_SECONDS:
            limit = self.limits(seen)

        def enter(pool: PoolItem) -> tuple[PoolItem, bool]:
            if due:
                pool = replace(with_limit(pool, limit, now), engine=seen.engine, target=seen.target)
            return turns.entered(
                pool, record.job_id, record.key, record.priority, now.timestamp()
            )

        try:
            pool, has_place = self.pools.change(record.pool, enter)
        except Conflict as error:
            logger.warning("no ticket yet", extra={"job_id": record.job_id, "error": str(error)})
            return False
        if not has_place:
            about = {"job_id": record.job_id, "pool": pool.name, "waiting": len(pool.waiting)}
            logger.info("job waits for a place", extra=about)
        return has_place

    def holds_place(self, record: JobRecord) -> bool:
        return record.pool is None or record.job_id in self.pools.read(record.pool).held

    def give_back(self, record: JobRecord, now: datetime, *, refused: bool) -> None:
        """The job waits again, with its ticket.

        Args:
            refused: by the engine, which had no place though the pool had one.
        """
        if record.pool is not None:
            at = now.timestamp()
            self.pools.update(
                record.pool,
                lambda pool: turns.returned(pool, record.job_id, at, refused=refused),
            )

    def accepted(self, record: JobRecord) -> None:
        """The engine has taken the job: others need not be held back any more."""
        if record.pool is not None and self.pools.read(record.pool).refusals:
            self.pools.update(record.pool, turns.accepted)

    @staticmethod
    def _is_of_engine(record: JobRecord) -> bool:
        return record.pool is not None and (
            record.pool == record.engine.value or "/" in record.pool
        )


def free_place(ledger: Ledger, record: JobRecord) -> None:
    """The job has ended. If its place cannot be freed now, the watcher's next wake frees it."""
    if record.pool is None:
        return
    try:
        Pools(ledger).update(record.pool, lambda pool: turns.left(pool, [record.job_id]))
    except PipelineError as error:
        about = {"job_id": record.job_id, "pool": record.pool, "error": repr(error)}
        logger.warning("place not freed yet", extra=about)
