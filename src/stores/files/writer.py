"""A unit's rows as files in the output bucket, below the prefix of targets.files.

Keys follow from run, unit and rows, so a repeat overwrites its own files. Each appears when it is
whole. Once all are there the unit records them in the data bucket (`contracts.output.files`), and
files of an earlier try that it has no more are removed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

import duckdb

from contracts.dataset import DatasetSnapshot, FilesTarget
from contracts.errors import InvalidData, NotConfigured
from contracts.messages import StoredFiles, StoreFiles
from contracts.output.files import FileRecord, UnitFiles
from reading_rules.malformed import first_line
from runtime.handler import logger
from sources import frozen
from stores.files.bucket import OutputBucket
from stores.files.formats import FileFormat
from stores.files.partitions import Plan, plan_files
from stores.files.records import FileRecords
from tabular import workspace
from tabular.capacity import Capacity
from tabular.failures import failed
from tabular.fetched_parts import fetch_parts
from tabular.part_files import RowFiles
from tabular.parts import Part, output_parts
from tabular.sql import sql_literal
from tabular.workspace import MEGABYTE, Workspace

UPLOADS: Final = 8  # at a time; so many files wait on the disk at most
_WAITING_BYTES: Final = 1024 * MEGABYTE  # of them together; then the next one waits to be written
_LARGEST_PART: Final = 128 * MEGABYTE  # as Parquet; as text it may be many times that
# Disk that a byte of rows comes to: the rows and some files; or what a sort spills of them
# uncompressed, and the sorted ones (transformation.transformer has measured it).
_DISK: Final = {False: 2.0, True: 7.0}
_ADVICE: Final = "make the objects smaller"


def store_unit(
    message: StoreFiles, data_bucket: str, output_bucket: str, capacity: Capacity
) -> StoredFiles:
    """Write a unit's files; may be repeated, also after it died half-way.

    Raises:
        InvalidData: there are too many partitions, a value cannot be part of a key, there are other
            rows than there must be, or there is not enough disk. Nothing was written.
        NotConfigured: the contract has no such target, or the output bucket cannot be written.
        OwnershipLost: a later attempt of the run writes this unit's files.
    """
    snapshot = frozen.read_snapshot(data_bucket, message.run_id)
    target = snapshot.dataset.targets.files
    if target is None:
        raise NotConfigured(f"dataset {snapshot.dataset.name} has no target files")
    with workspace.workspace(capacity.memory) as space:
        try:
            disk = _DISK[bool(target.partition_by)]
            rows = _fetched(space, message, data_bucket, capacity, disk)
            plan = _planned(space, message, snapshot, target, rows)
            form = FileFormat.of(target, snapshot.output_columns)
            records = FileRecords(data_bucket, message.run_id, message.unit_id, message.run_attempt)
            bucket = OutputBucket(output_bucket, message.run_attempt)
            files = _store(space, message, plan, form, records, bucket)
        except duckdb.Error as error:
            raise failed(
                error,
                f"the rows of unit {message.unit_id} of run {message.run_id} cannot be written as"
                f" files: {first_line(error)}; {_ADVICE}",
            ) from error
    response = StoredFiles(rows=files.rows, files=len(files.files), bytes=files.bytes)
    logger.info("files stored", extra=response.to_json())
    return response


def _planned(
    space: Workspace,
    message: StoreFiles,
    snapshot: DatasetSnapshot,
    target: FilesTarget,
    rows: RowFiles,
) -> Plan:
    if message.rows not in (None, rows.count):
        raise InvalidData(f"unit {message.unit_id} has {rows.count} rows, not {message.rows}")
    part_bytes = min(snapshot.dataset.limits.part_megabytes * MEGABYTE, _LARGEST_PART)
    return plan_files(space, target, rows, message.run_id, message.unit_id, part_bytes)


def _store(
    space: Workspace,
    message: StoreFiles,
    plan: Plan,
    form: FileFormat,
    records: FileRecords,
    bucket: OutputBucket,
) -> UnitFiles:
    """Write the files, record them, and remove those of an earlier try that there are no more."""
    gone = records.begin([file.key for file in plan.files])
    with ThreadPoolExecutor(UPLOADS) as pool:
        files = tuple(_written(space, plan, form, bucket, pool))
        done = UnitFiles(
            run_id=message.run_id,
            unit_id=message.unit_id,
            run_attempt=message.run_attempt,
            files=files,
            rows=sum(file.rows for file in files),
            bytes=sum(file.bytes for file in files),
        )
        records.end(done)
        for _ in pool.map(bucket.remove, gone):
            pass
    return done


def _fetched(
    space: Workspace, message: StoreFiles, data_bucket: str, capacity: Capacity, disk: float
) -> RowFiles:
    """The unit's parts, on disk.

    Args:
        disk: what a byte of them comes to.

    Raises:
        InvalidData: there is not enough.
    """
    parts = output_parts(data_bucket, message.run_id, message.unit_id, message.files)
    _check_disk(parts, message, capacity, disk)
    return fetch_parts(space, data_bucket, parts)


def _check_disk(parts: list[Part], message: StoreFiles, capacity: Capacity, disk: float) -> None:
    size, there = sum(part.size for part in parts) / MEGABYTE, capacity.disk
    if size * disk > there:
        raise InvalidData(
            f"unit {message.unit_id} of run {message.run_id} needs about {size * disk:.0f} MB of"
            f" disk for {size:.0f} MB of rows as files; the function has {there} MB: {_ADVICE}"
        )


def _written(
    space: Workspace, plan: Plan, form: FileFormat, bucket: OutputBucket, pool: ThreadPoolExecutor
) -> Iterator[FileRecord]:
    """Write file after file, while finished ones are being put."""
    under_way: deque[tuple[Future[None], FileRecord]] = deque()
    waiting = 0
    for number, file in enumerate(plan.files):
        path = space.path(f"file-{number}")
        plan.rows.show(space, file.first, file.last)
        space.connection.execute(
            f"COPY (SELECT {form.select} FROM ({plan.rows.query}))"
            f" TO {sql_literal(path)} {form.options}"
        )
        record = file.record(path.stat().st_size)
        under_way.append((pool.submit(_put, bucket, path, file.key), record))
        waiting += record.bytes
        while len(under_way) > UPLOADS or (under_way and waiting > _WAITING_BYTES):
            done = _done(*under_way.popleft())
            waiting -= done.bytes
            yield done
    while under_way:
        yield _done(*under_way.popleft())


def _put(bucket: OutputBucket, path: Path, key: str) -> None:
    bucket.put(path, key)
    path.unlink()


def _done(put: Future[None], record: FileRecord) -> FileRecord:
    put.result()
    return record
