"""What the steps and jobs of a run have logged, in one stream: CloudWatch Logs, here as on AWS.

The steps' lines are JSON and carry the run's id. A Glue job's output is read from its streams; of
other engines' jobs the ledger has the last lines, where they failed, and where the log is.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from botocore.exceptions import ClientError

from cli.client.deployment import Deployment
from cli.client.ledger import JobRow, LedgerView, Run
from contracts.run_request import parse_timestamp

# Where AWS Glue logs Python shell and Spark jobs, by run (AWS Glue User Guide, "Logging").
GLUE_GROUPS: Final = tuple(
    f"/aws-glue/{kind}/{what}" for kind in ("python-jobs", "jobs") for what in ("output", "error")
)
SECONDS_BETWEEN_READS: Final = {True: 1.0, False: 3.0}  # locally; on AWS
# An event may come so much later than it says: it is looked for again, and shown once.
LATE_MILLISECONDS: Final = 20_000
_EARLY: Final = 60_000  # the first claim is logged before its instant is in the ledger
_FUNCTION: Final = re.compile(r"([A-Za-z]+)Function")
# Said of every line, or shown in a place of its own.
_NOT_SHOWN: Final = frozenset(
    ("level", "location", "message", "timestamp", "service", "run_id", "unit_id", "request_id")
)


@dataclass(frozen=True)
class LogLine:
    """One line of a log.

    Attributes:
        at: epoch milliseconds; None: not known.
        source: the step, `validate`, or `job JOB_ID`.
        fields: what a step logged beside its message.
        more: further lines that belong to it, such as a traceback.
    """

    at: int | None
    source: str
    message: str
    level: str | None = None
    unit_id: str | None = None
    job_id: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    more: str | None = None


@dataclass(frozen=True)
class Chosen:
    """Which lines are wanted: of one unit, of one job; None: of all."""

    unit: str | None = None
    job: str | None = None

    def includes(self, line: LogLine) -> bool:
        """Whether the line is one of them."""
        return (self.unit is None or line.unit_id == self.unit) and (
            self.job is None or line.job_id == self.job
        )


class RunLogs:
    """The logs of one run."""

    def __init__(self, deployment: Deployment, run: Run, chosen: Chosen) -> None:
        self._logs: Any = deployment.client("logs")
        self._ledger = LedgerView(deployment.client("dynamodb"), deployment.output("LedgerTable"))
        self._groups = [
            f"/aws/lambda/{deployment.stack_name}/{what}" for what in ("steps", "orchestrator")
        ]
        self._pause = SECONDS_BETWEEN_READS[deployment.local]
        self._run, self._chosen = run, chosen
        claimed = run.item.claimed_at
        self._from = int(parse_timestamp(claimed).timestamp() * 1000) - _EARLY if claimed else 0
        self._seen: set[str] = set()
        self._latest = self._from

    def lines(self) -> list[LogLine]:
        """All lines that were not returned before, in the order of time."""
        found = [line for group in self._groups for line in self._of_steps(group)]
        for job in self._ledger.jobs(self._run.run_id):
            found += self._of_job(job)
        self._latest = max([self._latest, *(line.at for line in found if line.at is not None)])
        wanted = [line for line in found if self._chosen.includes(line)]
        return sorted(wanted, key=lambda line: line.at or 0)

    def follow(self, sleep: Callable[[float], None] = time.sleep) -> Iterator[LogLine]:
        """Lines as they come, until the run has ended and its last ones are read."""
        while True:
            run = self._ledger.run(self._run.run_id)
            yield from self.lines()
            if run is None or run.status.ended:
                sleep(self._pause)
                yield from self.lines()
                return
            sleep(self._pause)

    def _of_steps(self, group: str) -> Iterator[LogLine]:
        run_id = self._run.run_id
        events = self._events(
            logGroupName=group,
            filterPattern=f'"{run_id}"',
            startTime=max(self._from, self._latest - LATE_MILLISECONDS),
        )
        for event in events:
            line = _step_line(event)
            said = line.fields.get("run_id", run_id)
            if said == run_id:
                yield line

    def _of_job(self, job: JobRow) -> Iterator[LogLine]:
        lines = 0
        if job.engine == "glue" and job.service_id:
            for group in GLUE_GROUPS:
                for event in self._events(logGroupName=group, logStreamNamePrefix=job.service_id):
                    # asked again, as not every emulation of the service minds the prefix
                    if event["logStreamName"].startswith(job.service_id):
                        lines += 1
                        yield _job_line(job, event["message"].rstrip("\n"), event["timestamp"])
        if job.ended_at is not None and self._is_new(f"end of {job.job_id}"):
            yield from _end_of(job, with_tail=not lines)

    def _events(self, **request: Any) -> Iterator[dict[str, Any]]:
        """Events that were not returned before; none of a group that does not exist."""
        try:
            for page in self._logs.get_paginator("filter_log_events").paginate(**request):
                for event in page["events"]:
                    stream = event.get("logStreamName", "")
                    if self._is_new(f"{request['logGroupName']} {stream} {event['eventId']}"):
                        yield event
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise

    def _is_new(self, what: str) -> bool:
        new = what not in self._seen
        self._seen.add(what)
        return new


def _step_line(event: Mapping[str, Any]) -> LogLine:
    text, at = str(event["message"]).rstrip("\n"), int(event["timestamp"])
    source = _source(str(event.get("logStreamName", "")))
    try:
        said = json.loads(text)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        return LogLine(at, source, text)
    more = said.get("stack_trace") or said.get("exception")
    fields = {
        name: value
        for name, value in said.items()
        if name not in _NOT_SHOWN and name not in ("exception", "stack_trace")
    }
    return LogLine(
        at,
        source,
        message=str(said.get("message", text)),
        level=said.get("level"),
        unit_id=said.get("unit_id"),
        job_id=said.get("job_id"),
        fields={**({"run_id": said["run_id"]} if "run_id" in said else {}), **fields},
        more=more if isinstance(more, str) else None,
    )


def _source(stream: str) -> str:
    """`2026/11/30/[1]pipeline-SubmitJobFunction-1X/…` is of `submit-job`."""
    match = _FUNCTION.search(stream)
    if match is None:
        return stream or "?"
    return re.sub(r"(?<!^)(?=[A-Z])", "-", match[1]).lower()


def _job_line(job: JobRow, message: str, at: int | None, level: str | None = None) -> LogLine:
    return LogLine(
        at, f"job {job.stage}", message, level=level, unit_id=job.unit_id, job_id=job.job_id
    )


def _end_of(job: JobRow, *, with_tail: bool) -> Iterable[LogLine]:
    ended = parse_timestamp(job.ended_at) if job.ended_at else datetime.now(UTC)
    at = int(ended.timestamp() * 1000)
    if with_tail and job.log_tail:
        yield from (_job_line(job, line, at) for line in job.log_tail.splitlines())
    error = f": {job.error}" if job.error else ""
    where = f"; its log: {job.log_url}" if job.log_url else ""
    level = "INFO" if job.error is None else "ERROR"
    yield _job_line(job, f"{job.engine} {job.state}{error}{where}", at, level)
