"""Lines of logs: of steps, which log JSON, and of jobs, which write what they like. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cli.client.ledger import JobRow
from contracts.run_request import parse_timestamp

_FUNCTION: Final = re.compile(r"([A-Za-z]+)Function")
# Said of every line, or shown in a place of its own.
_NOT_SHOWN: Final = frozenset(
    ("level", "location", "message", "timestamp", "service", "run_id", "unit_id", "request_id")
)
_OF_ITS_JOB: Final = _NOT_SHOWN | {"job_id", "jobId", "runId"}  # in what a job logs
_OF_AN_ID: Final = 60  # CloudWatch's have 56
_DIGITS: Final = 15  # of epoch milliseconds, so that texts sort as numbers do
_BAD: Final = frozenset({"ERROR", "CRITICAL", "WARNING"})


@dataclass(frozen=True)
class LogLine:
    """One line of a log.

    Attributes:
        at: epoch milliseconds; None: not known.
        source: the step, `validate`, or `job JOB_ID`.
        fields: what a step logged beside its message.
        more: further lines that belong to it, such as a traceback.
        place: where it stands among all lines of the run: they sort by it, and no other has it.
    """

    at: int | None
    source: str
    message: str
    level: str | None = None
    unit_id: str | None = None
    job_id: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    more: str | None = None
    place: str = ""


@dataclass(frozen=True)
class Chosen:
    """Which lines are wanted: of one unit, of one job, with a text; None: of all.

    Attributes:
        bad: warnings and errors only.
    """

    unit: str | None = None
    job: str | None = None
    text: str | None = None
    bad: bool = False

    def includes(self, line: LogLine) -> bool:
        """Whether the line is one of them."""
        return (
            (self.unit is None or line.unit_id == self.unit)
            and (self.job is None or line.job_id == self.job)
            and (self.text is None or self.text.lower() in _all_of(line).lower())
            and (not self.bad or line.level in _BAD)
        )


def place_of(at: int, where: str, which: str) -> str:
    """The place of an event that has this id in this log; numbers sort as numbers do."""
    return f"{at:0{_DIGITS}d} {where} {which.zfill(_OF_AN_ID) if which.isdecimal() else which}"


def instant_of(place: str) -> int:
    """The epoch milliseconds of a place.

    Raises:
        ValueError: it is no place.
    """
    at, _, _ = place.partition(" ")
    if len(at) != _DIGITS or not at.isdecimal():
        raise ValueError("no place of a line")
    return int(at)


def step_line(event: Mapping[str, Any], place: str) -> LogLine:
    """An event of the steps' or the orchestrator's log group."""
    text, at = str(event["message"]).rstrip("\n"), int(event["timestamp"])
    source = _source(str(event.get("logStreamName", "")))
    said = _json_object(text)
    if said is None:
        return LogLine(at, source, text, place=place)
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
        place=place,
    )


def job_line(
    job: JobRow, message: str, at: int, which: str, level: str | None = None, where: str = ""
) -> LogLine:
    """A line of a job's log, which may be JSON with a `message`, as the pipeline's own jobs log.

    Args:
        which: distinguishes it from the job's other lines of this moment; they sort by it.
        where: likewise, before that.
    """
    said = _json_object(message) if message.startswith("{") else None
    if said is not None and isinstance(said.get("message"), str):
        fields = {name: value for name, value in said.items() if name not in _OF_ITS_JOB}
        level = said["level"] if isinstance(said.get("level"), str) else level
        message = said["message"]
    else:
        fields = {}
    return LogLine(
        at,
        f"job {job.stage}",
        message,
        level=level,
        unit_id=job.unit_id,
        job_id=job.job_id,
        fields=fields,
        place=place_of(at, f"{job.job_id} {where}", which),
    )


def ended_at(job: JobRow) -> int:
    """Epoch milliseconds of a job's end; 0 while it has none."""
    return int(parse_timestamp(job.ended_at).timestamp() * 1000) if job.ended_at else 0


def _json_object(text: str) -> dict[str, Any] | None:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _all_of(line: LogLine) -> str:
    said = json.dumps(dict(line.fields), ensure_ascii=False, default=str)
    return "\n".join((line.source, line.message, line.unit_id or "", said, line.more or ""))


def _source(stream: str) -> str:
    """`2026/11/30/[1]pipeline-SubmitJobFunction-1X/…` is of `submit-job`."""
    match = _FUNCTION.search(stream)
    if match is None:
        return stream or "?"
    return re.sub(r"(?<!^)(?=[A-Z])", "-", match[1]).lower()
