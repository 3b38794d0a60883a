"""The stages of one unit: one S3 object from its jobs to the stored rows."""

from __future__ import annotations

from aws_durable_execution_sdk_python import DurableContext

from contracts.job import Engine, JobStatus
from contracts.messages import (
    EndUnit,
    LoadedDataset,
    RecordItems,
    StartUnit,
    Transform,
    Transformed,
    Validate,
    Validated,
)
from contracts.run import RowCounts, UnitStatus
from durable_pipeline.functions import UnrecordedEnds
from durable_pipeline.jobs import Job, run_job
from durable_pipeline.settings import Settings
from durable_pipeline.steps import (
    END_UNIT,
    RECORD_ITEMS,
    START_UNIT,
    TRANSFORM,
    VALIDATE,
    StageFailed,
    call,
)
from durable_pipeline.stores import Stores


class Unit:
    """One unit of a run, with what it has learnt on its way.

    Args:
        holder: the execution that holds the run; of a shard, not its own.
    """

    def __init__(
        self,
        context: DurableContext,
        settings: Settings,
        dataset: LoadedDataset,
        *,
        run_id: str,
        unit_id: str,
        run_attempt: int,
        holder: str,
    ) -> None:
        self.context = context
        self.settings = settings
        self.dataset = dataset
        self.run_id = run_id
        self.unit_id = unit_id
        self.run_attempt = run_attempt
        self.holder = holder
        self.job_ids: list[str] = []
        self.job_output_url: str | None = None
        self.ends = UnrecordedEnds()
        self.validated: Validated | None = None
        self.transformed: Transformed | None = None

    def process(self) -> UnitStatus:
        """Take the unit through its stages; a failure is recorded, not raised.

        Raises:
            StageFailed: the outcome itself could not be recorded.
        """
        try:
            rows = self._stages()
        except StageFailed as failed:
            if failed.error_type == "OwnershipLost":
                raise
            outcome = self._outcome(UnitStatus.FAILED, failed=failed)
        else:
            outcome = self._outcome(UnitStatus.STORED, rows=rows)
        if self.dataset.of_items:
            outcome = self._with_items(outcome)
        call(self.context, self.settings, END_UNIT, outcome)
        return outcome.status

    def _with_items(self, outcome: EndUnit) -> EndUnit:
        """Let each item of the batch have its result; a unit whose items have none has failed.

        Raises:
            StageFailed: another execution holds the run.
        """
        record = RecordItems(
            run_id=self.run_id,
            unit_id=self.unit_id,
            run_attempt=self.run_attempt,
            rejected_url=self.validated.rejected_url if self.validated else None,
            set_aside_url=self.transformed.rejected_url if self.transformed else None,
            failure=outcome.failure,
            job_output_url=self.job_output_url,
        )
        try:
            items = call(self.context, self.settings, RECORD_ITEMS, record)
        except StageFailed as failed:
            if failed.error_type == "OwnershipLost":
                raise
            return self._outcome(UnitStatus.FAILED, failed=failed)
        return outcome.model_copy(update={"items": items})

    def _stages(self) -> RowCounts:
        run, unit = self.run_id, self.unit_id
        start = StartUnit(run_id=run, unit_id=unit, run_attempt=self.run_attempt)
        call(self.context, self.settings, START_UNIT, start)

        url: str | None = None
        for link in self.dataset.jobs:
            job = self._job(link.stage, link.engine, link.timeout_seconds, link.attempts, url)
            url = self.job_output_url = self._run(job).output_url

        validated = call(
            self.context,
            self.settings,
            VALIDATE,
            Validate(run_id=run, unit_id=unit, input_url=url, ended_jobs=self.ends.pending),
        )
        self.ends.recorded()
        self.validated = validated
        transform = Transform(
            run_id=run,
            unit_id=unit,
            job_id=self._last_job_id,
            rows_in=validated.rows_in,
            rejected=validated.rejected,
            files=validated.files,
            execution_arn=self.holder,
        )
        transformed = call(self.context, self.settings, TRANSFORM, transform)
        self.transformed = transformed
        superseded = self._store(transformed)

        return RowCounts(
            rows_in=validated.rows_in,
            filtered=validated.filtered,
            rejected=validated.rejected + transformed.rejected,
            removed=validated.removed + transformed.removed,
            stored=transformed.rows,
            warned=validated.warned,
            superseded=superseded,
        )

    def _store(self, output: Transformed) -> int:
        """Store the rows in every target.

        Files come first: a bucket that cannot be written, or a value that cannot be part of a key,
        then fails the unit before anything else of it is stored; and a repeat overwrites files,
        while what a table showed has been read.

        Returns:
            How many rows were left alone, as far as that is known.
        """
        superseded = 0
        stores = Stores(
            self.context,
            self.settings,
            self.run_id,
            self.unit_id,
            self._last_job_id,
            self.run_attempt,
            output,
            self.dataset.load_flow,
            self.holder,
        )
        if "files" in self.dataset.targets:
            stores.files()
        if "dynamodb" in self.dataset.targets:
            superseded = stores.dynamodb()
        if "redshift" in self.dataset.targets:
            seconds = self.dataset.warehouse_timeout_seconds
            load = self._job("store-redshift", Engine.REDSHIFT, seconds, attempts=1)
            stores.redshift(load, self._job_ended)
        return superseded

    def _job(
        self, stage: str, engine: Engine, seconds: int, attempts: int, input_url: str | None = None
    ) -> Job:
        return Job(
            run_id=self.run_id,
            unit_id=self.unit_id,
            stage=stage,
            engine=engine,
            run_attempt=self.run_attempt,
            timeout_seconds=seconds,
            attempts=attempts,
            input_url=input_url,
            ends=self.ends,
        )

    def _run(self, job: Job) -> JobStatus:
        return run_job(
            self.context,
            self.settings,
            job,
            on_ended=self._job_ended,
        )

    def _job_ended(self, status: JobStatus) -> None:
        self.job_ids.append(status.job_id)

    @property
    def _last_job_id(self) -> str | None:
        return self.job_ids[-1] if self.job_ids else None

    def _outcome(
        self, status: UnitStatus, rows: RowCounts | None = None, failed: StageFailed | None = None
    ) -> EndUnit:
        return EndUnit(
            run_id=self.run_id,
            unit_id=self.unit_id,
            run_attempt=self.run_attempt,
            status=status,
            rows=rows or RowCounts(),
            job_ids=tuple(self.job_ids),
            failure=failed.failure if failed else None,
            set_aside=self.transformed.rejected if self.transformed else 0,
            ended_jobs=self.ends.pending,
        )
