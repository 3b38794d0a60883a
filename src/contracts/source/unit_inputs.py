"""What a job of a unit of several objects reads: `--INPUT_URLS`, a document in S3."""

from __future__ import annotations

from contracts.base import Contract
from contracts.run_request import Timestamp


class InputObject(Contract):
    """One object of a unit.

    Attributes:
        place: in the unit, from 0: its part of the job's output is named by it.
        url: `s3://bucket/key`.
        size: in bytes.
        etag: as it was listed, without quotes.
    """

    place: int
    url: str
    size: int
    etag: str
    last_modified: Timestamp


class UnitInputs(Contract):
    """The objects that a job is to read, in the listing's order: all of a unit, or some of them."""

    run_id: str
    unit_id: str
    objects: tuple[InputObject, ...]
