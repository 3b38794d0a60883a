"""What became of each object of a unit that holds several: documents in S3, written once a stage.

`layout.objects_valid_key` is validate's, `layout.objects_key` transform's, which counts once the
unit is stored: the objects without a failure are stored then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from contracts.base import Contract
from contracts.run import RowCounts, StageFailure
from contracts.source.object_totals import (
    FAILED_OBJECT_CHARACTERS,
    FAILED_OBJECTS_NAMED,
    FailedObject,
    ObjectTotals,
)


class ObjectOutcome(Contract):
    """One object; its place in the unit is its place in the document, from 0.

    Attributes:
        etag: as it was listed, without quotes.
        rows: `stored` are those that go on to the next stage; zero where it failed.
        failure: why it is left out; absent: it is not.
    """

    url: str
    etag: str
    rows: RowCounts = RowCounts()
    failure: StageFailure | None = None


class ObjectOutcomes(Contract):
    """All objects of one unit, in the listing's order."""

    run_id: str
    unit_id: str
    objects: tuple[ObjectOutcome, ...]


def totals_of(outcomes: Sequence[ObjectOutcome]) -> ObjectTotals:
    """Of a unit that is stored."""
    failed = sum(outcome.failure is not None for outcome in outcomes)
    return ObjectTotals(total=len(outcomes), stored=len(outcomes) - failed, failed=failed)


def rows_of(outcomes: Iterable[ObjectOutcome]) -> RowCounts:
    """The rows of all objects that did not fail, added up."""
    return sum((one.rows for one in outcomes if one.failure is None), RowCounts())


def named_failures(outcomes: Iterable[ObjectOutcome]) -> tuple[FailedObject, ...] | None:
    """The first objects that failed; None: none did."""
    failed = [
        FailedObject(
            url=one.url,
            stage=one.failure.stage,
            error_type=one.failure.error_type,
            message=one.failure.message[:FAILED_OBJECT_CHARACTERS],
        )
        for one in outcomes
        if one.failure is not None
    ]
    return tuple(failed[:FAILED_OBJECTS_NAMED]) or None
