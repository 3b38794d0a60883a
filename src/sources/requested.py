"""Finds the objects that a request asks for."""

from __future__ import annotations

import json
from dataclasses import replace

from contracts import layout
from contracts.dataset import DatasetSnapshot, Source
from contracts.errors import InvalidData, InvalidRequest, NotFound, Problem
from contracts.input_url import where_looked
from contracts.manifest import ManifestEntry
from contracts.messages import ListUrls
from ledger.table import Ledger
from ledger.units import stored_positions
from sources import frozen
from sources.item_batches import split_array
from sources.limits import check_sizes
from sources.listing import Listing, describe, describe_all, list_source, where_listed
from sources.manifest import read_summary
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
            return Listing(unstored)
    if request.input_url is not None:
        bucket, key = layout.split_s3_url(snapshot.input_url or request.input_url)
        if bucket == (source.bucket or data_bucket):
            held = request.of_upload and snapshot.array is None
            nothing = _left_out(source, key, held_to_suffix=held)
            if nothing is not None:
                return nothing
        entry = _described(bucket, key, where_looked(request.input_url, source))
        if snapshot.array is None:
            return Listing([entry])
        check_ownership(message, ledger)
        check_sizes([entry], snapshot.array.megabytes, "split it, or raise the limit")
        return Listing(split_array(entry, snapshot, data_bucket))
    if request.start_date_time is None:
        raise InvalidData("neither startDateTime nor inputUrl: there is nothing to list")
    bucket, limit = source.bucket or data_bucket, snapshot.dataset.limits.objects
    listing = list_source(source, bucket, request.start_date_time, message.end_date_time, limit)
    return replace(listing, looked_at=where_listed(source, bucket))


def _left_out(source: Source, key: str, *, held_to_suffix: bool) -> Listing | None:
    """The empty listing of an object that the contract leaves out.

    Args:
        held_to_suffix: an upload, judged as a listing would; who names an object means it whatever
            its suffix, and so does a JSON array whose items are the units.
    """
    if source.hides(key):
        return Listing([], hidden=1)
    if source.excludes(key):
        return Listing([], excluded=1)
    below = key.startswith(source.prefix)
    if held_to_suffix and below and not key.endswith(source.suffix):
        suffix = json.dumps(source.suffix, ensure_ascii=False)
        why = f"the uploaded key does not end with {suffix}, the contract's source.suffix"
        return Listing([], reason=f"{why}; a message with its inputUrl processes it all the same")
    return None


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
) -> list[ManifestEntry] | None:
    summary = read_summary(data_bucket, run_id)
    if summary is None:
        return None
    if (summary.items is None) != (snapshot.array is None):
        kind = "objects" if summary.items is None else "the items of an array"
        problem = f"names a run over {kind}; its inputUrl has to be this run's, too"
        raise InvalidRequest("run request", [Problem("retryOf", problem, run_id)])
    unstored: list[ManifestEntry] = []
    for shard in range(len(summary.shard_sizes)):
        stored = stored_positions(ledger, run_id, shard)
        entries = frozen.read_manifest_part(data_bucket, run_id, shard).entries
        unstored += [entry for position, entry in enumerate(entries) if position not in stored]
    now = describe_all(unstored)
    return unstored if snapshot.array is not None else now  # batches do not change
