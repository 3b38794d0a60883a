"""Splits a JSON array in S3 into batches of items: JSON lines objects of the run."""

from __future__ import annotations

import gzip
import io
import zlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from contracts import layout
from contracts.dataset import DatasetSnapshot, RowLimits, Severity
from contracts.errors import InvalidData
from contracts.manifest import ManifestEntry
from reading_rules.encodings import effective_compression
from runtime import clients
from runtime.handler import logger
from sources.arrays.json_array import array_items
from sources.ranged import RANGE_BYTES, RangedObject

MEGABYTE: Final = 1024 * 1024
BATCH_CHARACTERS: Final = 4 * MEGABYTE  # larger items make smaller batches
WRITERS: Final = 16
WAITING_AT_MOST: Final = 2 * WRITERS  # batches in memory


@dataclass(frozen=True)
class Batch:
    """Items of an array that go together; `first` is the index of the first one, from 0."""

    first: int
    items: tuple[str, ...]


def split_array(
    entry: ManifestEntry, snapshot: DatasetSnapshot, data_bucket: str
) -> list[ManifestEntry]:
    """Write the array's batches under the run's prefix; returns them in order.

    Keys and contents follow from the array alone, so a repeat writes the same. The array is read in
    ranges of the version that was described: neither it nor its batches are ever whole in memory.

    Raises:
        InvalidData: not a JSON array; too many or too few items; it changed while it was read.
        NotFound: it is gone.
    """
    array = snapshot.array
    if array is None:
        raise ValueError(f"{entry.url} was not taken for an array when its contract was loaded")
    packing = effective_compression(array.compression, entry.key)
    ranges = RangedObject(entry.bucket, entry.key, entry.etag, entry.size)
    blocks = _blocks(_decompressed(ranges, packing, entry.url), entry.url)
    items = array_items(blocks, entry.url, array.records)
    batches = _batches(items, array.items_per_batch)
    limit = snapshot.dataset.limits.objects
    entries: list[ManifestEntry] = []
    waiting: deque[Future[ManifestEntry]] = deque()
    write = _Writer(entry, snapshot.run_id, data_bucket).write
    with ThreadPoolExecutor(WRITERS) as pool:
        try:
            for batch in batches:
                if len(entries) + len(waiting) >= limit:
                    raise InvalidData(
                        f"{entry.url} makes more than {limit} batches (limits.objects of the"
                        f" dataset) of {array.items_per_batch} items: ask for a larger"
                        " itemsPerBatch, up to 1000"
                    )
                waiting.append(pool.submit(write, batch))
                if len(waiting) > WAITING_AT_MOST:
                    entries.append(waiting.popleft().result())
            entries += [future.result() for future in waiting]
        finally:
            pool.shutdown(cancel_futures=True)
    if array.rows is not None:
        _check_number(sum(batch.items or 0 for batch in entries), array.rows, entry.url)
    return entries


def _check_number(items: int, limits: RowLimits, url: str) -> None:
    """Check the array against the contract's `rows`; a warning is logged."""
    least, most = limits.minimum or 0, limits.maximum
    if least <= items and (most is None or items <= most):
        return
    wanted = f"at least {least}" if items < least else f"at most {most}"
    problem = f"{url} has {items} items, {wanted} are allowed (rows of the dataset)"
    if limits.severity is Severity.FAIL:
        raise InvalidData(problem)
    logger.warning("unexpected number of items", extra={"problem": problem})


def _batches(items: Iterator[str], items_per_batch: int) -> Iterator[Batch]:
    first, size, batch = 0, 0, list[str]()
    for item in items:
        if batch and (len(batch) == items_per_batch or size + len(item) > BATCH_CHARACTERS):
            yield Batch(first, tuple(batch))
            first, size, batch = first + len(batch), 0, []
        batch.append(item)
        size += len(item)
    if batch:
        yield Batch(first, tuple(batch))


class _Writer:
    """Writes batches, from any thread."""

    def __init__(self, array: ManifestEntry, run_id: str, bucket: str) -> None:
        self._array, self._run_id, self._bucket = array, run_id, bucket
        self._client = clients.client("s3")  # made here: making clients is not thread-safe

    def write(self, batch: Batch) -> ManifestEntry:
        key = layout.item_batch_key(self._run_id, batch.first)
        body = "".join(f"{item}\n" for item in batch.items).encode("utf-8", "surrogateescape")
        with clients.translated(f"writing s3://{self._bucket}/{key}"):
            response = self._client.put_object(
                Bucket=self._bucket, Key=key, Body=body, ContentType="application/x-ndjson"
            )
        return ManifestEntry(
            bucket=self._bucket,
            key=key,
            size=len(body),
            etag=response["ETag"].strip('"'),
            last_modified=self._array.last_modified,
            items=len(batch.items),
        )


def _decompressed(ranges: RangedObject, packing: str, url: str) -> io.BufferedIOBase:
    """The array's bytes as they are meant."""
    buffered = io.BufferedReader(ranges, RANGE_BYTES)
    if packing not in ("none", "gzip"):
        raise InvalidData(f"{url}: an array of items may be gzip or plain, not {packing}")
    return gzip.GzipFile(fileobj=buffered) if packing == "gzip" else buffered


def _blocks(file: io.BufferedIOBase, url: str) -> Iterator[bytes]:
    while True:
        try:
            block = file.read(MEGABYTE)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise InvalidData(f"{url} cannot be unpacked: {error}") from error
        if not block:
            return
        yield block
