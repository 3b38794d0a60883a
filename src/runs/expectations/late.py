"""Announces once that a day which was announced as overdue is stored after all.

The ledger says which days those are. The runs claimed since the earliest of them are read at each
look as long as there is one, so a day is looked at for LOOKED_FOR only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from contracts.ledger_items import EXPECTED, ExpectedDayItem, RunIndex, RunItem
from contracts.run_request import format_timestamp, parse_timestamp
from ledger.conditions import EXPECTED_DAY
from ledger.table import Ledger
from ledger.units import units_of
from runs.expectations.contracts import DeployedContract
from runs.expectations.judging import ExpectedDay, Judging, ObjectsOf, own_object
from runs.expectations.overdue import DayNews
from runs.expectations.watching import ExpectationsIncomplete, not_looked_at
from runs.topic import EventName
from runtime.handler import logger

LOOKED_FOR: Final = timedelta(days=7)  # after the time when a day was due
STORED: Final = "STORED"  # the notification's status


@dataclass(frozen=True, kw_only=True)
class DayStored(DayNews):
    """The day is stored after all; its record has the run that has stored it."""

    name: EventName = EventName.DAY_STORED
    status: str = STORED

    @property
    def text(self) -> str:
        record, on = self.record, f" --stack {self.stack}" if self.stack else ""
        return (
            f"The data of {record.day} of {record.dataset_name} is stored after all\n"
            f"Due: {record.due}\n"
            f"Its run: pipeline show {record.stored_after_by}{on}"
        )

    @property
    def about(self) -> dict[str, Any]:
        return {"storedBy": self.record.stored_after_by}


@dataclass(frozen=True)
class _Overdue:
    record: ExpectedDayItem
    judging: Judging


@dataclass(frozen=True)
class LateDays:
    """Looks at the days that were overdue.

    Attributes:
        publish: sends the notification.
        stack: for the command in it.
        objects_of: URLs of the objects that a unit has stored.
    """

    ledger: Ledger
    publish: Callable[[DayStored], None]
    stack: str | None = None
    objects_of: ObjectsOf = own_object

    def look(self, contracts: Iterable[DeployedContract], now: datetime) -> None:
        """Look at the days of every contract that expects something.

        Raises:
            ExpectationsIncomplete: some could not be looked at; names them.
        """
        problems: list[str] = []
        overdue: list[_Overdue] = []
        for contract in contracts:
            try:
                overdue += self._of(contract, now)
            except Exception as error:  # the others must still be looked at
                problems.append(not_looked_at(contract.name, error))
        if overdue:
            for run in self._claimed_since([each.judging.expected for each in overdue], now):
                for each in overdue:
                    each.judging.add(run)
        for each in overdue:
            try:
                self._announce_if_stored(each, now)
            except Exception as error:
                problems.append(not_looked_at(each.record.dataset_name, error))
        if problems:
            raise ExpectationsIncomplete(f"{len(problems)} left: {'; '.join(problems[:5])}")

    def _of(self, contract: DeployedContract, now: datetime) -> Iterator[_Overdue]:
        dataset = contract.expecting()
        if dataset is None or dataset.expect is None:
            return
        for item in self.ledger.query(EXPECTED, ExpectedDayItem.prefix_of(dataset.name)):
            record = ExpectedDayItem.from_item(item)
            if record.announced_at is None or record.stored_after_at is not None:
                continue
            if now - parse_timestamp(record.due) <= LOOKED_FOR:
                day = date.fromisoformat(record.day)
                yield _Overdue(record, Judging(ExpectedDay.of(dataset, dataset.expect, day)))

    def _claimed_since(self, days: list[ExpectedDay], now: datetime) -> Iterator[RunItem]:
        since = min(each.first_claim for each in days)
        names = {each.dataset.name for each in days}
        for back in range((now.date() - since.date()).days + 1):
            claimed = RunIndex.day(since + timedelta(days=back))
            for item in self.ledger.runs_claimed(claimed, since=since):
                if item.get(RunIndex.DATASET) in names:
                    yield RunItem.from_item(item)

    def _announce_if_stored(self, overdue: _Overdue, now: datetime) -> None:
        judged = overdue.judging.judgement(
            lambda run_id: units_of(self.ledger, run_id), self.objects_of
        )
        record = overdue.record
        if judged.stored_by is None:
            return
        key = ExpectedDayItem.key_of(record.dataset_name, record.day)
        # Which run is written down first, so that a repeat announces the same one.
        by = ExpectedDayItem.changes(stored_after_by=judged.stored_by)
        written = self.ledger.change(key, by, EXPECTED_DAY.stored_after_by.not_exists())
        if written.item is None:
            return  # removed meanwhile
        known = ExpectedDayItem.from_item(written.item)
        self.publish(DayStored(record=known, at=format_timestamp(now), stack=self.stack))
        logger.info("a day is stored after all", extra={"dataset": record.dataset_name})
        announced = ExpectedDayItem.changes(stored_after_at=now)
        self.ledger.change(key, announced, EXPECTED_DAY.stored_after_at.not_exists())
