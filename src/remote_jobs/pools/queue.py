"""Jobs and the places they take: what submits and ends jobs uses of the pools."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, NamedTuple

from contracts.errors import Conflict, PipelineError
from contracts.ledger_items import PoolItem
from remote_jobs.pools import turns
from remote_jobs.pools.limits import Limit
from remote_jobs.pools.store import Pools
from remote_jobs.record import JobRecord
from runtime.handler import logger

# The watcher reads the limits of pools in use every minute; a limit so old shows that it does not.
LIMIT_SECONDS: Final = 300


# The limit of a pool as it is now, or as it was last known.
LimitOf = Callable[[PoolItem], Limit]


def with_limit(pool: PoolItem, limit: Limit, now: datetime) -> PoolItem:
    """The pool with the limit that was read now; a lower one takes no place away."""
    return replace(pool, limit=limit.places, limit_from=limit.source, limit_at=int(now.timestamp()))


class Turn(NamedTuple):
    """Whether the job may be submitted, and whether its engine refused the one before it.

    Attributes:
        taken: of the place that it has.
    """

    has_come: bool
    after_refusal: bool = False
    taken: float = 0


@dataclass(frozen=True)
class JobQueue:
    """Takes and frees places for jobs. A job without a pool needs none."""

    pools: Pools
    limit_of: LimitOf

    def enter(self, record: JobRecord, now: datetime) -> Turn:
        """Draw a ticket, and take a place if it is the job's turn. Otherwise it waits.

        It may also wait without a ticket, when the record is full or in use by too many at once:
        the watcher draws one for it.
        """
        if record.pool is None:
            return Turn(True)
        seen = self.pools.read(record.pool)
        limit = None
        if now.timestamp() - seen.limit_at > LIMIT_SECONDS:
            limit = self.limit_of(of_engine(seen, record))

        def enter(pool: PoolItem) -> tuple[PoolItem, bool]:
            if limit is not None:
                pool = with_limit(of_engine(pool, record), limit, now)
            return turns.entered(pool, record.job_id, record.key, record.priority, now.timestamp())

        try:
            pool, has_place = self.pools.change(record.pool, enter, seen)
        except Conflict as error:
            logger.warning("no ticket yet", extra={"job_id": record.job_id, "error": str(error)})
            return Turn(False)
        if not has_place:
            logger.info(
                "job waits for a place",
                extra={"job_id": record.job_id, "pool": pool.name, "waiting": len(pool.waiting)},
            )
            return Turn(False)
        taken = pool.held[record.job_id].taken
        return Turn(True, after_refusal=pool.refusals > 0, taken=taken)

    def give_back(
        self,
        record: JobRecord,
        turn: Turn,
        now: datetime,
        *,
        refused: bool,
        hold_seconds: float = 0,
    ) -> None:
        """The job waits again, with its ticket. If that fails, the watcher gives the place again.

        Args:
            turn: nothing is given back if the place was given to another call since.
            refused: by the engine, which had no place though the pool had one.
            hold_seconds: how long nobody is to try in any case.
        """
        at, taken = now.timestamp(), turn.taken

        def returned(pool: PoolItem) -> PoolItem:
            back = turns.returned(pool, record.job_id, taken, at, refused=refused)
            return back if back == pool else turns.held_back(back, at + hold_seconds)

        _try(self.pools, record, returned)

    def accepted(self, record: JobRecord, turn: Turn) -> None:
        """The engine has taken the job: others need not be held back any more."""
        if turn.after_refusal:
            _try(self.pools, record, turns.accepted)


def of_engine(pool: PoolItem, record: JobRecord) -> PoolItem:
    """The pool with what its limit is read from; a pool of the contract has nothing of the kind.

    The names of engines' pools are those of `RemoteJobs.pool`; no other has a slash.
    """
    if pool.engine is None and (pool.name == record.engine or "/" in pool.name):
        return replace(pool, engine=record.engine.value, target=record.target)
    return pool


def free_place(pools: Pools, record: JobRecord) -> None:
    """The job has ended. If its place cannot be freed now, the watcher's next wake frees it."""
    _try(pools, record, lambda pool: turns.left(pool, [record.job_id]))


def _try(pools: Pools, record: JobRecord, change: Callable[[PoolItem], PoolItem]) -> None:
    """Change the job's pool. What the job has come to is recorded already, so no error matters."""
    if record.pool is None:
        return
    try:
        pools.update(record.pool, change)
    except PipelineError as error:
        logger.warning(
            "pool not changed yet",
            extra={"job_id": record.job_id, "pool": record.pool, "error": repr(error)},
        )
