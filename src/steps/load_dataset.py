"""load_dataset: read a dataset's contract, check it against SQL and deployment, freeze it.

The lookups are frozen with it: which version of each object every unit of the run joins.
"""

from __future__ import annotations

import difflib
from datetime import datetime

from contracts import items, layout
from contracts.dataset import DatasetSnapshot, FrozenLookup
from contracts.errors import InvalidDataset, InvalidRequest, NotFound, Problem
from contracts.input_url import resolve
from contracts.messages import LOAD_FLOW, LoadDataset, LoadedDataset, LoadedJob
from contracts.run_request import RunRequest, format_timestamp
from dataset_loading.check import CheckedDataset, check_dataset, check_query
from dataset_loading.deployment import Settings, check_deployment
from dataset_loading.freeze_lookups import freeze_lookups
from runtime import clients, s3
from runtime.handler import logger, settings_from_environment, step_handler, utc_now
from sources import frozen


@step_handler(LoadDataset)
def handler(message: LoadDataset) -> LoadedDataset:
    return load_dataset(message.request, settings_from_environment(Settings), utc_now())


def load_dataset(request: RunRequest, settings: Settings, now: datetime) -> LoadedDataset:
    """The run's contract: the one that it froze, or the current one, checked and then frozen.

    Raises:
        InvalidDataset: there is none of this name, or it is broken; every problem is told.
        InvalidRequest: the request's query, its array of items or the key of its object does not
            fit the contract.
        NotConfigured: a Glue job, an engine or the warehouse that it asks for is not deployed.
        NotFound: a bucket, a job's script or a lookup is not there.
    """
    snapshot = _frozen(settings.data_bucket, request.run_id)
    if snapshot is None:
        checked = check_dataset(_read(request.dataset_name, settings), request.dataset_name)
        problems = items.problems_of(request, checked.dataset)
        if problems:
            raise InvalidRequest("run request", problems)
        if request.query is not None:
            check_query(request.query, checked.dataset)
        check_deployment(checked.dataset, settings)
        lookups = freeze_lookups(checked.dataset, settings.data_bucket)
        snapshot = _snapshot(request, checked, lookups, now, settings.data_bucket)
        snapshot = _freeze(snapshot, settings.data_bucket)
    logger.info("dataset", extra={"dataset": snapshot.dataset.name, "version": snapshot.version})
    return _answer(snapshot, settings)


def _read(name: str, settings: Settings) -> str:
    key = layout.dataset_source_key(name)
    try:
        return s3.read_bytes(settings.code_bucket, key).decode()
    except UnicodeDecodeError as error:
        raise InvalidDataset(key, [Problem(f"byte {error.start}", "is not UTF-8")]) from error
    except NotFound as error:
        known = _known_datasets(settings.code_bucket)  # raises when it is the bucket that lacks
        near = difflib.get_close_matches(name, known, n=1)
        advice = f"; did you mean {near[0]}?" if near else ""
        problem = f"there is no such dataset; there are {', '.join(known) or 'none'}{advice}"
        raise InvalidDataset(key, [Problem("datasetName", problem, name)]) from error


def _known_datasets(code_bucket: str) -> list[str]:
    prefix, suffix = layout.dataset_source_key("*").split("*")
    with clients.translated(f"listing the datasets in s3://{code_bucket}/{prefix}"):
        pages = clients.client("s3").get_paginator("list_objects_v2")
        keys = [
            found["Key"]
            for page in pages.paginate(Bucket=code_bucket, Prefix=prefix)
            for found in page.get("Contents", ())
        ]
    return sorted(
        key.removeprefix(prefix).removesuffix(suffix) for key in keys if key.endswith(suffix)
    )


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
    )


def _freeze(snapshot: DatasetSnapshot, data_bucket: str) -> DatasetSnapshot:
    """Write the snapshot; if another call was first, answer what that one wrote."""
    key = layout.dataset_snapshot_key(snapshot.run_id)
    if s3.write_json_once(data_bucket, key, snapshot.to_json()):
        return snapshot
    return _frozen(data_bucket, snapshot.run_id) or snapshot


def _frozen(data_bucket: str, run_id: str) -> DatasetSnapshot | None:
    try:
        return frozen.read_snapshot(data_bucket, run_id)
    except NotFound:
        return None


def _answer(snapshot: DatasetSnapshot, settings: Settings) -> LoadedDataset:
    dataset, redshift = snapshot.dataset, snapshot.dataset.targets.redshift
    timeout = {} if redshift is None else {"warehouse_timeout_seconds": redshift.timeout_seconds}
    return LoadedDataset(
        name=dataset.name,
        version=snapshot.version,
        unit_seconds=dataset.limits.unit_seconds,
        jobs=tuple(
            LoadedJob(
                stage=job.stage,
                engine=job.engine,
                timeout_seconds=job.timeout_seconds,
                attempts=job.attempts,
            )
            for job in dataset.jobs
        ),
        targets=dataset.targets.names(),
        warehouse=settings.warehouse == "true",
        of_items=snapshot.array is not None,
        load_flow=LOAD_FLOW,
        input_url=snapshot.input_url,
        **timeout,
    )
