"""POOL items: who waits for a place in a pool, who has one, and whose turn is next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from contracts.job import JobKey, Priority
from contracts.ledger_items.base import Key, LedgerItem, after

POOLS: Final = "#pool"  # the partition of pools; no run can be called so


@dataclass(frozen=True, kw_only=True)
class Ticket:
    """A job's turn in a pool.

    Attributes:
        number: drawn from the pool's counter; within a run the lowest comes first.
        key: of the job, as text.
        since: epoch seconds at which it was drawn; shown to people, decides nothing.
    """

    number: int
    key: str
    priority: Priority = Priority.NORMAL
    since: float = 0

    @property
    def run_id(self) -> str:
        return JobKey.from_text(self.key).run_id


@dataclass(frozen=True, kw_only=True)
class Place(Ticket):
    """A place that a job holds, with the ticket that it goes back to if the engine refuses it.

    Attributes:
        taken: epoch seconds at which it was taken, or last given to a submission.
    """

    taken: float = 0


@dataclass(frozen=True, kw_only=True)
class PoolItem(LedgerItem):
    """`#pool`/`POOL#<name>`: the one record that decides order and places of a pool.

    Attributes:
        version: counts the changes; each is conditional on it.
        tickets: how many were drawn.
        waiting, held: by job id.
        clock: virtual time: where the turn of a run starts that comes new.
        next_turns: by run, where its next turn starts, if that is later than the clock.
        limit: places in all, when it was last read; None: never.
        limit_at: epoch seconds of that.
        limit_from: where it comes from, for people.
        refused_until: epoch seconds until which the engine is not asked again, as it refused a job
            though there was a place: others use it too.
        refusals: how often in a row.
        engine, target: what the limit is read from; of a named pool absent.
    """

    KEY_FIELDS: ClassVar = frozenset({"name"})
    PREFIX: ClassVar = "POOL#"

    name: str = ""
    version: int = 0
    tickets: int = 0
    waiting: dict[str, Ticket] = field(default_factory=dict)
    held: dict[str, Place] = field(default_factory=dict)
    clock: float = 0
    next_turns: dict[str, float] = field(default_factory=dict)
    limit: int | None = None
    limit_at: float = 0
    limit_from: str | None = None
    refused_until: float = 0
    refusals: int = 0
    engine: str | None = None
    target: str | None = None

    @classmethod
    def key_of(cls, name: str) -> Key:
        return Key(POOLS, f"{cls.PREFIX}{name}")

    @classmethod
    def _of_key(cls, item: Mapping[str, Any]) -> dict[str, Any]:
        return {"name": after(cls.PREFIX, item)}

    def _key(self) -> Key:
        return self.key_of(self.name)
