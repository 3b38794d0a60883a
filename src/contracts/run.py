"""A run, its units, and what came of them."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from contracts.base import Contract
from contracts.costs.figures import RunCost
from contracts.errors import REFUSED, InvalidData
from contracts.job import ErrorCode
from contracts.output.files import FilesTotals
from contracts.run_request import parse_timestamp
from contracts.source.object_totals import FailedObject, ObjectTotals
from contracts.source.ready import NotReady

REASON_CHARACTERS: Final = 1000  # of a run's reason, at most
COST_EXCEEDED: Final = "CostExceeded"  # error type of units that do not begin for `maxCost`


class RunStatus(StrEnum):
    """Of the ledger's RUN item. SUCCEEDED, SKIPPED and STOPPED are final.

    STOPPED is a person's decision (the run's execution was stopped), which stands. FAILED has
    ended, too, but the run's message may start it anew.
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
        return self is RunStatus.FAILED


class UnitStatus(StrEnum):
    """Of the ledger's UNIT items and of messages; earlier releases know these three."""

    RUNNING = "RUNNING"
    STORED = "STORED"
    FAILED = "FAILED"


class UnitState(StrEnum):
    """What became of a unit, as results, notifications and commands report it.

    NOT_STARTED: it was not to begin, as the run was to stop or had failed too often. The ledger
    has FAILED for it (`UnitItem.not_started`).
    """

    RUNNING = "RUNNING"
    STORED = "STORED"
    FAILED = "FAILED"
    NOT_STARTED = "NOT_STARTED"


class RunOutcome(StrEnum):
    """How a run ended, as its notification and its results report it.

    SUCCEEDED_WITH_LOSSES: it SUCCEEDED, but rows were rejected or warned of, or units or items
    failed within the tolerance. SUPERSEDED: whatever its status, a run that retries it has taken
    its place; said of a run in the ledger, whose item has no such value.
    """

    SUCCEEDED = "SUCCEEDED"
    SUCCEEDED_WITH_LOSSES = "SUCCEEDED_WITH_LOSSES"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"
    STOPPED = "STOPPED"
    SUPERSEDED = "SUPERSEDED"


class RowCounts(Contract):
    """Rows of one unit or run. They add up: `rows_in == filtered + rejected + removed + stored`.

    Attributes:
        rows_in: read from the source object, malformed ones included.
        filtered: left out by the request's query.
        rejected: malformed, against a rule, or such as a store cannot take; they lie in the
            quarantine.
        removed: taken out by a job or by the transform's SQL (deduplicated, aggregated, filtered
            there).
        stored: in every target, or there in a newer version.
        warned: break a rule of severity `warn`; they are stored (or removed) like any other valid
            row, so they are no part of the sum.
        superseded: of the stored ones, those that DynamoDB holds of a newer run, or of a later
            object of the same run, and which were therefore left alone. What was left alone in the
            warehouse is in its load ledger.
    """

    rows_in: int = 0
    filtered: int = 0
    rejected: int = 0
    removed: int = 0
    stored: int = 0
    warned: int = 0
    superseded: int = 0

    def __add__(self, other: RowCounts) -> RowCounts:
        return RowCounts(
            rows_in=self.rows_in + other.rows_in,
            filtered=self.filtered + other.filtered,
            rejected=self.rejected + other.rejected,
            removed=self.removed + other.removed,
            stored=self.stored + other.stored,
            warned=self.warned + other.warned,
            superseded=self.superseded + other.superseded,
        )

    @property
    def balanced(self) -> bool:
        return self.rows_in == self.filtered + self.rejected + self.removed + self.stored


class ItemTotals(Contract):
    """Items of a unit or run whose object is a JSON array, by outcome.

    Attributes:
        rejected: malformed, against a rule, or such as a store cannot take.
        failed: of batches that failed as a whole.
        not_started: of batches that were not to begin.
    """

    total: int = 0
    stored: int = 0
    rejected: int = 0
    failed: int = 0
    not_started: int = 0

    def __add__(self, other: ItemTotals) -> ItemTotals:
        return ItemTotals(
            total=self.total + other.total,
            stored=self.stored + other.stored,
            rejected=self.rejected + other.rejected,
            failed=self.failed + other.failed,
            not_started=self.not_started + other.not_started,
        )

    @property
    def lost(self) -> int:
        """Items that were rejected, or failed with their batch."""
        return self.rejected + self.failed

    @property
    def failed_percentage(self) -> float:
        """The share of items that were lost."""
        return 100.0 * self.lost / self.total if self.total else 0.0


class Finding(Contract):
    """How many rows of a unit or run broke one rule.

    Attributes:
        severity: `warn`, `quarantine` or `fail`.
        example: where such a row is and what is wrong with it, such as `line 7: -3`.
    """

    rule: str
    severity: str
    rows: int
    column: str | None = None
    example: str | None = None


class StageFailure(Contract):
    """Why a unit failed: the stage (an operation name), the error's type and its message.

    Attributes:
        job_id: the job that failed, if it was one.
        log_url, console_url: where more can be read.
        log_tail: the last lines of the job's log, up to 1,000 characters.
        error_code: what the job's error means for its next try (`contracts.job.ErrorCode`).
    """

    stage: str
    error_type: str
    message: str
    job_id: str | None = None
    log_url: str | None = None
    console_url: str | None = None
    log_tail: str | None = None
    error_code: str | None = None

    @property
    def is_permanent(self) -> bool:
        """Whether the same unit would fail in the same way every time, unless somebody changes
        its object, the contract or the deployment.

        A job that FAILED in another way than by a permanent error may succeed the next time: its
        engine, the network or its cluster may have been the reason.
        """
        codes = (ErrorCode.PERMANENT, ErrorCode.INVALID_DATA)
        return self.error_type in REFUSED or self.error_code in codes

    @property
    def is_of_the_object(self) -> bool:
        """Whether the object as it is, read by the contract as it is, is the reason."""
        return self.error_type == InvalidData.__name__ or self.error_code == ErrorCode.INVALID_DATA


class UnitOutputs(Contract):
    """Where a unit's results lie, as far as it came.

    Attributes:
        valid_url: the prefix of the Parquet parts that passed validation.
        output_url: the prefix of those that were stored.
        quarantine_url: the rows that validate has rejected.
        set_aside_url: the rows that transform found unstorable: a target cannot take them.
        tables: where the rows are stored: `files:<prefix>` (in the output bucket), `dynamodb`,
            `redshift:schema.table`.
    """

    valid_url: str | None = None
    output_url: str | None = None
    quarantine_url: str | None = None
    set_aside_url: str | None = None
    findings_url: str | None = None
    tables: tuple[str, ...] = ()


class UnitOutcome(Contract):
    """What came of one unit.

    Attributes:
        source_url: its S3 object; absent where the unit was never begun.
        findings: the rules that its rows broke, those with the most rows first.
        items: where its object is a batch of a JSON array's items.
        objects: where it holds several objects; `source_url` is then that of their list.
        failed_objects: the first of those that were left out.
        objects_url: of the document that has all of them (`contracts.source.object_outcomes`).
        started_at, ended_at: of the latest attempt.
        seconds: from one to the other.
    """

    unit_id: str
    status: UnitState
    rows: RowCounts = RowCounts()
    job_ids: tuple[str, ...] = ()
    failure: StageFailure | None = None
    source_url: str | None = None
    outputs: UnitOutputs = UnitOutputs()
    findings: tuple[Finding, ...] = ()
    items: ItemTotals | None = None
    objects: ObjectTotals | None = None
    failed_objects: tuple[FailedObject, ...] | None = None
    objects_url: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    seconds: float | None = None


class FailedUnit(Contract):
    """One unit that failed, as the result of its run names it."""

    unit_id: str
    failure: StageFailure


class UnitTotals(Contract):
    """Units of a run by outcome: `total == stored + failed + not_started`."""

    total: int = 0
    stored: int = 0
    failed: int = 0
    not_started: int = 0

    @property
    def failed_percentage(self) -> float:
        return 100.0 * self.failed / self.total if self.total else 0.0


class NextStep(Contract):
    """What to do about a run's outcome.

    Attributes:
        why: one sentence.
        command: a `pipeline` command to paste, without `--stack`; absent where it takes thought.
        of_stack: the command asks a deployment.
    """

    why: str
    command: str | None = None
    of_stack: bool = True

    def command_on(self, stack: str | None) -> str | None:
        """The command for the stack of that name; for the local cloud without one."""
        if self.command is None or stack is None or not self.of_stack:
            return self.command
        return f"{self.command} --stack {stack}"


class RunResult(Contract):
    """What came of a run; the durable execution's result and the `run-ended` notification hold it.

    Attributes:
        results_url: the results document in S3; absent where the run ended before it had units.
        reason: one sentence for FAILED, STOPPED and SKIPPED.
        failures: the first units that failed, with what is known of why.
        findings: the rules that most rows broke, those of failed units too.
        items: where the run's object is a JSON array, whose items are what may fail.
        objects: where units hold several objects, which are what may fail.
        failed_objects: the first that were left out of stored units.
        item_results_url: the prefix under which each item has its result.
        started_at, ended_at: of the run; a later attempt goes on from the first one's start.
        warehouse_error: why the rows about the run itself, its units and jobs did not reach the
            warehouse; absent where they did, or where there is no warehouse.
        hidden_objects: objects of the range that were left out as hidden.
        excluded_objects: objects of the range that were left out by `source.exclude`.
        not_ready: partitions of the range that were left out by `source.ready`; absent: none.
        already_stored: objects of the range that were left out as already stored (`onlyNew`);
            absent: the run takes all.
        files, files_error: what was published in the output bucket, or why that was not possible.
        permanent: it FAILED, and processing the same again would fail in the same way; absent from
            steps of an earlier release.
        cost: absent: not known, as it is a run of an earlier release.
    """

    run_id: str
    dataset_name: str
    status: RunStatus
    units: UnitTotals = UnitTotals()
    rows: RowCounts = RowCounts()
    results_url: str | None = None
    reason: str | None = None
    failures: tuple[FailedUnit, ...] = ()
    findings: tuple[Finding, ...] = ()
    items: ItemTotals | None = None
    objects: ObjectTotals | None = None
    failed_objects: tuple[FailedObject, ...] | None = None
    item_results_url: str | None = None
    next_steps: tuple[NextStep, ...] = ()
    started_at: str | None = None
    ended_at: str | None = None
    warehouse_error: str | None = None
    hidden_objects: int = 0
    excluded_objects: int = 0
    not_ready: NotReady | None = None
    already_stored: int | None = None
    files: FilesTotals | None = None
    files_error: str | None = None
    permanent: bool | None = None
    cost: RunCost | None = None

    @property
    def outcome(self) -> RunOutcome:
        """Its status, but for losses within the tolerance."""
        if self.status is not RunStatus.SUCCEEDED:
            return RunOutcome(self.status.value)
        items, objects = self.items or ItemTotals(), self.objects or ObjectTotals()
        lost = self.rows.rejected + self.rows.warned + items.lost + objects.failed
        if lost or self.units.failed:
            return RunOutcome.SUCCEEDED_WITH_LOSSES
        return RunOutcome.SUCCEEDED


def seconds_between(started_at: str | None, ended_at: str | None) -> float | None:
    """None where one of the two is not known."""
    if started_at is None or ended_at is None:
        return None
    return round((parse_timestamp(ended_at) - parse_timestamp(started_at)).total_seconds(), 3)
