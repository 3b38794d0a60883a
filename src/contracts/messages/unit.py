"""Messages about one unit: its beginning, its stages, its end."""

from __future__ import annotations

from enum import StrEnum

from contracts.base import Contract
from contracts.costs.usage import Amounts
from contracts.job import JobEnd
from contracts.run import ItemTotals, RowCounts, StageFailure, UnitStatus
from contracts.source.object_totals import FailedObject, ObjectTotals


class StartUnit(Contract):
    """record_unit with `StartUnit`: whether the unit begins; if so, UNIT item RUNNING,
    `unit-started` published. Returns Began.

    Attributes:
        execution_arn: the execution that asks, whose operations are counted; absent: an earlier
            release sends the message, which does not ask: its unit begins, or the step fails.
        allowance: durable operations that the unit may use.
        reserved: operations of the execution that must be free for other things.
        asking: of those that other units reserve, how many are for this one until it begins: given
            back as it does. 0: an earlier release reserves for those only that may ask after it.
        tolerated_losses: units (of an array: items) that may fail before no more begin; absent:
            units begin whatever became of others.
        max_cost: US dollars that units may have cost before no more begin; absent: any amount.
        kind: distinguishes it from EndUnit.
    """

    run_id: str
    unit_id: str
    run_attempt: int
    execution_arn: str | None = None
    allowance: int = 0
    reserved: int = 0
    asking: int = 0
    tolerated_losses: int | None = None
    max_cost: float | None = None
    kind: str = "start"


class NotBegun(StrEnum):
    """Why a unit does not begin.

    STOPPED: a person has decided to stop the run. FAILED_FAST: more has failed than the request
    tolerates. COST: the units before have cost more than the request allows. In these cases the
    unit is recorded as NOT_STARTED.
    OPERATIONS: the execution has too few durable operations left; another one begins it.
    """

    STOPPED = "STOPPED"
    FAILED_FAST = "FAILED_FAST"
    COST = "COST"
    OPERATIONS = "OPERATIONS"


class Began(Contract):
    """Response of start-unit. An earlier release returned nothing, which means: it begins.

    Attributes:
        why: one sentence, where it does not begin.
        allowance: durable operations that the unit may use in all; absent: as many as it takes.
    """

    begin: bool = True
    reason: NotBegun | None = None
    why: str | None = None
    allowance: int | None = None


class RecordItems(Contract):
    """record_items: write what came of each item of a unit's batch. Returns ItemTotals.

    Attributes:
        rejected_url: the unit's rejected rows, if validation has found any.
        set_aside_url: those that transform has rejected, if there are any.
        failure: why the unit failed; absent: it is stored.
        job_output_url: output prefix of the last job, whose rows were validated; absent: the
            items themselves were.
    """

    run_id: str
    unit_id: str
    run_attempt: int
    rejected_url: str | None = None
    set_aside_url: str | None = None
    failure: StageFailure | None = None
    job_output_url: str | None = None


class EndUnit(Contract):
    """record_unit with `EndUnit`: the UNIT item's outcome, `unit-ended` published.

    Attributes:
        set_aside: of the rejected rows, those that transform has found unstorable.
        items: of a batch of items: what came of them; absent where that could not be recorded.
        objects: of a stored unit that holds several objects: what came of them.
        failed_objects: the first of those that were left out.
        ended_jobs: ends of invoked jobs that no step has recorded yet.
        execution_arn: the execution in which it began; absent: its operations are not counted.
        operations: durable operations that the unit has used, this one included.
        repeats: those of them that went into repeating this message.
        allowance: what start-unit has allowed.
        fail_fast: whether its losses decide if others begin.
        counts_cost: whether what it cost does.
        has_findings: whether validate has written findings, be it without rejected rows; absent:
            only if rows are rejected or warned of.
        usage: what the unit has used in this attempt, its jobs included; absent: an earlier release
            sends the message, so it is not known.
        adopted: what jobs have used that an earlier attempt submitted, and this one went on with.
        stored_in: of a unit that failed: the targets that have all of its rows; absent: an earlier
            release sends the message, which stores in DynamoDB before Redshift.
        perhaps_ended: the unit's last stage may have recorded that it is stored, though the
            orchestrator has not heard of it; then that stands.
    """

    run_id: str
    unit_id: str
    run_attempt: int
    status: UnitStatus
    rows: RowCounts = RowCounts()
    job_ids: tuple[str, ...] = ()
    failure: StageFailure | None = None
    set_aside: int = 0
    items: ItemTotals | None = None
    objects: ObjectTotals | None = None
    failed_objects: tuple[FailedObject, ...] | None = None
    ended_jobs: tuple[JobEnd, ...] = ()
    execution_arn: str | None = None
    operations: int = 0
    repeats: int = 0
    allowance: int = 0
    fail_fast: bool = False
    counts_cost: bool = False
    has_findings: bool | None = None
    usage: Amounts | None = None
    adopted: Amounts | None = None
    stored_in: tuple[str, ...] | None = None
    perhaps_ended: bool = False
    kind: str = "end"


class EndedUnit(Contract):
    """Response of end-unit; an earlier release returned nothing.

    Attributes:
        status: the outcome that the ledger has, where it is another one than the message's.
    """

    status: UnitStatus | None = None


class EndAfterStore(Contract):
    """How the unit ends if this store, its last one, has all of its rows.

    Attributes:
        outcome: as end-unit would get it; the store adds the rows that it leaves superseded.
        rows: how many rows are to be stored by this call, in all parts from its first row on.
    """

    outcome: EndUnit
    rows: int


class PartOutput(Contract):
    """What jobs made of some objects of a unit, where no job could read all of them.

    Attributes:
        first, last: their places in the unit, both included.
        output_url: output prefix of their last job; absent: there is one object, whose job failed.
        job_id: of that job.
        failure: of such an object.
    """

    first: int
    last: int
    output_url: str | None = None
    job_id: str | None = None
    failure: StageFailure | None = None


class Validate(Contract):
    """validate: split the rows into valid and rejected. Returns Validated.

    Attributes:
        input_url: output prefix of the last job (it holds `report.json`); absent: the unit's own
            object, which is then also filtered by the request's query.
        ended_jobs: ends of invoked jobs that no step has recorded yet.
        parts: of a unit of several objects whose job has failed: all of its objects, in order;
            `input_url` is then the output of some. Absent: one job has read them all.
    """

    run_id: str
    unit_id: str
    input_url: str | None = None
    ended_jobs: tuple[JobEnd, ...] = ()
    parts: tuple[PartOutput, ...] | None = None


class Validated(Contract):
    """Response of validate: `rows_in == filtered + removed + rejected + valid`.

    Attributes:
        removed: rows that the jobs took out, such as doubles.
        warned: valid rows that break a rule of severity `warn`; they are stored.
        valid_url: the prefix that holds `part-00000.parquet` and so on.
        files: how many parts there are.
        findings_url: JSON document at `layout.findings_key`:
            `{"rules": [{"rule", "column", "severity", "rows", "examples": [{line, value}]}]}`,
            each broken rule with up to three examples.
    """

    rows_in: int
    filtered: int
    rejected: int
    valid: int
    valid_url: str
    rejected_url: str | None = None
    removed: int = 0
    warned: int = 0
    findings_url: str | None = None
    files: int = 1


class Transform(Contract):
    """transform: the contract's SQL over the valid rows. Returns Transformed.

    Attributes:
        files: how many parts of valid rows there are; absent: as many as follow one another.
        job_id: the last job that made the rows, if there was one; it is part of what is stored.
        rows_in, rejected: what validate has counted, as the contract limits the rejected rows of
            both together; absent: only those of this step, of the valid rows.
        execution_arn: the execution that holds the run, which is part of what is stored; absent: an
            earlier release sends the message.
    """

    run_id: str
    unit_id: str
    files: int | None = None
    job_id: str | None = None
    rows_in: int | None = None
    rejected: int = 0
    execution_arn: str | None = None


class Transformed(Contract):
    """Response of transform: `valid rows == removed + rejected + rows`.

    Attributes:
        rows: in the output.
        removed: left out by the SQL.
        output_url: the prefix that holds `part-00000.parquet` and so on.
        files: how many parts there are.
        rejected: valid rows that the SQL fails on, and rows of its result that a store cannot take,
            and which therefore go to none.
        rejected_url: where they lie, with their reasons.
        findings_url: how many of them broke which rule, as in `Validated`.
        counts: of a unit that holds several objects: the rows of those that are to be stored;
            absent: they follow from these counts and validate's.
        objects: of such a unit: what came of its objects.
        failed_objects: the first of those that were left out.
    """

    rows: int
    removed: int
    output_url: str
    files: int = 1
    rejected: int = 0
    rejected_url: str | None = None
    findings_url: str | None = None
    counts: RowCounts | None = None
    objects: ObjectTotals | None = None
    failed_objects: tuple[FailedObject, ...] | None = None
