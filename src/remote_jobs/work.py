"""What a job is to do: from the run's frozen contract, or from a prepared load."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from contracts import layout
from contracts.dataset import DatasetSnapshot, JobStep
from contracts.errors import NotConfigured
from contracts.job import Engine, JobKey
from contracts.messages import SubmitJob
from contracts.source.unit_part import stage_and_part
from remote_jobs.engines.base import JOB_KEY_ARGUMENT, JobRequest
from remote_jobs.inputs import inputs_url, part_of
from remote_jobs.record import JobRecord
from runtime import s3
from sources import frozen


@dataclass(frozen=True)
class JobSpec:
    """What a job runs, read before the job exists.

    Attributes:
        name: the Glue job's name without the deployment's prefix; of engine `lambda`, the
            function as the contract names it.
        input_url: the object or prefix it reads; for a load, its statements document; of the first
            job of a unit of several objects, `inputs_url`.
        arguments, script, spark_arguments, statements: as in JobRequest, without what names the
            job.
        private: its contract says `examples: false`.
        inputs_url: of a job of a unit of several objects: the document that lists those it reads.
        objects: how many these are.
    """

    input_url: str
    name: str | None = None
    arguments: Mapping[str, str] = field(default_factory=dict)
    script: str | None = None
    spark_arguments: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()
    private: bool = False
    inputs_url: str | None = None
    objects: int | None = None


def job_spec_of(job: SubmitJob | JobRecord, data_bucket: str) -> JobSpec:
    """Read what the job of this message or intent is to do.

    Raises:
        NotConfigured: the run's contract has no such stage.
        NotFound: the contract, the manifest or the load's statements are not in S3.
    """
    input_url: str | None = job.input_url
    load = job.engine is Engine.REDSHIFT
    if isinstance(job, JobRecord) and not (load or job.chained):
        input_url = None  # it reads the unit's own object
    read = _load if load else _link_of_the_chain
    return read(job.key, input_url, data_bucket)


def request_of(record: JobRecord, spec: JobSpec) -> JobRequest:
    """The submission of this job; what names the job wins over the contract's arguments."""
    arguments = {
        **spec.arguments,
        "JOB_ID": record.job_id,
        JOB_KEY_ARGUMENT: str(record.key),
        "RUN_ID": record.key.run_id,
        "UNIT_ID": record.key.unit_id,
        "INPUT_URL": record.input_url,
        "OUTPUT_URL": record.output_url,
    }
    if spec.inputs_url is not None:
        arguments["INPUT_URLS"] = spec.inputs_url
    return JobRequest(
        record.remote,
        record.timeout_seconds,
        arguments,
        script=spec.script,
        spark_arguments=spec.spark_arguments,
        statements=spec.statements,
    )


def _load(key: JobKey, input_url: str | None, data_bucket: str) -> JobSpec:
    url = input_url or layout.s3_url(data_bucket, layout.load_key(key.run_id, key.unit_id))
    document = s3.read_json(*layout.split_s3_url(url))
    return JobSpec(
        input_url=url,
        statements=tuple(document["statements"]),
        private=bool(document.get("private")),
    )


def _link_of_the_chain(key: JobKey, input_url: str | None, data_bucket: str) -> JobSpec:
    snapshot = frozen.read_snapshot(data_bucket, key.run_id)
    step = _step(snapshot, key.stage)
    part = None if snapshot.group is None else part_of(key, data_bucket)
    inputs = None if part is None else inputs_url(key, part, data_bucket)
    url = input_url or inputs or frozen.read_unit(data_bucket, key.run_id, key.unit_id).url
    arguments = {
        **{name.removeprefix("--"): value for name, value in step.arguments.items()},
        "DATASET_URL": layout.s3_url(data_bucket, layout.dataset_snapshot_key(key.run_id)),
        "INDEX": snapshot.index,
    }
    if snapshot.query is not None and input_url is None:  # later jobs get filtered rows
        arguments["QUERY"] = snapshot.query
    return JobSpec(
        input_url=url,
        name=step.function if step.engine.invoked else step.glue_job,
        arguments=arguments,
        script=step.script,
        spark_arguments=step.spark_arguments,
        private=not snapshot.dataset.examples,
        inputs_url=inputs,
        objects=None if part is None else len(part),
    )


def _step(snapshot: DatasetSnapshot, of_job: str) -> JobStep:
    stage = stage_and_part(of_job)[0]
    for step in snapshot.dataset.jobs:
        if step.stage == stage:
            return step
    raise NotConfigured(f"the contract of dataset {snapshot.dataset.name} has no job {stage}")
