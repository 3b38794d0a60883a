"""Decides a run's result from the outcomes of its units. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from contracts.messages import RecordRun
from contracts.run import (
    COST_EXCEEDED,
    REASON_CHARACTERS,
    FailedUnit,
    Finding,
    ItemTotals,
    RowCounts,
    RunResult,
    RunStatus,
    StageFailure,
    UnitOutcome,
    UnitState,
    UnitTotals,
)
from contracts.source.object_totals import FailedObject, ObjectTotals
from runs.outcome_text import failed_object_text, unit_failure_text
from runs.units import NOT_STARTED, OUTCOME_MISSING

FAILURES_NAMED: Final = 3
FINDINGS_NAMED: Final = 10
MESSAGE_CHARACTERS: Final = 500


class Tally:
    """Adds outcomes up one by one, in memory that does not grow with their number."""

    def __init__(self) -> None:
        self.total = 0
        self.stored = 0
        self.not_started = 0
        self.rows = RowCounts()
        self.items: ItemTotals | None = None
        self.objects: ObjectTotals | None = None
        self._failed_objects: list[FailedObject] = []
        self._permanent = 0
        self._may_pass = 0
        self._failures: list[FailedUnit] = []
        self._without_outcome: list[FailedUnit] = []
        self._not_reached = False
        self.spent: str | None = None  # what units had cost when no more began
        self._findings: dict[tuple[str, str | None, str], Finding] = {}

    def add(self, outcome: UnitOutcome) -> None:
        """Rows count for stored units only: those of a failed unit are stored nowhere."""
        self.total += 1
        if outcome.status is UnitState.STORED:
            self.stored += 1
            self.rows += outcome.rows
        elif outcome.status is UnitState.NOT_STARTED:
            self.not_started += 1
            self._not_reached |= outcome.items is None and outcome.objects is None
            if outcome.failure is not None and outcome.failure.error_type == COST_EXCEEDED:
                self._permanent += 1  # another attempt would begin none of them either
                self.spent = self.spent or outcome.failure.message.removeprefix(NOT_STARTED)
        elif outcome.failure is not None:
            self._permanent += outcome.failure.is_permanent
            self._may_pass += not outcome.failure.is_permanent
        if outcome.items is not None:
            self.items = (self.items or ItemTotals()) + outcome.items
        if outcome.objects is not None:
            self.objects = (self.objects or ObjectTotals()) + outcome.objects
        self._failed_objects += outcome.failed_objects or ()
        del self._failed_objects[FAILURES_NAMED:]
        if outcome.failure is not None and outcome.status is not UnitState.NOT_STARTED:
            self._note(outcome.unit_id, outcome.failure)
        for finding in outcome.findings:
            self._find(outcome.unit_id, finding)

    def count_items_without_result(self, items: int) -> None:
        """Count the items of batches that recorded none: as failed, or as not started where the
        run did not reach its last batches.

        Args:
            items: of the whole array.
        """
        known = self.items or ItemTotals()
        missing = items - known.total
        kind = "not_started" if self._not_reached else "failed"
        self.items = known + ItemTotals(total=missing, **{kind: missing})

    def count_objects_without_result(self, objects: int) -> None:
        """Likewise the objects of units without an outcome, of a run whose units hold several."""
        known = self.objects or ObjectTotals()
        missing = objects - known.total
        kind = "not_started" if self._not_reached else "failed"
        self.objects = known + ObjectTotals(total=missing, **{kind: missing})

    def _note(self, unit_id: str, failure: StageFailure) -> None:
        """Failures of units without a recorded end explain little, so they come last."""
        missing = failure.error_type == OUTCOME_MISSING
        known = self._without_outcome if missing else self._failures
        if len(known) < FAILURES_NAMED:
            short = failure.model_copy(update={"message": failure.message[:MESSAGE_CHARACTERS]})
            known.append(FailedUnit(unit_id=unit_id, failure=short))

    def _find(self, unit_id: str, finding: Finding) -> None:
        key = (finding.rule, finding.column, finding.severity)
        known = self._findings.get(key)
        if known is not None:
            self._findings[key] = known.model_copy(update={"rows": known.rows + finding.rows})
            return
        example = f"unit {unit_id}, {finding.example}" if finding.example else None
        self._findings[key] = finding.model_copy(update={"example": example})

    @property
    def totals(self) -> UnitTotals:
        return UnitTotals(
            total=self.total,
            stored=self.stored,
            failed=self.total - self.stored - self.not_started,
            not_started=self.not_started,
        )

    @property
    def permanent(self) -> bool:
        """Whether every failure is permanent; rejected items and objects are, too."""
        rejected = self.items.rejected if self.items else 0
        return not self._may_pass and bool(self._permanent or rejected or self._failed_objects)

    @property
    def failures(self) -> tuple[FailedUnit, ...]:
        """The first of them."""
        return tuple([*self._failures, *self._without_outcome][:FAILURES_NAMED])

    @property
    def failed_objects(self) -> tuple[FailedObject, ...] | None:
        """The first that were left out of stored units; None: none were."""
        return tuple(self._failed_objects) or None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The rules that most rows broke."""
        found = sorted(
            self._findings.values(), key=lambda item: (-item.rows, item.rule, item.column or "")
        )
        return tuple(found[:FINDINGS_NAMED])


def decide(
    message: RecordRun,
    outcomes: Iterable[UnitOutcome],
    items: int | None = None,
    objects: int | None = None,
) -> RunResult:
    """The run's result: the status that was given, or the one that its units make.

    Args:
        items: how many items the run's JSON array has; absent: its units are objects.
        objects: how many objects the run has whose units hold several; absent: each is one.
    """
    tally = Tally()
    for outcome in outcomes:
        tally.add(outcome)
    if items is not None:
        tally.count_items_without_result(items)
    if objects is not None:
        tally.count_objects_without_result(objects)
    status, reason, permanent = message.status, message.reason, message.refused
    if status is None:
        tolerated = message.request.tolerance(of_items=items is not None)
        why_failed = _why_failed(tally, tolerated)
        status = RunStatus.FAILED if why_failed else RunStatus.SUCCEEDED
        reason, permanent = reason or why_failed, tally.permanent
    return RunResult(
        run_id=message.request.run_id,
        dataset_name=message.request.dataset_name,
        status=status,
        units=tally.totals,
        rows=tally.rows,
        reason=reason[:REASON_CHARACTERS] if reason else None,
        failures=tally.failures,
        findings=tally.findings,
        items=tally.items,
        objects=tally.objects,
        failed_objects=tally.failed_objects,
        warehouse_error=message.warehouse_error,
        files=message.files,
        files_error=message.files_error,
        permanent=permanent if status is RunStatus.FAILED else None,
    )


def as_stopped(result: RunResult, reason: str) -> RunResult:
    """The result of a run that a person decided to stop; too late, if all of it was stored."""
    units = result.units
    if result.status is not RunStatus.FAILED and not units.failed and not units.not_started:
        return result
    ended = {
        "status": RunStatus.STOPPED,
        "reason": reason[:REASON_CHARACTERS],
        "permanent": None,
    }
    return result.model_copy(update=ended)


def is_tolerated(
    units: UnitTotals, parts: ItemTotals | ObjectTotals | None, tolerated: float
) -> bool:
    """Whether the share of failed units (or items or objects, if units hold such) is tolerated.

    Units that were not to begin are not.
    """
    if units.not_started:
        return False
    counted = units if parts is None else parts
    return counted.failed_percentage <= tolerated


def _why_failed(tally: Tally, tolerated: float) -> str | None:
    """None if the run has succeeded. Where units hold items or objects, it is their share that is
    tolerated."""
    units, items, objects = tally.totals, tally.items, tally.objects
    if not units.total:
        return "the run has no manifest: its objects were never listed"
    if is_tolerated(units, items or objects, tolerated):
        return None
    why_not = f": {tally.spent}" if tally.spent else ""
    lost = units.failed + (items.lost if items else 0) + (objects.failed if objects else 0)
    if why_not and not lost:
        return f"{units.not_started} of {units.total} units were not started{why_not}"
    if items is not None:
        reason = (
            f"{items.lost} of {items.total} items were not stored ({items.failed_percentage:.4g}%,"
            f" tolerated {tolerated:g}%): {items.rejected} rejected, {items.failed} of batches that"
            " failed"
        )
    elif objects is not None:
        reason = (
            f"{objects.failed} of {objects.total} objects failed ({objects.failed_percentage:.4g}%,"
            f" tolerated {tolerated:g}%), {units.failed} of {units.total} units as a whole"
        )
    else:
        reason = (
            f"{units.failed} of {units.total} units failed ({units.failed_percentage:.4g}%,"
            f" tolerated {tolerated:g}%)"
        )
    if units.not_started:
        reason += f"; {units.not_started} units were not started{why_not}"
    if not tally.failures and tally.failed_objects:
        return f"{reason}; the first is {failed_object_text(tally.failed_objects[0])}"
    if not tally.failures:
        return reason
    return f"{reason}; the first is {unit_failure_text(tally.failures[0])}"
