"""How many objects make one unit: `source.group`."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from contracts.source.strict import Integer, StrictContract

OBJECTS_PER_UNIT_AT_MOST: Final = 1000
OBJECTS_PER_UNIT: Final = 200
GROUP_MEGABYTES: Final = 256


class Group(StrictContract):
    """Consecutive objects of the listing make one unit, as many as both bounds allow.

    They share jobs, loads and Parquet files. What the contract says of an object still holds for
    each of them by itself: checks, limits, the transform, and which row of a key is newer.

    Attributes:
        objects: how many at most.
        megabytes: of S3 at most, together; a larger object is a unit of its own.
        bad_object: what becomes of a unit with an object that fails by itself (it is unreadable, or
            breaks a limit): `reject` leaves that one out, and it counts as failed; `fail` fails the
            unit, and nothing of it is stored.
    """

    objects: Integer = Field(default=OBJECTS_PER_UNIT, ge=2, le=OBJECTS_PER_UNIT_AT_MOST)
    megabytes: Integer = Field(default=GROUP_MEGABYTES, ge=1, le=10_240)
    bad_object: Literal["reject", "fail"] = "reject"
