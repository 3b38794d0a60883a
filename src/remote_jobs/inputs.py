"""The documents that list what jobs of units of several objects read: `--INPUT_URLS`."""

from __future__ import annotations

from contracts import layout
from contracts.errors import NotFound
from contracts.job import JobKey
from contracts.manifest import ManifestEntry
from contracts.source.unit_inputs import InputObject, UnitInputs
from contracts.source.unit_part import UnitPart, stage_and_part
from runtime import s3
from sources import frozen


def part_of(key: JobKey, data_bucket: str) -> UnitPart:
    """The objects of its unit that a job reads: all of them, if its key does not say which."""
    part = stage_and_part(key.stage)[1]
    if part is not None:
        return part
    return UnitPart(0, (frozen.read_unit(data_bucket, key.run_id, key.unit_id).objects or 1) - 1)


def inputs_url(key: JobKey, part: UnitPart, data_bucket: str) -> str:
    """Where the document of a job is: the same for each try, and for each job of these objects."""
    return layout.s3_url(
        data_bucket, layout.inputs_key(key.run_id, key.unit_id, part.first, part.last)
    )


def write_inputs(key: JobKey, data_bucket: str) -> None:
    """Write it; a repeat writes the same, as it depends on the run's manifest only.

    Raises:
        NotFound: the unit has no such objects.
    """
    entries, part = _entries(key, data_bucket), part_of(key, data_bucket)
    if not 0 <= part.first <= part.last < len(entries):
        raise NotFound(f"unit {key.unit_id} of run {key.run_id} has no objects {part}")
    document = UnitInputs(
        run_id=key.run_id,
        unit_id=key.unit_id,
        objects=tuple(
            InputObject(
                place=place,
                url=entries[place].url,
                size=entries[place].size,
                etag=entries[place].etag,
                last_modified=entries[place].last_modified,
            )
            for place in range(part.first, part.last + 1)
        ),
    )
    bucket, where = layout.split_s3_url(inputs_url(key, part, data_bucket))
    s3.write_json(bucket, where, document.to_json())


def _entries(key: JobKey, data_bucket: str) -> tuple[ManifestEntry, ...]:
    return frozen.objects_of(frozen.read_unit(data_bucket, key.run_id, key.unit_id))
