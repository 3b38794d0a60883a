"""Whether this deployment has what a dataset's contract asks for, before anything is submitted."""

from __future__ import annotations

import re
from dataclasses import dataclass

from contracts import layout
from contracts.dataset import Dataset, JobStep
from contracts.errors import InvalidDataset, NotConfigured, NotFound, Problem
from contracts.job import FUNCTION_SECONDS_AT_MOST
from contracts.source import OWN_PREFIXES, OWN_PREFIXES_WHY
from remote_jobs.engines.lambda_functions import allowed_functions, resolve
from remote_jobs.engines.registry import EmrSettings
from runtime import clients, s3


@dataclass(frozen=True)
class Settings(EmrSettings):
    """What there is.

    Attributes:
        ledger_table: which has the pools, too.
        warehouse: "true" if the deployment has one.
        job_function_arns: functions that jobs may run on, with commas between.
    """

    data_bucket: str
    code_bucket: str
    glue_job_prefix: str
    ledger_table: str
    warehouse: str = "false"
    output_bucket: str = ""
    job_function_arns: str = ""


def check_deployment(dataset: Dataset, settings: Settings) -> None:
    """Everything that the contract names is there; all that lacks is reported at once.

    Raises:
        InvalidDataset: the source or a lookup is where the pipeline keeps or writes files.
        NotConfigured: the deployment has no warehouse or output bucket, an engine or a Glue job of
            it is missing, a function is not allowed, not there or may run for too long.
        NotFound: the source bucket or a job's script is not there.
    """
    _refuse_own_files(dataset, settings)
    lacking: list[str] = []
    if dataset.targets.files is not None and not settings.output_bucket:
        lacking.append("targets.files: this deployment has no output bucket")
    if dataset.targets.redshift is not None and settings.warehouse != "true":
        lacking.append("targets.redshift: this deployment has no warehouse")
    scripts: set[str] = set()
    for engine in sorted({job.engine for job in dataset.jobs}):
        if parameters := settings.lacking(engine):
            lacking.append(f"engine {engine}: deploy with {' and '.join(parameters)}")
    for name in sorted({job.glue_job for job in dataset.jobs if job.glue_job}):
        script = _glue_script(f"{settings.glue_job_prefix}{name}")
        if script is None:
            lacking.append(f"glueJob {name}: there is no Glue job {settings.glue_job_prefix}{name}")
        else:
            scripts.add(script)
    lacking += _lacking_functions(dataset, settings)
    if lacking:
        raise NotConfigured(f"dataset {dataset.name}: {'; '.join(lacking)}")
    scripts |= {_script_url(job, settings) for job in dataset.jobs if job.script}
    missing = [url for url in sorted(scripts) if not s3.exists(*layout.split_s3_url(url))]
    if missing:
        raise NotFound(f"dataset {dataset.name}: no job script at {', '.join(missing)}")
    bucket = dataset.source.bucket or settings.data_bucket
    with clients.translated(f"dataset {dataset.name}: looking at its bucket {bucket}"):
        clients.client("s3").head_bucket(Bucket=bucket)


def _refuse_own_files(dataset: Dataset, settings: Settings) -> None:
    """The stack's buckets by their names; a contract that names none is checked by itself.

    Raises:
        InvalidDataset: the source or a lookup is where the pipeline keeps its files, or writes
            those of this dataset.
    """
    source = dataset.source
    places = [("source.prefix", source.bucket, source.prefix)]
    for index, lookup in enumerate(dataset.lookups):
        if lookup.url:
            places.append((f"lookups[{index}].url", *layout.split_s3_url(lookup.url)))
    problems = [
        Problem(path, OWN_PREFIXES_WHY, key)
        for path, bucket, key in places
        if bucket == settings.data_bucket and re.match(OWN_PREFIXES, key)
    ]
    files = dataset.targets.files
    in_output = source.bucket == settings.output_bucket
    if files and in_output and (why := files.overlap(source.prefix)):
        problems.append(Problem("targets.files.prefix", why, files.prefix))
    if problems:
        raise InvalidDataset(f"dataset {dataset.name}", problems)


def _script_url(job: JobStep, settings: Settings) -> str:
    return layout.s3_url(settings.code_bucket, str(job.script))


def _glue_script(job_name: str) -> str | None:
    """The URL of the job's script; None if there is no such job."""
    try:
        with clients.translated(f"looking at Glue job {job_name}"):
            job = clients.client("glue").get_job(JobName=job_name)["Job"]
    except NotFound:
        return None
    return str(job["Command"]["ScriptLocation"])


def _lacking_functions(dataset: Dataset, settings: Settings) -> list[str]:
    lacking: list[str] = []
    for job in dataset.jobs:
        if job.function is not None:
            try:
                arn = resolve(job.function, allowed_functions(settings.job_function_arns))
            except NotConfigured as error:
                lacking.append(f"stage {job.stage}: {error}")
            else:
                lacking += _problems_of_function(arn, job)
    return lacking


def _problems_of_function(arn: str, job: JobStep) -> list[str]:
    """A function that is not there, is not invoked so, or may run for longer than its job may.

    Nothing can cancel a function at its job's deadline, so Lambda has to end it.
    """
    try:
        with clients.translated(f"looking at function {arn}"):
            found = clients.client("lambda").get_function_configuration(FunctionName=arn)
    except NotFound:
        return [f"stage {job.stage}: there is no function {arn}"]
    problems: list[str] = []
    durable = found.get("DurableConfig", {}).get("ExecutionTimeout", 0)
    # AWS Lambda Developer Guide, "Invoking durable Lambda functions": through a qualified ARN only.
    if durable and ":" not in arn.partition(":function:")[2]:
        problems.append(
            f"stage {job.stage}: function {job.function} is a durable one, which is invoked through"
            f" a version or an alias only: name one, such as {job.function}:live"
        )
    seconds = max(found["Timeout"], durable)
    if seconds <= job.timeout_seconds:
        return problems
    return [
        *problems,
        f"stage {job.stage}: function {job.function} may run for {seconds} s (its timeout), and"
        f" nothing can cancel it at its job's deadline: set its timeout to {job.timeout_seconds} s"
        f" at most, or raise timeoutSeconds (up to {FUNCTION_SECONDS_AT_MOST})",
    ]
