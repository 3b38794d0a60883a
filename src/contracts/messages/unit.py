"""Messages about one unit: its beginning, its stages, its end."""

from __future__ import annotations

from contracts.base import Contract
from contracts.run import ItemTotals, RowCounts, StageFailure, UnitStatus


class StartUnit(Contract):
    """record_unit with `StartUnit`: UNIT item RUNNING, `unit-started` published.

    Attributes:
        kind: tells this apart from EndUnit.
    """

    run_id: str
    unit_id: str
    run_attempt: int
    kind: str = "start"


class RecordItems(Contract):
    """record_items: write what came of each item of a unit's batch. Answers ItemTotals.

    Attributes:
        rejected_url: the unit's rejected rows, if validation has found any.
        failure: why the unit failed; absent: it is stored.
    """

    run_id: str
    unit_id: str
    run_attempt: int
    rejected_url: str | None = None
    failure: StageFailure | None = None


class EndUnit(Contract):
    """record_unit with `EndUnit`: the UNIT item's outcome, `unit-ended` published.

    Attributes:
        items: of a batch of items: what came of them; absent where that could not be recorded.
    """

    run_id: str
    unit_id: str
    run_attempt: int
    status: UnitStatus
    rows: RowCounts = RowCounts()
    job_ids: tuple[str, ...] = ()
    failure: StageFailure | None = None
    items: ItemTotals | None = None
    kind: str = "end"


class Validate(Contract):
    """validate: split the rows into valid and rejected. Answers Validated.

    Attributes:
        input_url: output prefix of the last job (it holds `report.json`); absent: the unit's own
            object, which is then also filtered by the request's query.
    """

    run_id: str
    unit_id: str
    input_url: str | None = None


class Validated(Contract):
    """Answer of validate: `rows_in == filtered + removed + rejected + valid`.

    Attributes:
        removed: rows that the jobs took out, such as doubles.
        warned: valid rows that break a rule of severity `warn`; they are stored.
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


class Transform(Contract):
    """transform: the contract's SQL over the valid rows. Answers Transformed."""

    run_id: str
    unit_id: str


class Transformed(Contract):
    """Answer of transform. `removed` = valid rows in - rows out (never negative).

    Attributes:
        output_url: the prefix that holds `part-00000.parquet` and so on.
        files: how many parts there are.
    """

    rows: int
    removed: int
    output_url: str
    files: int = 1


class StoreDynamodb(Contract):
    """store_dynamodb: conditional puts of the transformed rows. Answers StoredRows.

    Attributes:
        first_row: where to go on, counted from 0 over all parts in order.
        files: how many parts there are; absent: as many as follow one another.
    """

    run_id: str
    unit_id: str
    job_id: str | None = None
    first_row: int = 0
    files: int | None = None


class StoredRows(Contract):
    """`rows` of this slice are in the table now.

    Attributes:
        unchanged: of them, those that were there before (a repeat, or newer).
        next_row: the function's time was nearly up: call again with this as `first_row`; absent:
            the unit is stored.
    """

    rows: int
    unchanged: int = 0
    next_row: int | None = None


class StoreRedshift(Contract):
    """store_redshift: write the load's statements to S3; the load is then submitted as a job.

    Answers PreparedLoad.

    Attributes:
        files: how many parts there are; absent: as many as follow one another.
    """

    run_id: str
    unit_id: str
    rows: int
    job_id: str | None = None
    files: int | None = None


class PreparedLoad(Contract):
    """Answer of store_redshift: where the statements lie, and how many rows they load."""

    statements_url: str
    rows: int


class ExplainLoad(Contract):
    """explain_load: say which file, row, column and value a failed load fell over.

    Answers LoadExplanation.

    Attributes:
        error: what the warehouse said.
    """

    run_id: str
    unit_id: str
    error: str
    files: int | None = None


class LoadExplanation(Contract):
    """Answer of explain_load: one line for each finding, the warehouse's own words first."""

    message: str
