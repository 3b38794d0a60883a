"""Items other than runs, units and jobs: records that make things happen only once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from contracts.ledger_items.base import Key, LedgerItem, after
from contracts.source.only_new import Scope

NO_RUN: Final = "rejected"  # the partition of rejected messages that name no usable run id
QUOTAS: Final = "#quota"  # the partition of quotas; no run can be called so
LEDGER: Final = "#ledger"  # that of what concerns the ledger itself; likewise
EXPECTED: Final = "#expected"  # that of ExpectedDayItem, and of events about such days
NEW_OBJECTS_OF: Final = "#new-objects"  # that of NewObjectsItem; likewise


@dataclass(frozen=True, kw_only=True)
class RejectedItem(LedgerItem):
    """`REJECTED#<message>`, in the partition of its run or of NO_RUN: a message that never runs.

    Attributes:
        message_id: as far as the sort key has it.
        sent: whether it is on the dead-letter queue.
    """

    KEY_FIELDS: ClassVar = frozenset({"run_id", "message_id"})
    PREFIX: ClassVar = "REJECTED#"

    run_id: str
    message_id: str
    reason: str = "no reason was recorded"
    rejected_at: str | None = None
    expires_at: int | None = None
    sent: bool = False

    @classmethod
    def key_of(cls, run_id: str, message_id: str) -> Key:
        return Key(run_id, f"{cls.PREFIX}{message_id}")

    @classmethod
    def _of_key(cls, item: Mapping[str, Any]) -> dict[str, Any]:
        return {"message_id": after(cls.PREFIX, item)}

    def _key(self) -> Key:
        return self.key_of(self.run_id, self.message_id)


@dataclass(frozen=True, kw_only=True)
class DrawnItem(LedgerItem):
    """`DRAWN`, in the partition of a message id or an execution: the run id drawn for it."""

    SORT: ClassVar = "DRAWN"

    run_id: str
    drawn_run_id: str
    drawn_at: str | None = None
    expires_at: int | None = None

    @classmethod
    def key_of(cls, drawn_for: str) -> Key:
        return Key(drawn_for, cls.SORT)

    def _key(self) -> Key:
        return self.key_of(self.run_id)


@dataclass(frozen=True, kw_only=True)
class EventItem(LedgerItem):
    """`EVENT#<event>`: which SQS message reported an event of the run first."""

    KEY_FIELDS: ClassVar = frozenset({"run_id", "event_id"})
    PREFIX: ClassVar = "EVENT#"

    run_id: str = ""
    event_id: str
    message_id: str | None = None
    seen_at: str | None = None
    expires_at: int | None = None

    @classmethod
    def key_of(cls, run_id: str, event_id: str) -> Key:
        return Key(run_id, f"{cls.PREFIX}{event_id}")

    @classmethod
    def _of_key(cls, item: Mapping[str, Any]) -> dict[str, Any]:
        return {"event_id": after(cls.PREFIX, item)}

    def _key(self) -> Key:
        return self.key_of(self.run_id, self.event_id)


@dataclass(frozen=True, kw_only=True)
class QuotaItem(LedgerItem):
    """`#quota`/`<name>`: how much an engine may be asked, as a token bucket.

    Attributes:
        tokens: requests left.
        at: epoch seconds of the last change.
        last: by queue, the key of the job that its last turn ended with.
        turn: counts the changes.
    """

    KEY_FIELDS: ClassVar = frozenset({"name"})

    name: str = ""
    tokens: float
    at: float
    last: dict[str, str] = field(default_factory=dict)
    turn: int = 0

    @classmethod
    def key_of(cls, name: str) -> Key:
        return Key(QUOTAS, name)

    @classmethod
    def _of_key(cls, item: Mapping[str, Any]) -> dict[str, Any]:
        return {"name": after("", item)}

    def _key(self) -> Key:
        return self.key_of(self.name)


@dataclass(frozen=True, kw_only=True)
class IndexingItem(LedgerItem):
    """`#ledger`/`index-runs`: how far runs of earlier releases were put into the index of runs.

    Attributes:
        scanned_to: the key after which to go on; empty: at the beginning of the table.
    """

    KEY_FIELDS: ClassVar = frozenset[str]()
    SORT: ClassVar = "index-runs"

    scanned_to: tuple[str, ...] = ()

    @classmethod
    def key_of(cls) -> Key:
        return Key(LEDGER, cls.SORT)

    def _key(self) -> Key:
        return self.key_of()


@dataclass(frozen=True, kw_only=True)
class NewObjectsItem(LedgerItem):
    """`#new-objects`/`<dataset>#<scope>`: which run takes the new objects (`onlyNew`).

    Attributes:
        taken_by: the run, until it has ended; absent: none does.
        run_attempt: of that run.
        taken_at: since when.
    """

    KEY_FIELDS: ClassVar = frozenset[str]()

    taken_by: str | None = None
    run_attempt: int | None = None
    taken_at: str | None = None

    @classmethod
    def key_of(cls, scope: Scope) -> Key:
        return Key(NEW_OBJECTS_OF, f"{scope.dataset_name}#{scope.name}")


@dataclass(frozen=True, kw_only=True)
class ExpectedDayItem(LedgerItem):
    """`#expected`/`<dataset>#<day>`: what was found when a day's data had to be stored (`expect`).

    Attributes:
        due: when it had to be.
        stored_by: a run that had stored it; absent: it was not stored.
        reason: if it was not: one sentence about the runs.
        announced_at: when that was announced.
        stored_after_by: a run that has stored it since.
        stored_after_at: when that was announced.
        contract_since: when the contract was put there, where that was after the dataset's first
            day was due: it is not announced.
    """

    KEY_FIELDS: ClassVar = frozenset({"dataset_name", "day"})

    dataset_name: str
    day: str
    due: str = ""
    stored_by: str | None = None
    reason: str | None = None
    announced_at: str | None = None
    stored_after_by: str | None = None
    stored_after_at: str | None = None
    contract_since: str | None = None
    expires_at: int | None = None

    @classmethod
    def key_of(cls, dataset_name: str, day: str) -> Key:
        return Key(EXPECTED, f"{cls.prefix_of(dataset_name)}{day}")

    @staticmethod
    def prefix_of(dataset_name: str) -> str:
        """What the sort keys of a dataset's days begin with."""
        return f"{dataset_name}#"

    @classmethod
    def _of_key(cls, item: Mapping[str, Any]) -> dict[str, Any]:
        name, _, day = after("", item).rpartition("#")
        return {"dataset_name": name, "day": day}

    def _key(self) -> Key:
        return self.key_of(self.dataset_name, self.day)
