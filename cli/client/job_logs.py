"""The logs of jobs, where their services put them: streams of CloudWatch Logs, or files on S3.

Glue and Lambda functions log while they run; of a function's lines those are the job's that name
its id or its output. EMR and EMR Serverless copy files to S3, EMR some minutes after the job's end.
Redshift writes no log of a load. What may not be read is said in a line of its own.
"""

from __future__ import annotations

import gzip
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from botocore.exceptions import ClientError

from cli.client.deployment import Deployment
from cli.client.ledger import JobRow
from cli.client.log_lines import LogLine, ended_at, job_line
from contracts import layout
from contracts.job import Engine
from contracts.run_request import parse_timestamp

# Where AWS Glue logs Python shell and Spark jobs, by run (AWS Glue User Guide, "Logging").
GLUE_GROUPS: Final = tuple(
    f"/aws-glue/{kind}/{what}" for kind in ("python-jobs", "jobs") for what in ("output", "error")
)
FILE_BYTES: Final = 4 * 1024 * 1024  # a log file that is larger, compressed, is not fetched
FILE_LINES: Final = 5_000  # of a file, the last ones
_FILES: Final = ("stdout", "stderr")
_EMR: Final = frozenset({Engine.EMR, Engine.EMR_SSM})
_ABSENT: Final = frozenset({"ResourceNotFoundException", "NoSuchKey", "404", "NoSuchBucket"})
_DENIED: Final = frozenset({"AccessDenied", "AccessDeniedException", "403", "Forbidden"})
_NO_LOG: Final = "Redshift writes no log of a load; pipeline jobs has its statement and error"
_GRANTS: Final[dict[str, str]] = {
    **dict.fromkeys(
        _EMR,
        "elasticmapreduce:DescribeCluster on the cluster, and s3:GetObject on its log bucket:"
        " the policy of the output EmrLogsPolicyArn grants them for the default bucket",
    ),
    Engine.LAMBDA: "logs:FilterLogEvents on the function's log group",
}


@dataclass
class JobLogs:
    """Reads the logs of single jobs."""

    deployment: Deployment
    _log_uris: dict[str, str | None] = field(default_factory=dict)
    _files: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)

    def between(self, job: JobRow, start: int, end: int) -> Iterator[LogLine]:
        """What the job logged in `[start, end)`, epoch milliseconds; in no order."""
        try:
            yield from self._streams(job, start, end)
            yield from self._of_files(job, start, end)
        except ClientError as error:
            if error.response["Error"]["Code"] not in _DENIED:
                raise
            at = ended_at(job) or _began(job)
            if start <= at < end:
                needs = _GRANTS.get(job.engine, "the policy of the output OperatorPolicyArn")
                text = f"its log cannot be read with your credentials; they need {needs}"
                yield job_line(job, text, at, "", "WARNING", "0")

    def ends(self, job: JobRow, *, with_tail: bool) -> Iterator[LogLine]:
        """How the job ended: its state, error and where its log is.

        Args:
            with_tail: the lines that the ledger has, before it.
        """
        at = ended_at(job)
        if not at:
            return
        if with_tail and job.log_tail:
            for number, line in enumerate(job.log_tail.splitlines()):
                yield job_line(job, line, at, str(number), where="2")
        error = f": {job.error}" if job.error else ""
        where = f"; its log: {job.log_url}" if job.log_url else ""
        if job.engine == Engine.REDSHIFT:
            where = f"; {_NO_LOG}"
        level = "INFO" if job.error is None else "ERROR"
        yield job_line(job, f"{job.engine} {job.state}{error}{where}", at, "", level, "3")

    def _streams(self, job: JobRow, start: int, end: int) -> Iterator[LogLine]:
        if job.engine == Engine.GLUE and job.service_id:
            for group in GLUE_GROUPS:
                wanted = {"logStreamNamePrefix": job.service_id}
                for event in self.events(group, start, end, **wanted):
                    # asked again, as not every emulation of the service minds the prefix
                    if event["logStreamName"].startswith(job.service_id):
                        yield _line_of(job, group, event)
        elif job.engine == Engine.LAMBDA and job.target:
            group = f"/aws/lambda/{_function_name(job.target)}"
            # A function is invoked for many jobs: a line is of the one that it names.
            named = [text for text in (job.job_id, job.output_url) if text]
            pattern = " ".join(f'?"{text}"' for text in named)
            for event in self.events(group, start, end, filterPattern=pattern):
                if any(text in event["message"] for text in named):
                    yield _line_of(job, group, event)

    def events(self, group: str, start: int, end: int, **wanted: Any) -> Iterator[dict[str, Any]]:
        """Events of a log group in `[start, end)`; none of a group that does not exist."""
        request = {"logGroupName": group, "startTime": max(start, 0), "endTime": end - 1, **wanted}
        pages = self.deployment.client("logs").get_paginator("filter_log_events")
        try:
            for page in pages.paginate(**request):
                for event in page["events"]:
                    if start <= event["timestamp"] < end:
                        yield event
        except ClientError as error:
            if error.response["Error"]["Code"] not in _ABSENT:
                raise

    def _of_files(self, job: JobRow, start: int, end: int) -> Iterator[LogLine]:
        """Their lines have no times of their own: they are shown at the job's end."""
        at = ended_at(job)
        if not start <= at < end:
            return
        for place, url in enumerate(self._urls(job)):
            for number, line in enumerate(self._lines(url)):
                yield job_line(job, line, at, str(number), where=f"0 {place}")

    def _urls(self, job: JobRow) -> Iterator[str]:
        """The job's log files, in the order to show them."""
        engine, service_id = job.engine, job.service_id
        if engine == Engine.EMR_SERVERLESS and service_id and job.output_url:
            of_run = f"{job.output_url}logs/applications/{job.target}/jobs/{service_id}"
            yield from (f"{of_run}/SPARK_DRIVER/{kind}.gz" for kind in _FILES)
        elif engine in _EMR and service_id and job.target:
            step = service_id.rpartition("/")[2] if engine == Engine.EMR_SSM else service_id
            uri = self._log_uri(job.target) if step else None
            if uri:
                yield from (f"{uri}/{job.target}/steps/{step}/{kind}.gz" for kind in _FILES)

    def _log_uri(self, cluster: str) -> str | None:
        """Where a cluster's logs go: fixed when it is made, so EMR is asked once."""
        if cluster not in self._log_uris:
            found = self.deployment.client("emr").describe_cluster(ClusterId=cluster)["Cluster"]
            # EMR returns the URI that it was given, which may begin with s3n:// or s3a://.
            _, separator, rest = (found.get("LogUri") or "").partition("://")
            self._log_uris[cluster] = f"s3://{rest.rstrip('/')}" if separator else None
        return self._log_uris[cluster]

    def _lines(self, url: str) -> tuple[str, ...]:
        """The last lines of a compressed file; read again only when it has changed."""
        bucket, key = layout.split_s3_url(url)
        s3 = self.deployment.client("s3")
        try:
            head = s3.head_object(Bucket=bucket, Key=key)
            if self._files.get(url, ("",))[0] == head["ETag"]:
                return self._files[url][1]
            if head["ContentLength"] > FILE_BYTES:
                return (f"the log is large: aws s3 cp {url} - | gunzip",)
            body = s3.get_object(Bucket=bucket, Key=key)["Body"]
            with gzip.open(body, "rt", encoding="utf-8", errors="replace") as text:
                found = tuple(deque((line.rstrip("\r\n") for line in text), maxlen=FILE_LINES))
        except ClientError as error:
            if error.response["Error"]["Code"] not in _ABSENT:
                raise
            return ()
        except (OSError, EOFError, zlib.error) as error:
            return (f"the log {url} cannot be read: {error}",)
        self._files = {url: (head["ETag"], found)}  # the latest: a tail reads one file at a time
        return found


def _line_of(job: JobRow, group: str, event: dict[str, Any]) -> LogLine:
    at, text = int(event["timestamp"]), str(event["message"]).rstrip("\n")
    return job_line(job, text, at, str(event["eventId"]), where=f"1 {group}")


def _function_name(target: str) -> str:
    """Of a function's name or ARN, perhaps with a version behind it."""
    return target.split(":")[6] if target.startswith("arn:") else target.partition(":")[0]


def _began(job: JobRow) -> int:
    return int(parse_timestamp(job.submitted_at).timestamp() * 1000) if job.submitted_at else 0
