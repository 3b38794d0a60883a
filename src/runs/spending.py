"""What a run has used in all, and what that costs: its units, and what it used beside them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from contracts.costs.figures import PastCost, RunCost
from contracts.costs.usage import Amounts, added
from contracts.ledger_items import RunItem, UnitItem
from contracts.messages import RecordRun
from costs.model import cost_of
from ledger.past_costs import note_cost
from ledger.table import Ledger
from runtime.handler import logger
from runtime.metering import meter


@dataclass
class Spending:
    """Adds up what units have used, as they pass by.

    Attributes:
        metered, unmetered: units whose latest attempt has said what it used, and those whose has
            not.
    """

    amounts: Amounts = field(default_factory=dict)
    metered: int = 0
    unmetered: int = 0

    def passing(self, units: Iterable[UnitItem]) -> Iterator[UnitItem]:
        """The same units, counted."""
        for unit in units:
            self.add(unit)
            yield unit

    def add(self, unit: UnitItem) -> None:
        self.amounts = added((self.amounts, unit.total_usage))
        self.metered += unit.usage is not None
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
        expected = run.estimate.usd if run.estimate else None
        cost = cost_of(usage, estimated_usd=expected, unmetered_units=self.unmetered)
        past = PastCost(
            run_id=run.run_id,
            units=self.metered,
            units_usd=cost_of(self.amounts).usd,
            own_usd=cost_of(added(own.values())).usd,
        )
        return Spent(usage, own, cost, past)


@dataclass(frozen=True)
class Spent:
    """What a run has used; all of it is absent where that is not known, as of earlier releases.

    Attributes:
        past: what estimates of later runs go by.
    """

    usage: Amounts | None = None
    own_usage: dict[str, Amounts] | None = None
    cost: RunCost | None = None
    past: PastCost | None = None

    def note(self, ledger: Ledger, dataset: str) -> None:
        """Note it for estimates of later runs of the dataset, unless it says nothing of a unit."""
        if self.past is None or not self.past.units:
            return
        if not note_cost(ledger, dataset, self.past):
            logger.warning("cost not noted", extra={"dataset": dataset})
