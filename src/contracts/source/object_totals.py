"""Objects of units that hold several: how many there are by outcome, and which failed."""

from __future__ import annotations

from typing import Final

from contracts.base import Contract

FAILED_OBJECTS_NAMED: Final = 3  # per unit; the document in S3 has all of them
FAILED_OBJECT_CHARACTERS: Final = 300  # of a message


class ObjectTotals(Contract):
    """Objects of a unit or run whose units are groups, by outcome.

    Attributes:
        failed: left out of their unit as bad, or of units that failed as a whole.
        not_started: of units that were not to begin.
    """

    total: int = 0
    stored: int = 0
    failed: int = 0
    not_started: int = 0

    def __add__(self, other: ObjectTotals) -> ObjectTotals:
        return ObjectTotals(
            total=self.total + other.total,
            stored=self.stored + other.stored,
            failed=self.failed + other.failed,
            not_started=self.not_started + other.not_started,
        )

    @property
    def lost(self) -> int:
        return self.failed

    @property
    def failed_percentage(self) -> float:
        return 100.0 * self.failed / self.total if self.total else 0.0


class FailedObject(Contract):
    """An object that was left out of its unit, which stored the others.

    Attributes:
        stage: an operation name, `validate` or `transform`, or that of a job.
    """

    url: str
    stage: str
    error_type: str
    message: str
