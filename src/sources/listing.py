"""Lists the objects of a dataset's source that belong to a time range.

An object belongs to `[start, end)` by the instant that the contract's `timeFrom` gives it. For
`partition` that is the beginning of its date partition, and the start counts from the beginning of
its own partition: a run from 06:30 takes the whole day's partition, as its objects have no
finer time. With a partition pattern, only the range's partitions are visited, whatever `timeFrom`
is.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Container, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote_plus

from contracts.dataset import Source
from contracts.errors import InvalidData, NotFound
from contracts.manifest import ManifestEntry
from contracts.source.key_time import KeyTime
from runtime import clients
from runtime.handler import logger
from sources.partitions import partitions

THREADS: Final = 16  # within the client's connection pool
PREFIXES_AT_MOST: Final = (
    1000  # more partitions are found by walking the keys between first and last
)
Belongs = Callable[[str, datetime], bool]


@dataclass(frozen=True)
class Listing:
    """The objects of a run, sorted by key, and how many were left out.

    Attributes:
        hidden: as hidden.
        excluded: by `source.exclude`.
        reason: why an uploaded object is not to be processed, where neither count says it.
        looked_at: what was listed, in words; absent: nothing was.
        unready: partitions of the range whose marker is not there, in order of time: left out, or
            to be waited for.
    """

    entries: list[ManifestEntry]
    hidden: int = 0
    excluded: int = 0
    reason: str | None = None
    looked_at: str | None = None
    unready: tuple[str, ...] = ()


def list_source(
    source: Source,
    bucket: str,
    start: datetime,
    end: datetime,
    limit: int,
    without: Container[str] = (),
) -> Listing:
    """The source's objects from `start` (inclusive) to `end` (exclusive), sorted by key.

    Keys that end with `/` and hold nothing are folders made by a console, and left out; so are
    partitions' markers, and hidden and excluded keys (see `Source`), which are counted.

    Args:
        without: names of partitions that are left out.

    Raises:
        InvalidData: more than `limit` objects.
        InvalidRequest: the range holds more partitions than can be visited.
        NotFound: no such bucket.
    """
    belongs = _belongs(source, start, end)
    if source.partition is None:
        found = _walk(bucket, source.prefix, source.suffix, belongs)
        return _collect(source, [found], limit)
    names = [name for name in partitions(source.partition, start, end) if name not in without]
    if len(names) > PREFIXES_AT_MOST:
        return _collect(source, [span(source, bucket, names, belongs)], limit)

    def visit(name: str) -> Listing:
        walk = _walk(bucket, source.prefix + name, source.suffix, belongs)
        return _shown(source, walk, limit + 1)

    with ThreadPoolExecutor(THREADS) as pool:
        try:
            return _joined(pool.map(visit, names), limit)
        finally:
            pool.shutdown(cancel_futures=True)


def describe(url: str, bucket: str, key: str) -> ManifestEntry:
    """The object as it is now.

    Raises:
        NotFound: it is not there.
    """
    with clients.translated(f"looking at {url}"):
        head = clients.client("s3").head_object(Bucket=bucket, Key=key)
    return _entry(bucket, {**head, "Key": key, "Size": head["ContentLength"]})


def describe_all(entries: list[ManifestEntry]) -> list[ManifestEntry]:
    """The same objects as they are now, in the same order.

    Raises:
        NotFound: some are gone; names the first of them.
    """

    def look(entry: ManifestEntry) -> ManifestEntry | None:
        try:
            return describe(entry.url, entry.bucket, entry.key)
        except NotFound:
            return None

    with ThreadPoolExecutor(THREADS) as pool:
        now = list(pool.map(look, entries))
    gone = [entry.url for entry, found in zip(entries, now, strict=True) if found is None]
    if gone:
        one = len(gone) == 1
        raise NotFound(
            f"{len(gone)} {'object is' if one else 'objects are'} not there any more:"
            f" {', '.join(gone[:10])}; upload {'it' if one else 'them'} again, or send the request"
            " without retryOf, which lists what is there"
        )
    return [entry for entry in now if entry is not None]


def _belongs(source: Source, start: datetime, end: datetime) -> Belongs:
    if source.effective_time_from == "last-modified":
        return lambda _key, modified: start <= modified < end
    if source.effective_time_from == "key":
        pattern = KeyTime.of(source.key_time or "", frozen=True)
        return lambda key, _modified: (
            (instant := key_instant(pattern, key)) is not None and start <= instant < end
        )
    return lambda _key, _modified: True  # only the range's partitions are visited


def in_time(source: Source, key: str) -> bool:
    """Whether a listing can place the object in time: not if its key lacks what `keyTime` seeks."""
    if source.effective_time_from != "key":
        return True
    return key_instant(KeyTime.of(source.key_time or "", frozen=True), key) is not None


def key_instant(pattern: KeyTime, key: str) -> datetime | None:
    """The instant that a key names, or None (logged) when it names none."""
    try:
        return pattern.instant(key)
    except ValueError as error:
        logger.warning("left out: no time in the key", extra={"key": key, "why": str(error)})
        return None


def span(
    source: Source, bucket: str, names: list[str], belongs: Belongs
) -> Iterator[ManifestEntry]:
    """The objects of many partitions by one walk; sortable names bound where it begins and ends."""
    prefix, wanted = source.prefix, set(names)
    lengths = sorted({len(name) for name in names})
    ordered = names == sorted(names)
    start_after = prefix + names[0] if ordered else None
    for entry in _walk(bucket, prefix, source.suffix, belongs, start_after):
        rest = entry.key[len(prefix) :]
        if any(rest[:length] in wanted for length in lengths):
            yield entry
        elif ordered and rest > names[-1]:
            return


def _walk(
    bucket: str, prefix: str, suffix: str, belongs: Belongs, start_after: str | None = None
) -> Iterator[ManifestEntry]:
    arguments: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix, "EncodingType": "url"}
    if start_after:
        arguments["StartAfter"] = start_after
    while True:
        page = _page(bucket, prefix, arguments)
        encoded = page.get("EncodingType") == "url"  # asked for, as XML cannot hold every key
        for found in page.get("Contents", ()):
            key = found["Key"] = _decoded(found["Key"]) if encoded else found["Key"]
            folder = key.endswith("/") and found["Size"] == 0
            if key.endswith(suffix) and not folder and belongs(key, found["LastModified"]):
                yield _entry(bucket, found)
        if not page.get("IsTruncated"):
            return
        arguments["ContinuationToken"] = page["NextContinuationToken"]


def _decoded(key: str) -> str:
    folder, slash, name = key.rpartition("/")
    return _decoded_folder(folder) + slash + unquote_plus(name)


_decoded_folder: Final = functools.lru_cache(1000)(unquote_plus)


def first_key(bucket: str, prefix: str) -> str | None:
    """A key with this prefix, if there is one.

    Raises:
        NotFound: no such bucket.
    """
    found = _page(bucket, prefix, {"Bucket": bucket, "Prefix": prefix, "MaxKeys": 1})
    return next((str(each["Key"]) for each in found.get("Contents", ())), None)


def _page(bucket: str, prefix: str, arguments: dict[str, Any]) -> dict[str, Any]:
    try:
        with clients.translated(f"listing s3://{bucket}/{prefix}"):
            page: dict[str, Any] = clients.client("s3").list_objects_v2(**arguments)
            return page
    except NotFound as error:
        raise NotFound(
            f"there is no bucket {bucket}, in which s3://{bucket}/{prefix} was to be listed;"
            " correct source.bucket of the contract, or create it, and send the message again"
        ) from error


def where_listed(source: Source, bucket: str) -> str:
    """What a listing looks at, for someone whose objects it did not find."""
    limits = {
        "partition": source.partition,
        "suffix": source.suffix,
        "keyTime": source.key_time,
        "timeFrom": source.effective_time_from,
        "ready": source.ready.marker if source.ready else None,
    }
    said = ", ".join(f"{name} {value}" for name, value in limits.items() if value)
    return f"s3://{bucket}/{source.prefix} ({said})"


def _collect(source: Source, parts: Iterable[Iterator[ManifestEntry]], limit: int) -> Listing:
    return _joined((_shown(source, part, limit + 1) for part in parts), limit)


def _shown(source: Source, walk: Iterator[ManifestEntry], most: int) -> Listing:
    """The first entries of a walk that are neither hidden nor excluded."""
    entries: list[ManifestEntry] = []
    hidden = excluded = 0
    for entry in walk:
        if source.is_marker(entry.key):
            continue
        if source.hides(entry.key):
            hidden += 1
            continue
        if source.excludes(entry.key):
            excluded += 1
            continue
        entries.append(entry)
        if len(entries) == most:
            break
    return Listing(entries, hidden, excluded)


def _joined(parts: Iterable[Listing], limit: int) -> Listing:
    entries: list[ManifestEntry] = []
    hidden = excluded = 0
    for part in parts:
        entries += part.entries
        hidden += part.hidden
        excluded += part.excluded
        if len(entries) > limit:
            raise InvalidData(
                f"more than {limit} objects (limits.objects of the dataset), up to"
                f" {entries[limit].url}: ask for a shorter range"
            )
    return Listing(sorted(entries, key=lambda entry: entry.key), hidden, excluded)


def _entry(bucket: str, found: dict[str, Any]) -> ManifestEntry:
    return ManifestEntry(
        bucket=bucket,
        key=found["Key"],
        size=found["Size"],
        etag=found["ETag"].strip('"'),
        last_modified=found["LastModified"],
    )
