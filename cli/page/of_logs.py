"""The log of a run, of one of its units or jobs: backwards page by page, and live."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from cli.client.log_lines import Chosen, LogLine
from cli.client.logs import JOBS_AT_MOST, RunLogs
from cli.documents.logs import log_line_document
from cli.exit_codes import REFUSED, CommandFailed
from cli.page.log_documents import LogsView, PlacedLine
from cli.page.source import Source

LINES: Final = 200  # of a page, and of what is followed
_TEXT_AT_MOST: Final = 200


def logs(source: Source, names: tuple[str, ...], query: Mapping[str, str]) -> LogsView:
    """The lines before a place; without one, the last ones.

    Raises:
        CommandFailed: there is no such run, or no such place.
    """
    run = source.find_run(names[0])
    found = RunLogs(source.deployment, run, _chosen(query), JOBS_AT_MOST)
    try:
        page = found.before(query.get("before") or None, LINES)
    except ValueError:
        raise CommandFailed("`before` is the place of a line", REFUSED) from None
    return _view(page.lines, more=page.more, running=not run.status.ended)


class FollowedLog:
    """The last lines of a log, each look with those that came meanwhile."""

    def __init__(self, source: Source, run_id: str, query: Mapping[str, str]) -> None:
        self._source, self._run_id, self._chosen = source, run_id, _chosen(query)
        self._logs: RunLogs | None = None
        self._lines: deque[LogLine] = deque(maxlen=LINES)
        self._more = False
        self._looks_after_end = 0

    def read(self) -> dict[str, Any]:
        """The document now."""
        run = self._source.find_run(self._run_id)
        ended = run.status.ended
        if self._logs is None:
            self._logs = RunLogs(self._source.deployment, run, self._chosen, JOBS_AT_MOST)
            page = self._logs.before(None, LINES)
            self._lines.extend(page.lines)
            self._more = page.more
            self._logs.go_on_after(page.lines)
        elif self._looks_after_end < 2:  # what is logged at the end arrives a little later
            new = self._logs.lines()
            self._more |= len(self._lines) + len(new) > LINES
            together = sorted([*self._lines, *new], key=lambda line: line.place)
            self._lines = deque(together, maxlen=LINES)
        self._looks_after_end = self._looks_after_end + 1 if ended else 0
        return _view(tuple(self._lines), more=self._more, running=not ended).to_json()


def _chosen(query: Mapping[str, str]) -> Chosen:
    text = query.get("text") or None
    if text is not None and len(text) > _TEXT_AT_MOST:
        raise CommandFailed(f"`text` has at most {_TEXT_AT_MOST} characters", REFUSED)
    return Chosen(
        query.get("unit") or None, query.get("job") or None, text, bad=query.get("bad") == "1"
    )


def _view(lines: tuple[LogLine, ...], *, more: bool, running: bool) -> LogsView:
    placed = tuple(PlacedLine(place=line.place, line=log_line_document(line)) for line in lines)
    return LogsView(lines=placed, more=more, running=running)
