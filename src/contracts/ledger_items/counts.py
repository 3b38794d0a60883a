"""Items that count: operations of an execution, and what a run has lost.

Both are changed by single conditional writes that name the unit, so that each counts once, however
often its step is repeated. Only the operations of these repeats are counted beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from contracts.ledger_items.base import Key, LedgerItem, after


@dataclass(frozen=True, kw_only=True)
class OperationsItem(LedgerItem):
    """`OPERATION-COUNT`, in the partition of an execution: its durable operations (see
    `contracts.messages.operations`).

    Attributes:
        execution_arn: whose they are.
        committed: used by units that have ended, and allowed to those that have begun, each without
            what others reserve for it (so it may be below zero).
        running: the units that have begun, as `<run id>/<unit id>`.
        closed: a unit did not begin for lack of operations, so no more of them do.
    """

    KEY_FIELDS: ClassVar = frozenset({"execution_arn"})
    SORT: ClassVar = "OPERATION-COUNT"

    execution_arn: str = ""
    committed: int = 0
    running: frozenset[str] = frozenset()
    closed: bool = False
    expires_at: int | None = None

    @classmethod
    def key_of(cls, execution_arn: str) -> Key:
        return Key(execution_arn, cls.SORT)

    @staticmethod
    def begun(operations: int, unit: str) -> dict[str, int | set[str]]:
        """What to add for a unit that begins.

        Args:
            operations: that it may use, beyond those that were reserved for it.
        """
        return {"committed": operations, "running": {unit}}

    @staticmethod
    def ended(operations: int, unit: str) -> tuple[dict[str, int | set[str]], dict[str, set[str]]]:
        """What to add and what to delete for one that has ended.

        Args:
            operations: used beyond those that it was allowed (so it is mostly negative).
        """
        return {"committed": operations}, {"running": {unit}}

    @staticmethod
    def repeated(operations: int) -> dict[str, int | set[str]]:
        """What to add for the repeats of an end that was counted before."""
        return {"committed": operations}

    @classmethod
    def _of_key(cls, item: Mapping[str, Any]) -> dict[str, Any]:
        return {"execution_arn": item[Key._fields[0]]}

    def _key(self) -> Key:
        return self.key_of(self.execution_arn)


@dataclass(frozen=True, kw_only=True)
class LossesItem(LedgerItem):
    """`LOSSES#<attempt>#<shard>`: what one attempt at a run has lost in one shard.

    Attributes:
        of: attempt and shard.
        losses: units that failed; of an array: items that were rejected, or failed with their
            batch.
        counted: ids of the units whose losses are counted.
    """

    KEY_FIELDS: ClassVar = frozenset({"run_id", "of"})
    PREFIX: ClassVar = "LOSSES#"

    run_id: str = ""
    of: str = ""
    losses: int = 0
    counted: frozenset[str] = frozenset()

    @staticmethod
    def of_unit(losses: int, unit: str) -> dict[str, int | set[str]]:
        """What to add for a unit that has ended with losses."""
        return {"losses": losses, "counted": {unit}}

    @classmethod
    def prefix_of_attempt(cls, run_attempt: int) -> str:
        return f"{cls.PREFIX}{run_attempt:05d}#"

    @classmethod
    def key_of(cls, run_id: str, run_attempt: int, shard: int) -> Key:
        return Key(run_id, f"{cls.prefix_of_attempt(run_attempt)}{shard:05d}")

    @classmethod
    def _of_key(cls, item: Mapping[str, Any]) -> dict[str, Any]:
        return {"of": after(cls.PREFIX, item)}

    def _key(self) -> Key:
        return Key(self.run_id, f"{self.PREFIX}{self.of}")
