"""`pipeline pools --json`: where jobs wait for places."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from cli.documents.base import Document
from contracts import layout
from contracts.ledger_items import PoolItem, PoolsFileItem
from contracts.run_request import format_timestamp


class PoolDocument(Document):
    """One pool.

    Attributes:
        name: of a pool of `pools.yaml`, or of an engine's: `glue/GLUE_JOB`, `emr/CLUSTER_ID`,
            `emr-serverless/APPLICATION_ID`, `redshift`.
        limit: how many of its jobs run at once; null: it is not known yet.
        limit_from: where the limit is from: `pools.yaml`, the engine, or why neither says it now.
        limit_at: when it was read last.
        running: jobs that have a place; may be more than the limit after that was lowered.
        waiting: jobs that wait for one.
        runs_waiting: whose jobs wait: so many runs.
        oldest_seconds: how long the first of those that wait has waited; null: none waits.
        refused_until: until when the engine is not asked again, as it refused a job though there
            was a place; null: it has not.
    """

    name: str
    limit: int | None = None
    limit_from: str | None = None
    limit_at: str | None = None
    running: int
    waiting: int
    runs_waiting: int
    oldest_seconds: float | None = None
    refused_until: str | None = None


class PoolsFileDocument(Document):
    """`pools.yaml`.

    Attributes:
        version: content hash of the file that is in force; null: there is none.
        problem: what is wrong with the one in the code bucket; null: nothing.
        problem_at: when that was seen first.
    """

    version: str | None = None
    problem: str | None = None
    problem_at: str | None = None


class PoolsDocument(Document):
    """`pipeline pools --json`.

    Attributes:
        pools: those that were used, and those of `pools.yaml`, by name.
        pools_file: as the pipeline read it last, at most some minutes ago while jobs run.
    """

    pools: tuple[PoolDocument, ...]
    pools_file: PoolsFileDocument


def pools_document(pools: Iterable[PoolItem], file: PoolsFileItem, now: datetime) -> PoolsDocument:
    """What the ledger has of pools."""
    found = {pool.name: _used(pool, now) for pool in pools}
    for name, limit in file.limits.items():
        if name not in found:
            found[name] = PoolDocument(
                name=name,
                limit=limit,
                limit_from=layout.POOLS_KEY,
                running=0,
                waiting=0,
                runs_waiting=0,
            )
    return PoolsDocument(
        pools=tuple(found[name] for name in sorted(found)),
        pools_file=PoolsFileDocument(
            version=file.revision,
            problem=file.problem,
            problem_at=None if file.problem_at is None else format_timestamp(file.problem_at),
        ),
    )


def _used(pool: PoolItem, now: datetime) -> PoolDocument:
    oldest = min((ticket.since for ticket in pool.waiting.values()), default=None)
    refused = pool.refused_until > now.timestamp()
    return PoolDocument(
        name=pool.name,
        limit=pool.limit,
        limit_from=pool.limit_from,
        limit_at=_at(pool.limit_at) if pool.limit_at else None,
        running=len(pool.held),
        waiting=len(pool.waiting),
        runs_waiting=len({ticket.run_id for ticket in pool.waiting.values()}),
        oldest_seconds=None if oldest is None else max(round(now.timestamp() - oldest, 1), 0.0),
        refused_until=_at(pool.refused_until) if refused else None,
    )


def _at(seconds: float) -> str:
    return format_timestamp(datetime.fromtimestamp(int(seconds), UTC))
