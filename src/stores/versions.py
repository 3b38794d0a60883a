"""Versions of rows, which keep an older run from overwriting the rows of a newer one."""

from __future__ import annotations

from typing import Final

from contracts.dataset import DatasetSnapshot
from contracts.run_request import parse_timestamp

PLACE_DIGITS: Final = 4  # a unit holds 1,000 objects at most
PLACE: Final = "object-place"  # a column of such units' rows; no contract can name one so


def run_version(snapshot: DatasetSnapshot) -> str:
    """Start and id of the run; compares as text."""
    started = parse_timestamp(snapshot.run_started_at)
    return f"{started:%Y-%m-%dT%H:%M:%S.%fZ}#{snapshot.run_id}"


def row_version(
    snapshot: DatasetSnapshot, unit_id: str, run_attempt: int, place: int | None = None
) -> str:
    """Start and id of the run, the unit (and of one that holds several objects, the place of the
    row's), and the run's attempt.

    Compares as text: by the start of the run, then by the unit's place in the manifest, then by
    the object's place in the unit. So of a key
    that several objects of a run have, the last object's row stays, in whatever order they end. The
    attempt comes last: what an execution that has lost its run still writes overwrites nothing of
    the next one.
    """
    if place is None:
        return f"{run_version(snapshot)}#{unit_id}#{run_attempt:04d}"
    before, after = version_around_place(snapshot, unit_id, run_attempt)
    return f"{before}{place:0{PLACE_DIGITS}d}{after}"


def version_around_place(
    snapshot: DatasetSnapshot, unit_id: str, run_attempt: int
) -> tuple[str, str]:
    """What stands before and after the place in the versions of a unit that holds several."""
    return f"{run_version(snapshot)}#{unit_id}/", f"#{run_attempt:04d}"


def place_in(version: str) -> int | None:
    """The place of a row's object in its unit, from 0; None: the unit is one object."""
    place = version.split("#")[-2].partition("/")[2] if version.count("#") > 1 else ""
    return int(place) if place else None
