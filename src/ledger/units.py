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


def stored_positions(
    ledger: Ledger, run_id: str, shard: int, ended_in: int | None = None
) -> set[int]:
    """Positions of the shard's units that the ledger holds as stored.

    Args:
        ended_in: an attempt; units that it has ended in another way are among them, too.
    """
    units = map(UnitItem.from_item, ledger.query(run_id, UnitItem.prefix_of_shard(shard)))
    return {
        layout.split_unit_id(unit.unit_id)[1]
        for unit in units
        if unit.status is UnitStatus.STORED
        or (unit.run_attempt == ended_in and unit.status is not UnitStatus.RUNNING)
    }
