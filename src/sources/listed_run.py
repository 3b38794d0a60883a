"""Lists a run's objects, freezes them into a manifest once, and finds the pending ones."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from contracts.dataset import DatasetSnapshot, Source
from contracts.ledger_items import UnitItem
from contracts.manifest import ManifestSummary, ranges
from contracts.messages import ListUrls
from contracts.run import UnitStatus
from contracts.source.ready import NotReady
from ledger.runs import find_run
from ledger.stop_decision import refuse_stopped
from ledger.table import Ledger
from ledger.units import units_of_shard
from runtime.handler import logger
from sources import frozen
from sources.estimating import estimate_run
from sources.failed_for_good import failed_for_good
from sources.groups.writing import grouped_objects
from sources.limits import check_limits
from sources.manifest import freeze, read_summary, write_packs
from sources.objects.columns import Listing
from sources.partitions import partitions
from sources.readiness import missing_markers, not_ready
from sources.requested import find_entries
from sources.run_state import check_ownership, mark_running
from sources.stored_objects.choosing import choose_new, refuse_beside_another, skipped_summary
from sources.waiting import waiting_summary

VALIDATE_DISK: Final = 10_240  # MB; the most that a function has


def list_run(
    message: ListUrls,
    data_bucket: str,
    ledger: Ledger,
    now: datetime,
    *,
    redeliver: bool = False,
    validate_disk: int = VALIDATE_DISK,
) -> ManifestSummary:
    """The run's manifest, which the first call freezes, and the pending units of one shard.

    Or nothing yet, where the run has to wait for its data (`waiting`), and nothing at all, where it
    is not to take place (`skipped`).

    Args:
        redeliver: what failed for good before is pending, too.
        validate_disk: of the function that validates units, in MB.

    Raises:
        InvalidData: too many objects, or too large ones, or groups; names them.
        InvalidInput: the run is estimated to cost more than its request allows.
        NotFound: the bucket, the one object that was asked for, or what says that a partition is
            ready, is not there.
        OwnershipLost: a later attempt holds the run.
        Conflict: an earlier attempt chose new objects, and another run is taking such now.
        RunStopped: the run is to stop. A further shard of it has nothing pending then.
    """
    run_id = message.request.run_id
    if message.shard == 0:
        refuse_stopped(ledger, run_id)
    snapshot = frozen.read_snapshot(data_bucket, run_id)
    source = snapshot.dataset.source
    ready = source.ready
    manifest = read_summary(data_bucket, run_id)
    if manifest is not None and message.shard == 0:
        refuse_beside_another(message.request, ledger, now, message.run_attempt)
    if manifest is None:
        listing = find_entries(message, snapshot, data_bucket, ledger)
        if listing.unready and ready is not None and ready.otherwise == "wait":
            what = missing_markers(source, source.bucket or data_bucket, listing.unready)
            seconds = ready.patience_seconds
            return waiting_summary(message, what, seconds, data_bucket, ledger, now)
        check_ownership(message, ledger)
        manifest = _frozen(message, snapshot, listing, data_bucket, ledger, now, validate_disk)
        if manifest.skipped:
            return manifest
        names = {"objects", "source_objects", "hidden", "excluded", "already_stored", "reason"}
        logger.info("manifest frozen", extra=manifest.model_dump(include=names, exclude_none=True))
    estimate = None
    if message.shard == 0 and manifest.objects:
        estimate = estimate_run(message, snapshot, manifest, ledger)
    mark_running(message, snapshot, manifest, ledger, now, estimate)
    return _with_pending(message, manifest, ledger, snapshot, data_bucket, redeliver=redeliver)


def _frozen(
    message: ListUrls,
    snapshot: DatasetSnapshot,
    listing: Listing,
    data_bucket: str,
    ledger: Ledger,
    now: datetime,
    validate_disk: int,
) -> ManifestSummary:
    """The manifest of a listing, or why the run is not to take place."""
    request, attempt = message.request, message.run_attempt
    objects = check_limits(listing.objects, snapshot.dataset.limits)
    chosen = choose_new(request, objects, snapshot, data_bucket, ledger, now, attempt)
    if isinstance(chosen, str):
        return skipped_summary(data_bucket, request.run_id, chosen)
    units = grouped_objects(chosen.objects, snapshot, attempt, data_bucket, validate_disk)
    packs = write_packs(units, request.run_id, data_bucket, attempt)
    check_ownership(message, ledger)
    return freeze(
        packs,
        listing,
        request.run_id,
        message.units_per_shard,
        data_bucket,
        attempt,
        of_items=snapshot.array is not None,
        of_groups=snapshot.group is not None,
        not_ready=_left_out(message, snapshot.dataset.source, listing),
        already_stored=chosen.already_stored,
    )


def _left_out(message: ListUrls, source: Source, listing: Listing) -> NotReady | None:
    if source.ready is None or not listing.unready:
        return None
    names, start = listing.unready, message.request.fixed_start
    if source.partition and start is not None:
        names = tuple(partitions(source.partition, start, message.end_date_time))
    return not_ready(source.ready, names, listing.unready)


def _with_pending(
    message: ListUrls,
    manifest: ManifestSummary,
    ledger: Ledger,
    snapshot: DatasetSnapshot,
    data_bucket: str,
    *,
    redeliver: bool,
) -> ManifestSummary:
    run_id, shard, sizes = message.request.run_id, message.shard, manifest.shard_sizes
    size = sizes[shard] if shard < len(sizes) else 0
    stored: set[int] = set()
    failed: set[int] = set()
    run = find_run(ledger, run_id) if shard > 0 else None
    if run is not None and run.stopping:
        return manifest.model_copy(update={"pending": ()})
    if (message.run_attempt > 1 or message.handed_over) and size:
        units = units_of_shard(ledger, run_id, shard)
        ended_in = message.run_attempt if message.handed_over else None
        stored = {p for p, unit in units.items() if _is_done(unit, ended_in)}
        if not redeliver:
            failed = _failed_before(units, snapshot, data_bucket, shard)
    pending = [position for position in range(size) if position not in stored | failed]
    counts = {"stored": len(stored - failed), "failed": len(failed)}
    return manifest.model_copy(update={"pending": ranges(pending), **counts})


def _is_done(unit: UnitItem, ended_in: int | None) -> bool:
    """Whether the unit is stored, or was ended in another way by the attempt `ended_in`."""
    ended = unit.run_attempt == ended_in and unit.status is not UnitStatus.RUNNING
    return unit.status is UnitStatus.STORED or ended


def _failed_before(
    units: Mapping[int, UnitItem], snapshot: DatasetSnapshot, data_bucket: str, shard: int
) -> set[int]:
    if all(unit.failure is None for unit in units.values()):
        return set()
    entries = frozen.read_manifest_part(data_bucket, snapshot.run_id, shard).entries
    failed = failed_for_good(units, entries, snapshot.version)
    if failed:
        about = {"shard": shard, "units": len(failed)}
        logger.info("failed for good before; these units do not run again", extra=about)
    return failed
