"""Finds the objects that a request asks for."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import replace

from contracts import layout
from contracts.dataset import DatasetSnapshot, Source
from contracts.errors import InvalidData, InvalidRequest, NotFound, Problem
from contracts.manifest import ManifestEntry, ManifestSummary
from contracts.messages import ListUrls
from contracts.source.input_url import where_looked
from ledger.runs import find_run
from ledger.table import Ledger
from ledger.units import stored_positions
from runtime import s3
from sources.arrays.item_batches import split_array
from sources.groups.stored import objects_not_stored
from sources.limits import check_sizes
from sources.listing import (
    describe,
    describe_all,
    list_source,
    where_listed,
)
from sources.manifest import read_summary
from sources.objects.columns import Listing
from sources.objects.named import left_out, partition
from sources.partitions import partitions
from sources.private_errors import withheld
from sources.readiness import refuse_unready, unready_partitions
from sources.run_state import check_ownership


def find_entries(
    message: ListUrls, snapshot: DatasetSnapshot, data_bucket: str, ledger: Ledger
) -> Listing:
    """The objects that the request asks for, sorted by key.

    A retried run lists those of its objects that it has not stored, as they are now: they may have
    been corrected since. If it never came to a manifest, the request is listed as any other. Of an
    array the objects are its batches.
    """
    request, source = message.request, snapshot.dataset.source
    if request.retry_of is not None:
        unstored = _unstored_entries(request.retry_of, snapshot, data_bucket, ledger)
        if unstored is not None:
            return Listing.of(unstored)
    if request.input_url is not None:
        bucket, key = layout.split_s3_url(snapshot.input_url or request.input_url)
        nothing = left_out(
            source,
            bucket,
            key,
            data_bucket,
            upload=request.of_upload,
            array=snapshot.array is not None,
        )
        if nothing is None and request.of_upload and snapshot.array is None:
            nothing = _unready_upload(source, bucket, key)
        if nothing is not None:
            return nothing
        entry = _described(bucket, key, where_looked(request.input_url, source))
        if snapshot.array is None:
            return Listing.of([entry])
        check_ownership(message, ledger)
        check_sizes([entry], snapshot.array.megabytes, "split it, or raise the limit")
        with withheld(data_bucket, request.run_id, layout.RUN_UNIT, "list-urls", write=True):
            return Listing.of(split_array(entry, snapshot, data_bucket))
    return _list_range(message, snapshot, data_bucket)


def _list_range(message: ListUrls, snapshot: DatasetSnapshot, data_bucket: str) -> Listing:
    request, source = message.request, snapshot.dataset.source
    start, end = request.fixed_start, message.end_date_time
    if start is None:
        raise InvalidData("neither startDateTime nor inputUrl: there is nothing to list")
    bucket, limit = source.bucket or data_bucket, snapshot.dataset.limits.objects
    unready: tuple[str, ...] = ()
    if source.ready is not None:
        names = partitions(source.partition or "", start, end)
        unready = _unready(source, bucket, names)
        if unready and source.ready.otherwise == "wait":
            return Listing(unready=unready)
    listing = list_source(source, bucket, start, end, limit, without=frozenset(unready))
    return replace(listing, looked_at=where_listed(source, bucket), unready=unready)


def _unready_upload(source: Source, bucket: str, key: str) -> Listing | None:
    """What becomes of an uploaded object in a partition that is not ready; None: it is ready.

    As of a range that has this partition only.
    """
    name = partition(source, key)
    if source.ready is None or not name:
        return None
    unready = _unready(source, bucket, [name])
    return Listing(unready=unready) if unready else None


def _unready(source: Source, bucket: str, names: list[str]) -> tuple[str, ...]:
    unready = unready_partitions(source, bucket, names)
    if source.ready is not None and source.ready.otherwise == "fail":
        refuse_unready(source, bucket, unready)
    return unready


def _described(bucket: str, key: str, understood: str | None) -> ManifestEntry:
    """The one object that was asked for.

    Args:
        understood: how the request was, where it did not name bucket and key.

    Raises:
        NotFound: it is not there; names bucket and key.
    """
    url = layout.s3_url(bucket, key)
    try:
        return describe(url, bucket, key)
    except NotFound as error:
        why = f": {understood}" if understood else ""
        raise NotFound(
            f"there is no object {url}{why}; upload it and send the message again"
        ) from error


def _unstored_entries(
    run_id: str, snapshot: DatasetSnapshot, data_bucket: str, ledger: Ledger
) -> Iterator[ManifestEntry] | None:
    summary = read_summary(data_bucket, run_id)
    if summary is None:
        return None
    retried = find_run(ledger, run_id)
    if retried is None or retried.expired_at is not None:  # all of it would seem not to be stored
        problem = "names a run that has expired from the ledger; send its range as a new request"
        raise InvalidRequest("run request", [Problem("retryOf", problem, run_id)])
    if (summary.items is None) != (snapshot.array is None):
        kind = "objects" if summary.items is None else "the items of an array"
        problem = f"names a run over {kind}; its inputUrl has to be this run's, too"
        raise InvalidRequest("run request", [Problem("retryOf", problem, run_id)])
    unstored = _unstored(run_id, summary, data_bucket, ledger)
    return unstored if snapshot.array is not None else describe_all(unstored)  # batches stay


def _unstored(
    run_id: str, summary: ManifestSummary, data_bucket: str, ledger: Ledger
) -> Iterator[ManifestEntry]:
    # A shard's objects lie in two packs at most, of which the next shard has the second.
    read = functools.lru_cache(maxsize=2)(lambda key: s3.read_json(data_bucket, key))
    for shard in range(len(summary.shard_sizes)):
        stored = stored_positions(ledger, run_id, shard)
        part = summary.part(run_id, shard, read)
        for position, entry in enumerate(part.entries):
            unit_id, is_stored = layout.unit_id(shard, position), position in stored
            yield from objects_not_stored(data_bucket, run_id, unit_id, entry, stored=is_stored)
