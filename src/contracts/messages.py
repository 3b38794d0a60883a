"""What the orchestrator sends to each step function, and what comes back.

Each step takes the class named for it and answers with the class its docstring names. Payloads hold
ids and URLs only: the dataset snapshot, the manifest and all rows are read from S3.
"""

from __future__ import annotations

from enum import StrEnum

from contracts.base import Contract
from contracts.job import Engine, JobKey
from contracts.run import RowCounts, RunResult, RunStatus, StageFailure, UnitStatus
from contracts.run_request import RunRequest, Timestamp


class RejectMessage(Contract):
    """reject_message: keep a message that can never run. Answers nothing.

    Attributes:
        message_id: the SQS message id, or the execution's name for a direct start.
        body: the message as it came (its beginning, where it is near 1 MB as JSON).
        reason: one sentence that lists every problem.
        run_id: where the message named one.
    """

    message_id: str
    body: str
    reason: str
    run_id: str | None = None


class ClaimRun(Contract):
    """claim_run: become the one execution that holds the run. Answers Claim.

    Attributes:
        execution_arn: the durable execution that wants the run.
        handed_over_by: the execution that claimed it and then started this one.
    """

    request: RunRequest
    execution_arn: str
    handed_over_by: str | None = None


class ClaimOutcome(StrEnum):
    """CLAIMED: yours, new. TAKEN_OVER: yours, an earlier holder ended without success.
    LIVE: another execution holds it. ENDED: it has succeeded or was skipped. In the last two,
    start nothing."""

    CLAIMED = "CLAIMED"
    TAKEN_OVER = "TAKEN_OVER"
    LIVE = "LIVE"
    ENDED = "ENDED"


class Claim(Contract):
    """Answer of claim_run.

    Attributes:
        run_attempt: 1 for a first claim, one more at each taking-over.
        end_date_time: the request's, or the moment of the first claim, frozen.
        holder: the execution that holds the run.
        status: the run's status in the ledger.
        previous_timed_out: the earlier holder ran out of time, so the work is too long for it.
    """

    outcome: ClaimOutcome
    run_attempt: int
    end_date_time: Timestamp
    holder: str
    status: RunStatus
    previous_timed_out: bool = False


class LoadDataset(Contract):
    """load_dataset: read, check and freeze the contract for this run. Answers LoadedDataset."""

    request: RunRequest


class LoadedJob(Contract):
    """One link of the job chain, as much of it as the orchestrator needs."""

    stage: str
    engine: Engine
    timeout_seconds: int
    attempts: int = 1


class LoadedDataset(Contract):
    """Answer of load_dataset.

    Attributes:
        version: content hash of the contract file (first 12 hex digits of its SHA-256).
        unit_seconds: how long one unit takes, as the contract declares.
        jobs: the chain, in order; may be empty.
        targets: `dynamodb` and/or `redshift`.
        warehouse_timeout_seconds: deadline of one warehouse load.
        warehouse: this deployment has a warehouse (the run's own row goes there too).
    """

    name: str
    version: str
    unit_seconds: int
    jobs: tuple[LoadedJob, ...]
    targets: tuple[str, ...]
    warehouse_timeout_seconds: int = 900
    warehouse: bool = False

    @property
    def operations_per_unit(self) -> int:
        """Durable operations of one unit without retries; decides the size of a shard."""
        fixed = 5  # the unit's context, start-unit, validate, transform, end-unit
        targets = {"dynamodb": 1, "redshift": 3}
        return fixed + 2 * len(self.jobs) + sum(targets[target] for target in self.targets)


class ListUrls(Contract):
    """list_urls: freeze the manifest (once) and tell what is pending. Answers ManifestSummary.

    Attributes:
        units_per_shard: the size of a shard.
        shard: the shard whose pending positions are wanted.
        run_attempt: above 1, the ledger is asked which units are stored already.
    """

    request: RunRequest
    end_date_time: Timestamp
    units_per_shard: int
    run_attempt: int
    shard: int = 0


class StartRun(Contract):
    """start_run: hand the run to the long-running function. Answers StartedRun."""

    request: RunRequest
    run_attempt: int
    execution_arn: str


class StartedRun(Contract):
    """Answer of start_run: the long-running execution."""

    execution_arn: str
    execution_name: str


class SubmitJob(Contract):
    """submit_job: submit the job of this key, once. Answers JobStatus.

    Attributes:
        key: who the job is.
        engine: `redshift` for loads, else as the chain says.
        callback_id: what the job watcher answers when the job has ended.
        run_attempt, retry: `key.attempt` is made of these; with run_attempt above 1 and retry 1,
            a job of an earlier attempt that runs or has succeeded is adopted.
        input_url: the previous job's output prefix; absent: the unit's own object.
        timeout_seconds: the job's deadline, counted from its submission.
        execution_arn: the durable execution that waits for it; of a shard, its own.
    """

    key: JobKey
    engine: Engine
    callback_id: str
    run_attempt: int
    retry: int
    timeout_seconds: int
    input_url: str | None = None
    execution_arn: str | None = None


class CheckJob(Contract):
    """check_job: ask the service, now. Answers JobStatus.

    Attributes:
        callback_id: replaces the stored one, which has timed out.
    """

    key: JobKey
    callback_id: str


class CancelJob(Contract):
    """cancel_job: stop the job at its service. Answers JobStatus, ended."""

    key: JobKey
    reason: str


class StartUnit(Contract):
    """record_unit with `StartUnit`: UNIT item RUNNING, `unit-started` published.

    Attributes:
        kind: tells this apart from EndUnit.
    """

    run_id: str
    unit_id: str
    run_attempt: int
    kind: str = "start"


class EndUnit(Contract):
    """record_unit with `EndUnit`: the UNIT item's outcome, `unit-ended` published."""

    run_id: str
    unit_id: str
    run_attempt: int
    status: UnitStatus
    rows: RowCounts = RowCounts()
    job_ids: tuple[str, ...] = ()
    failure: StageFailure | None = None
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
    """

    rows_in: int
    filtered: int
    rejected: int
    valid: int
    valid_url: str
    rejected_url: str | None = None
    removed: int = 0


class Transform(Contract):
    """transform: the contract's SQL over the valid rows. Answers Transformed."""

    run_id: str
    unit_id: str


class Transformed(Contract):
    """Answer of transform. `removed` = valid rows in - rows out (never negative)."""

    rows: int
    removed: int
    output_url: str


class StoreDynamodb(Contract):
    """store_dynamodb: conditional puts of the transformed rows. Answers StoredRows."""

    run_id: str
    unit_id: str
    job_id: str | None = None


class StoredRows(Contract):
    """`rows` are in the table now; `unchanged` of them were there before (a repeat, or newer)."""

    rows: int
    unchanged: int = 0


class StoreRedshift(Contract):
    """store_redshift: write the load's statements to S3; the load is then submitted as a job.

    Answers PreparedLoad.
    """

    run_id: str
    unit_id: str
    rows: int
    job_id: str | None = None


class PreparedLoad(Contract):
    """Answer of store_redshift: where the statements lie, and how many rows they load."""

    statements_url: str
    rows: int


class RecordRun(Contract):
    """record_run: add the units up, write the results document and the RUN item.

    Answers RecordedRun.

    Attributes:
        status: given when the run ended early (SKIPPED, or FAILED before its units); absent:
            decided here from the units and the tolerated percentage.
    """

    request: RunRequest
    run_attempt: int
    execution_arn: str
    status: RunStatus | None = None
    reason: str | None = None


class RecordedRun(Contract):
    """Answer of record_run.

    Attributes:
        statements_url: the run's own row for the warehouse, to be submitted as a job of the unit
            `layout.RUN_UNIT`; absent without a warehouse.
    """

    result: RunResult
    statements_url: str | None = None


class Notify(Contract):
    """notify: publish `run-started` or `run-ended`. Answers nothing."""

    event: str
    run_id: str
    dataset_name: str
    run_attempt: int
    result: RunResult | None = None
