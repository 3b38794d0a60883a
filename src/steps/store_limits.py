"""What the targets of a contract take of a transform's result, told before either sees a row.

A row that one of them cannot take goes to none, so that all hold the same rows. The rules:
steps.store_rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from contracts.dataset import DatasetSnapshot
from contracts.messages import Transform
from steps.duck import quoted
from steps.dynamodb_items import ItemMaker, Unstorable
from steps.provenance import provenance_of
from steps.store_rules import TEXT_SIZE
from steps.warehouse_sql import LONGEST_TEXT


@dataclass(frozen=True)
class Key:
    """The key of a target, or of two.

    Attributes:
        trimmed: of these columns trailing blanks do not count, as Redshift compares texts without
            ("Character types" in its Database Developer Guide).
    """

    columns: tuple[str, ...]
    trimmed: frozenset[str] = frozenset()

    @property
    def values(self) -> list[str]:
        """SQL of what tells rows apart."""
        return [
            f"rtrim({quoted(name)}, ' ')" if name in self.trimmed else quoted(name)
            for name in self.columns
        ]

    @property
    def missing(self) -> str:
        """SQL, true for a row that does not have all of it."""
        return " OR ".join(f"{quoted(name)} IS NULL" for name in self.columns)


class StoreLimits:
    """What may be in the result of one unit.

    Args:
        message: what asks for them; names the job and the execution that each item tells of.

    Attributes:
        keys: every key that must be there, and once.
    """

    def __init__(self, snapshot: DatasetSnapshot, message: Transform, data_bucket: str) -> None:
        targets = snapshot.dataset.targets
        self._columns = snapshot.output_columns
        self._texts = [name for name, kind in snapshot.output_columns if kind == "string"]
        self._in_warehouse = targets.redshift is not None
        self._items = (
            ItemMaker(
                snapshot,
                targets.dynamodb,
                message.unit_id,
                message.job_id,
                provenance=provenance_of(message, data_bucket, snapshot),
            )
            if targets.dynamodb
            else None
        )
        self.keys = _keys(snapshot)

    def suspicious(self) -> list[str]:
        """SQL conditions over the result's columns: any is true for a row that `problem` may be
        about, and for hardly another one."""
        conditions = self._items.suspicious() if self._items else []
        if self._in_warehouse:
            conditions += [f"strlen({quoted(name)}) > {LONGEST_TEXT}" for name in self._texts]
        return conditions

    def problem(self, row: Sequence[Any]) -> Unstorable | None:
        """Why a row by itself cannot be stored everywhere; None if it can."""
        found = self._items.problem(row) if self._items else None
        if found is None and self._in_warehouse:
            found = self._too_long(row)
        return found

    def _too_long(self, row: Sequence[Any]) -> Unstorable | None:
        for (name, kind), value in zip(self._columns, row, strict=True):
            size = len(value.encode()) if kind == "string" and value is not None else 0
            if size > LONGEST_TEXT:
                reason = f"the text has {size:,} bytes, the warehouse takes {LONGEST_TEXT:,}"
                return Unstorable(TEXT_SIZE, reason, name, value)
        return None


def _keys(snapshot: DatasetSnapshot) -> list[Key]:
    """The first one is what results are sorted by."""
    targets = snapshot.dataset.targets
    texts = {name for name, kind in snapshot.output_columns if kind == "string"}
    redshift = targets.redshift.key if targets.redshift else ()
    named = [target.key for target in (targets.dynamodb, targets.redshift) if target is not None]
    return [
        Key(columns, frozenset(texts.intersection(columns)) if columns == redshift else frozenset())
        for columns in dict.fromkeys(named)
    ]
