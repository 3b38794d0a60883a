"""The runs of a deployment, newest first, by the ledger's index of the day of their claim.

A page of the list reads no more than `EXAMINED` runs, however few of them are wanted: it may be
short, even empty, and have a cursor. Every run has the place of its first claim for good, so that
a cursor stays good, too; only new runs appear, before the first page.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from botocore.exceptions import ClientError

from cli.client.ledger import Item, Run, plain_item
from cli.exit_codes import FAILED, CommandFailed
from contracts.ledger_items import RUN_INDEX, Key, RunIndex
from contracts.run import RunOutcome, RunStatus
from contracts.run_request import parse_timestamp

EXAMINED: Final = 2000
_READ_AT_ONCE: Final = 100
_RUN_ID: Final = Key._fields[0]
STATUSES: Final = frozenset({*RunStatus, *RunOutcome})


class NoIndex(CommandFailed):
    """The ledger of a stack of an earlier release, which has no index of its runs."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which runs of the time asked for; all that is said must be true of a run.

    Attributes:
        statuses: of RunStatus or RunOutcome; a run has one of them. Empty: any.
        dataset: its name.
        running: it has not ended.
        waiting: it waits for its partitions to be ready, or before units run again.
        with_losses: it SUCCEEDED_WITH_LOSSES.
        text: within its run id or the name of its dataset.
        expired: also those that have expired, of which little is known.
    """

    statuses: frozenset[str] = frozenset()
    dataset: str | None = None
    running: bool = False
    waiting: bool = False
    with_losses: bool = False
    text: str | None = None
    expired: bool = False

    def includes(self, run: Run) -> bool:
        """Whether the run is one of them."""
        return (
            (self.expired or run.item.expired_at is None)
            and (not self.statuses or bool(self.statuses & statuses_of(run)))
            and (self.dataset is None or run.dataset_name == self.dataset)
            and (not self.running or not run.status.ended)
            and (not self.waiting or is_waiting(run))
            and (not self.with_losses or run.item.outcome is RunOutcome.SUCCEEDED_WITH_LOSSES)
            and (self.text is None or self.text in run.run_id or self.text in run.dataset_name)
        )


ALL: Final = Wanted()


@dataclass(frozen=True)
class RunPage:
    """Some runs, newest first.

    Attributes:
        cursor: where the next page begins; None: there is none.
        examined: how many runs were read for it.
    """

    runs: tuple[Run, ...]
    cursor: str | None
    examined: int = 0


@dataclass
class _Pages:
    """What a page has so far."""

    limit: int
    runs: list[Run] = field(default_factory=list)
    examined: int = 0

    @property
    def full(self) -> bool:
        return len(self.runs) >= self.limit or self.examined >= EXAMINED


class RunList:
    """The index of a ledger, by a DynamoDB client."""

    def __init__(self, dynamodb: Any, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def runs(
        self, since: datetime, until: datetime, wanted: Wanted = ALL, cursor: str | None = None
    ) -> Iterator[Run]:
        """All wanted runs that were claimed in `[since, until)`, as they are asked for.

        Args:
            cursor: of the run after which they begin; absent: the newest is the first.
        """
        while True:
            page = self.page(since, until, wanted, cursor=cursor)
            yield from page.runs
            if page.cursor is None:
                return
            cursor = page.cursor

    def page(
        self,
        since: datetime,
        until: datetime,
        wanted: Wanted = ALL,
        *,
        limit: int = 50,
        cursor: str | None = None,
    ) -> RunPage:
        """The next runs that were claimed in `[since, until)`.

        Args:
            limit: of runs; there may be fewer though more follow.
            cursor: of the page before; absent: the newest.

        Raises:
            CommandFailed: the cursor is none, or the ledger has no such index (yet).
        """
        found = _Pages(limit)
        before = until if cursor is None else min(until, _instant_of(cursor))
        for day in _days(since, before):
            for item in self._claimed(day, since, until, cursor):
                run = Run.from_item(plain_item(item))
                found.examined += 1
                if wanted.includes(run):
                    found.runs.append(run)
                if found.full:
                    return RunPage(tuple(found.runs), run.item.claimed, found.examined)
        return RunPage(tuple(found.runs), None, found.examined)

    def run_ids(self, since: datetime, until: datetime) -> Iterator[str]:
        """Ids of the runs that were claimed in `[since, until)`, newest first."""
        for day in _days(since, until):
            for item in self._claimed(day, since, until, None, only=_RUN_ID):
                yield str(plain_item(item)[_RUN_ID])

    def _claimed(
        self,
        day: date,
        since: datetime,
        until: datetime,
        cursor: str | None,
        only: str | None = None,
    ) -> Iterator[Item]:
        """The items of one day, newest first, before the cursor.

        Bounds are of both ends, but no item is as short as an instant without a run id.
        """
        last = RunIndex.instant(until)
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            IndexName=RUN_INDEX,
            KeyConditionExpression=(
                f"{RunIndex.HASH} = :day AND {RunIndex.RANGE} BETWEEN :first AND :last"
            ),
            ExpressionAttributeValues={
                ":day": {"S": day.isoformat()},
                ":first": {"S": RunIndex.instant(since)},
                ":last": {"S": last if cursor is None else min(last, cursor)},
            },
            ScanIndexForward=False,
            PaginationConfig={"PageSize": _READ_AT_ONCE if only is None else 1000},
            **({} if only is None else {"ProjectionExpression": only}),
        )
        try:
            for page in pages:
                yield from (
                    item
                    for item in page["Items"]
                    if cursor is None or item[RunIndex.RANGE]["S"] != cursor
                )
        except ClientError as error:
            if RUN_INDEX not in str(error) and "backfilling" not in str(error):
                raise
            raise NoIndex(
                f"the ledger {self._table} cannot list its runs: {error}",
                FAILED,
                "deploy this version's template.yaml; an index that was just made takes a while",
            ) from None


def statuses_of(run: Run) -> frozenset[str]:
    """What a run may be asked for as: its status in the ledger and how it ended."""
    return frozenset({run.status, run.outcome or run.status})


def shown_status(run: Run) -> str:
    """The one word for how a run stands: its outcome, or its status as long as it has none."""
    return str(run.outcome or run.status)


def is_waiting(run: Run) -> bool:
    """Whether a run that has not ended waits, for its data or until units run again."""
    if run.status.ended:
        return False
    return bool(run.item.waiting_for) or (
        run.item.waits_until is not None
        and parse_timestamp(run.item.waits_until) > datetime.now(UTC)
    )


def _days(since: datetime, until: datetime) -> Iterator[date]:
    """The days, in UTC, of an interval, latest first."""
    if until <= since:
        return
    first = date.fromisoformat(RunIndex.day(since))
    day = date.fromisoformat(RunIndex.day(until))
    while day >= first:
        yield day
        day -= timedelta(days=1)


def _instant_of(cursor: str) -> datetime:
    """The instant in a cursor, and a bit: the run of the cursor itself was before it."""
    try:
        return parse_timestamp(cursor.partition("#")[0]) + timedelta(microseconds=1)
    except ValueError:
        raise CommandFailed(f"{cursor[:80]!r} is not the cursor of a list", 2) from None
