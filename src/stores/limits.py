"""The limits of a contract's targets, checked on a transform's result before anything is stored.

A row that one target cannot take goes to none of them, so all targets hold the same rows.
`stores.rules` lists the rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from contracts.dataset import DatasetSnapshot, FilesTarget
from contracts.manifest import ManifestEntry
from contracts.messages import Transform
from contracts.output.files import KEY_BYTES_AT_MOST, NULL_PARTITION, escaped, file_key, unkeyable
from stores.dynamodb.items import ItemMaker, Unstorable
from stores.dynamodb.provenance import provenance_of
from stores.redshift.sql import LONGEST_TEXT
from stores.rules import PARTITION, TEXT_SIZE
from tabular.sql import sql_identifier, sql_literal


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
        """SQL expressions by which two rows count as different."""
        return [
            f"rtrim({sql_identifier(name)}, ' ')" if name in self.trimmed else sql_identifier(name)
            for name in self.columns
        ]

    @property
    def missing(self) -> str:
        """SQL, true for a row that does not have all of it."""
        return " OR ".join(f"{sql_identifier(name)} IS NULL" for name in self.columns)


class PartitionLimits:
    """What values the columns may have that become parts of files' keys (targets.files).

    Only texts are looked at: every other type has short values.
    """

    _OTHERS: Final = 48  # bytes; the longest is a decimal of 38 digits

    def __init__(self, snapshot: DatasetSnapshot, target: FilesTarget, unit_id: str) -> None:
        names = [name for name, _ in snapshot.output_columns]
        texts = {name for name, kind in snapshot.output_columns if kind == "string"}
        self._texts = [name for name in target.partition_by if name in texts]
        self._positions = [names.index(name) for name in self._texts]
        empty: dict[str, str | None] = dict.fromkeys(target.partition_by, "")
        rest = file_key(target.prefix, empty, snapshot.run_id, unit_id, 0, target.ending)
        others = self._OTHERS * (len(target.partition_by) - len(self._texts))
        self._bytes_left = KEY_BYTES_AT_MOST - len(rest.encode()) - others

    def suspicious(self) -> list[str]:
        """As of StoreLimits: a text may become three times as long when it is escaped."""
        if not self._texts:
            return []
        sizes = " + ".join(
            f"3 * coalesce(strlen({sql_identifier(name)}), 9)" for name in self._texts
        )
        named = [
            f"{sql_identifier(name)} IN ('', {sql_literal(NULL_PARTITION)})" for name in self._texts
        ]
        return [*named, f"{sizes} > {self._bytes_left}"]

    def problem(self, row: Sequence[Any]) -> Unstorable | None:
        values = {name: row[at] for name, at in zip(self._texts, self._positions, strict=True)}
        for name, value in values.items():
            why = unkeyable(value)
            if why is not None:
                return Unstorable(PARTITION, f"cannot be part of a file's key: {why}", name, value)
        sizes = {name: len(escaped(value).encode()) for name, value in values.items()}
        over = sum(sizes.values()) - self._bytes_left
        if over <= 0:
            return None
        longest = max(sizes, key=lambda name: sizes[name])
        reason = f"the file's key would have {over:,} bytes more than the 1,024 that S3 takes"
        return Unstorable(PARTITION, reason, longest, values[longest])


class StoreLimits:
    """What may be in the result of one unit.

    Args:
        message: names the job and the execution, which each item repeats.
        of: of a unit that holds several objects: one of these, and its place.

    Attributes:
        keys: every key that must be there, and once.
    """

    def __init__(
        self,
        snapshot: DatasetSnapshot,
        message: Transform,
        data_bucket: str,
        of: tuple[ManifestEntry, int] | None = None,
    ) -> None:
        targets = snapshot.dataset.targets
        entry, place = of or (None, None)
        self._columns = snapshot.output_columns
        self._texts = [name for name, kind in snapshot.output_columns if kind == "string"]
        self._in_warehouse = targets.redshift is not None
        self._items = (
            ItemMaker(
                snapshot,
                targets.dynamodb,
                message.unit_id,
                message.job_id,
                provenance=provenance_of(message, data_bucket, snapshot, entry),
                place=place,
            )
            if targets.dynamodb
            else None
        )
        files = targets.files
        self._partitions = PartitionLimits(snapshot, files, message.unit_id) if files else None
        self.keys = _keys(snapshot)

    def suspicious(self) -> list[str]:
        """SQL conditions over the result's columns: any is true for a row that `problem` may be
        about, and for hardly another one."""
        conditions = self._items.suspicious() if self._items else []
        if self._in_warehouse:
            conditions += [
                f"strlen({sql_identifier(name)}) > {LONGEST_TEXT}" for name in self._texts
            ]
        return conditions + (self._partitions.suspicious() if self._partitions else [])

    def problem(self, row: Sequence[Any]) -> Unstorable | None:
        """Why a row by itself cannot be stored everywhere; None if it can."""
        found = self._items.problem(row) if self._items else None
        if found is None and self._in_warehouse:
            found = self._too_long(row)
        if found is None and self._partitions:
            found = self._partitions.problem(row)
        return found

    def _too_long(self, row: Sequence[Any]) -> Unstorable | None:
        for (name, kind), value in zip(self._columns, row, strict=True):
            size = len(value.encode()) if kind == "string" and value is not None else 0
            if size > LONGEST_TEXT:
                reason = f"the text has {size:,} bytes, the warehouse takes {LONGEST_TEXT:,}"
                return Unstorable(TEXT_SIZE, reason, name, value)
        return None


def _keys(snapshot: DatasetSnapshot) -> list[Key]:
    """The first one is what results are sorted by; without one, all columns are."""
    targets = snapshot.dataset.targets
    texts = {name for name, kind in snapshot.output_columns if kind == "string"}
    redshift = targets.redshift.key if targets.redshift else ()
    named = [target.key for target in (targets.dynamodb, targets.redshift) if target is not None]
    return [
        Key(columns, frozenset(texts.intersection(columns)) if columns == redshift else frozenset())
        for columns in dict.fromkeys(named)
    ]
