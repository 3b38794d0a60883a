"""What the units of a run make of it. Pure: ledger items in, a result out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from contracts import layout
from contracts.manifest import ManifestSummary
from contracts.messages import RecordRun
from contracts.run import (
    FailedUnit,
    RowCounts,
    RunResult,
    RunStatus,
    StageFailure,
    UnitOutcome,
    UnitStatus,
    UnitTotals,
)
from steps.ledger import UNIT_PREFIX, Item

REASON_CHARACTERS: Final = 1000
OUTCOME_MISSING: Final = "OutcomeMissing"
FAILURES_NAMED: Final = 3
MESSAGE_CHARACTERS: Final = 500


def unit_outcomes(
    manifest: ManifestSummary | None, items: Sequence[Item]
) -> tuple[UnitOutcome, ...]:
    """One outcome for every unit of the manifest; a unit without one has failed."""
    recorded = {item["item"].removeprefix(UNIT_PREFIX): item for item in items}
    return tuple(
        _outcome(unit, recorded.get(unit))
        for shard, size in enumerate(manifest.shard_sizes if manifest else ())
        for unit in (layout.unit_id(shard, index) for index in range(size))
    )


def decide(message: RecordRun, outcomes: Sequence[UnitOutcome]) -> RunResult:
    """The run's result: the status that was given, or the one that its units make.

    Rows are those of stored units only: those of a failed unit are nowhere.
    """
    stored = [outcome for outcome in outcomes if outcome.status is UnitStatus.STORED]
    totals = UnitTotals(total=len(outcomes), stored=len(stored), failed=len(outcomes) - len(stored))
    status, reason = message.status, message.reason
    if status is None:
        tolerated = message.request.tolerated_failure_percentage
        failed = totals.failed_percentage > tolerated or not outcomes
        status = RunStatus.FAILED if failed else RunStatus.SUCCEEDED
        reason = reason or (_failure_reason(totals, tolerated, outcomes) if failed else None)
    return RunResult(
        run_id=message.request.run_id,
        dataset_name=message.request.dataset_name,
        status=status,
        units=totals,
        rows=sum((outcome.rows for outcome in stored), RowCounts()),
        reason=reason[:REASON_CHARACTERS] if reason else None,
        failures=_first_failures(outcomes),
    )


def _first_failures(outcomes: Sequence[UnitOutcome]) -> tuple[FailedUnit, ...]:
    """Those of units that never came to an end say little, so they come last."""
    failed = [
        FailedUnit(unit_id=outcome.unit_id, failure=_shortened(outcome.failure))
        for outcome in outcomes
        if outcome.failure is not None
    ]
    failed.sort(key=lambda unit: unit.failure.error_type == OUTCOME_MISSING)
    return tuple(failed[:FAILURES_NAMED])


def _shortened(failure: StageFailure) -> StageFailure:
    return failure.model_copy(update={"message": failure.message[:MESSAGE_CHARACTERS]})


def _failure_reason(totals: UnitTotals, tolerated: float, outcomes: Sequence[UnitOutcome]) -> str:
    if not outcomes:
        return "the run has no manifest: its objects were never listed"
    first = next(outcome for outcome in outcomes if outcome.status is not UnitStatus.STORED)
    why = first.failure or StageFailure(stage="unknown", error_type="unknown", message="")
    return (
        f"{totals.failed} of {totals.total} units failed ({totals.failed_percentage:.4g}%,"
        f" tolerated {tolerated:g}%); the first is {first.unit_id}"
        f" at {why.stage}: {why.error_type}: {why.message[:500]}"
    )


def _outcome(unit_id: str, item: Item | None) -> UnitOutcome:
    status = UnitStatus(item["status"]) if item else UnitStatus.RUNNING
    if item is None or status is UnitStatus.RUNNING:
        missing = StageFailure(
            stage="start-unit" if item is None else "end-unit",
            error_type=OUTCOME_MISSING,
            message="the unit was never begun" if item is None else "the unit never came to an end",
        )
        return UnitOutcome(unit_id=unit_id, status=UnitStatus.FAILED, failure=missing)
    return UnitOutcome(
        unit_id=unit_id,
        status=status,
        rows=RowCounts.from_json(item.get("rows", {})),
        job_ids=tuple(item.get("job_ids", ())),
        failure=StageFailure.from_json(item["failure"]) if "failure" in item else None,
    )
