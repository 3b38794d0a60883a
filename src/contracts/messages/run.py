"""Messages about a run as a whole."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from contracts.base import Contract
from contracts.costs.usage import Amounts
from contracts.job import Engine
from contracts.messages.operations import OF_A_JOB
from contracts.output.files import FilesTotals
from contracts.run import RunResult, RunStatus
from contracts.run_request import RunRequest, Timestamp

# Value of PERMANENT_FAILURES (template.yaml, PermanentFailures): what failed permanently is
# delivered, and processed, again.
REDELIVER: Final = "redeliver"


class RejectMessage(Contract):
    """reject_message: store a message that can never run. Returns nothing.

    Attributes:
        message_id: the SQS message id; of a long run, its id and attempt.
        body: the message as it came (its beginning, where it is near 1 MB as JSON).
        reason: one sentence that lists every problem.
        run_id: where the message named one.
    """

    message_id: str
    body: str
    reason: str
    run_id: str | None = None


class ClaimRun(Contract):
    """claim_run: become the one execution that holds the run. Returns Claim.

    Attributes:
        execution_arn: the durable execution that wants the run.
        handed_over_by: the execution that claimed it and then started this one.
        drawn_for: what a run id that is to be drawn (`runId: auto`) is drawn for, and found again
            by: the SQS message id, or the execution's ARN for a direct start. Absent from earlier
            orchestrators, to which such a run id means itself.
        sent_at: when the queue got the message; said where the request's range is relative to it.
    """

    request: RunRequest
    execution_arn: str
    handed_over_by: str | None = None
    drawn_for: str | None = None
    sent_at: Timestamp | None = None


class ClaimOutcome(StrEnum):
    """CLAIMED: yours, new. TAKEN_OVER: yours, an earlier holder ended without success.
    LIVE: another execution holds it. ENDED: it has succeeded, or was skipped, stopped or
    superseded. In the last two, start nothing."""

    CLAIMED = "CLAIMED"
    TAKEN_OVER = "TAKEN_OVER"
    LIVE = "LIVE"
    ENDED = "ENDED"


# What a direct start does with a run. 1: it executes it, unless the run has several shards; 2: it
# hands a long one over as well, as the request and the contract's declared seconds say.
START_FLOW: Final = 2


# How units begin and end. 1: they begin, unless start-unit fails; 2: they ask whether they do, and
# their operations are counted (`contracts.messages.operations`); 3: their first job's submission
# asks that as well, and their last store records their end; 4: many units of an execution lie in
# groups (`durable_pipeline.sharding.groups`).
UNIT_FLOW: Final = 4
UNITS_ASK: Final = 2
STAGES_CARRY: Final = 3
UNITS_GROUPED: Final = 4


class Claim(Contract):
    """Response of claim_run.

    Attributes:
        run_attempt: 1 for a first claim, one more at each taking-over.
        start_date_time: where a relative range begins, frozen; absent of any other.
        end_date_time: the request's, or the moment of the first claim, frozen.
        holder: the execution that holds the run.
        status: the run's status in the ledger.
        previous_timed_out: the earlier holder ran out of time, so the work is too long for it.
        run_id: the id that was drawn; absent where the request names its run.
        superseded_by: the run that retries this one and took its place.
        start_flow: what a direct start does, see START_FLOW. Earlier histories lack it: they are
            replayed as they were recorded.
        unit_flow: how units begin and end, see UNIT_FLOW; likewise.
    """

    outcome: ClaimOutcome
    run_attempt: int
    start_date_time: Timestamp | None = None
    end_date_time: Timestamp
    holder: str
    status: RunStatus
    previous_timed_out: bool = False
    run_id: str | None = None
    superseded_by: str | None = None
    start_flow: int = 1
    unit_flow: int = 1


class LoadDataset(Contract):
    """load_dataset: read, check and freeze the contract for this run. Returns LoadedDataset."""

    request: RunRequest


class LoadedJob(Contract):
    """One step of the job chain, as much of it as the orchestrator needs.

    Attributes:
        timeout_seconds: how long it may run.
        queue_seconds: how long it may wait before that; absent: it waits for no place, or an
            earlier release loaded the contract.
        retry_delay_seconds: before its second try, doubled by each further one; absent: an earlier
            release loaded the contract.
        pool: as the contract names it; absent: that of its engine.
    """

    stage: str
    engine: Engine
    timeout_seconds: int
    attempts: int = 1
    queue_seconds: int | None = None
    retry_delay_seconds: int | None = None
    pool: str | None = None

    @property
    def operations(self) -> int:
        """Durable operations of one try: create-callback and submit-job; of a job that the
        orchestrator invokes, submit-job and the invoke."""
        return OF_A_JOB


# What a run does after a failed load. 1: tried again unless known to fail for good; 2: as often as
# the error deserves, and a run whose own rows are missing is recorded once more.
LOAD_FLOW: Final = 2


class LoadedDataset(Contract):
    """Response of load_dataset.

    Attributes:
        version: content hash of the contract file (first 12 hex digits of its SHA-256).
        unit_seconds: how long one unit takes, as the contract declares.
        jobs: the chain, in order; may be empty.
        targets: some of `files`, `dynamodb` and `redshift`.
        warehouse_timeout_seconds: how long one warehouse load may run.
        warehouse_queue_seconds: how long one may wait before that; absent: an earlier release
            loaded the contract.
        warehouse: this deployment has a warehouse (the run's own row goes there too).
        of_items: the run's object is a JSON array, each item of which is a unit of the run.
        load_flow: what the run does after a failed load, see LOAD_FLOW. Earlier histories lack
            it: they are replayed as they were recorded.
        input_url: full URL of the one object that the request names; absent: it names none, or an
            earlier release loaded the contract.
        pools_full: jobs wait in one of the pools that the run's own will take places of, or it has
            no place free.
        halves: a unit holds several objects, and where a job of it fails, jobs of its halves show
            which of them are the reason.
    """

    name: str
    version: str
    unit_seconds: int
    jobs: tuple[LoadedJob, ...]
    targets: tuple[str, ...]
    warehouse_timeout_seconds: int = 900
    warehouse: bool = False
    of_items: bool = False
    load_flow: int = 1
    input_url: str | None = None
    warehouse_queue_seconds: int | None = None
    pools_full: bool = False
    halves: bool = False


class ListUrls(Contract):
    """list_urls: freeze the manifest (once) and list what is pending. Returns ManifestSummary.

    Attributes:
        units_per_shard: the size of a shard.
        shard: the shard whose pending positions are wanted.
        run_attempt: above 1, units that the ledger has as stored are not pending.
        handed_over: this attempt has executed units before, in the execution that handed the run
            over; those that have ended are not pending.
        shards_at_once: how many shards are to be processed side by side; above 1, they are of about
            as many bytes each.
        may_wait: who asks can wait (`ManifestSummary.waiting`). Earlier orchestrators cannot.
    """

    request: RunRequest
    end_date_time: Timestamp
    units_per_shard: int
    run_attempt: int
    shard: int = 0
    handed_over: bool = False
    may_wait: bool = False
    shards_at_once: int = 1


class BeginRound(Contract):
    """record_unit with `BeginRound`: make the run's next attempt, in the execution that holds it,
    for units that failed for what may pass. Returns Round.

    Attributes:
        wait_seconds: until they run again.
        units: how many they are.
        kind: distinguishes it from the messages about a unit.
    """

    run_id: str
    run_attempt: int
    execution_arn: str
    wait_seconds: int
    units: int
    kind: str = "round"


class Round(Contract):
    """Response of begin-round.

    Attributes:
        run_attempt: of the new attempt; absent: the run is to stop, so there is none.
        until: when its units begin.
    """

    run_attempt: int | None = None
    until: Timestamp | None = None


class PrepareWarehouse(Contract):
    """prepare_warehouse: make the tables that the run needs, add columns that are new.

    Returns PreparedWarehouse.
    """

    run_id: str


class PreparedWarehouse(Contract):
    """Response of prepare_warehouse: the statements that it ran; none when all was there."""

    statements: tuple[str, ...] = ()


class RecordRun(Contract):
    """record_run: add the units up, write the results document and the RUN item.

    Returns RecordedRun.

    Attributes:
        status: given when the run ended early (SKIPPED, or FAILED before its units); absent:
            decided here from the units and the tolerated percentage.
        warehouse_error: why the run's own rows are missing in the warehouse; given when the run is
            recorded once more to say so.
        files: what was published in the output bucket.
        files_error: why that was not possible, which fails the run.
        refused: the run ended before its units, as its message can never run, or as another run
            takes the new objects: the run that it was to retry is no longer superseded by it.
        usage: what this attempt has used beside its units; absent: an earlier release sends the
            message, so it is not known.
    """

    request: RunRequest
    run_attempt: int
    execution_arn: str
    status: RunStatus | None = None
    reason: str | None = None
    warehouse_error: str | None = None
    files: FilesTotals | None = None
    files_error: str | None = None
    refused: bool = False
    usage: Amounts | None = None


class RecordedRun(Contract):
    """Response of record_run.

    Attributes:
        statements_url: the run's own row for the warehouse, to be submitted as a job of the unit
            `layout.RUN_UNIT`; absent without a warehouse.
    """

    result: RunResult
    statements_url: str | None = None


class Notify(Contract):
    """notify: publish `run-started` or `run-ended`. Returns nothing."""

    event: str
    run_id: str
    dataset_name: str
    run_attempt: int
    result: RunResult | None = None
