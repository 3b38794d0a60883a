"""Which rows of a unit become which file (targets.files): one range of rows each.

Rows of one partition are brought together by one sort, in their order, so that a repeat puts the
same rows into the same files, and a partition has few of them. Memory stays bounded: DuckDB sorts
on disk, and one file is written at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from contracts.dataset import FilesTarget
from contracts.errors import InvalidData
from contracts.output.files import (
    KEY_BYTES_AT_MOST,
    PARTITIONS_PER_UNIT,
    FileRecord,
    file_key,
    unkeyable,
)
from tabular.part_files import NUMBER, RowFiles, Rows, cut, numbered
from tabular.sql import STORED, sql_identifier, sql_literal
from tabular.workspace import Workspace

RELATION: Final = "stored-rows"  # the hyphen keeps it apart from every column
_SHOWN: Final = 100  # characters of a value


@dataclass(frozen=True)
class PlannedFile:
    """A file to be: rows `first` to `last`, without that one, of the rows planned."""

    key: str
    partition: dict[str, str | None]
    first: int
    last: int

    def record(self, size: int) -> FileRecord:
        """What is recorded of it once it is there; `size` in bytes."""
        rows = self.last - self.first
        return FileRecord(key=self.key, rows=rows, bytes=size, partition=self.partition)


@dataclass(frozen=True)
class Plan:
    """All files of a unit, none without rows."""

    rows: Rows
    files: tuple[PlannedFile, ...]


def plan_files(
    space: Workspace,
    target: FilesTarget,
    stored: RowFiles,
    run_id: str,
    unit_id: str,
    part_bytes: int,
) -> Plan:
    """Bring the rows of each partition together, and cut them into files.

    Args:
        stored: what transform left; the files go when there is a sorted one.
        part_bytes: about how large a file should become, as Parquet.

    Raises:
        InvalidData: there are too many partitions, or a value cannot be part of a key.
    """
    rows = Rows(stored, RELATION)
    rows.show(space)
    partitions = _partitions(space, target, f"unit {unit_id} of run {run_id}")
    if len(partitions) > 1:
        rows = _sorted(space, target, stored)
        rows.show(space)
    files: list[PlannedFile] = []
    before = 0
    for partition, count in partitions:
        size = rows.files.size * count // max(1, rows.count)
        for part, (first, last) in enumerate(cut(before, before + count, size, part_bytes)):
            key = file_key(target.prefix, partition, run_id, unit_id, part, target.ending)
            _refuse_long(key, partition)
            files.append(PlannedFile(key, partition, first, last))
        before += count
    return Plan(rows, tuple(files))


def _partitions(
    space: Workspace, target: FilesTarget, where: str
) -> list[tuple[dict[str, str | None], int]]:
    """Each partition with its number of rows, in the order of the rows once they are sorted."""
    names = target.partition_by
    if not names:
        count = space.number(f"SELECT count(*) FROM {sql_identifier(RELATION)}")
        return [({}, count)] if count else []
    columns = _list(names)
    distinct = space.number(
        f"SELECT count(*) FROM (SELECT DISTINCT {columns} FROM {sql_identifier(RELATION)})"
    )
    if distinct > PARTITIONS_PER_UNIT:
        raise InvalidData(
            f"targets.files.partitionBy {', '.join(names)} makes {distinct:,} partitions of"
            f" {where}; at most {PARTITIONS_PER_UNIT:,} are written: take columns of fewer values"
        )
    shown = ", ".join(f"CAST({sql_identifier(name)} AS VARCHAR)" for name in names)
    found = space.connection.execute(
        f"SELECT {shown}, count(*) FROM {sql_identifier(RELATION)} GROUP BY {columns}"
        f" ORDER BY {_order(names)}"
    ).fetchall()
    partitions = [(dict(zip(names, values, strict=True)), int(count)) for *values, count in found]
    for partition, _ in partitions:
        _refuse_unkeyable(partition)
    return partitions


def _sorted(space: Workspace, target: FilesTarget, stored: RowFiles) -> Rows:
    """The rows by partition, in their order within each, in a file of their own."""
    path = space.path("by-partition.parquet")
    count = space.number(
        f"COPY (SELECT * EXCLUDE ({NUMBER}) FROM ({numbered(space, stored)})"
        f" ORDER BY {_order(target.partition_by)}, {NUMBER}) TO {sql_literal(path)} {STORED}"
    )
    stored.unlink()
    return Rows(RowFiles((path,), (count,)), RELATION)


def _refuse_unkeyable(partition: dict[str, str | None]) -> None:
    for column, value in partition.items():
        why = unkeyable(value)
        if why is not None:
            raise InvalidData(
                f"{value!r} in column {column} cannot be part of a file's key: it is {why};"
                " let the transform give another value"
            )


def _refuse_long(key: str, partition: dict[str, str | None]) -> None:
    size = len(key.encode())
    if size > KEY_BYTES_AT_MOST and partition:
        column, value = max(partition.items(), key=lambda pair: len(pair[1] or ""))
        raise InvalidData(
            f"{(value or '')[:_SHOWN]!r}… in column {column} cannot be part of a file's key: the"
            f" key would have {size:,} bytes, S3 takes {KEY_BYTES_AT_MOST:,}"
        )


def _order(names: Sequence[str]) -> str:
    return ", ".join(f"{sql_identifier(name)} ASC NULLS LAST" for name in names)


def _list(names: Sequence[str]) -> str:
    return ", ".join(sql_identifier(name) for name in names)
