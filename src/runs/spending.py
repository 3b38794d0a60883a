"""What a run has used in all, and what that costs: its units, and what it used beside them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from contracts.ledger_items import RunItem, UnitItem
from contracts.messages import RecordRun
from contracts.run import RunCost
from contracts.usage import Amounts, added
from costs.model import cost_of
from runtime.metering import meter


@dataclass
class Spending:
    """Adds up what units have used, as they pass by.

    Attributes:
        unmetered: units whose latest attempt has not said what it used.
    """

    amounts: Amounts = field(default_factory=dict)
    unmetered: int = 0

    def passing(self, units: Iterable[UnitItem]) -> Iterator[UnitItem]:
        """The same units, counted."""
        for unit in units:
            self.add(unit)
            yield unit

    def add(self, unit: UnitItem) -> None:
        self.amounts = added((self.amounts, unit.total_usage))
        self.unmetered += unit.usage is None and not unit.not_started

    def of_run(self, run: RunItem, message: RecordRun) -> Spent:
        """With what the run's attempts have used beside their units.

        A repeated message replaces what it said before. Of this very call it is what it has used
        by now: its last writes are not in it, nor is the notification that follows.
        """
        own = dict(run.own_usage or {})
        if message.usage is not None:
            own[str(message.run_attempt)] = added((message.usage, meter.so_far()))
        if not own:
            return Spent()
        usage = added((self.amounts, *own.values()))
        return Spent(usage, own, cost_of(usage, unmetered_units=self.unmetered))


@dataclass(frozen=True)
class Spent:
    """What a run has used; all of it is absent where that is not known, as of earlier releases."""

    usage: Amounts | None = None
    own_usage: dict[str, Amounts] | None = None
    cost: RunCost | None = None
