"""A run's manifest in S3, as list-urls leaves it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from contracts import layout
from contracts.manifest import ManifestEntry, ManifestPart, ManifestSummary


def put_manifest(
    put: Callable[[str, str], Any], run_id: str, entries: tuple[ManifestEntry, ...]
) -> None:
    """Freeze a manifest of one shard.

    Args:
        put: writes an object of the data bucket.
    """
    part = ManifestPart(run_id=run_id, shard=0, entries=entries)
    summary = ManifestSummary(
        manifest_url=f"s3://data-bucket/{layout.manifest_summary_key(run_id)}",
        objects=len(entries),
        total_bytes=sum(entry.size for entry in entries),
        shard_sizes=(len(entries),),
        pending=(),
    )
    put(layout.manifest_part_key(run_id, 0), json.dumps(part.to_json()))
    put(layout.manifest_summary_key(run_id), json.dumps(summary.to_json()))
