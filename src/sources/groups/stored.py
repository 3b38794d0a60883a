"""Which objects a unit that holds several has stored: read from its documents in S3."""

from __future__ import annotations

from collections.abc import Iterator

from contracts import layout
from contracts.ledger_items import UnitItem
from contracts.manifest import ManifestEntry
from contracts.run import UnitStatus
from contracts.source.object_outcomes import ObjectOutcome, ObjectOutcomes
from runtime import s3
from sources import frozen


def stored_objects(bucket: str, unit: UnitItem) -> Iterator[ObjectOutcome]:
    """Those that a unit has stored; none, if it is not stored.

    Raises:
        NotFound: the run's files have expired.
    """
    if unit.status is not UnitStatus.STORED or unit.objects is None:
        return
    yield from (one for one in read_outcomes(bucket, unit.run_id, unit.unit_id) if not one.failure)


def stored_urls(bucket: str, unit: UnitItem) -> list[str]:
    """The URLs of the objects that a unit has stored, whether it holds several or is one."""
    if unit.objects is not None:
        return [one.url for one in stored_objects(bucket, unit)]
    stored = unit.status is UnitStatus.STORED
    return [unit.source_url] if stored and unit.source_url else []


def read_outcomes(bucket: str, run_id: str, unit_id: str) -> tuple[ObjectOutcome, ...]:
    """What transform made of each object of a unit, in the listing's order."""
    document = s3.read_json(bucket, layout.objects_key(run_id, unit_id))
    return ObjectOutcomes.from_json(document).objects


def objects_not_stored(
    bucket: str, run_id: str, unit_id: str, entry: ManifestEntry, *, stored: bool
) -> list[ManifestEntry]:
    """The objects of a unit of the manifest that it has not stored, in their order.

    Args:
        stored: whether the unit is.
    """
    entries = frozen.objects_of(entry)
    if not stored:
        return list(entries)
    if entry.objects is None:
        return []
    outcomes = read_outcomes(bucket, run_id, unit_id)
    return [one for one, outcome in zip(entries, outcomes, strict=True) if outcome.failure]
