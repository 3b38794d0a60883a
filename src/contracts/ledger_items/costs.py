"""Items about money: what runs of a dataset have cost, and what a run with `maxCost` has so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from contracts.costs.figures import PastCost
from contracts.ledger_items.base import Key, LedgerItem, after

COSTS: Final = "#costs"  # the partition of PastCostsItem; no run has such an id
NANODOLLARS: Final = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class PastCostsItem(LedgerItem):
    """`#costs`/`<dataset>`: what its last runs have cost, by which the next one is estimated.

    Attributes:
        revision: one more at each change, by which writers notice each other.
    """

    KEY_FIELDS: ClassVar = frozenset[str]()

    revision: int = 0
    runs: tuple[PastCost, ...] = ()

    @classmethod
    def key_of(cls, dataset: str) -> Key:
        return Key(COSTS, dataset)


@dataclass(frozen=True, kw_only=True)
class SpentItem(LedgerItem):
    """`SPENT#<attempt>#<shard>`: what units of one shard have cost in one attempt at a run with
    `maxCost`, each counted once.

    Attributes:
        of: attempt and shard.
        nanodollars: of the units that are counted.
        counted: their ids.
    """

    KEY_FIELDS: ClassVar = frozenset({"run_id", "of"})
    PREFIX: ClassVar = "SPENT#"

    run_id: str = ""
    of: str = ""
    nanodollars: int = 0
    counted: frozenset[str] = frozenset()

    @staticmethod
    def of_unit(usd: float, unit: str) -> dict[str, int | set[str]]:
        """What to add for a unit that has ended and cost so much."""
        return {"nanodollars": round(usd * NANODOLLARS), "counted": {unit}}

    @classmethod
    def key_of(cls, run_id: str, run_attempt: int, shard: int) -> Key:
        return Key(run_id, f"{cls.PREFIX}{run_attempt:05d}#{shard:05d}")

    @classmethod
    def _of_key(cls, item: Mapping[str, Any]) -> dict[str, Any]:
        return {"of": after(cls.PREFIX, item)}

    def _key(self) -> Key:
        return Key(self.run_id, f"{self.PREFIX}{self.of}")
