"""Items of backfills: how far one is, and the windows that it was cut into."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final

from contracts.ledger_items.base import Key, LedgerItem, after
from contracts.run_request import format_timestamp, parse_timestamp
from contracts.times.backfill import (
    BackfillCounts,
    BackfillRequest,
    BackfillStatus,
    WindowState,
    windows_between,
)
from contracts.times.windows import Window

BACKFILLS: Final = "#backfills"  # the partition; no run can be called so
ACTIVE_BACKFILL: Final = "backfill"  # `active` of those that an execution has to work on
ENDED_BACKFILL: Final = "backfill-end"  # of those whose end is still to be announced


@dataclass(frozen=True, kw_only=True)
class Lane:
    """One of the sequences of windows that an execution works on side by side.

    Attributes:
        call: of next-window, the latest one; a repeat of it gets the same response.
        operations: durable operations that the lane has made by then.
        window: the number of the window that it got; None: none.
        look_again: the window has ended for its lane, but not in the ledger.
    """

    call: int
    operations: int = 0
    window: int | None = None
    look_again: bool = False


@dataclass(frozen=True, kw_only=True)
class BackfillItem(LedgerItem):
    """`BACKFILL#<id>`: one backfill. Each change of it is one write, conditional on its version.

    Attributes:
        request: its canonical JSON.
        states: a character for each window, of `WindowState`, in order of time.
        generation: the execution that works on it is the so many-th; windows go to no other.
        execution_arn: of that execution; of the one before, as long as `starting`.
        starting: the execution of this generation is still to be started.
        wait_seconds: how long that execution waits first.
        restarts: executions that have died, one after another, since a window ended last.
        ended_before: windows that had ended at the latest restart.
        failed_before: windows that had failed when it was begun or resumed.
        lanes: of this generation, by number.
        begun: windows that this generation has begun.
        judged_from: runs that were claimed from then on may have stored windows meanwhile.
        going_on: ids of runs that were claimed before, and may as well, as they had not ended.
        again: a character for each window, `0` to `9`: how often it was to be run again after it
            had failed, each time in a new run; empty: none was.
        reasons: why windows failed that have no run, by number.
        paused_at, stop_requested_at: of a person's decision, while it holds.
        active: ACTIVE_BACKFILL until it has ended, or is paused; ENDED_BACKFILL from its end until
            that is announced.
        submitted_at: when it was begun or resumed.
    """

    KEY_FIELDS: ClassVar = frozenset({"backfill_id"})
    PREFIX: ClassVar = "BACKFILL#"

    backfill_id: str
    status: BackfillStatus
    request: str
    states: str
    dataset_name: str
    version: int = 0
    generation: int = 1
    execution_arn: str = ""
    starting: bool = False
    wait_seconds: int | None = None
    restarts: int = 0
    ended_before: int = 0
    failed_before: int = 0
    lanes: dict[str, Lane] = field(default_factory=dict)
    begun: int = 0
    judged_from: str | None = None
    going_on: tuple[str, ...] = ()
    again: str = ""
    reasons: dict[str, str] = field(default_factory=dict)
    created_at: str | None = None
    updated_at: str | None = None
    ended_at: str | None = None
    paused_at: str | None = None
    stop_requested_at: str | None = None
    stop_reason: str | None = None
    reason: str | None = None
    active: str | None = None
    submitted_at: str | None = None

    @classmethod
    def key_of(cls, backfill_id: str) -> Key:
        return Key(BACKFILLS, f"{cls.PREFIX}{backfill_id}")

    @property
    def requested(self) -> BackfillRequest:
        """The request, parsed; its windows are those that were recorded (`WindowsItem`)."""
        return _parsed(self.request)

    @property
    def counts(self) -> BackfillCounts:
        return BackfillCounts.of(self.states)

    @property
    def failures(self) -> int:
        """Windows that have failed since it was begun or resumed."""
        return self.counts.failed - self.failed_before

    @property
    def failed_too_often(self) -> bool:
        """Whether more have failed than it tolerates, so that no more begin."""
        most = self.requested.max_failures
        return most is not None and self.failures > most

    @property
    def holding(self) -> bool:
        """Whether somebody has decided that no more windows begin."""
        return self.paused_at is not None or self.stop_requested_at is not None

    def times_again(self, number: int) -> int:
        """How often the window of this number was to be run again."""
        return int(self.again[number]) if self.again else 0

    def in_state(self, *states: WindowState) -> list[int]:
        """Numbers of the windows in one of these states, in order of time."""
        return [number for number, state in enumerate(self.states) if state in states]

    @classmethod
    def _of_key(cls, item: Mapping[str, Any]) -> dict[str, Any]:
        return {"backfill_id": after(cls.PREFIX, item)}

    def _key(self) -> Key:
        return self.key_of(self.backfill_id)


@functools.lru_cache(maxsize=16)
def _parsed(canonical: str) -> BackfillRequest:
    """Cached: its windows are checked each time, and there may be thousands."""
    return BackfillRequest.from_json(json.loads(canonical))


@dataclass(frozen=True, kw_only=True)
class WindowsItem(LedgerItem):
    """`WINDOWS#<id>#<chunk>`: where windows begin and end, as they were computed once.

    Attributes:
        boundaries: of WINDOWS_PER_ITEM windows, one more than there are windows.
    """

    KEY_FIELDS: ClassVar = frozenset({"of"})
    PREFIX: ClassVar = "WINDOWS#"
    PER_ITEM: ClassVar = 1000

    of: str
    boundaries: tuple[str, ...] = ()

    @classmethod
    def prefix_of(cls, backfill_id: str) -> str:
        return f"{cls.PREFIX}{backfill_id}#"

    @classmethod
    def key_of(cls, backfill_id: str, number: int) -> Key:
        """Of the item that holds the window of this number."""
        return Key(BACKFILLS, f"{cls.prefix_of(backfill_id)}{number // cls.PER_ITEM:05d}")

    @classmethod
    def all_of(cls, backfill_id: str, boundaries: list[datetime]) -> list[WindowsItem]:
        """The items of all windows, in order of time."""
        texts = [format_timestamp(each) for each in boundaries]
        firsts = range(0, len(boundaries) - 1, cls.PER_ITEM)
        return [
            cls(
                of=cls.key_of(backfill_id, first).item.removeprefix(cls.PREFIX),
                boundaries=tuple(texts[first : first + cls.PER_ITEM + 1]),
            )
            for first in firsts
        ]

    @property
    def windows(self) -> list[Window]:
        return windows_between([parse_timestamp(each) for each in self.boundaries])

    @classmethod
    def _of_key(cls, item: Mapping[str, Any]) -> dict[str, Any]:
        return {"of": after(cls.PREFIX, item)}

    def _key(self) -> Key:
        return Key(BACKFILLS, f"{self.PREFIX}{self.of}")
