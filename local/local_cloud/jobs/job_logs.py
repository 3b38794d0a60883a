"""The output of jobs where their services put it: CloudWatch Logs, or gzip files on S3."""

from __future__ import annotations

import contextlib
import gzip
import logging
import re
import time
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from local.local_cloud.http.clients import ServiceClients, split_s3_url

LOGGER: Final = logging.getLogger(__name__)
_TAIL_BYTES: Final = 256 * 1024  # one PutLogEvents call takes 1 MiB and 10,000 events
_MAX_EVENTS: Final = 5_000
_LONGEST_MESSAGE: Final = 2000
_PYTHON_ERROR: Final = re.compile(r"[A-Za-z_][\w.]*(Error|Exception|Interrupt|Exit)\b")


def tail(file: Path) -> str:
    """The end of a text file, at most 256 KiB; empty when there is none."""
    if not file.exists():
        return ""
    with file.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - _TAIL_BYTES))
        return stream.read().decode("utf-8", errors="replace")


def error_message(stderr: str, status: int) -> str:
    """What a failed program says of its failure: the last line of its error output.

    A Python error goes before, for Spark and others log on after it.

    Args:
        stderr: the end of the error output.
        status: exit status; negative: the signal that ended it.
    """
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if _PYTHON_ERROR.match(line)]
    if lines:
        return (errors or lines)[-1][:_LONGEST_MESSAGE]
    return f"Command failed with {f'exit code {status}' if status >= 0 else f'signal {-status}'}"


def put_log_stream(clients: ServiceClients, group: str, stream: str, file: Path) -> None:
    """Put what a job has written into a log stream, which is made with its group if need be.

    Best effort: a failure is logged, for the file remains.
    """
    lines = [line for line in tail(file).splitlines() if line.strip()][-_MAX_EVENTS:]
    if not lines:
        return
    now = int(time.time() * 1000)
    try:
        logs = clients.get("logs")
        _create(logs, group, stream)
        logs.put_log_events(
            logGroupName=group,
            logStreamName=stream,
            logEvents=[{"timestamp": now, "message": line} for line in lines],
        )
    except (ClientError, BotoCoreError) as error:
        LOGGER.warning("the log %s %s stays in %s: %s", group, stream, file, error)


def put_log_object(clients: ServiceClients, url: str, file: Path) -> None:
    """Put what a job has written into a gzip object; its bucket is made if need be.

    Best effort, as `put_log_stream`.
    """
    try:
        bucket, key = split_s3_url(url)
        s3 = clients.get("s3")
        content = gzip.compress(file.read_bytes() if file.exists() else b"")
        try:
            s3.put_object(Bucket=bucket, Key=key, Body=content)
        except s3.exceptions.NoSuchBucket:
            s3.create_bucket(Bucket=bucket)
            s3.put_object(Bucket=bucket, Key=key, Body=content)
    except (ClientError, BotoCoreError, ValueError, OSError) as error:
        LOGGER.warning("the log %s stays in %s: %s", url, file, error)


def _create(logs: Any, group: str, stream: str) -> None:
    exists = logs.exceptions.ResourceAlreadyExistsException
    with contextlib.suppress(exists):
        logs.create_log_group(logGroupName=group)
    with contextlib.suppress(exists):
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
