"""A run's contract: read, checked against SQL and deployment, and frozen.

The lookups are frozen with it: which version of each object every unit of the run joins.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Final

from contracts import items, layout
from contracts.dataset import DatasetSnapshot, FrozenLookup
from contracts.errors import InvalidRequest, NotFound
from contracts.messages import LOAD_FLOW, LoadedDataset, LoadedJob
from contracts.run_request import RunRequest, format_timestamp
from contracts.source.input_url import resolve
from dataset_loading import grouping, only_new
from dataset_loading.check import CheckedDataset, check_dataset, check_query
from dataset_loading.deployment import Settings, check_deployment
from dataset_loading.freeze_lookups import freeze_lookups
from dataset_loading.pools import check_pools, pools_full
from dataset_loading.stored_contracts import read_contract
from runtime import s3
from runtime.handler import logger
from sources import frozen

# Most runs of a sandbox are of contracts that it has checked; the SQL of one takes a tenth of a
# second. The check is pure, so that the text decides alone; a refusal is not remembered.
_CONTRACTS_REMEMBERED: Final = 16


def load_dataset(request: RunRequest, settings: Settings, now: datetime) -> LoadedDataset:
    """The run's contract: the one that it froze, or the current one, checked and then frozen.

    Raises:
        InvalidDataset: there is none of this name, or it is broken; names every problem.
        InvalidRequest: the request's query, its array of items, the key of its object or onlyNew
            does not fit the contract.
        NotConfigured: a Glue job, an engine or the warehouse that it asks for is not deployed.
        NotFound: a bucket, a job's script or a lookup is not there.
    """
    snapshot = _frozen(settings.data_bucket, request.run_id)
    if snapshot is None:
        checked = _checked(
            read_contract(settings.code_bucket, request.dataset_name), request.dataset_name
        )
        problems = items.problems_of(request, checked.dataset)
        problems += only_new.problems_of(request, checked.dataset)
        if problems:
            raise InvalidRequest("run request", problems)
        if request.query is not None:
            check_query(request.query, checked.dataset)
        check_deployment(checked.dataset, settings)
        check_pools(checked.dataset, settings)
        lookups = freeze_lookups(checked.dataset, settings.data_bucket)
        snapshot = _snapshot(request, checked, lookups, now, settings.data_bucket)
        snapshot = _freeze(snapshot, settings.data_bucket)
    logger.info("dataset", extra={"dataset": snapshot.dataset.name, "version": snapshot.version})
    return _loaded(snapshot, settings)


@lru_cache(_CONTRACTS_REMEMBERED)
def _checked(text: str, name: str) -> CheckedDataset:
    return check_dataset(text, name)


def _snapshot(
    request: RunRequest,
    checked: CheckedDataset,
    lookups: tuple[FrozenLookup, ...],
    now: datetime,
    data_bucket: str,
) -> DatasetSnapshot:
    of_items = items.is_array(request, checked.dataset)
    named = request.input_url
    return DatasetSnapshot(
        dataset=items.for_batches(checked.dataset) if of_items else checked.dataset,
        version=checked.version,
        query=request.query,
        index=request.collection,
        run_id=request.run_id,
        run_started_at=format_timestamp(now),
        output_columns=checked.output_columns,
        lookups=lookups,
        array=items.array_of(request, checked.dataset) if of_items else None,
        input_url=None if named is None else resolve(named, checked.dataset.source, data_bucket),
        group=grouping.group_of(request, checked.dataset),
    )


def _freeze(snapshot: DatasetSnapshot, data_bucket: str) -> DatasetSnapshot:
    """Write the snapshot; if another call was first, return what that one wrote."""
    key = layout.dataset_snapshot_key(snapshot.run_id)
    if s3.write_json_once(data_bucket, key, snapshot.to_json()):
        return snapshot
    return _frozen(data_bucket, snapshot.run_id) or snapshot


def _frozen(data_bucket: str, run_id: str) -> DatasetSnapshot | None:
    try:
        return frozen.read_snapshot(data_bucket, run_id)
    except NotFound:
        return None


def _loaded(snapshot: DatasetSnapshot, settings: Settings) -> LoadedDataset:
    """What the orchestrator needs of a contract."""
    dataset, redshift = snapshot.dataset, snapshot.dataset.targets.redshift
    loaded = LoadedDataset(
        name=dataset.name,
        version=snapshot.version,
        unit_seconds=dataset.limits.unit_seconds,
        jobs=tuple(
            LoadedJob(
                stage=job.stage,
                engine=job.engine,
                timeout_seconds=job.timeout_seconds,
                attempts=job.attempts,
                queue_seconds=job.effective_queue_seconds,
                retry_delay_seconds=job.effective_retry_delay_seconds,
                pool=job.pool,
            )
            for job in dataset.jobs
        ),
        targets=dataset.targets.names(),
        warehouse=settings.warehouse == "true",
        of_items=snapshot.array is not None,
        load_flow=LOAD_FLOW,
        input_url=snapshot.input_url,
        pools_full=pools_full(dataset, settings),
        halves=grouping.halves(snapshot),
    )
    if redshift is None:
        return loaded
    of_loads = {
        "warehouse_timeout_seconds": redshift.timeout_seconds,
        "warehouse_queue_seconds": redshift.effective_queue_seconds,
    }
    return loaded.model_copy(update=of_loads)
