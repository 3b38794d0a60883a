"""load_dataset: read a dataset's contract, check it against SQL and deployment, freeze it."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import datetime

from contracts import layout
from contracts.dataset import Dataset, DatasetSnapshot
from contracts.errors import InvalidDataset, NotConfigured, NotFound, Problem
from contracts.job import Engine
from contracts.messages import LoadDataset, LoadedDataset, LoadedJob
from contracts.run_request import RunRequest, format_timestamp
from steps import aws, storage
from steps.dataset_check import CheckedDataset, check_dataset, check_query
from steps.runtime import logger, settings_from_environment, step_handler, utc_now


@dataclass(frozen=True)
class Settings:
    """`warehouse`: "true" if the deployment has one."""

    data_bucket: str
    code_bucket: str
    glue_job_prefix: str
    warehouse: str = "false"


@step_handler(LoadDataset)
def handler(message: LoadDataset) -> LoadedDataset:
    return load_dataset(message.request, settings_from_environment(Settings), utc_now())


def load_dataset(request: RunRequest, settings: Settings, now: datetime) -> LoadedDataset:
    """The run's contract: the one that it froze, or the current one, checked and then frozen.

    Raises:
        InvalidDataset: there is none of this name, or it is broken; every problem is told.
        InvalidRequest: the request's query does not fit the contract.
        NotConfigured: a Glue job or the warehouse that it asks for is not deployed.
        NotFound: a bucket or a job's script is not there.
    """
    snapshot = _frozen(settings.data_bucket, request.run_id)
    if snapshot is None:
        checked = check_dataset(_read(request.dataset_name, settings), request.dataset_name)
        if request.query is not None:
            check_query(request.query, checked.dataset)
        _check_deployment(checked.dataset, settings)
        snapshot = _freeze(_snapshot(request, checked, now), settings.data_bucket)
    logger.info("dataset", extra={"dataset": snapshot.dataset.name, "version": snapshot.version})
    return _answer(snapshot, settings)


def _read(name: str, settings: Settings) -> str:
    key = layout.dataset_source_key(name)
    try:
        return storage.read_bytes(settings.code_bucket, key).decode()
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
    with aws.translated(f"listing the datasets in s3://{code_bucket}/{prefix}"):
        pages = aws.client("s3").get_paginator("list_objects_v2")
        keys = [
            found["Key"]
            for page in pages.paginate(Bucket=code_bucket, Prefix=prefix)
            for found in page.get("Contents", ())
        ]
    return sorted(
        key.removeprefix(prefix).removesuffix(suffix) for key in keys if key.endswith(suffix)
    )


def _check_deployment(dataset: Dataset, settings: Settings) -> None:
    """Everything that the contract names is there; all that lacks is told at once."""
    lacking: list[str] = []
    if dataset.targets.redshift is not None and settings.warehouse != "true":
        lacking.append("targets.redshift: this deployment has no warehouse")
    scripts: list[str] = []
    glue_jobs = {job.glue_job for job in dataset.jobs if job.engine is Engine.GLUE}
    for glue_job in sorted(name for name in glue_jobs if name):
        script = _glue_script(f"{settings.glue_job_prefix}{glue_job}")
        if script is None:
            name = f"{settings.glue_job_prefix}{glue_job}"
            lacking.append(f"glueJob {glue_job}: there is no Glue job {name}")
        else:
            scripts.append(script)
    if lacking:
        raise NotConfigured(f"dataset {dataset.name}: {'; '.join(lacking)}")
    missing = [url for url in scripts if not storage.exists(*layout.split_s3_url(url))]
    if missing:
        raise NotFound(f"dataset {dataset.name}: no job script at {', '.join(missing)}")
    bucket = dataset.source.bucket or settings.data_bucket
    with aws.translated(f"dataset {dataset.name}: looking at its bucket {bucket}"):
        aws.client("s3").head_bucket(Bucket=bucket)


def _glue_script(job_name: str) -> str | None:
    """The URL of the job's script; None if there is no such job."""
    try:
        with aws.translated(f"looking at Glue job {job_name}"):
            job = aws.client("glue").get_job(JobName=job_name)["Job"]
    except NotFound:
        return None
    return str(job["Command"]["ScriptLocation"])


def _snapshot(request: RunRequest, checked: CheckedDataset, now: datetime) -> DatasetSnapshot:
    return DatasetSnapshot(
        dataset=checked.dataset,
        version=checked.version,
        query=request.query,
        index=request.collection,
        run_id=request.run_id,
        run_started_at=format_timestamp(now),
        output_columns=checked.output_columns,
    )


def _freeze(snapshot: DatasetSnapshot, data_bucket: str) -> DatasetSnapshot:
    """Write the snapshot; if another call was first, answer what that one wrote."""
    key = layout.dataset_snapshot_key(snapshot.run_id)
    if storage.write_json_once(data_bucket, key, snapshot.to_json()):
        return snapshot
    return _frozen(data_bucket, snapshot.run_id) or snapshot


def _frozen(data_bucket: str, run_id: str) -> DatasetSnapshot | None:
    try:
        return storage.read_snapshot(data_bucket, run_id)
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
        **timeout,
    )
