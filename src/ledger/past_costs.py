"""What a dataset's last runs have cost: read by who estimates, noted by a run's end."""

from __future__ import annotations

from typing import Final

from contracts.costs.figures import PastCost
from contracts.ledger_items import PastCostsItem
from ledger.conditions import PAST_COSTS
from ledger.table import Ledger

RUNS: Final = 10
_TRIES: Final = 5


def past_costs(ledger: Ledger, dataset: str) -> tuple[PastCost, ...]:
    """Of its last runs, the latest first; empty where nothing is known."""
    item = ledger.get_item(*PastCostsItem.key_of(dataset))
    return () if item is None else PastCostsItem.from_item(item).runs


def note_cost(ledger: Ledger, dataset: str, cost: PastCost) -> bool:
    """Note what a run has cost; a repeat, or another attempt at the run, replaces what is there.

    Returns:
        False: others have written it at every try, so that this run is not noted.
    """
    key = PastCostsItem.key_of(dataset)
    for _ in range(_TRIES):
        item = ledger.get_item(*key)
        known = PastCostsItem.from_item(item or {})
        others = [each for each in known.runs if each.run_id != cost.run_id]
        changes = PastCostsItem.changes(
            revision=known.revision + 1, runs=(cost, *others[: RUNS - 1])
        )
        as_read = (
            PAST_COSTS.revision.not_exists()
            if item is None
            else PAST_COSTS.revision.eq(known.revision)
        )
        if ledger.change(key, changes, as_read):
            return True
    return False
