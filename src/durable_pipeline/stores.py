"""Where a unit's rows go, and what the warehouse needs before and after a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from aws_durable_execution_sdk_python import DurableContext

from contracts import layout
from contracts.job import Engine, JobStatus
from contracts.messages import (
    LOAD_FLOW,
    ExplainLoad,
    LoadedDataset,
    PrepareWarehouse,
    PublishFiles,
    RecordRun,
    StoreDynamodb,
    StoreFiles,
    StoreRedshift,
    Transformed,
)
from contracts.run import REASON_CHARACTERS, RunStatus
from durable_pipeline.jobs import Job, run_job
from durable_pipeline.load_failures import load_attempts, load_attempts_of_flow_1
from durable_pipeline.policies import LOAD_AGAIN
from durable_pipeline.settings import Settings
from durable_pipeline.steps import (
    EXPLAIN_LOAD,
    PREPARE_WAREHOUSE,
    PUBLISH_FILES,
    STORE_DYNAMODB,
    STORE_FILES,
    STORE_REDSHIFT,
    StageFailed,
    call,
)


def prepare_warehouse(context: DurableContext, settings: Settings, run_id: str) -> None:
    """See that the run's tables are there, before and outside its loads.

    Raises:
        StageFailed: a table is not as the contract has it, or cannot be made.
    """
    call(context, settings, PREPARE_WAREHOUSE, PrepareWarehouse(run_id=run_id))


def publish_files(
    context: DurableContext, settings: Settings, record: RecordRun, dataset: LoadedDataset | None
) -> RecordRun:
    """Name the run's files in the output bucket, in as many calls as its units take.

    Args:
        dataset: absent, or without the target `files`: there is nothing to publish.

    Returns:
        What to record of the run. If its files are not published, it has failed: its next attempt
        publishes them.

    Raises:
        StageFailed: another execution holds the run.
    """
    if dataset is None or "files" not in dataset.targets:
        return record
    message = PublishFiles(
        request=record.request,
        run_attempt=record.run_attempt,
        execution_arn=record.execution_arn,
    )
    try:
        while (answer := call(context, settings, PUBLISH_FILES, message)).progress is not None:
            message = message.model_copy(update={"progress": answer.progress})
    except StageFailed as failed:
        if failed.error_type == "OwnershipLost":
            raise
        why = f"its files were not published: {failed}"[:REASON_CHARACTERS]
        failure = {"status": RunStatus.FAILED, "reason": why, "files_error": why}
        return record.model_copy(update=failure)
    return record.model_copy(update={"files": answer.totals})


def store_run_rows(
    context: DurableContext,
    settings: Settings,
    run_id: str,
    run_attempt: int,
    dataset: LoadedDataset,
) -> str | None:
    """Load what the warehouse keeps of the run itself, its units and jobs.

    Returns:
        None once they are there, else why they are not. The run's data is stored and the ledger has
        its outcome, so a failure here does not fail the run.
    """
    job = Job(
        run_id=run_id,
        unit_id=layout.RUN_UNIT,
        stage="record-run",
        engine=Engine.REDSHIFT,
        run_attempt=run_attempt,
        timeout_seconds=300,
        attempts=LOAD_AGAIN.attempts,
        backoff=LOAD_AGAIN,
        tries=_tries(dataset.load_flow),
    )
    try:
        if "redshift" not in dataset.targets:  # else it was done before the units
            prepare_warehouse(context, settings, run_id)
        run_job(context, settings, job)
    except StageFailed as failed:
        context.logger.warning(
            "the run's rows are missing in the warehouse",
            extra={"run_id": run_id, "error": str(failed)},
        )
        return str(failed)
    return None


def _tries(flow: int) -> Callable[[JobStatus], int]:
    decide = load_attempts if flow >= LOAD_FLOW else load_attempts_of_flow_1
    return lambda status: decide(status.error or "")


@dataclass(frozen=True)
class Stores:
    """Stores the output of one unit.

    Attributes:
        job_id: the last job that made the rows, if there was one.
        run_attempt: of the run.
        load_flow: what happens after a failed load.
        holder: the execution that holds the run.
    """

    context: DurableContext
    settings: Settings
    run_id: str
    unit_id: str
    job_id: str | None
    run_attempt: int
    output: Transformed
    load_flow: int
    holder: str

    def files(self) -> None:
        """Write every row into files of the output bucket.

        Raises:
            StageFailed: not all of them could be written; nothing else of the unit is stored then.
        """
        message = StoreFiles(
            run_id=self.run_id,
            unit_id=self.unit_id,
            run_attempt=self.run_attempt,
            job_id=self.job_id,
            rows=self.output.rows,
            files=self.output.files,
        )
        stored = call(self.context, self.settings, STORE_FILES, message)
        if stored.rows != self.output.rows:
            why = f"{stored.rows} of {self.output.rows} rows were stored"
            raise StageFailed(STORE_FILES.name, "InvalidData", why)

    def dynamodb(self) -> int:
        """Put every row, in as many slices as the function's time makes of them.

        Returns:
            How many rows were left alone, as the table holds newer ones.

        Raises:
            StageFailed: rows were refused, or not all of them were stored.
        """
        stored = superseded = first = 0
        while True:
            message = StoreDynamodb(
                run_id=self.run_id,
                unit_id=self.unit_id,
                job_id=self.job_id,
                run_attempt=self.run_attempt,
                first_row=first,
                files=self.output.files,
                execution_arn=self.holder,
            )
            slice_ = call(self.context, self.settings, STORE_DYNAMODB, message)
            stored += slice_.rows
            superseded += slice_.superseded
            if slice_.next_row is None or slice_.next_row <= first:
                break
            first = slice_.next_row
        if stored != self.output.rows:
            why = f"{stored} of {self.output.rows} rows were stored"
            raise StageFailed(STORE_DYNAMODB.name, "InvalidData", why)
        return superseded

    def redshift(self, load: Job, on_ended: Callable[[JobStatus], None]) -> None:
        """Load every row as one transaction, again while conflicts make it fail.

        Raises:
            StageFailed: it failed for good; the message says over which row, where it is known.
        """
        message = StoreRedshift(
            run_id=self.run_id,
            unit_id=self.unit_id,
            rows=self.output.rows,
            run_attempt=self.run_attempt,
            job_id=self.job_id,
            files=self.output.files,
        )
        prepared = call(self.context, self.settings, STORE_REDSHIFT, message)
        patient = replace(
            load,
            input_url=prepared.statements_url,
            attempts=LOAD_AGAIN.attempts,
            backoff=LOAD_AGAIN,
            tries=_tries(self.load_flow),
        )
        try:
            run_job(self.context, self.settings, patient, on_ended)
        except StageFailed as failed:
            raise self._explained(failed) from failed

    def _explained(self, failed: StageFailed) -> StageFailed:
        """The same failure, in the words of whoever has looked at the rows."""
        if failed.error_type != "JobFailed":
            return failed
        question = ExplainLoad(
            run_id=self.run_id,
            unit_id=self.unit_id,
            error=failed.message,
            files=self.output.files,
        )
        try:
            answer = call(self.context, self.settings, EXPLAIN_LOAD, question)
        except StageFailed as unexplained:  # the failure stands, as the warehouse tells it
            self.context.logger.warning(
                "the load's failure was not explained",
                extra={"unit_id": self.unit_id, "error": str(unexplained)},
            )
            return failed
        return StageFailed(failed.stage, failed.error_type, answer.message, failed.job)
