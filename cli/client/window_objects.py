"""The objects of a source by the windows of a range, as runs over these windows would list them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from contracts.dataset import Source
from contracts.errors import Problem
from contracts.source.key_time import KeyTime
from contracts.times.windows import Window
from sources.listing import PREFIXES_AT_MOST, key_instant
from sources.partitions import partitions

_THREADS: Final = 8


@dataclass
class Objects:
    """How many objects of a window there are, and how large they are together."""

    objects: int = 0
    bytes: int = 0


def shared_partitions(source: Source, windows: Sequence[Window]) -> list[Problem]:
    """A problem where two windows would read one partition, so that its rows were stored twice.

    Only of sources whose objects have no finer time than that of their partition.
    """
    if source.effective_time_from != "partition" or source.partition is None:
        return []
    for before, window in zip(windows, windows[1:], strict=False):
        first = partitions(source.partition, window.start, window.end)[:1]
        if first and first == partitions(source.partition, before.start, before.end)[-1:]:
            why = (
                f"both the window before {window.start:%Y-%m-%dT%H:%M:%SZ} and the one from then on"
                f" read the partition {first[0]}: windows must begin where partitions"
                f" ({source.partition}, in UTC) do"
            )
            return [Problem("--window", why)]
    return []


def objects_by_window(
    s3: Any, bucket: str, source: Source, windows: Sequence[Window]
) -> list[Objects]:
    """The objects of each window, in the order of the windows, which meet one another.

    Raises:
        botocore.exceptions.ClientError: the bucket may not be listed.
    """
    found = [Objects() for _ in windows]
    starts = [window.start for window in windows]
    for instant, size in _instants(s3, bucket, source, windows[0].start, windows[-1].end):
        if windows[0].start <= instant < windows[-1].end:
            of_window = found[bisect_right(starts, instant) - 1]
            of_window.objects += 1
            of_window.bytes += size
    return found


def _instants(
    s3: Any, bucket: str, source: Source, start: datetime, end: datetime
) -> Iterator[tuple[datetime, int]]:
    """What places an object in time, and its size."""
    if source.partition is None:
        for page in _pages(s3, bucket, source.prefix):
            yield from _timed(source, page)
        return
    named = _named_partitions(source.partition, start, end)
    if len(named) > PREFIXES_AT_MOST:
        for page in _pages(s3, bucket, source.prefix):
            for found in page:
                name = source.partition_of(found["Key"])
                if name in named:
                    yield from _timed(source, [found], named[name])
        return

    def visit(name: str) -> list[tuple[datetime, int]]:
        pages = _pages(s3, bucket, source.prefix + name)
        return [each for page in pages for each in _timed(source, page, named[name])]

    with ThreadPoolExecutor(_THREADS) as pool:
        for each in pool.map(visit, named):
            yield from each


def _named_partitions(pattern: str, start: datetime, end: datetime) -> dict[str, datetime]:
    """When partitions begin, but not before the range: the first one is read whole."""
    step, first = timedelta(days=1), start.replace(hour=0, minute=0, second=0, microsecond=0)
    if "%M" in pattern:
        step, first = timedelta(minutes=1), start.replace(second=0, microsecond=0)
    elif "%H" in pattern:
        step, first = timedelta(hours=1), start.replace(minute=0, second=0, microsecond=0)
    names = partitions(pattern, start, end)
    return {name: max(first + step * number, start) for number, name in enumerate(names)}


def _timed(
    source: Source, page: Sequence[Mapping[str, Any]], of_partition: datetime | None = None
) -> Iterator[tuple[datetime, int]]:
    time_from = source.effective_time_from
    key_time = KeyTime.of(source.key_time or "", frozen=True) if time_from == "key" else None
    for found in page:
        key, size = found["Key"], found["Size"]
        folder = key.endswith("/") and size == 0
        if folder or not key.endswith(source.suffix) or source.is_marker(key):
            continue
        if source.hides(key) or source.excludes(key):
            continue
        instant = found["LastModified"] if time_from == "last-modified" else of_partition
        if key_time is not None:
            instant = key_instant(key_time, key)
        if instant is not None:
            yield instant, size


def _pages(s3: Any, bucket: str, prefix: str) -> Iterator[list[dict[str, Any]]]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield page.get("Contents", [])
