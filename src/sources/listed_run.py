"""Lists a run's objects, freezes them into a manifest once, and finds the pending ones."""

from __future__ import annotations

from datetime import datetime

from contracts.manifest import ManifestSummary, ranges
from contracts.messages import ListUrls
from ledger.runs import find_run
from ledger.stop_decision import refuse_stopped
from ledger.table import Ledger
from ledger.units import stored_positions
from runtime.handler import logger
from sources import frozen
from sources.limits import check_limits
from sources.manifest import freeze, read_summary
from sources.requested import find_entries
from sources.run_state import check_ownership, mark_running


def list_run(message: ListUrls, data_bucket: str, ledger: Ledger, now: datetime) -> ManifestSummary:
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
    snapshot = frozen.read_snapshot(data_bucket, run_id)
    manifest = read_summary(data_bucket, run_id)
    if manifest is None:
        listing = find_entries(message, snapshot, data_bucket, ledger)
        check_limits(listing.entries, snapshot.dataset.limits)
        check_ownership(message, ledger)
        manifest = freeze(
            listing.entries,
            run_id,
            message.units_per_shard,
            data_bucket,
            message.run_attempt,
            of_items=snapshot.array is not None,
            hidden=listing.hidden,
            excluded=listing.excluded,
            reason=listing.reason,
            looked_at=listing.looked_at,
        )
        names = {"objects", "hidden", "excluded", "reason"}
        logger.info("manifest frozen", extra=manifest.model_dump(include=names, exclude_none=True))
    mark_running(message, snapshot, manifest, ledger, now)
    return _with_pending(message, manifest, ledger)


def _with_pending(message: ListUrls, manifest: ManifestSummary, ledger: Ledger) -> ManifestSummary:
    sizes = manifest.shard_sizes
    size = sizes[message.shard] if message.shard < len(sizes) else 0
    stored: set[int] = set()
    run = find_run(ledger, message.request.run_id) if message.shard > 0 else None
    if run is not None and run.stopping:
        return manifest.model_copy(update={"pending": ()})
    if (message.run_attempt > 1 or message.handed_over) and size:
        ended_in = message.run_attempt if message.handed_over else None
        stored = stored_positions(ledger, message.request.run_id, message.shard, ended_in)
    pending = [position for position in range(size) if position not in stored]
    return manifest.model_copy(update={"pending": ranges(pending), "stored": size - len(pending)})
