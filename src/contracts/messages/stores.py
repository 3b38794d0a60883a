"""Messages about storing a unit's rows: as files, in DynamoDB, in Redshift."""

from __future__ import annotations

from contracts.base import Contract
from contracts.job import JobStatus
from contracts.messages.job import SubmitJob
from contracts.messages.unit import EndAfterStore


class StoreFiles(Contract):
    """store_files: write the transformed rows as files into the output bucket.

    Returns StoredFiles. The files themselves are named in `layout.files_record_key`.

    Attributes:
        run_attempt: files of a later attempt are never overwritten by those of an earlier one.
        job_id: the last job that made the rows, if there was one.
        rows: how many there must be; absent: as many as there are.
        files: how many parts of rows there are; absent: as many as follow one another.
        end: of the unit's last store: how the unit ends once they are stored.
    """

    run_id: str
    unit_id: str
    run_attempt: int = 1
    job_id: str | None = None
    rows: int | None = None
    files: int | None = None
    end: EndAfterStore | None = None


class StoredFiles(Contract):
    """Response of store_files: how many rows are in how many files, of so many bytes in all.

    Attributes:
        ended: the unit's end is recorded as well.
    """

    rows: int
    files: int
    bytes: int
    ended: bool = False


class StoreDynamodb(Contract):
    """store_dynamodb: conditional puts of the transformed rows. Returns StoredRows.

    Attributes:
        run_attempt: a later attempt's items replace those of an earlier one.
        first_row: where to go on, counted from 0 over all parts in order.
        files: how many parts there are; absent: as many as follow one another.
        execution_arn: the execution that holds the run; absent: an earlier release sends the
            message.
        end: of the unit's last store: how the unit ends once they are stored.
    """

    run_id: str
    unit_id: str
    job_id: str | None = None
    run_attempt: int = 1
    first_row: int = 0
    files: int | None = None
    execution_arn: str | None = None
    end: EndAfterStore | None = None


class StoredRows(Contract):
    """`rows` of this slice are in the table now.

    Attributes:
        unchanged: of them, those that this unit had stored before (a repeat).
        superseded: of them, those that were left alone, as the table holds a newer run's row, or
            that of a later object of this run.
        next_row: the function's time was nearly up: call again with this as `first_row`; absent:
            the unit is stored.
        ended: the unit's end is recorded as well.
    """

    rows: int
    unchanged: int = 0
    superseded: int = 0
    next_row: int | None = None
    ended: bool = False


class StoreRedshift(Contract):
    """store_redshift: write the load's statements to S3, and submit the load as a job.

    Returns PreparedLoad.

    Attributes:
        run_attempt: nothing of a later attempt's load is changed.
        files: how many parts there are; absent: as many as follow one another.
        submit: the job; its `input_url` is what this call writes. Absent: an earlier release sends
            the message, which calls submit-job itself.
    """

    run_id: str
    unit_id: str
    rows: int
    run_attempt: int = 1
    job_id: str | None = None
    files: int | None = None
    submit: SubmitJob | None = None


class PreparedLoad(Contract):
    """Response of store_redshift: where the statements lie, and how many rows they load.

    The URL is another one for other rows.

    Attributes:
        status: of the job; absent: it is not submitted yet, submit-job does so.
    """

    statements_url: str
    rows: int
    status: JobStatus | None = None


class ExplainLoad(Contract):
    """explain_load: say which file, row, column and value a failed load fell over.

    Returns LoadExplanation.

    Attributes:
        error: what the warehouse said.
    """

    run_id: str
    unit_id: str
    error: str
    files: int | None = None


class LoadExplanation(Contract):
    """Response of explain_load: one line for each finding, the warehouse's own words first."""

    message: str
