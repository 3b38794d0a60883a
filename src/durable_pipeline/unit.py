"""The stages of one unit: one S3 object from its jobs to the stored rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from contracts.costs.usage import added
from contracts.job import Engine, JobStatus, Priority
from contracts.messages import (
    EndUnit,
    LoadedDataset,
    LoadedJob,
    NotBegun,
    PartOutput,
    Transformed,
    Validated,
)
from contracts.messages.operations import ASKING, RESERVED
from contracts.run import RowCounts, UnitState, UnitStatus
from contracts.source.unit_part import UnitPart
from contracts.steps import Steps, UnitRef, carries_the_end
from durable_pipeline.beginning import Asking, Beginning, DoesNotBegin
from durable_pipeline.chain.functions import UnrecordedEnds
from durable_pipeline.chain.halving import Halving, may_be_halved
from durable_pipeline.ending import CarriedEnd, UnitEnd, end_by_itself, unit_end
from durable_pipeline.jobs import Job, run_job
from durable_pipeline.operations import operations_of
from durable_pipeline.policies import between_tries
from durable_pipeline.steps import BoundSteps, StageFailed
from durable_pipeline.stores import Stores

_FOR_GOOD: Final = (NotBegun.STOPPED, NotBegun.FAILED_FAST, NotBegun.COST)  # no execution begins it


class Unit:
    """One unit of a run, with what its stages have returned so far.

    Args:
        holder: the execution that holds the run; not that of a shard.
        priority: of the run.
        asking: absent in flow 1 (UNIT_FLOW): the unit begins without asking.
    """

    def __init__(
        self,
        steps: BoundSteps,
        dataset: LoadedDataset,
        unit: UnitRef,
        *,
        holder: str,
        priority: Priority = Priority.NORMAL,
        asking: Asking | None = None,
    ) -> None:
        self.asking = asking
        self.stages_carry = asking is not None and asking.stages_carry
        self.beginning = Beginning(steps, unit, asking)
        self.operations = operations_of(steps.context)
        self.steps = steps
        self.dataset = dataset
        self.unit = unit
        self.holder = holder
        self.priority = priority
        self.job_ids: list[str] = []
        self.job_output_url: str | None = None
        self.parts: tuple[PartOutput, ...] | None = None
        self._job_of_rows: str | None = None
        self.ends = UnrecordedEnds()
        self.validated: Validated | None = None
        self.transformed: Transformed | None = None
        self.stored_in: list[str] = []
        self.carried: CarriedEnd | None = None

    def process(self) -> UnitEnd:
        """Take the unit through its stages, if it begins; a failure is recorded, not raised.

        Raises:
            StageFailed: the outcome itself could not be recorded.
        """
        try:
            if not (self.stages_carry and self.dataset.jobs):
                self.beginning.ask()
            rows = self._stages()
        except DoesNotBegin as none:
            status = UnitState.NOT_STARTED if none.reason in _FOR_GOOD else None
            used, usage = self.operations.used, self.operations.amounts
            return UnitEnd(status=status, not_begun=none.reason, uncounted=used, usage=usage)
        except StageFailed as failed:
            if failed.error_type == "OwnershipLost":
                raise
            outcome = self._outcome(UnitStatus.FAILED, failed=failed)
        else:
            outcome = self._outcome(UnitStatus.STORED, rows=rows)
        return self._end(outcome)

    def _end(self, outcome: EndUnit) -> UnitEnd:
        begun = self.beginning.begun
        if self.carried is not None and self.carried.recorded:
            return unit_end(outcome, UnitState.STORED)
        if self.dataset.of_items:
            if not begun:
                self.operations.allowed = ASKING - 1 + RESERVED[Steps.record_items.name]
            outcome = self._with_items(outcome)
        if not begun:
            self.operations.allowed = ASKING
        status = end_by_itself(self.steps, outcome, self.carried)
        return unit_end(outcome, status, uncounted=0 if begun else self.operations.used)

    def _stages(self) -> RowCounts:
        steps, unit = self.steps, self.unit

        self._run_jobs()

        validated = self.validated = steps.validate(
            unit,
            input_url=self.job_output_url,
            ended_jobs=self.ends.pending,
            parts=self.parts,
        )
        self.ends.recorded()

        transformed = self.transformed = steps.transform(
            unit,
            job_id=self._last_job_id,
            rows_in=validated.rows_in,
            rejected=validated.rejected,
            files=validated.files,
            execution_arn=self.holder,
        )
        return self._rows(validated, transformed, superseded=self._store(transformed))

    @staticmethod
    def _rows(validated: Validated, transformed: Transformed, superseded: int) -> RowCounts:
        if transformed.counts is not None:
            return transformed.counts.model_copy(update={"superseded": superseded})
        return RowCounts(
            rows_in=validated.rows_in,
            filtered=validated.filtered,
            rejected=validated.rejected + transformed.rejected,
            removed=validated.removed + transformed.removed,
            stored=transformed.rows,
            warned=validated.warned,
            superseded=superseded,
        )

    def _run_jobs(self) -> None:
        """Run the chain: each job reads what the one before it has written."""
        for place, of_chain in enumerate(self.dataset.jobs):
            try:
                self.job_output_url = self._run_job(
                    of_chain, of_chain.stage, self.job_output_url, of_chain.attempts
                ).output_url
            except StageFailed as failed:
                if not self.dataset.halves or not may_be_halved(failed):
                    raise
                self._run_halves(failed, place)
                return

    def _run_halves(self, failed: StageFailed, place: int) -> None:
        """Take the chain's rest over parts of the unit's objects, from the job that failed on."""

        def run(
            of_chain: LoadedJob, part: UnitPart, input_url: str | None, attempts: int
        ) -> JobStatus:
            stage = part.stage(of_chain.stage)
            try:
                return self._run_job(of_chain, stage, input_url, attempts)
            except StageFailed as of_part:
                if of_part.stage != stage:
                    raise
                kind, why = of_part.error_type, of_part.message
                raise StageFailed(of_chain.stage, kind, why, of_part.job) from of_part

        halving = Halving(self.dataset.jobs, run, lambda: len(self.job_ids), self.operations)
        self.parts = halving.isolate(failed, place, self.job_output_url)
        read = [part for part in self.parts if part.output_url]
        self.job_output_url, self._job_of_rows = read[-1].output_url, read[-1].job_id

    def _run_job(
        self, of_chain: LoadedJob, stage: str, input_url: str | None, attempts: int
    ) -> JobStatus:
        """Run a job of the chain.

        Raises:
            StageFailed: it did not succeed.
        """
        job = replace(
            self._job(stage, of_chain.engine, of_chain.timeout_seconds),
            queue_seconds=of_chain.queue_seconds,
            pool=of_chain.pool,
            attempts=attempts,
            backoff=between_tries(of_chain),
            input_url=input_url,
            first=self.beginning if not self.beginning.begun else None,
        )
        return run_job(self.steps, job, self._job_ended)

    def _store(self, output: Transformed) -> int:
        """Store the rows in every target.

        Files come first. A bucket that cannot be written, or a value that cannot be part of a key,
        then fails the unit before anything else is stored. And a repeat overwrites files, while
        readers may have seen the rows of a table already. DynamoDB comes last, as its step, which
        has all rows stored when it returns, records the end of the unit as well.

        Returns:
            How many rows DynamoDB skipped because it holds newer ones.
        """
        last = carries_the_end(self.dataset) if self.stages_carry else None
        if last is not None:
            self.carried = CarriedEnd(self._stored_outcome, self.operations)
        stores = Stores(
            self.steps,
            self.unit,
            self._last_job_id,
            output,
            self.dataset.load_flow,
            self.holder,
            stages_carry=self.stages_carry,
            carried=self.carried,
        )
        superseded = 0
        for target in self._targets():
            if target == "files":
                stores.files(last=last == target)
            elif target == "dynamodb":
                superseded = stores.dynamodb()
            elif target == "redshift":
                stores.redshift(self._load(), self._job_ended)
            self.stored_in.append(target)
        return superseded

    def _targets(self) -> list[str]:
        """The dataset's targets, in the order in which they are stored in."""
        order: tuple[str, ...] = ("files", "redshift", "dynamodb")
        if not self.stages_carry:
            order = ("files", "dynamodb", "redshift")
        return [target for target in order if target in self.dataset.targets]

    def _load(self) -> Job:
        load = self._job(
            Steps.store_redshift.name, Engine.REDSHIFT, self.dataset.warehouse_timeout_seconds
        )
        return replace(load, queue_seconds=self.dataset.warehouse_queue_seconds)

    def _stored_outcome(self, superseded: int) -> EndUnit:
        """The outcome once the last store has all rows."""
        validated, transformed = self.validated, self.transformed
        assert validated is not None  # noqa: S101  (stores come after both)
        assert transformed is not None  # noqa: S101
        rows = self._rows(validated, transformed, superseded)
        return self._outcome(UnitStatus.STORED, rows=rows)

    def _with_items(self, outcome: EndUnit) -> EndUnit:
        """Record the result of each item of the batch; if that fails, the unit has failed.

        Raises:
            StageFailed: another execution holds the run.
        """
        try:
            items = self.steps.record_items(
                self.unit,
                rejected_url=self.validated.rejected_url if self.validated else None,
                set_aside_url=self.transformed.rejected_url if self.transformed else None,
                failure=outcome.failure,
                job_output_url=self.job_output_url,
            )
        except StageFailed as failed:
            if failed.error_type == "OwnershipLost":
                raise
            return self._outcome(UnitStatus.FAILED, failed=failed)
        return outcome.model_copy(update={"items": items})

    def _job(self, stage: str, engine: Engine, seconds: int) -> Job:
        return Job(
            unit=self.unit,
            stage=stage,
            engine=engine,
            timeout_seconds=seconds,
            priority=self.priority,
            ends=self.ends,
        )

    def _job_ended(self, status: JobStatus) -> None:
        self.job_ids.append(status.job_id)
        if status.run_attempt == self.unit.run_attempt:
            self.operations.spend_all(status.usage)
        else:
            self.operations.adopted = added((self.operations.adopted, status.usage))

    @property
    def _last_job_id(self) -> str | None:
        if self._job_of_rows is not None:  # the last of all may have failed
            return self._job_of_rows
        return self.job_ids[-1] if self.job_ids else None

    def _outcome(
        self, status: UnitStatus, rows: RowCounts | None = None, failed: StageFailed | None = None
    ) -> EndUnit:
        asking, allowance, stored = self.asking, self.beginning.allowance, failed is None
        return EndUnit(
            run_id=self.unit.run_id,
            unit_id=self.unit.unit_id,
            run_attempt=self.unit.run_attempt,
            status=status,
            rows=rows or RowCounts(),
            job_ids=tuple(self.job_ids),
            failure=failed.failure if failed else None,
            set_aside=self.transformed.rejected if self.transformed else 0,
            has_findings=bool(self.validated and self.validated.findings_url) or None,
            objects=self.transformed.objects if stored and self.transformed else None,
            failed_objects=self.transformed.failed_objects if stored and self.transformed else None,
            ended_jobs=self.ends.pending,
            stored_in=tuple(self.stored_in) if failed and self.stages_carry else None,
            execution_arn=asking.execution_arn if asking and allowance else None,
            allowance=allowance or 0,
            fail_fast=asking is not None and asking.tolerated_losses is not None,
            counts_cost=asking is not None and asking.max_cost is not None,
        )
