"""Looks whether what contracts expect is there, and announces once per dataset and day what is not.

Of each contract the time that has passed most recently is looked at, once: the ledger then has an
item with what was found. An item that says the day is overdue is announced, and marked after that;
a look that was broken off in between is repeated by the next one under the same event id. The first
day of a new contract is not announced if it was due before the contract was there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from contracts.errors import PipelineError
from contracts.ledger_items import EXPECTED, ExpectedDayItem, Key, RunIndex, RunItem
from contracts.run_request import format_timestamp
from ledger.conditions import EXPECTED_DAY
from ledger.table import Item, Ledger
from ledger.units import units_of
from runs.expectations.contracts import DeployedContract
from runs.expectations.judging import ExpectedDay, Judging, ObjectsOf, own_object
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


@dataclass(frozen=True)
class _Undecided:
    """A day that is due and was not judged yet.

    Attributes:
        contract_since: when the contract was put there, most recently.
    """

    judging: Judging
    contract_since: datetime


@dataclass
class ExpectationWatch:
    """One look.

    Attributes:
        publish: sends the notification.
        count: counts a day that is overdue, for the alarm.
        stack: for the command in the notification.
        objects_of: URLs of the objects that a unit has stored.
    """

    ledger: Ledger
    publish: Callable[[DayOverdue], None]
    count: Callable[[], None]
    stack: str | None = None
    objects_of: ObjectsOf = own_object

    def look(self, contracts: Iterable[DeployedContract], now: datetime) -> None:
        """Look at the dataset of every contract that expects something.

        Raises:
            ExpectationsIncomplete: some could not be looked at; names them.
        """
        problems: list[str] = []
        undecided: dict[str, _Undecided] = {}
        for contract in contracts:
            try:
                expected = _expected_day(contract, now)
                if expected is not None and not self._is_known(expected, now):
                    judging = Judging(expected)
                    undecided[expected.dataset.name] = _Undecided(judging, contract.changed_at)
            except Exception as error:  # the others must still be looked at
                problems.append(not_looked_at(contract.name, error))
        for name, each in self._with_runs(undecided, now, problems).items():
            try:
                self._decide(each, now)
            except Exception as error:
                problems.append(not_looked_at(name, error))
        if problems:
            raise ExpectationsIncomplete(f"{len(problems)} left: {'; '.join(problems[:5])}")

    def _is_known(self, expected: ExpectedDay, now: datetime) -> bool:
        """Whether the day was judged before; if that is still to be announced, it is now."""
        there = self.ledger.get_item(*_key(expected))
        if there is not None:
            self._announce(expected, ExpectedDayItem.from_item(there), now)
        return there is not None

    def _with_runs(
        self, undecided: dict[str, _Undecided], now: datetime, problems: list[str]
    ) -> dict[str, _Undecided]:
        """Those whose runs could be read: once for all datasets, and none is held in memory."""
        try:
            for item in self._claimed_since_first(list(undecided.values()), now):
                name = item.get(RunIndex.DATASET, "")
                try:
                    if name in undecided:
                        undecided[name].judging.add(RunItem.from_item(item))
                except Exception as error:  # of this one run, so of its dataset
                    del undecided[name]
                    problems.append(not_looked_at(name, error))
        except Exception as error:
            problems += [not_looked_at(name, error) for name in undecided]
            return {}
        return undecided

    def _claimed_since_first(self, of: Sequence[_Undecided], now: datetime) -> Iterator[Item]:
        if not of:
            return
        since = min(each.judging.expected.first_claim for each in of)
        for back in range((now.date() - since.date()).days + 1):
            day = since + timedelta(days=back)
            yield from self.ledger.runs_claimed(RunIndex.day(day), since=since)

    def _decide(self, undecided: _Undecided, now: datetime) -> None:
        expected = undecided.judging.expected
        judgement = undecided.judging.judgement(
            lambda run_id: units_of(self.ledger, run_id), self.objects_of
        )
        new = judgement.stored_by is None and self._is_new(expected, undecided.contract_since)
        found = ExpectedDayItem(
            dataset_name=expected.dataset.name,
            day=expected.day.isoformat(),
            due=format_timestamp(expected.due),
            stored_by=judgement.stored_by,
            reason=judgement.why or None,
            contract_since=format_timestamp(undecided.contract_since) if new else None,
            expires_at=int((now + REMEMBERED).timestamp()),
        ).to_item()
        there = self.ledger.put_if_absent(found).item or found
        self._announce(expected, ExpectedDayItem.from_item(there), now)

    def _is_new(self, expected: ExpectedDay, contract_since: datetime) -> bool:
        """Whether nobody expected the day when it was due: no day of the dataset was judged yet,
        and the contract was put there later."""
        if contract_since <= expected.due:
            return False
        judged = self.ledger.query(EXPECTED, ExpectedDayItem.prefix_of(expected.dataset.name))
        return next(judged, None) is None

    def _announce(self, expected: ExpectedDay, item: ExpectedDayItem, now: datetime) -> None:
        if item.stored_by or item.announced_at or item.contract_since:
            return
        at, asked_for = format_timestamp(now), expected.asked_for
        words = expected.expectation.words
        news = DayOverdue(record=item, words=words, asked_for=asked_for, at=at, stack=self.stack)
        self.publish(news)
        self.count()
        logger.warning("a day is overdue", extra={"dataset": item.dataset_name, "day": item.day})
        announced = ExpectedDayItem.changes(announced_at=now)
        self.ledger.change(_key(expected), announced, EXPECTED_DAY.announced_at.not_exists())


def _expected_day(contract: DeployedContract, now: datetime) -> ExpectedDay | None:
    """The day that was due most recently; None: there is none."""
    dataset = contract.expecting()
    if dataset is None or dataset.expect is None:
        return None
    day = dataset.expect.last_due(now, WITHIN)
    return None if day is None else ExpectedDay.of(dataset, dataset.expect, day)


def _key(expected: ExpectedDay) -> Key:
    return ExpectedDayItem.key_of(expected.dataset.name, expected.day.isoformat())


def not_looked_at(name: str, error: Exception) -> str:
    """Log that a dataset could not be looked at; returns the same as one clause."""
    logger.warning("not looked at", extra={"expecting": name, "why": repr(error)})
    return f"{name}: {error!r}"
