"""UNIT items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from contracts.costs.usage import Amounts, added
from contracts.ledger_items.base import Key, LedgerItem, after
from contracts.run import Finding, ItemTotals, RowCounts, StageFailure, UnitState, UnitStatus
from contracts.source.object_totals import FailedObject, ObjectTotals


@dataclass(frozen=True, kw_only=True)
class UnitItem(LedgerItem):
    """`UNIT#<unit>`: the outcome of a unit, or that it is running.

    Attributes:
        source_url: of its object; where it holds several, of their list in the data bucket.
        source_etag: of its object as the manifest has it, without quotes.
        dataset_version: of the contract that it is processed by.
        set_aside: rows that transform could not store.
        usage: what it has used in its latest attempt; absent: not known, as that has not ended, or
            began in an earlier release.
        spent: what earlier attempts have used, as far as they have recorded it.
        adopted: what jobs have used that an earlier attempt submitted, and the latest went on with.
        stored_in: of a unit that failed: the targets that have all of its rows; absent where an
            earlier release recorded it.
        not_started: it was not to begin, and `failure` says why; its `status` is FAILED then, which
            earlier releases can read. Use `outcome`.
        objects: of one that holds several: what came of them.
        failed_objects: the first of those that were left out.
        objects_url: of the document that has all of them.
    """

    KEY_FIELDS: ClassVar = frozenset({"run_id", "unit_id"})
    PREFIX: ClassVar = "UNIT#"
    # Absent where there is nothing to say.
    OPTIONAL: ClassVar = (
        "failure",
        "findings",
        "items",
        "set_aside",
        "stored_in",
        "not_started",
        "objects",
        "failed_objects",
        "objects_url",
    )
    OF_AN_END: ClassVar = ("ended_at", "rows", "job_ids", "usage", "adopted", *OPTIONAL)

    run_id: str = ""
    unit_id: str
    status: UnitStatus
    run_attempt: int = 1
    source_url: str | None = None
    source_bytes: int | None = None
    source_etag: str | None = None
    dataset_version: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    rows: RowCounts | None = None
    job_ids: tuple[str, ...] = ()
    failure: StageFailure | None = None
    findings: tuple[Finding, ...] = ()
    items: ItemTotals | None = None
    set_aside: int | None = None
    stored_in: tuple[str, ...] | None = None
    not_started: bool | None = None
    objects: ObjectTotals | None = None
    failed_objects: tuple[FailedObject, ...] = ()
    objects_url: str | None = None
    usage: Amounts | None = None
    spent: Amounts | None = None
    adopted: Amounts | None = None

    @property
    def total_usage(self) -> Amounts:
        """What all its attempts have used, as far as that is known. Jobs that one attempt submitted
        and another went on with count once: if the first has ended, it has recorded them."""
        adopted = self.adopted if self.spent is None else None
        return added((self.usage, self.spent, adopted))

    @property
    def outcome(self) -> UnitState:
        """Its status, or NOT_STARTED."""
        return UnitState.NOT_STARTED if self.not_started else UnitState(self.status)

    @staticmethod
    def counted(item: Mapping[str, Any]) -> tuple[UnitState, RowCounts | None]:
        """Outcome and rows of an item, of which nothing else is read: there may be 100,000."""
        not_started = bool(item.get("not_started"))
        state = UnitState.NOT_STARTED if not_started else UnitState(item["status"])
        return state, RowCounts.from_json(item["rows"]) if item.get("rows") else None

    @classmethod
    def key_of(cls, run_id: str, unit_id: str) -> Key:
        return Key(run_id, f"{cls.PREFIX}{unit_id}")

    @classmethod
    def prefix_of_shard(cls, shard: int) -> str:
        return f"{cls.PREFIX}{shard:05d}-"

    @classmethod
    def _of_key(cls, item: Mapping[str, Any]) -> dict[str, Any]:
        return {"unit_id": after(cls.PREFIX, item)}

    def _key(self) -> Key:
        return self.key_of(self.run_id, self.unit_id)
