"""Where a unit's rows go, and what the warehouse needs before and after a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from contracts.job import Engine, JobStatus, Priority
from contracts.messages import (
    LOAD_FLOW,
    LoadedDataset,
    PublishFiles,
    RecordRun,
    StoredRows,
    StoreDynamodb,
    StoreFiles,
    SubmitJob,
    Transformed,
)
from contracts.run import REASON_CHARACTERS, RunStatus
from contracts.steps import Steps, UnitRef
from durable_pipeline.ending import CarriedEnd
from durable_pipeline.jobs import Job, run_job
from durable_pipeline.load_failures import load_attempts, load_attempts_of_flow_1
from durable_pipeline.policies import LOAD_AGAIN
from durable_pipeline.steps import BoundSteps, StageFailed


def publish_files(steps: BoundSteps, record: RecordRun, dataset: LoadedDataset | None) -> RecordRun:
    """Publish the run's files in the output bucket, in as many calls as they take.

    Args:
        dataset: absent, or without the target `files`: there is nothing to publish.

    Returns:
        What to record of the run: FAILED if its files could not be published, so that its next
        attempt publishes them.

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
        while (published := steps.call(Steps.publish_files, message)).progress is not None:
            message = message.model_copy(update={"progress": published.progress})
    except StageFailed as failed:
        if failed.error_type == "OwnershipLost":
            raise
        why = f"its files were not published: {failed}"[:REASON_CHARACTERS]
        failure = {"status": RunStatus.FAILED, "reason": why, "files_error": why}
        return record.model_copy(update=failure)
    return record.model_copy(update={"files": published.totals})


def store_run_rows(
    steps: BoundSteps, unit: UnitRef, dataset: LoadedDataset, priority: Priority
) -> str | None:
    """Load the rows about the run itself, its units and jobs into the warehouse.

    Args:
        unit: the run's own, `layout.RUN_UNIT`.

    Returns:
        None if they are loaded, otherwise why not. A failure here does not fail the run: its data
        is stored and the ledger has its outcome.
    """
    job = Job(
        unit=unit,
        stage=Steps.record_run.name,
        engine=Engine.REDSHIFT,
        timeout_seconds=300,
        queue_seconds=dataset.warehouse_queue_seconds,
        priority=priority,
        attempts=LOAD_AGAIN.attempts,
        backoff=LOAD_AGAIN,
        tries=_tries(dataset.load_flow),
    )
    try:
        if "redshift" not in dataset.targets:  # else it was done before the units
            steps.prepare_warehouse(run_id=unit.run_id)
        run_job(steps, job)
    except StageFailed as failed:
        steps.context.logger.warning(
            "the run's rows are missing in the warehouse",
            extra={"run_id": unit.run_id, "error": str(failed)},
        )
        return str(failed)
    return None


def _tries(flow: int) -> Callable[[JobStatus], int]:
    if flow < LOAD_FLOW:
        return lambda status: load_attempts_of_flow_1(status.error or "")
    return lambda status: load_attempts(status.error or "", status.error_code)


@dataclass
class _Preparing:
    """The call of store-redshift, which submits the load as well where its message says so."""

    stores: Stores
    input_url: str | None = None

    def __call__(self, message: SubmitJob | None) -> JobStatus | None:
        stores = self.stores
        prepared = stores.steps.store_redshift(
            stores.unit,
            rows=stores.output.rows,
            job_id=stores.job_id,
            files=stores.output.files,
            submit=message,
        )
        self.input_url = prepared.statements_url
        return prepared.status


@dataclass(frozen=True)
class Stores:
    """Stores the output of one unit.

    Attributes:
        job_id: the last job that made the rows, if there was one.
        load_flow: which rule decides on retries of a failed load (LOAD_FLOW).
        holder: the execution that holds the run.
        stages_carry: flow 3 (UNIT_FLOW): store-redshift submits the load as well.
        carried: the unit's end, for its last store to record; absent: none does.
    """

    steps: BoundSteps
    unit: UnitRef
    job_id: str | None
    output: Transformed
    load_flow: int
    holder: str
    stages_carry: bool = False
    carried: CarriedEnd | None = None

    def files(self, *, last: bool = False) -> None:
        """Write every row into files of the output bucket.

        Args:
            last: no other store comes after it.

        Raises:
            StageFailed: not all of them could be written.
        """
        rows, unit, carried = self.output.rows, self.unit, self.carried if last else None
        if carried is not None:
            carried.begins()
        stored = self.steps.call_with(
            Steps.store_files,
            lambda used: StoreFiles(
                run_id=unit.run_id,
                unit_id=unit.unit_id,
                run_attempt=unit.run_attempt,
                job_id=self.job_id,
                rows=rows,
                files=self.output.files,
                end=carried.after(used, rows) if carried else None,
            ),
        )
        if carried is not None:
            carried.recorded = stored.ended
        if stored.rows != self.output.rows:
            why = f"{stored.rows} of {self.output.rows} rows were stored"
            raise StageFailed(Steps.store_files.name, "InvalidData", why)

    def dynamodb(self) -> int:
        """Put every row, in slices: each call of the function puts as many as its time allows.

        Returns:
            How many rows were skipped because the table holds newer ones.

        Raises:
            StageFailed: rows were refused, or not all of them were stored.
        """
        stored = superseded = first = 0
        while True:
            slice_ = self._put(first, stored, superseded)
            stored += slice_.rows
            superseded += slice_.superseded
            if slice_.next_row is None or slice_.next_row <= first:
                break
            first = slice_.next_row
        if stored != self.output.rows:
            why = f"{stored} of {self.output.rows} rows were stored"
            raise StageFailed(Steps.store_dynamodb.name, "InvalidData", why)
        return superseded

    def _put(self, first: int, stored: int, superseded: int) -> StoredRows:
        """Put the slice from a row on, with how many rows earlier ones have stored and skipped."""
        unit, carried = self.unit, self.carried
        if carried is not None:
            carried.begins()
        slice_ = self.steps.call_with(
            Steps.store_dynamodb,
            lambda used: StoreDynamodb(
                run_id=unit.run_id,
                unit_id=unit.unit_id,
                job_id=self.job_id,
                run_attempt=unit.run_attempt,
                first_row=first,
                files=self.output.files,
                execution_arn=self.holder,
                end=carried.after(used, self.output.rows - stored, superseded) if carried else None,
            ),
        )
        if carried is not None:
            carried.recorded = slice_.ended
        return slice_

    def redshift(self, load: Job, on_ended: Callable[[JobStatus], None]) -> None:
        """Load every row in one transaction, repeated if it fails by a conflict.

        Raises:
            StageFailed: it failed for good; the message names the row, if it is known.
        """
        preparing = _Preparing(self)
        if not self.stages_carry:
            preparing(None)
        patient = replace(
            load,
            input_url=preparing.input_url,
            first=preparing if self.stages_carry else None,
            attempts=LOAD_AGAIN.attempts,
            backoff=LOAD_AGAIN,
            tries=_tries(self.load_flow),
        )
        try:
            run_job(self.steps, patient, on_ended)
        except StageFailed as failed:
            raise self._explained(failed) from failed

    def _explained(self, failed: StageFailed) -> StageFailed:
        """The same failure with the message of explain-load, which reads the rows."""
        if failed.error_type != "JobFailed":
            return failed
        try:
            explained = self.steps.explain_load(
                self.unit, error=failed.message, files=self.output.files
            )
        except StageFailed as unexplained:  # then report the warehouse's own message
            self.steps.context.logger.warning(
                "the load's failure was not explained",
                extra={"unit_id": self.unit.unit_id, "error": str(unexplained)},
            )
            return failed
        return StageFailed(failed.stage, failed.error_type, explained.message, failed.job)
