"""The output of Glue jobs in CloudWatch Logs, where Glue puts it."""

from __future__ import annotations

import contextlib
import logging
import time
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from local.local_cloud.service_clients import ServiceClients

LOGGER: Final = logging.getLogger(__name__)
OUTPUT_GROUP: Final = "/aws-glue/python-jobs/output"
ERROR_GROUP: Final = "/aws-glue/python-jobs/error"
_TAIL_BYTES: Final = 256 * 1024  # one PutLogEvents call takes 1 MiB and 10,000 events
_MAX_EVENTS: Final = 5_000


def tail(file: Path) -> str:
    """The end of a text file, at most 256 KiB; empty when there is none."""
    if not file.exists():
        return ""
    with file.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - _TAIL_BYTES))
        return stream.read().decode("utf-8", errors="replace")


def put_logs(clients: ServiceClients, run_id: str, output: Path, errors: Path) -> None:
    """Put what a run has written into its log groups, stream = run id.

    Best effort: a failure is logged, for the files remain.
    """
    for group, file in ((OUTPUT_GROUP, output), (ERROR_GROUP, errors)):
        lines = [line for line in tail(file).splitlines() if line.strip()][-_MAX_EVENTS:]
        if not lines:
            continue
        now = int(time.time() * 1000)
        try:
            logs = clients.get("logs")
            _create(logs, group, run_id)
            logs.put_log_events(
                logGroupName=group,
                logStreamName=run_id,
                logEvents=[{"timestamp": now, "message": line} for line in lines],
            )
        except (ClientError, BotoCoreError) as error:
            LOGGER.warning("the log of Glue job run %s stays in %s: %s", run_id, file, error)


def _create(logs: Any, group: str, stream: str) -> None:
    exists = logs.exceptions.ResourceAlreadyExistsException
    with contextlib.suppress(exists):
        logs.create_log_group(logGroupName=group)
    with contextlib.suppress(exists):
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
