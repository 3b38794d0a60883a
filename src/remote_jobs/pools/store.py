"""Reads and changes the records of pools, each change by one conditional write."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from contracts.errors import Conflict
from contracts.ledger_items import POOLS, PoolItem
from ledger.conditions import POOL
from ledger.table import Ledger

Result = TypeVar("Result")
# Of one change, while others change the same record. The waits between them are random, so even a
# hundred callers at once get through in a few seconds; who does not is found by the watcher.
TRIES: Final = 24
LONGEST_WAIT_SECONDS: Final = 0.5


@dataclass(frozen=True)
class Pools:
    """The pools of a ledger.

    Attributes:
        sleep: waits for so many seconds between two tries.
        draw: a random number from 0 to 1.
    """

    ledger: Ledger
    sleep: Callable[[float], None] = time.sleep
    draw: Callable[[], float] = random.random

    def read(self, name: str) -> PoolItem:
        """The pool as it is now; a new one, if it has no record yet."""
        item = self.ledger.get_item(*PoolItem.key_of(name))
        return PoolItem(name=name) if item is None else PoolItem.from_item(item)

    def all(self) -> Iterator[PoolItem]:
        """Every pool that has a record, by name (a consistent read)."""
        yield from map(PoolItem.from_item, self.ledger.query(POOLS, PoolItem.PREFIX))

    def change(
        self,
        name: str,
        function: Callable[[PoolItem], tuple[PoolItem, Result]],
        seen: PoolItem | None = None,
    ) -> tuple[PoolItem, Result]:
        """Replace the record by what the function makes of it.

        Args:
            seen: the record as the caller has just read it, to save reading it again.
            function: called again with the newer record if somebody else was faster. Repeating it
                on its own result must change nothing more, as the response to a write may be lost.

        Returns:
            The record as it is then, and what else the function returned.

        Raises:
            Conflict: others changed the record at every try.
        """
        pool = seen or self.read(name)
        for attempt in range(TRIES):
            changed, result = function(pool)
            if changed == pool:
                return pool, result
            changed = replace(changed, version=pool.version + 1)
            written = self.ledger.change(
                PoolItem.key_of(name),
                PoolItem.changes(**{n: getattr(changed, n) for n in PoolItem.attributes()}),
                POOL.version.eq(pool.version) if pool.version else POOL.version.not_exists(),
            )
            if written:
                return changed, result
            pool = PoolItem.from_item(written.item) if written.item else PoolItem(name=name)
            self.sleep(self.draw() * min(0.02 * 2.0**attempt, LONGEST_WAIT_SECONDS))
        raise Conflict(f"pool {name} was changed by others {TRIES} times in a row")

    def update(self, name: str, function: Callable[[PoolItem], PoolItem]) -> PoolItem:
        """As `change`, of a function that returns the record only."""
        return self.change(name, lambda pool: (function(pool), None))[0]
