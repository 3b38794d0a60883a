"""Reads what a run froze in S3: its contract and its manifest."""

from __future__ import annotations

import functools

from contracts import layout
from contracts.dataset import DatasetSnapshot
from contracts.errors import NotFound
from contracts.manifest import ManifestEntry, ManifestPart, ManifestSummary, ObjectGroup
from runtime import s3


@functools.lru_cache(maxsize=64)
def read_snapshot(data_bucket: str, run_id: str) -> DatasetSnapshot:
    """The contract as the run read it; frozen, so it is cached for the sandbox's life."""
    key = layout.dataset_snapshot_key(run_id)
    return DatasetSnapshot.from_json(s3.read_json(data_bucket, key))


def read_manifest_summary(data_bucket: str, run_id: str) -> ManifestSummary:
    """What was frozen; nothing in it is pending.

    Raises:
        NotFound: the run's objects were never listed.
    """
    key = layout.manifest_summary_key(run_id)
    return ManifestSummary.from_json(s3.read_json(data_bucket, key))


@functools.lru_cache(maxsize=64)
def read_manifest_part(data_bucket: str, run_id: str, shard: int) -> ManifestPart:
    """The objects of a shard, as the attempt listed them that froze the manifest."""
    summary = read_manifest_summary(data_bucket, run_id)
    return summary.part(run_id, shard, lambda key: s3.read_json(data_bucket, key))


def read_unit(data_bucket: str, run_id: str, unit: str) -> ManifestEntry:
    """The object that a unit stands for, or the list of those that it holds (`objects_of`).

    Raises:
        NotFound: the unit id points past the end of its manifest part.
    """
    shard, index = layout.split_unit_id(unit)
    entries = read_manifest_part(data_bucket, run_id, shard).entries
    if index >= len(entries):
        raise NotFound(f"unit {unit} is not in the manifest of run {run_id}")
    return entries[index]


@functools.lru_cache(maxsize=8)
def objects_of(entry: ManifestEntry) -> tuple[ManifestEntry, ...]:
    """The objects of one unit, in the listing's order: those of its group, or its own one."""
    if entry.objects is None:
        return (entry,)
    return ObjectGroup.from_json(s3.read_json(entry.bucket, entry.key)).entries
