"""The pools that a run's jobs take places of: do they have limits, are they full."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from typing import Final

from contracts import layout
from contracts.dataset import Dataset, JobStep
from contracts.errors import InvalidDataset, Problem
from contracts.job import Engine
from contracts.ledger_items import PoolItem
from dataset_loading.deployment import Settings
from ledger.table import Ledger
from remote_jobs.engines.registry import pool_of
from remote_jobs.pools.limits import CurrentPoolsFile

NAMED_AT_MOST: Final = 20


def unknown_pools(dataset: Dataset, known: Collection[str]) -> list[Problem]:
    """Pools that jobs name and that have no limit.

    Args:
        known: names of pools in `pools.yaml`.
    """
    named = sorted(name for name in known if "/" not in name and name != Engine.REDSHIFT)
    shown = ", ".join(named[:NAMED_AT_MOST]) or "none"
    problems: list[Problem] = []
    for index, job in enumerate(dataset.jobs):
        if job.pool is not None and job.pool not in known:
            near = difflib.get_close_matches(job.pool, named, n=1)
            advice = f"did you mean {near[0]}?" if near else "add it there, then pipeline upload"
            message = f"{layout.POOLS_KEY} has no limit for it (it has {shown}); {advice}"
            problems.append(Problem(f"jobs[{index}].pool", message, job.pool))
    return problems


def check_pools(dataset: Dataset, settings: Settings) -> None:
    """Every pool that a job names has a limit.

    Raises:
        InvalidDataset: not so; names each.
    """
    if all(job.pool is None for job in dataset.jobs):
        return
    ledger = Ledger(settings.ledger_table)
    file = CurrentPoolsFile(ledger, settings.code_bucket, read_only=True)
    if problems := unknown_pools(dataset, file.in_force().limits):
        raise InvalidDataset(layout.dataset_source_key(dataset.name), problems)


def pools_full(dataset: Dataset, settings: Settings) -> bool:
    """Whether a job of the run would have to wait for a place, as it looks now."""
    names = {name for job in dataset.jobs if (name := _pool_of(job, settings)) is not None}
    if dataset.targets.redshift is not None:
        names.add(str(pool_of(Engine.REDSHIFT, "")))
    ledger = Ledger(settings.ledger_table)
    return any(_is_full(ledger, name) for name in sorted(names))


def _is_full(ledger: Ledger, name: str) -> bool:
    """Whether jobs wait there, or no place is free; not of a pool that was never used."""
    item = ledger.get_item(*PoolItem.key_of(name))
    pool = PoolItem(name=name) if item is None else PoolItem.from_item(item)
    return bool(pool.waiting) or (pool.limit is not None and len(pool.held) >= pool.limit)


def _pool_of(job: JobStep, settings: Settings) -> str | None:
    targets = {
        Engine.GLUE: f"{settings.glue_job_prefix}{job.glue_job}",
        Engine.EMR_SERVERLESS: settings.emr_serverless_application_id,
    }
    return job.pool or pool_of(job.engine, targets.get(job.engine, settings.emr_cluster_id))
