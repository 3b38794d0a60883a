"""Writes the groups of a run's objects: each becomes the entry of one unit in the manifest."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from contracts import layout
from contracts.base import canonical_json
from contracts.dataset import DatasetSnapshot, Group
from contracts.manifest import ManifestEntry, ObjectGroup
from runtime import clients, s3
from sources.groups.planning import Entries, grouped, refuse_over_disk
from sources.objects.columns import Objects

WRITERS: Final = 16
WAITING_AT_MOST: Final = 2 * WRITERS  # groups in memory


def grouped_objects(
    objects: Iterable[Objects],
    snapshot: DatasetSnapshot,
    run_attempt: int,
    data_bucket: str,
    disk: int,
) -> Iterable[Objects]:
    """What the run's units read, in order: where it groups, each a list of objects in S3.

    The lists are the attempt's own, as the manifest's packs are; a repeat writes the same. The
    objects may come while they are being listed, and are not all in memory.

    Args:
        disk: of the function that validates units, in MB.

    Raises:
        InvalidData: a group would not fit it.
    """
    group = snapshot.group
    if group is None:
        return objects
    entries = (entry for some in objects for entry in some.entries())
    return Objects.of(_groups(entries, group, snapshot, run_attempt, data_bucket, disk))


def _groups(
    entries: Iterable[ManifestEntry],
    group: Group,
    snapshot: DatasetSnapshot,
    run_attempt: int,
    data_bucket: str,
    disk: int,
) -> Iterator[ManifestEntry]:
    waiting: deque[Future[ManifestEntry]] = deque()
    clients.client("s3")  # made here: making clients is not thread-safe
    with ThreadPoolExecutor(WRITERS) as pool:
        try:
            for number, unit in enumerate(grouped(entries, group)):
                refuse_over_disk(unit, group, snapshot.dataset.format, disk)
                key = layout.group_key(snapshot.run_id, number, run_attempt)
                waiting.append(pool.submit(_write, unit, snapshot.run_id, data_bucket, key))
                if len(waiting) > WAITING_AT_MOST:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _write(unit: Entries, run_id: str, bucket: str, key: str) -> ManifestEntry:
    document = ObjectGroup(run_id=run_id, entries=unit).to_json()
    s3.write_json(bucket, key, document)
    return ManifestEntry(
        bucket=bucket,
        key=key,
        size=sum(entry.size for entry in unit),
        etag=hashlib.sha256(canonical_json(document).encode()).hexdigest()[:32],
        last_modified=max(entry.last_modified for entry in unit),
        objects=len(unit),
    )
