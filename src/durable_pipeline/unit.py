"""The stages of one unit: one S3 object from its jobs to the stored rows."""

from __future__ import annotations

from dataclasses import replace

from aws_durable_execution_sdk_python import DurableContext

from contracts.job import Engine, JobStatus
from contracts.messages import (
    EndUnit,
    LoadedDataset,
    StartUnit,
    StoreDynamodb,
    StoreRedshift,
    Transform,
    Validate,
)
from contracts.run import RowCounts, UnitStatus
from durable_pipeline.jobs import Job, run_job
from durable_pipeline.policies import LOAD_AGAIN
from durable_pipeline.settings import Settings
from durable_pipeline.steps import (
    END_UNIT,
    START_UNIT,
    STORE_DYNAMODB,
    STORE_REDSHIFT,
    TRANSFORM,
    VALIDATE,
    StageFailed,
    call,
)


class Unit:
    """One unit of a run, with what it has learnt on its way."""

    def __init__(
        self,
        context: DurableContext,
        settings: Settings,
        dataset: LoadedDataset,
        *,
        run_id: str,
        unit_id: str,
        run_attempt: int,
    ) -> None:
        self.context = context
        self.settings = settings
        self.dataset = dataset
        self.run_id = run_id
        self.unit_id = unit_id
        self.run_attempt = run_attempt
        self.job_ids: list[str] = []

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
        call(self.context, self.settings, END_UNIT, outcome)
        return outcome.status

    def _stages(self) -> RowCounts:
        run, unit = self.run_id, self.unit_id
        start = StartUnit(run_id=run, unit_id=unit, run_attempt=self.run_attempt)
        call(self.context, self.settings, START_UNIT, start)

        url = None
        for link in self.dataset.jobs:
            job = self._job(link.stage, link.engine, link.timeout_seconds, link.attempts, url)
            url = self._run(job).output_url

        validated = call(
            self.context,
            self.settings,
            VALIDATE,
            Validate(run_id=run, unit_id=unit, input_url=url),
        )
        transformed = call(
            self.context, self.settings, TRANSFORM, Transform(run_id=run, unit_id=unit)
        )
        if "dynamodb" in self.dataset.targets:
            store = StoreDynamodb(run_id=run, unit_id=unit, job_id=self._last_job_id)
            call(self.context, self.settings, STORE_DYNAMODB, store)
        if "redshift" in self.dataset.targets:
            load = StoreRedshift(
                run_id=run, unit_id=unit, rows=transformed.rows, job_id=self._last_job_id
            )
            call(self.context, self.settings, STORE_REDSHIFT, load)
            seconds = self.dataset.warehouse_timeout_seconds
            job = self._job("store-redshift", Engine.REDSHIFT, seconds, LOAD_AGAIN.attempts)
            self._run(replace(job, backoff=LOAD_AGAIN))

        return RowCounts(
            rows_in=validated.rows_in,
            filtered=validated.filtered,
            rejected=validated.rejected,
            removed=validated.removed + transformed.removed,
            stored=transformed.rows,
        )

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
        )

    def _run(self, job: Job) -> JobStatus:
        return run_job(
            self.context,
            self.settings,
            job,
            on_ended=lambda status: self.job_ids.append(status.job_id),
        )

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
        )
