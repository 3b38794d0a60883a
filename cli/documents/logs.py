"""`pipeline logs --json`: a document per line."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from cli.client.log_lines import LogLine
from cli.documents.base import Document
from contracts.run_request import format_timestamp


class LogLineDocument(Document):
    """One line of a log.

    Attributes:
        source: the step that logged it, such as `validate`; `job` and its stage for a job's output.
        attributes: what a step logged beside the message, under its own names.
        more: further lines that belong to it, such as a traceback.
    """

    time: str | None = None
    source: str
    level: str | None = None
    unit_id: str | None = None
    job_id: str | None = None
    message: str
    attributes: dict[str, Any]
    more: str | None = None


def log_line_document(line: LogLine) -> LogLineDocument:
    """The document of a line."""
    return LogLineDocument(
        time=None if line.at is None else format_timestamp(instant(line.at)),
        source=line.source,
        level=line.level,
        unit_id=line.unit_id,
        job_id=line.job_id,
        message=line.message,
        attributes=dict(line.fields),
        more=line.more,
    )


def instant(milliseconds: int) -> datetime:
    """Of epoch milliseconds."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
