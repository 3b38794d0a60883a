"""Which row is newer: what keeps an older run from overwriting the rows of a newer one."""

from __future__ import annotations

from contracts.dataset import DatasetSnapshot
from contracts.run_request import parse_timestamp


def row_version(snapshot: DatasetSnapshot, unit_id: str) -> str:
    """Start and id of the run, and the unit.

    Compares as text: by the start of the run, then by the unit's place in the manifest. So of a key
    that several objects of a run have, the last object's row stays, in whatever order they end.
    """
    started = parse_timestamp(snapshot.run_started_at)
    return f"{started:%Y-%m-%dT%H:%M:%S.%fZ}#{snapshot.run_id}#{unit_id}"
