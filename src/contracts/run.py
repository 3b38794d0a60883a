"""A run, its units, and what came of them."""

from __future__ import annotations

from enum import StrEnum

from contracts.base import Contract


class RunStatus(StrEnum):
    """Of the ledger's RUN item. SUCCEEDED and SKIPPED are final.

    FAILED and STOPPED (its execution was stopped) have ended, too, but the run may be taken over.
    """

    CLAIMED = "CLAIMED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    STOPPED = "STOPPED"
    SKIPPED = "SKIPPED"

    @property
    def ended(self) -> bool:
        return self not in (RunStatus.CLAIMED, RunStatus.RUNNING)

    @property
    def may_be_taken_over(self) -> bool:
        """It has ended, and its message starts it anew."""
        return self in (RunStatus.FAILED, RunStatus.STOPPED)


class UnitStatus(StrEnum):
    """Of the ledger's UNIT items."""

    RUNNING = "RUNNING"
    STORED = "STORED"
    FAILED = "FAILED"


class RowCounts(Contract):
    """Rows of one unit or run. They add up: `rows_in == filtered + rejected + removed + stored`.

    Attributes:
        rows_in: read from the source object, malformed ones included.
        filtered: left out by the request's query.
        rejected: malformed, or against a rule; they lie in the quarantine.
        removed: taken out by a job or by the transform's SQL (deduplicated, aggregated, filtered
            there).
        stored: written to every target.
    """

    rows_in: int = 0
    filtered: int = 0
    rejected: int = 0
    removed: int = 0
    stored: int = 0

    def __add__(self, other: RowCounts) -> RowCounts:
        return RowCounts(
            rows_in=self.rows_in + other.rows_in,
            filtered=self.filtered + other.filtered,
            rejected=self.rejected + other.rejected,
            removed=self.removed + other.removed,
            stored=self.stored + other.stored,
        )

    @property
    def balanced(self) -> bool:
        return self.rows_in == self.filtered + self.rejected + self.removed + self.stored


class StageFailure(Contract):
    """Why a unit failed: the stage (an operation name), the error's type and its message.

    Attributes:
        job_id: the job that failed, if it was one.
        log_url, console_url: where more can be read.
        log_tail: the last lines of the job's log, up to 1,000 characters.
    """

    stage: str
    error_type: str
    message: str
    job_id: str | None = None
    log_url: str | None = None
    console_url: str | None = None
    log_tail: str | None = None


class UnitOutcome(Contract):
    """What came of one unit."""

    unit_id: str
    status: UnitStatus
    rows: RowCounts = RowCounts()
    job_ids: tuple[str, ...] = ()
    failure: StageFailure | None = None


class FailedUnit(Contract):
    """One unit that failed, as the result of its run names it."""

    unit_id: str
    failure: StageFailure


class UnitTotals(Contract):
    """Units of a run by outcome."""

    total: int = 0
    stored: int = 0
    failed: int = 0

    @property
    def failed_percentage(self) -> float:
        return 100.0 * self.failed / self.total if self.total else 0.0


class RunResult(Contract):
    """What came of a run; the durable execution's result and the `run-ended` notification hold it.

    Attributes:
        results_url: the results document in S3; absent where the run ended before it had units.
        reason: one sentence for FAILED, STOPPED and SKIPPED.
        failures: the first units that failed, with what is known of why.
    """

    run_id: str
    dataset_name: str
    status: RunStatus
    units: UnitTotals = UnitTotals()
    rows: RowCounts = RowCounts()
    results_url: str | None = None
    reason: str | None = None
    failures: tuple[FailedUnit, ...] = ()
