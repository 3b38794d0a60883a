"""Versions of rows, which keep an older run from overwriting the rows of a newer one."""

from __future__ import annotations

from contracts.dataset import DatasetSnapshot
from contracts.run_request import parse_timestamp


def run_version(snapshot: DatasetSnapshot) -> str:
    """Start and id of the run; compares as text."""
    started = parse_timestamp(snapshot.run_started_at)
    return f"{started:%Y-%m-%dT%H:%M:%S.%fZ}#{snapshot.run_id}"


def row_version(snapshot: DatasetSnapshot, unit_id: str, run_attempt: int) -> str:
    """Start and id of the run, the unit, and the run's attempt.

    Compares as text: by the start of the run, then by the unit's place in the manifest. So of a key
    that several objects of a run have, the last object's row stays, in whatever order they end. The
    attempt comes last: what an execution that has lost its run still writes overwrites nothing of
    the next one.
    """
    return f"{run_version(snapshot)}#{unit_id}#{run_attempt:04d}"
