"""A run's manifest in S3, frozen once."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from contracts import layout
from contracts.errors import NotFound
from contracts.manifest import ManifestEntry, ManifestPart, ManifestSummary
from contracts.source.ready import NotReady
from runtime import s3
from sources import frozen
from sources.listing import THREADS


def freeze(
    entries: Sequence[ManifestEntry],
    run_id: str,
    units_per_shard: int,
    data_bucket: str,
    run_attempt: int,
    *,
    of_items: bool = False,
    of_groups: bool = False,
    hidden: int = 0,
    excluded: int = 0,
    reason: str | None = None,
    looked_at: str | None = None,
    not_ready: NotReady | None = None,
    already_stored: int | None = None,
) -> ManifestSummary:
    """Write the manifest's parts, then its summary, which makes it count; the first summary wins.

    A repeat that finds no summary writes all parts anew. The parts are the attempt's own, so those
    that a former holder is still writing never mix with them.

    Args:
        of_items: the entries are batches of an array's items.
        of_groups: each stands for several objects.
        hidden, excluded, reason, looked_at, not_ready, already_stored: see `ManifestSummary`.
    """
    parts = [
        ManifestPart(
            run_id=run_id,
            shard=shard,
            entries=tuple(entries[first : first + units_per_shard]),
        )
        for shard, first in enumerate(range(0, len(entries), units_per_shard))
    ]

    def write(part: ManifestPart) -> None:
        key = layout.manifest_part_key(run_id, part.shard, run_attempt)
        s3.write_json(data_bucket, key, part.to_json())

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(write, parts))
    key = layout.manifest_summary_key(run_id)
    summary = ManifestSummary(
        manifest_url=layout.s3_url(data_bucket, key),
        objects=len(entries),
        total_bytes=sum(entry.size for entry in entries),
        shard_sizes=tuple(len(part.entries) for part in parts),
        pending=(),
        items=sum(entry.items or 0 for entry in entries) if of_items else None,
        source_objects=sum(entry.objects or 1 for entry in entries) if of_groups else None,
        run_attempt=run_attempt,
        hidden=hidden,
        excluded=excluded,
        reason=reason,
        looked_at=looked_at,
        not_ready=not_ready,
        already_stored=already_stored,
    )
    if s3.write_json_once(data_bucket, key, summary.to_json()):
        return summary
    return read_summary(data_bucket, run_id) or summary


def read_summary(data_bucket: str, run_id: str) -> ManifestSummary | None:
    """The frozen summary (nothing in it is pending), or None."""
    try:
        return frozen.read_manifest_summary(data_bucket, run_id)
    except NotFound:
        return None
