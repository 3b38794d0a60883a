"""Finds units that a later attempt of their run does not run again: they would fail as before.

Such a unit failed by its object as it is, read by the contract as it is, and neither has changed
since; or its object was not there, and still is not. What else failed permanently, for want of a
script, a table or a right, runs again: it may have been provided meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from contracts.errors import NotFound
from contracts.ledger_items import UnitItem
from contracts.manifest import ManifestEntry
from contracts.run import UnitStatus
from sources.listing import describe
from sources.objects.ahead import THREADS


def failed_for_good(
    units: Mapping[int, UnitItem], entries: Sequence[ManifestEntry], version: str
) -> set[int]:
    """Positions of the units that stay failed, with the failure that is recorded.

    Args:
        units: of one shard, by position.
        entries: the shard's objects, as the run listed them.
        version: of the contract that the run reads now.

    Raises:
        Throttled, TransientFailure: an object could not be looked at.
    """
    candidates = {
        position: unit
        for position, unit in units.items()
        if position < len(entries) and _may_stay(unit, entries[position], version)
    }
    with ThreadPoolExecutor(THREADS) as pool:
        etags = pool.map(_etag_now, [entries[position] for position in candidates])
        now = dict(zip(candidates, etags, strict=True))
    return {position for position, unit in candidates.items() if _stays(unit, now[position])}


def _may_stay(unit: UnitItem, entry: ManifestEntry, version: str) -> bool:
    """Items of an earlier release lack ETag and version: their units run again. So do those that
    hold several objects, any of which may have been provided meanwhile."""
    if entry.objects is not None:
        return False
    if unit.status is not UnitStatus.FAILED or unit.failure is None:
        return False
    if (unit.source_etag, unit.dataset_version) != (entry.etag, version):
        return False
    return unit.failure.is_of_the_object or unit.failure.error_type == NotFound.__name__


def _stays(unit: UnitItem, etag_now: str | None) -> bool:
    """Of a unit that may stay failed: whether its object is as it was, or still is not there."""
    of_the_object = unit.failure is not None and unit.failure.is_of_the_object
    return etag_now == (unit.source_etag if of_the_object else None)


def _etag_now(entry: ManifestEntry) -> str | None:
    """None if the object is gone. A batch of an array's items is the run's own: it stays."""
    if entry.items is not None:
        return entry.etag
    try:
        return describe(entry.url, entry.bucket, entry.key).etag
    except NotFound:
        return None
