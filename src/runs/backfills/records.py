"""Backfills in the ledger: read, and changed by writes that are conditional on their version."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final

from contracts.errors import Conflict, NotFound
from contracts.ledger_items import (
    ACTIVE_BACKFILL,
    BACKFILLS,
    ENDED_BACKFILL,
    BackfillItem,
    WindowsItem,
)
from contracts.times.windows import Window
from ledger.conditions import BACKFILL
from ledger.table import Ledger

_TRIES: Final = 20  # at most ten lanes, a person and the reaper change one at a time


def find_backfill(ledger: Ledger, backfill_id: str) -> BackfillItem | None:
    """The backfill of this id, or None."""
    item = ledger.get_item(*BackfillItem.key_of(backfill_id))
    return None if item is None else BackfillItem.from_item(item)


def active_backfills(ledger: Ledger) -> Iterator[BackfillItem]:
    """Those that executions have to work on (an index: look again)."""
    for item in ledger.query_active(ACTIVE_BACKFILL):
        yield BackfillItem.from_item(item)


def unannounced_backfills(ledger: Ledger) -> Iterator[BackfillItem]:
    """Those whose end is still to be announced, as the ledger has them now."""
    for item in ledger.query_active(ENDED_BACKFILL):
        found = find_backfill(ledger, BackfillItem.from_item(item).backfill_id)
        if found is not None:
            yield found


def change_backfill(
    ledger: Ledger,
    backfill_id: str,
    decide: Callable[[BackfillItem], dict[str, Any] | None],
    now: datetime,
) -> BackfillItem:
    """Change a backfill by what it is now.

    Args:
        decide: attributes to change, by name, None removing one; or None: nothing is to be changed.
            Called again with the backfill as it is then, if somebody else has changed it. Our own
            write may be what refused us, as the client sends a request again: so it has to see
            what it has done before.

    Returns:
        The backfill as it is then.

    Raises:
        NotFound: there is none of this id.
        Conflict: it is changed all the time; the same call may succeed.
    """
    for _ in range(_TRIES):
        item = find_backfill(ledger, backfill_id)
        if item is None:
            raise NotFound(f"there is no backfill {backfill_id}")
        changes = decide(item)
        if changes is None:
            return item
        changes = dict(changes, version=item.version + 1, updated_at=now)
        as_read = BACKFILL.version.eq(item.version)
        key = BackfillItem.key_of(backfill_id)
        written = ledger.change(key, BackfillItem.changes(**changes), as_read)
        if written.done and written.item is not None:
            return BackfillItem.from_item(written.item)
    raise Conflict(f"backfill {backfill_id} was changed at every try to change it")


class Windows:
    """The windows of a backfill, as they were recorded when it began."""

    def __init__(self, ledger: Ledger, backfill_id: str) -> None:
        self._ledger = ledger
        self._backfill_id = backfill_id
        self._chunks: dict[int, list[Window]] = {}

    def record(self, boundaries: list[datetime]) -> None:
        """Write them down, over what an execution left that died before there was a backfill.

        As there is none yet, nobody has read that.
        """
        firsts = range(0, len(boundaries), WindowsItem.PER_ITEM)
        items = WindowsItem.all_of(self._backfill_id, boundaries)
        for first, item in zip(firsts, items, strict=False):
            key = WindowsItem.key_of(self._backfill_id, first)
            self._ledger.change(key, WindowsItem.changes(boundaries=item.boundaries))

    def all(self) -> list[Window]:
        """All of them, in order of time; behind them there may be windows that were left so."""
        items = self._ledger.query(BACKFILLS, WindowsItem.prefix_of(self._backfill_id))
        return [window for item in items for window in WindowsItem.from_item(item).windows]

    def __getitem__(self, number: int) -> Window:
        chunk, position = divmod(number, WindowsItem.PER_ITEM)
        if chunk not in self._chunks:
            item = self._ledger.get_item(*WindowsItem.key_of(self._backfill_id, number))
            if item is None:
                raise NotFound(f"window {number} of backfill {self._backfill_id} is not recorded")
            self._chunks[chunk] = WindowsItem.from_item(item).windows
        return self._chunks[chunk][position]
