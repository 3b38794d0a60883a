"""How long the ledger holds the records of runs that have ended (`LedgerRetentionDays`).

record-run notes when a run is due, after its results document and before its end: a run that ended
has both, or its end is recorded once more. The reaper's sweep looks at what is due. A run that has
ended, and not been begun again since, is marked as expired; from that write on nobody takes it
over. Then its records get the time at which DynamoDB removes them. All of it may be broken off
anywhere, and goes on with the next sweep.

The run's own item stays longer, as a tombstone. DynamoDB removes what has expired within days and
in no order, and the run's contract and manifest are frozen in S3 for a time of their own: a run
that began anew under this id would meet what is left of either.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from boto3.dynamodb.conditions import ConditionBase

from contracts.errors import PipelineError
from contracts.ledger_items import (
    RETENTION,
    UNANNOUNCED,
    DueItem,
    Key,
    RunItem,
    expiring,
    tombstone_stays,
)
from contracts.run_request import format_timestamp, parse_timestamp
from ledger.conditions import RUN
from ledger.runs import change_run, find_run, held_as, stop_unchanged
from ledger.table import IS_THERE, SORT, Ledger
from runtime.handler import Clock, logger

LATER: Final = timedelta(days=1)  # for a run that something may still be done with
AT_ONCE: Final = 500  # records between two notes of how far it has come
RESERVE_MILLISECONDS: Final = 30_000  # of a function's time; records that are begun take seconds
_WRITERS: Final = 8


def note_due(ledger: Ledger, run_id: str, ended_at: str, days: int) -> None:
    """Note when the records of a run that ends now are due; nothing if they never are.

    Args:
        days: `LedgerRetentionDays`; 0: for ever.
    """
    if days:
        due = DueItem.at(parse_timestamp(ended_at) + timedelta(days=days), run_id)
        ledger.put_if_absent(due.to_item())


@dataclass(frozen=True, kw_only=True)
class RetentionSettings:
    """The parameters `LedgerRetentionDays` and `RunFilesRetentionDays`, as text."""

    ledger_retention_days: str = "0"
    run_files_retention_days: str = "90"


def expire_due(
    ledger: Ledger, settings: RetentionSettings, clock: Clock, left: Callable[[], int]
) -> int:
    """Expire what is due, as far as there is time (`Retention`).

    Args:
        left: milliseconds of the function's time.
    """
    return Retention(
        ledger,
        days=int(settings.ledger_retention_days),
        files_days=int(settings.run_files_retention_days),
        clock=clock,
        may_go_on=lambda: left() > RESERVE_MILLISECONDS,
    ).expire_due()


class RetentionIncomplete(PipelineError):
    """Some runs that are due could not be expired; the next sweep tries them again."""


@dataclass(frozen=True)
class Retention:
    """The records of runs, and when they go.

    Attributes:
        days: after the end of a run; 0: never.
        files_days: for which files of runs are in S3.
        may_go_on: whether there is time for more.
    """

    ledger: Ledger
    days: int
    files_days: int
    clock: Clock
    may_go_on: Callable[[], bool]

    def expire_due(self) -> int:
        """Expire the runs that are due; how many of them are done.

        Raises:
            RetentionIncomplete: some could not be expired; the others are.
        """
        done, problems = 0, list[str]()
        for item in self.ledger.all_of(RETENTION) if self.days else ():
            try:
                due = DueItem.from_item(item)
                if due.expires_at is not None:
                    continue
                if parse_timestamp(due.due) > self.clock() or not self.may_go_on():
                    break
                with logger.append_context_keys(run_id=due.of_run):
                    done += self._expire(due)
            except Exception as error:  # those that are due after it must still be expired
                note = f"{RETENTION}/{item[SORT]}"
                logger.warning("run not expired", extra={"note": note, "error": repr(error)})
                problems.append(f"{note}: {error!r}")
        if done:
            logger.info("runs expired from the ledger", extra={"runs": done})
        if problems:
            raise RetentionIncomplete(f"{len(problems)} left: {'; '.join(problems[:5])}")
        return done

    def _expire(self, due: DueItem) -> bool:
        """Go on with one run; whether all its records are marked."""
        run = find_run(self.ledger, due.of_run)
        if run is None or run.expires_at is not None:  # by another note of the same run
            self._done(due)
            return False
        if run.expired_at is None and not self._marked(due, run):
            return False
        if not self._records_are_marked(due):
            return False
        tombstone = RunItem.tombstone(self.clock() + tombstone_stays(self.files_days))
        self.ledger.change(RunItem.key_of(run.run_id), tombstone, RUN.expired_at.exists())
        self._done(due)
        return True

    def _done(self, due: DueItem) -> None:
        self.ledger.change(due.key, expiring(self.clock()), IS_THERE)

    def _marked(self, due: DueItem, run: RunItem) -> bool:
        """Mark the run as expired; whether it is. If not: not now, or not by this note."""
        until = self._due_now(run)
        if until is None:  # its next end is noted anew
            self._done(due)
            return False
        if until > self.clock():
            self.ledger.put_if_absent(DueItem.at(until, run.run_id).to_item())
            self._done(due)
            return False
        now = format_timestamp(self.clock())
        marked, current = change_run(self.ledger, run.run_id, _unchanged(run), expired_at=now)
        # Our own write may be what refused it: the client sends a request again.
        return marked or (current is not None and current.expired_at is not None)

    def _due_now(self, run: RunItem) -> datetime | None:
        """When the run is due, by what it is now; None: it has not ended."""
        if not run.status.ended:
            return None
        if run.ended_at is None or run.reaped == UNANNOUNCED or self._is_being_retried(run):
            return self.clock() + LATER
        return parse_timestamp(run.ended_at) + timedelta(days=self.days)

    def _is_being_retried(self, run: RunItem) -> bool:
        """Whether a run that has not ended may still read what this one has stored."""
        if run.superseded_by is None:
            return False
        by = find_run(self.ledger, run.superseded_by)
        return by is not None and not by.status.ended

    def _records_are_marked(self, due: DueItem) -> bool:
        records = self.ledger.all_of(due.of_run, due.expired_to)
        with ThreadPoolExecutor(_WRITERS) as writers:
            for some in _by(AT_ONCE, (str(record[SORT]) for record in records)):
                if not self.may_go_on():
                    return False
                list(writers.map(self._mark, (Key(due.of_run, sort) for sort in some)))
                self.ledger.change(due.key, DueItem.changes(expired_to=some[-1]), IS_THERE)
        return True

    def _mark(self, key: Key) -> None:
        if key.item != RunItem.SORT:
            self.ledger.change(key, expiring(self.clock()), IS_THERE)


def _unchanged(run: RunItem) -> ConditionBase:
    """Condition: the run has ended as it was read, and nobody has begun or retried it since."""
    by = RUN.superseded_by
    return (
        held_as(run)
        & RUN.status.eq(run.status)
        & RUN.ended_at.eq(run.ended_at)
        & stop_unchanged(run)
        & (by.not_exists() if run.superseded_by is None else by.eq(run.superseded_by))
        & RUN.expired_at.not_exists()
    )


def _by(count: int, keys: Iterator[str]) -> Iterator[list[str]]:
    while some := list(itertools.islice(keys, count)):
        yield some
