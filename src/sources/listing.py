"""Lists the objects of a dataset's source that belong to a time range.

An object belongs to `[start, end)` by the instant that the contract's `timeFrom` gives it. For
`partition` that is the beginning of its date partition, and the start counts from the beginning of
its own partition: a run from 06:30 takes the whole day's partition, as its objects have no
finer time. With a partition pattern, only the range's partitions are visited, whatever `timeFrom`
is.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import islice
from typing import Any, Final
from urllib.parse import unquote_plus

from contracts.dataset import Source
from contracts.errors import NotFound
from contracts.manifest import ManifestEntry
from contracts.source.key_time import KeyTime
from runtime import clients
from runtime.handler import logger
from runtime.object_listing import columns
from sources.limits import NAMED_AT_MOST, limited
from sources.objects.ahead import THREADS, in_order
from sources.objects.columns import LeftOut, Listing, Objects
from sources.partitions import partitions

PREFIXES_AT_MOST: Final = (
    1000  # more partitions are found by walking the keys between first and last
)
LOOKED_AT_TOGETHER: Final = 1000
Belongs = Callable[[str, datetime], bool]


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
    partitions' markers, and hidden and excluded keys (see `Source`), which are counted. Pages are
    read as their objects are taken, and some ahead; so the objects raise what S3 says.

    Args:
        without: names of partitions that are left out.

    Raises:
        InvalidRequest: the range holds more partitions than can be visited.
        InvalidData: more than `limit` objects; raised by the objects.
        NotFound: no such bucket; likewise.
    """
    belongs, counted = _belongs(source, start, end), LeftOut()
    if source.partition is None:
        walks = [functools.partial(_walk, bucket, source.prefix, source.suffix, belongs)]
    else:
        names = partitions(source.partition, start, end)
        names = [name for name in names if name not in without]
        if len(names) > PREFIXES_AT_MOST:
            walks = [functools.partial(span, source, bucket, names, belongs)]
        else:
            prefixes = [source.prefix + name for name in _sorted(names)]
            walks = [
                functools.partial(_walk, bucket, prefix, source.suffix, belongs)
                for prefix in prefixes
            ]
    found = (_shown(source, some, counted) for some in in_order(walks))
    return Listing(limited(found, limit), counted)


def _sorted(names: Sequence[str]) -> list[str]:
    """The names in the order of keys, but for those that others begin with, whose keys those list
    as well."""
    ordered: list[str] = []
    for name in sorted(names):
        if not ordered or not name.startswith(ordered[-1]):
            ordered.append(name)
    return ordered


def describe(url: str, bucket: str, key: str) -> ManifestEntry:
    """The object as it is now.

    Raises:
        NotFound: it is not there.
    """
    with clients.translated(f"looking at {url}"):
        head = clients.client("s3").head_object(Bucket=bucket, Key=key)
    return _entry(bucket, {**head, "Key": key, "Size": head["ContentLength"]})


def describe_all(entries: Iterable[ManifestEntry]) -> Iterator[ManifestEntry]:
    """The same objects as they are now, in the same order; those that are gone are left out.

    Raises:
        NotFound: some are gone, once all have been looked at; names the first of them.
    """

    def look(entry: ManifestEntry) -> ManifestEntry | None:
        try:
            return describe(entry.url, entry.bucket, entry.key)
        except NotFound:
            return None

    count, gone = 0, list[str]()
    with ThreadPoolExecutor(THREADS) as pool:
        for some in _in_lots(entries):
            for entry, found in zip(some, pool.map(look, some), strict=True):
                if found is not None:
                    yield found
                    continue
                count += 1
                if len(gone) < NAMED_AT_MOST:
                    gone.append(entry.url)
    if count:
        one = count == 1
        raise NotFound(
            f"{count} {'object is' if one else 'objects are'} not there any more:"
            f" {', '.join(gone)}; upload {'it' if one else 'them'} again, or send the request"
            " without retryOf, which lists what is there"
        )


def _in_lots(entries: Iterable[ManifestEntry]) -> Iterator[list[ManifestEntry]]:
    left = iter(entries)
    while some := list(islice(left, LOOKED_AT_TOGETHER)):
        yield some


def _belongs(source: Source, start: datetime, end: datetime) -> Belongs | None:
    """Whether an object belongs to the range; None: all of the visited partitions do."""
    if source.effective_time_from == "last-modified":
        return lambda _key, modified: start <= modified < end
    if source.effective_time_from == "key":
        pattern = KeyTime.of(source.key_time or "", frozen=True)
        return lambda key, _modified: (
            (instant := key_instant(pattern, key)) is not None and start <= instant < end
        )
    return None


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
    source: Source, bucket: str, names: list[str], belongs: Belongs | None
) -> Iterator[Objects]:
    """The objects of many partitions by one walk; sortable names bound where it begins and ends."""
    prefix, wanted = source.prefix, set(names)
    lengths = sorted({len(name) for name in names})
    ordered = names == sorted(names)
    start_after = prefix + names[0] if ordered else None
    for some in _walk(bucket, prefix, source.suffix, belongs, start_after):
        below = [key[len(prefix) :] for key in some.keys]
        flags = [any(rest[:length] in wanted for length in lengths) for rest in below]
        yield some.only(flags)
        if ordered and flags and not flags[-1] and below[-1] > names[-1]:
            return


def _walk(
    bucket: str,
    prefix: str,
    suffix: str,
    belongs: Belongs | None,
    start_after: str | None = None,
) -> Iterator[Objects]:
    """The objects below a prefix, page by page: those of the suffix that belong to the range."""
    arguments: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix, "EncodingType": "url"}
    if start_after:
        arguments["StartAfter"] = start_after
    while True:
        page = _page(bucket, prefix, arguments)
        keys, sizes, etags, instants, modified = columns(page.get("Contents", ()))
        if page.get("EncodingType") == "url":  # asked for, as XML cannot hold every key
            keys = [_decoded(key) for key in keys]
        wanted = [
            key.endswith(suffix) and (size > 0 or key[-1:] != "/")
            for key, size in zip(keys, sizes, strict=True)
        ]
        if belongs is not None:
            wanted = [
                is_one and belongs(key, instant)
                for is_one, key, instant in zip(wanted, keys, instants, strict=True)
            ]
        etags = [etag.strip('"') for etag in etags]
        yield Objects(bucket, keys, sizes, etags, modified).only(wanted)
        if not page.get("IsTruncated"):
            return
        arguments["ContinuationToken"] = page["NextContinuationToken"]


def _decoded(key: str) -> str:
    folder, slash, name = key.rpartition("/")
    if "%" in name or "+" in name:
        name = unquote_plus(name)
    return _decoded_folder(folder) + slash + name


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


def _shown(source: Source, some: Objects, counted: LeftOut) -> Objects:
    """Those of the objects that are neither markers nor hidden nor excluded."""
    if not _may_leave_out(source, some):
        return some
    wanted = []
    for key in some.keys:
        hidden = excluded = False
        marker = source.is_marker(key)
        if not marker:
            hidden = source.hides(key)
            excluded = not hidden and source.excludes(key)
        counted.hidden += hidden
        counted.excluded += excluded
        wanted.append(not (marker or hidden or excluded))
    return some.only(wanted)


def _may_leave_out(source: Source, some: Objects) -> bool:
    """False only if none of the objects is left out, at a fraction of what asking for each costs:
    no part of a key begins with a character that hides it."""
    if source.ready is not None or source.exclude or source.prefix[-1:] not in ("", "/"):
        return True
    keys = "/".join(("", *some.keys))
    return source.hidden != "read" and ("/_" in keys or "/." in keys)


def _entry(bucket: str, found: dict[str, Any]) -> ManifestEntry:
    return ManifestEntry(
        bucket=bucket,
        key=found["Key"],
        size=found["Size"],
        etag=found["ETag"].strip('"'),
        last_modified=found["LastModified"],
    )
