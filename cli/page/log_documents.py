"""What the page is given of logs."""

from __future__ import annotations

from cli.documents.base import Document
from cli.documents.logs import LogLineDocument


class PlacedLine(Document):
    """A line of a log.

    Attributes:
        place: where it stands among all lines of its run; no other line has it.
    """

    place: str
    line: LogLineDocument


class LogsView(Document):
    """Some lines of a log, in the order of time.

    Attributes:
        more: there are earlier ones.
        running: the run has not ended, so that others may come.
    """

    lines: tuple[PlacedLine, ...]
    more: bool
    running: bool
