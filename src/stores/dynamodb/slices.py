"""Every row of a unit as an item under its natural key, by conditional puts, slice by slice.

An item is replaced only by a run that started no earlier, and within a run by no earlier unit and
no earlier attempt, so that a repeat and an older run leave newer items alone. Puts with conditions
cannot be batched: they go in parallel instead. A unit of many rows is stored in slices: before its
time is up, the function returns where to go on.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from contracts.errors import NotConfigured, Throttled
from contracts.manifest import ManifestEntry
from contracts.messages import StoredRows, StoreDynamodb
from runtime.handler import RemainingTime, utc_now
from sources import frozen
from stores.dynamodb.items import ItemMaker, PlacedItemMaker, refuse
from stores.dynamodb.provenance import provenance_of
from stores.dynamodb.writer import WRITERS, Clock, ItemWriter, Pause, Puts
from tabular import workspace
from tabular.parts import Part, output_parts
from tabular.sql import any_of, sql_literal
from tabular.workspace import Workspace

ROWS_AT_A_TIME: Final = 512
Maker = ItemMaker | PlacedItemMaker


def store_slice(
    message: StoreDynamodb,
    data_bucket: str,
    table: str,
    memory: int,
    remaining: RemainingTime,
    pause: Pause = time.sleep,
    now: Clock = utc_now,
) -> StoredRows:
    """Put a slice of a unit's rows; may be repeated, also after it died half-way.

    Args:
        memory: of the function, in MB.
        remaining: seconds until the invocation ends.
        pause: waits so many seconds.
        now: the clock that dates each put.

    Raises:
        InvalidData: rows cannot be items: over 400 KB, a key too long, a number that is none.
            Names up to five of them; nothing of the unit was written.
        Throttled: the table took not one batch in all the time there was.
        NotConfigured: the contract has no such target.
    """
    snapshot = frozen.read_snapshot(data_bucket, message.run_id)
    target = snapshot.dataset.targets.dynamodb
    if target is None:
        raise NotConfigured(f"dataset {snapshot.dataset.name} has no target dynamodb")
    unit, attempt = message.unit_id, message.run_attempt
    parts = output_parts(data_bucket, message.run_id, unit, message.files)

    def maker_of(entry: ManifestEntry | None = None, place: int | None = None) -> ItemMaker:
        found = provenance_of(message, data_bucket, snapshot, entry)
        found = found and found.processed_as(parts)
        return ItemMaker(snapshot, target, unit, message.job_id, attempt, found, place)

    maker: Maker = maker_of()
    if snapshot.group is not None:
        objects = frozen.objects_of(frozen.read_unit(data_bucket, message.run_id, unit))
        maker = PlacedItemMaker([maker_of(entry, place) for place, entry in enumerate(objects)])
    with (
        workspace.workspace(memory) as space,
        ThreadPoolExecutor(WRITERS) as pool,
    ):
        files = _fetched(space, data_bucket, parts, message.first_row)
        if message.first_row == 0:
            refuse(_problems(space, files, maker))
        writer = ItemWriter(table, pool, remaining, pause, now)
        return _put(_batches(space, files), maker, writer, message.first_row)


@dataclass(frozen=True)
class _File:
    """A part on disk; rows before `first` were stored by an earlier slice."""

    path: Path
    first: int


def _fetched(space: Workspace, bucket: str, parts: Sequence[Part], first_row: int) -> list[_File]:
    """The unit's parts from the slice's first row on."""
    files: list[_File] = []
    before = first_row
    for part in parts:
        path = space.path(part.name)
        workspace.download(bucket, part.key, path)
        rows = space.number(f"SELECT count(*) FROM read_parquet({sql_literal(path)})")
        if before >= rows:
            path.unlink()
        else:
            files.append(_File(path, before))
        before = max(0, before - rows)
    return files


def _problems(space: Workspace, files: Sequence[_File], maker: Maker) -> Iterator[str]:
    """Rows that transform should have quarantined: a last check before anything is written."""
    where = any_of(maker.suspicious())
    for file in files:
        cursor = space.connection.execute(
            f"FROM read_parquet({sql_literal(file.path)}) WHERE {where}"
        )
        while row := cursor.fetchone():
            problem = maker.problem(row)
            if problem is not None:
                yield problem.reason


def _batches(space: Workspace, files: Sequence[_File]) -> Iterator[list[tuple[Any, ...]]]:
    for file in files:
        cursor = space.connection.execute(
            "SELECT * EXCLUDE (file_row_number)"
            f" FROM read_parquet({sql_literal(file.path)}, file_row_number = true)"
            f" WHERE file_row_number >= {file.first}"
        )
        while batch := cursor.fetchmany(ROWS_AT_A_TIME):
            yield batch


def _put(
    batches: Iterator[list[tuple[Any, ...]]], maker: Maker, writer: ItemWriter, first_row: int
) -> StoredRows:
    """Put batch after batch, at least one, until the rows or the time end."""
    rows, puts = 0, Puts()
    for batch in batches:
        if rows and writer.time_is_up:
            return _stored(rows, puts, next_row=first_row + rows)
        try:
            puts += writer.put_all([maker.make(row) for row in batch])
        except Throttled:
            if rows:  # go on from here; what was put of this batch is put again, to no effect
                return _stored(rows, puts, next_row=first_row + rows)
            raise
        rows += len(batch)
    return _stored(rows, puts)


def _stored(rows: int, puts: Puts, next_row: int | None = None) -> StoredRows:
    return StoredRows(
        rows=rows, unchanged=puts.unchanged, superseded=puts.superseded, next_row=next_row
    )
