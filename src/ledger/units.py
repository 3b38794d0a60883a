"""UNIT items: reading them."""

from __future__ import annotations

from collections.abc import Iterator

from contracts import layout
from contracts.ledger_items import UnitItem
from contracts.run import UnitStatus
from ledger.table import Ledger


def units_of(ledger: Ledger, run_id: str, after: str | None = None) -> Iterator[UnitItem]:
    """Stream a run's units (consistent reads) in the manifest's order.

    Args:
        after: id of the unit behind which to begin.
    """
    start = None if after is None else UnitItem.key_of(run_id, after).item
    yield from map(UnitItem.from_item, ledger.query(run_id, UnitItem.PREFIX, start))


def units_of_shard(ledger: Ledger, run_id: str, shard: int) -> dict[int, UnitItem]:
    """The shard's units that have begun (consistent reads), by position."""
    units = map(UnitItem.from_item, ledger.query(run_id, UnitItem.prefix_of_shard(shard)))
    return {layout.split_unit_id(unit.unit_id)[1]: unit for unit in units}


def stored_positions(ledger: Ledger, run_id: str, shard: int) -> set[int]:
    """Positions of the shard's units that the ledger holds as stored."""
    units = units_of_shard(ledger, run_id, shard)
    return {position for position, unit in units.items() if unit.status is UnitStatus.STORED}
