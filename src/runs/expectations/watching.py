"""Looks whether what contracts expect is there, and announces once per dataset and day what is not.

Of each contract the time that has passed most recently is looked at, once: the ledger then has an
item with what was found. An item that says the day is overdue is announced, and marked after that;
a look that was broken off in between is repeated by the next one under the same event id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

from contracts.dataset import Dataset
from contracts.errors import PipelineError
from contracts.ledger_items import ExpectedDayItem, RunItem
from contracts.run_request import format_timestamp
from contracts.times.expectation import Expectation
from ledger.conditions import EXPECTED_DAY
from ledger.table import Ledger
from ledger.units import units_of
from runs.expectations.contracts import DeployedContract
from runs.expectations.judging import ExpectedDay, judge
from runs.expectations.overdue import DayOverdue
from runtime.handler import count_of_function, logger

WITHIN: Final = timedelta(hours=24)  # a time that passed before is looked at no more
REMEMBERED: Final = timedelta(days=90)


class ExpectationsIncomplete(PipelineError):
    """Some contracts' days could not be looked at; the next look does."""


def count_overdue(function: str) -> None:
    """Count a day that is overdue, for the alarm.

    Args:
        function: that looked, whose name distinguishes the stacks.
    """
    count_of_function("DaysOverdue", function)


@dataclass
class ExpectationWatch:
    """One look.

    Attributes:
        publish: sends the notification.
        count: counts a day that is overdue, for the alarm.
        stack: for the command in the notification.
    """

    ledger: Ledger
    publish: Callable[[DayOverdue], None]
    count: Callable[[], None]
    stack: str | None = None
    _runs: dict[date, list[RunItem]] = field(default_factory=dict)

    def look(self, contracts: Iterable[DeployedContract], now: datetime) -> None:
        """Look at the dataset of every contract that expects something.

        Raises:
            ExpectationsIncomplete: some could not be looked at; names them.
        """
        problems: list[str] = []
        for contract in contracts:
            try:
                dataset = contract.expecting()
                if dataset is not None and dataset.expect is not None:
                    self._look_at(dataset, dataset.expect, now)
            except Exception as error:  # the others must still be looked at
                logger.warning("not looked at", extra={"key": contract.name, "why": repr(error)})
                problems.append(f"{contract.name}: {error!r}")
        if problems:
            raise ExpectationsIncomplete(f"{len(problems)} left: {'; '.join(problems[:5])}")

    def _look_at(self, dataset: Dataset, expectation: Expectation, now: datetime) -> None:
        day = expectation.last_due(now, WITHIN)
        if day is None:
            return
        expected = ExpectedDay.of(dataset, expectation, day)
        there = self.ledger.get_item(*ExpectedDayItem.key_of(dataset.name, day.isoformat()))
        if there is None:
            found = self._found(expected, now)
            there = self.ledger.put_if_absent(found.to_item()).item or found.to_item()
        item = ExpectedDayItem.from_item(there)
        if item.stored_by is not None or item.announced_at is not None:
            return
        at, asked_for = format_timestamp(now), expected.asked_for
        self.publish(DayOverdue(item, expectation.words, asked_for, at, self.stack))
        self.count()
        logger.warning("a day is overdue", extra={"dataset": dataset.name, "day": item.day})
        announced = ExpectedDayItem.changes(announced_at=now)
        self.ledger.change(
            ExpectedDayItem.key_of(dataset.name, item.day),
            announced,
            EXPECTED_DAY.announced_at.not_exists(),
        )

    def _found(self, expected: ExpectedDay, now: datetime) -> ExpectedDayItem:
        runs = self._claimed_since(expected.first_claim, now)
        judgement = judge(expected, runs, lambda run_id: units_of(self.ledger, run_id))
        return ExpectedDayItem(
            dataset_name=expected.dataset.name,
            day=expected.day.isoformat(),
            due=format_timestamp(expected.due),
            stored_by=judgement.stored_by,
            reason=judgement.why or None,
            expires_at=int((now + REMEMBERED).timestamp()),
        )

    def _claimed_since(self, since: datetime, now: datetime) -> list[RunItem]:
        """Runs of any dataset; of each day they are read once in a look."""
        days = (now.date() - since.date()).days
        found: list[RunItem] = []
        for day in (since.date() + timedelta(days=back) for back in range(days + 1)):
            if day not in self._runs:
                items = self.ledger.runs_claimed(day.isoformat())
                self._runs[day] = [RunItem.from_item(item) for item in items]
            found += self._runs[day]
        return found
