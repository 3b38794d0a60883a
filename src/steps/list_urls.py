"""list_urls: freeze a run's objects into a manifest, once, and tell which are pending."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from contracts import layout
from contracts.dataset import DatasetSnapshot, Limits
from contracts.errors import InvalidData, InvalidRequest, NotFound, Problem
from contracts.input_url import where_looked
from contracts.manifest import ManifestEntry, ManifestSummary
from contracts.messages import ListUrls
from contracts.run import RunStatus
from ledger.conditions import RUN
from ledger.runs import change_run, find_run, owned_run
from ledger.stop_decision import refuse_stopped
from ledger.table import Ledger
from ledger.units import stored_positions
from runtime import s3
from runtime.handler import logger, settings_from_environment, step_handler, utc_now
from sources.item_batches import split_array
from sources.listing import Listing, describe, describe_all, list_source
from sources.manifest import freeze, ranges, read_summary

MEGABYTE: Final = 1024 * 1024
_ADVICE: Final = (
    "split them, raise the limit (docs/limits.md says what a function reads), or for more give the"
    " dataset a Spark job (docs/jobs.md) and raise the limit to what that reads"
)
NAMED_AT_MOST: Final = 10


@dataclass(frozen=True)
class Settings:
    ledger_table: str
    data_bucket: str


@step_handler(ListUrls)
def handler(message: ListUrls) -> ManifestSummary:
    settings = settings_from_environment(Settings)
    return list_urls(message, settings.data_bucket, Ledger(settings.ledger_table), utc_now())


def list_urls(
    message: ListUrls, data_bucket: str, ledger: Ledger, now: datetime
) -> ManifestSummary:
    """The run's manifest, which the first call freezes, and the pending units of one shard.

    Raises:
        InvalidData: too many objects, or too large ones; names them.
        NotFound: the bucket, or the one object that was asked for, is not there.
        OwnershipLost: a later attempt holds the run.
        RunStopped: the run is to stop. A further shard of it has nothing pending then.
    """
    run_id = message.request.run_id
    if message.shard == 0:
        refuse_stopped(ledger, run_id)
    snapshot = s3.read_snapshot(data_bucket, run_id)
    frozen = read_summary(data_bucket, run_id)
    if frozen is None:
        listing = find_entries(message, snapshot, data_bucket, ledger)
        check_limits(listing.entries, snapshot.dataset.limits)
        owned_run(ledger, message.request.run_id, message.run_attempt)
        frozen = freeze(
            listing.entries,
            run_id,
            message.units_per_shard,
            data_bucket,
            message.run_attempt,
            of_items=snapshot.array is not None,
            hidden=listing.hidden,
        )
        counts = {"objects": frozen.objects, "hidden": frozen.hidden}
        logger.info("manifest frozen", extra=counts)
    _mark_running(message, snapshot, frozen, ledger, now)
    return _with_pending(message, frozen, ledger)


def find_entries(
    message: ListUrls, snapshot: DatasetSnapshot, data_bucket: str, ledger: Ledger
) -> Listing:
    """The objects that the request means, sorted by key.

    A retried run gives those of its objects that it has not stored, as they are now: they may have
    been mended since. If it never came to a manifest, the request is listed as any other. Of an
    array the objects are its batches.
    """
    request, source = message.request, snapshot.dataset.source
    if request.retry_of is not None:
        unstored = _unstored_entries(request.retry_of, snapshot, data_bucket, ledger)
        if unstored is not None:
            return Listing(unstored)
    if request.input_url is not None:
        bucket, key = layout.split_s3_url(snapshot.input_url or request.input_url)
        if bucket == (source.bucket or data_bucket) and source.hides(key):
            return Listing([], hidden=1)
        entry = _described(bucket, key, where_looked(request.input_url, source))
        if snapshot.array is None:
            return Listing([entry])
        owned_run(ledger, message.request.run_id, message.run_attempt)
        _check_sizes([entry], snapshot.array.megabytes, "split it, or raise the limit")
        return Listing(split_array(entry, snapshot, data_bucket))
    if request.start_date_time is None:
        raise InvalidData("neither startDateTime nor inputUrl: there is nothing to list")
    return list_source(
        source,
        source.bucket or data_bucket,
        request.start_date_time,
        message.end_date_time,
        snapshot.dataset.limits.objects,
    )


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


def check_limits(entries: Sequence[ManifestEntry], limits: Limits) -> None:
    """Raise InvalidData, naming the offenders, if the dataset's limits are exceeded."""
    if len(entries) > limits.objects:
        raise InvalidData(f"{len(entries)} objects, at most {limits.objects} (limits.objects)")
    _check_sizes(entries, limits.object_megabytes, _ADVICE)


def _check_sizes(entries: Sequence[ManifestEntry], megabytes: int, advice: str) -> None:
    large = [entry for entry in entries if entry.size > megabytes * MEGABYTE]
    if large:
        named = [f"{entry.url} ({entry.size / MEGABYTE:.1f} MB)" for entry in large[:NAMED_AT_MOST]]
        more = f" and {len(large) - len(named)} more" if len(large) > len(named) else ""
        raise InvalidData(
            f"{len(large)} objects are larger than {megabytes} MB"
            f" (limits.objectMegabytes): {', '.join(named)}{more}; {advice}"
        )


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
        entries = s3.read_manifest_part(data_bucket, run_id, shard).entries
        unstored += [entry for position, entry in enumerate(entries) if position not in stored]
    now = describe_all(unstored)
    return unstored if snapshot.array is not None else now  # batches do not change


def _with_pending(message: ListUrls, frozen: ManifestSummary, ledger: Ledger) -> ManifestSummary:
    sizes = frozen.shard_sizes
    size = sizes[message.shard] if message.shard < len(sizes) else 0
    stored: set[int] = set()
    run = find_run(ledger, message.request.run_id) if message.shard > 0 else None
    if run is not None and run.stopping:
        return frozen.model_copy(update={"pending": ()})
    if message.run_attempt > 1 and size:
        stored = stored_positions(ledger, message.request.run_id, message.shard)
    pending = [position for position in range(size) if position not in stored]
    return frozen.model_copy(update={"pending": ranges(pending), "stored": size - len(pending)})


def _mark_running(
    message: ListUrls,
    snapshot: DatasetSnapshot,
    frozen: ManifestSummary,
    ledger: Ledger,
    now: datetime,
) -> None:
    """CLAIMED becomes RUNNING; a run that is at this attempt and further on stays as it is."""
    run_id, run_attempt = message.request.run_id, message.run_attempt
    items = {} if frozen.items is None else dict(items={"total": frozen.items})
    marked, _ = change_run(
        ledger,
        run_id,
        RUN.run_attempt.eq(run_attempt) & RUN.status.eq(RunStatus.CLAIMED),
        status=RunStatus.RUNNING,
        dataset_version=snapshot.version,
        units={"total": frozen.objects},
        updated_at=now,
        **items,
    )
    if not marked:
        owned_run(ledger, run_id, run_attempt)
