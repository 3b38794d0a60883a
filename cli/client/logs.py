"""What the steps and jobs of a run have logged, in one stream: CloudWatch Logs, here as on AWS.

A run of 100,000 units logs more than anybody reads: lines are read backwards, a page at a time, or
forward as they come. Whichever it is, no more than a page and what may still arrive late is held.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Final

from cli.client.deployment import Deployment
from cli.client.job_logs import JobLogs
from cli.client.ledger import JobRow, LedgerView, Run
from cli.client.log_lines import Chosen, LogLine, ended_at, instant_of, place_of, step_line
from cli.client.unit_pages import UnitPages
from contracts.run_request import parse_timestamp

SECONDS_BETWEEN_READS: Final = {True: 1.0, False: 3.0}  # locally; on AWS
# An event may come so much later than it says: it is looked for again, and shown once.
LATE_MILLISECONDS: Final = 20_000
JOBS_LATE_MILLISECONDS: Final = 300_000  # Glue sends its jobs' output in batches
JOBS_AT_MOST: Final = 20  # whose output is among the lines of a whole run: some requests each
_EARLY: Final = 60_000  # the first claim is logged before its instant is in the ledger
_AFTER: Final = 15 * 60_000  # what is logged about a run that has ended
_WINDOW: Final = 60_000  # of the first look backwards
_WIDER: Final = 4


@dataclass(frozen=True)
class LogPage:
    """Some lines, in the order of time.

    Attributes:
        more: there are earlier ones.
    """

    lines: tuple[LogLine, ...]
    more: bool


class RunLogs:
    """The logs of one run.

    Args:
        jobs_at_most: of how many jobs the output is read where no unit is chosen; None: of all.
    """

    def __init__(
        self,
        deployment: Deployment,
        run: Run,
        chosen: Chosen,
        jobs_at_most: int | None = None,
    ) -> None:
        dynamodb, table = deployment.client("dynamodb"), deployment.output("LedgerTable")
        self._ledger = LedgerView(dynamodb, table)
        self._units = UnitPages(dynamodb, table)
        self._jobs = JobLogs(deployment)
        self._groups = [
            f"/aws/lambda/{deployment.stack_name}/{what}" for what in ("steps", "orchestrator")
        ]
        self._pause = SECONDS_BETWEEN_READS[deployment.local]
        self._run, self._chosen, self._jobs_at_most = run, chosen, jobs_at_most
        claimed = run.item.claimed_at
        self._first = _milliseconds(claimed) - _EARLY if claimed else 0
        self._latest = self._first
        self._seen: dict[str, int] = {}
        self._reported: set[str] = set()
        self._floor = ""

    def before(self, place: str | None, limit: int) -> LogPage:
        """The last lines before a place.

        Args:
            place: of a line; None: the last lines that there are.

        Raises:
            ValueError: it is no place.
        """
        end = self._end() if place is None else instant_of(place) + 1
        width, found = _WINDOW, list[LogLine]()
        while True:
            start = max(end - width, self._first)
            lines = (line for line in self._between(start, end) if not place or line.place < place)
            found = _last(lines, limit + 1 - len(found)) + found
            if len(found) > limit or start <= self._first:
                return LogPage(tuple(found[-limit:]), len(found) > limit)
            end, width = start, width * _WIDER

    def lines(self) -> list[LogLine]:
        """All lines that were not returned before, in the order of time."""
        found = sorted(self._new(), key=lambda line: line.place)
        return [line for line in found if self._chosen.includes(line)]

    def go_on_after(self, lines: Iterable[LogLine]) -> None:
        """Take these lines, in order, as returned before, and whatever is earlier than they are."""
        for line in lines:
            self._floor = self._floor or line.place
            self._note(line)
        jobs = self._jobs_of_interest()
        self._reported |= {job.job_id for job in jobs if 0 < ended_at(job) <= self._latest}

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

    def _end(self) -> int:
        """Up to when to look, epoch milliseconds."""
        item = self._run.item
        now = int(datetime.now(UTC).timestamp() * 1000) + _EARLY
        ended = item.ended_at or item.updated_at
        if not self._run.status.ended or ended is None:
            return now
        return min(now, _milliseconds(ended) + _AFTER)

    def _between(self, start: int, end: int) -> Iterator[LogLine]:
        """The chosen lines of a time, in no order."""
        for line in self._all_between(start, end):
            if self._chosen.includes(line):
                yield line

    def _all_between(self, start: int, end: int) -> Iterator[LogLine]:
        yield from self._steps(start, end)
        for job in self._jobs_of_interest():
            if not _may_log(job, start, end):
                continue
            own = 0
            for line in self._jobs.between(job, start, end):
                own += 1
                yield line
            for line in self._jobs.ends(job, with_tail=not own):
                if line.at is not None and start <= line.at < end:
                    yield line

    def _new(self) -> Iterator[LogLine]:
        now = int(datetime.now(UTC).timestamp() * 1000) + _EARLY
        end = max(now, self._latest + _AFTER)
        start = max(self._first, self._latest - LATE_MILLISECONDS)
        of_jobs = max(self._first, self._latest - JOBS_LATE_MILLISECONDS)
        horizon = self._latest - JOBS_LATE_MILLISECONDS
        for line in self._steps(start, end):
            if self._note(line):
                yield line
        for job in self._jobs_of_interest():
            # The end of a job may be in the ledger long after it: then all is read once more.
            ended = job.ended_at is not None and job.job_id not in self._reported
            begin = self._first if ended else of_jobs
            if not ended and not _may_log(job, begin, end):
                continue
            own = 0
            for line in self._jobs.between(job, begin, end):
                own += 1
                if self._note(line):
                    yield line
            if ended:
                self._reported.add(job.job_id)
                yield from (
                    line for line in self._jobs.ends(job, with_tail=not own) if self._note(line)
                )
        self._seen = {place: at for place, at in self._seen.items() if at >= horizon}

    def _note(self, line: LogLine) -> bool:
        """Whether it is new."""
        if line.place in self._seen or line.place < self._floor:
            return False
        self._seen[line.place] = line.at or 0
        self._latest = max(self._latest, line.at or 0)
        return True

    def _steps(self, start: int, end: int) -> Iterator[LogLine]:
        run_id = self._run.run_id
        for group in self._groups:
            for event in self._jobs.events(group, start, end, filterPattern=f'"{run_id}"'):
                where = f"{group} {event.get('logStreamName', '')}"
                line = step_line(event, place_of(event["timestamp"], where, event["eventId"]))
                if line.fields.get("run_id", run_id) == run_id:
                    yield line

    def _jobs_of_interest(self) -> Iterable[JobRow]:
        if self._chosen.unit is not None:
            jobs: Iterable[JobRow] = self._units.jobs(self._run.run_id, self._chosen.unit)
        else:
            jobs = islice(self._ledger.each_job(self._run.run_id), self._jobs_at_most)
        return [job for job in jobs if self._chosen.job in (None, job.job_id)]


def _may_log(job: JobRow, start: int, end: int) -> bool:
    """Whether lines of a job can be of this time."""
    began = _milliseconds(job.submitted_at) if job.submitted_at else 0
    ended = ended_at(job)
    return began < end and (not ended or start <= ended + JOBS_LATE_MILLISECONDS)


def _last(lines: Iterable[LogLine], count: int) -> list[LogLine]:
    """The last of many lines, in order; no more than these are held."""
    return sorted(heapq.nlargest(count, lines, key=_place), key=_place)


def _place(line: LogLine) -> str:
    return line.place


def _milliseconds(instant: str) -> int:
    return int(parse_timestamp(instant).timestamp() * 1000)
