"""Writes the groups of a run's objects: each becomes the entry of one unit in the manifest."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from contracts import layout
from contracts.base import canonical_json
from contracts.dataset import DatasetSnapshot
from contracts.manifest import ManifestEntry, ObjectGroup
from runtime import clients, s3
from sources.groups.planning import Entries, grouped, refuse_over_disk

WRITERS: Final = 16
WAITING_AT_MOST: Final = 2 * WRITERS  # groups in memory


def group_entries(
    entries: Iterable[ManifestEntry],
    snapshot: DatasetSnapshot,
    run_attempt: int,
    data_bucket: str,
    disk: int,
) -> Iterator[ManifestEntry]:
    """The entries of the run's units, in order: where it groups, each a list of objects in S3.

    The lists are the attempt's own, as the manifest's parts are; a repeat writes the same. The
    objects may come while they are being listed, and are not all in memory.

    Args:
        disk: of the function that validates units, in MB.

    Raises:
        InvalidData: a group would not fit it.
    """
    group, form = snapshot.group, snapshot.dataset.format
    if group is None:
        yield from entries
        return
    waiting: deque[Future[ManifestEntry]] = deque()
    clients.client("s3")  # made here: making clients is not thread-safe
    with ThreadPoolExecutor(WRITERS) as pool:
        try:
            for number, unit in enumerate(grouped(entries, group)):
                refuse_over_disk(unit, group, form, disk)
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
