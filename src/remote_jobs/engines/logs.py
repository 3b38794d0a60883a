"""The last lines of a job's log, for the record of what went wrong.

Every engine keeps its logs elsewhere, some copy them minutes after the job's end, and some jobs
never begin to write. So a log that cannot be read is absent, or said to be pending where it is
still to come, and never an error.
"""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final
from urllib.parse import quote

from contracts import layout
from contracts.errors import NotFound
from contracts.job import Engine, JobState
from remote_jobs.engines.base import EngineStatus, RemoteJob
from runtime import clients
from runtime.handler import logger

TAIL_CHARACTERS: Final = 2000
TAIL_LINES: Final = 50
LOG_BYTES: Final = 4 * 1024 * 1024  # a log file that is larger, compressed, is not fetched
# Python shell and Spark jobs; what a job prints is of use where it wrote no error.
GLUE_GROUPS: Final = (
    "/aws-glue/python-jobs/error",
    "/aws-glue/jobs/error",
    "/aws-glue/python-jobs/output",
    "/aws-glue/jobs/output",
)
SERVERLESS_GROUP: Final = "/aws/emr-serverless"
_ONE_AT_A_TIME: Final = threading.Lock()
ENDED_BADLY: Final = frozenset({JobState.FAILED, JobState.CANCELLED, JobState.TIMED_OUT})


@dataclass(frozen=True)
class Log:
    """The end of a log.

    Attributes:
        url: the log in the console.
        pending: it is not there yet, but will be.
    """

    lines: Sequence[str] = ()
    url: str | None = None
    pending: bool = False


def with_log_tail(engine: Engine, job: RemoteJob, status: EngineStatus) -> EngineStatus:
    """The status with the end of the job's log, if the job ended badly and its log can be read."""
    service_id = status.service_id or job.service_id
    if status.state not in ENDED_BADLY or service_id is None or status.log_tail is not None:
        return status
    try:
        log = READERS[engine](job, service_id)
    except Exception as error:  # whatever it is: the job's end matters more than its log
        logger.info("log not read", extra={"job_id": job.job_id, "error": repr(error)})
        return status
    return replace(
        status,
        log_tail=tail_of(log.lines),
        log_url=status.log_url or log.url,
        log_pending=log.pending,
    )


def tail_of(lines: Iterable[str]) -> str | None:
    """The last lines as one text of at most 2,000 characters; None if there is nothing in it."""
    text = "\n".join([line.rstrip() for line in lines if line.strip()][-TAIL_LINES:])
    return text[-TAIL_CHARACTERS:] or None


def _glue(_job: RemoteJob, run_id: str) -> Log:
    for group in GLUE_GROUPS:
        if lines := _cloudwatch(group, run_id):
            return Log(lines)
    return Log()


def _emr(job: RemoteJob, step_id: str) -> Log:
    """A step's error output, which a cluster with a LogUri copies to S3 every few minutes."""
    with _ONE_AT_A_TIME:
        log_uri = log_uri_of(job.target)
    if not log_uri:
        return Log()
    return _file(_joined(log_uri, job.target, "steps", step_id, "stderr.gz"))


@cache
def log_uri_of(cluster: str) -> str | None:
    """Where a cluster's logs go; fixed when it is made, so EMR, which allows few requests, is asked
    once."""
    with clients.translated(f"reading cluster {cluster}"):
        response = clients.client("emr").describe_cluster(ClusterId=cluster)
    return response["Cluster"].get("LogUri") or None


def _emr_ssm(job: RemoteJob, service_id: str) -> Log:
    """The step's log; that of the command while there is no step."""
    command_id, _, step_id = service_id.partition("/")
    if step_id:
        log = _emr(job, step_id)
        if log.lines or log.pending:
            return log
    ssm = clients.client("ssm")
    with clients.translated(f"reading command {command_id}"):
        found = ssm.list_command_invocations(CommandId=command_id)["CommandInvocations"]
        lines = []
        for invocation in found[:1]:
            response = ssm.get_command_invocation(
                CommandId=command_id, InstanceId=invocation["InstanceId"]
            )
            lines = response.get("StandardErrorContent", "").splitlines()
    return Log(lines)


def _emr_serverless(job: RemoteJob, run_id: str) -> Log:
    """The driver's error output, from where the run was set to log."""
    with clients.translated(f"reading job run {run_id}"):
        response = clients.client("emr-serverless").get_job_run(
            applicationId=job.target, jobRunId=run_id
        )
    overrides = response["jobRun"].get("configurationOverrides", {})
    monitoring = overrides.get("monitoringConfiguration", {})
    path = f"applications/{job.target}/jobs/{run_id}/SPARK_DRIVER/stderr"
    cloudwatch = monitoring.get("cloudWatchLoggingConfiguration", {})
    if cloudwatch.get("enabled"):
        prefix = cloudwatch.get("logStreamNamePrefix")
        stream = _joined(prefix, path) if prefix else path
        return Log(_cloudwatch(cloudwatch.get("logGroupName", SERVERLESS_GROUP), stream))
    log_uri = monitoring.get("s3MonitoringConfiguration", {}).get("logUri")
    return _file(_joined(log_uri, f"{path}.gz")) if log_uri else Log()


def _redshift(_job: RemoteJob, statement_id: str) -> Log:
    """The statement of the batch that failed, for a load has no log."""
    with clients.translated(f"reading load {statement_id}"):
        response = clients.client("redshift-data").describe_statement(Id=statement_id)
    failed = [part for part in response.get("SubStatements", []) if part.get("Error")]
    return Log([text for part in failed for text in _statement(part)])


def _function(_job: RemoteJob, _id: str) -> Log:
    """A function logs where its owner has it log; its stack trace came with its end."""
    return Log()


def _statement(part: Mapping[str, Any]) -> list[str]:
    return [*part.get("QueryString", "").splitlines(), str(part["Error"])]


def _cloudwatch(group: str, stream: str) -> list[str]:
    """The last lines of a stream; none if it is not there."""
    try:
        with clients.translated(f"reading log {group} {stream}"):
            response = clients.client("logs").get_log_events(
                logGroupName=group, logStreamName=stream, startFromHead=False, limit=TAIL_LINES
            )
    except NotFound:
        return []
    return [line for event in response["events"] for line in event["message"].splitlines()]


def _file(url: str) -> Log:
    """A compressed log file; no lines if it is large."""
    bucket, key = layout.split_s3_url(url)
    s3 = clients.client("s3")
    link = f"{clients.console(s3.meta.region_name)}/s3/object/{bucket}?prefix="
    link += quote(key, safe="")
    try:
        with clients.translated(f"reading log {url}"):
            response = s3.get_object(Bucket=bucket, Key=key)
            if response["ContentLength"] > LOG_BYTES:
                return Log(url=link)
            data: bytes = response["Body"].read()
    except NotFound:
        return Log(url=link, pending=True)
    return Log(gzip.decompress(data).decode(errors="replace").splitlines(), link)


def _joined(log_uri: str, *parts: str) -> str:
    """EMR returns the URI it was given, which may begin with s3n:// or s3a://."""
    scheme, separator, rest = log_uri.partition("://")
    head = f"s3://{rest}" if separator else scheme
    return "/".join([head.rstrip("/"), *parts])


READERS: Final[Mapping[Engine, Callable[[RemoteJob, str], Log]]] = {
    Engine.GLUE: _glue,
    Engine.EMR: _emr,
    Engine.EMR_SSM: _emr_ssm,
    Engine.EMR_SERVERLESS: _emr_serverless,
    Engine.REDSHIFT: _redshift,
    Engine.LAMBDA: _function,
}
