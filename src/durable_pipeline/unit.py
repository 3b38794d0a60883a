"""The stages of one unit: one S3 object from its jobs to the stored rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from contracts.base import Contract
from contracts.costs.usage import Amounts, added
from contracts.job import Engine, JobStatus, Priority
from contracts.messages import (
    Began,
    EndUnit,
    LoadedDataset,
    LoadedJob,
    NotBegun,
    StartUnit,
    Transformed,
    Validated,
)
from contracts.messages.operations import ASKING, RESERVED, RESERVED_FROM_STAGES
from contracts.run import RowCounts, UnitState, UnitStatus
from contracts.steps import Steps, UnitRef
from durable_pipeline.functions import UnrecordedEnds
from durable_pipeline.jobs import Job, run_job
from durable_pipeline.operations import operations_of
from durable_pipeline.policies import between_tries, may_pass, passes_with_time
from durable_pipeline.steps import BoundSteps, StageFailed
from durable_pipeline.stores import Stores

# No execution begins it.
_FOR_GOOD: Final = (NotBegun.STOPPED, NotBegun.FAILED_FAST, NotBegun.COST)


@dataclass(frozen=True)
class Asking:
    """What a unit says when it asks whether it begins.

    Attributes:
        execution_arn: the execution that it is to begin in; of a shard, its own.
        allowance, reserved: durable operations, see `contracts.messages.operations`.
        tolerated_losses, max_cost: see StartUnit.
    """

    execution_arn: str
    allowance: int
    reserved: int
    tolerated_losses: int | None = None
    max_cost: float | None = None


class UnitEnd(Contract):
    """What became of a unit, for the execution that it was to begin in.

    Attributes:
        status: absent: it has not begun, and another execution may begin it.
        not_begun: why it has not; absent where it could not even ask.
        passing: it failed for what may pass, so that it may run again later.
        uncounted: durable operations of a unit that has not begun: the ledger has no count of them.
    """

    status: UnitState | None = None
    not_begun: NotBegun | None = None
    passing: bool = False
    uncounted: int = 0


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
        self.operations = operations_of(steps.context)
        self.begun = asking is None
        self.allowance: int | None = None
        self.steps = steps
        self.dataset = dataset
        self.unit = unit
        self.holder = holder
        self.priority = priority
        self.job_ids: list[str] = []
        self.adopted: Amounts = {}
        self.job_output_url: str | None = None
        self.ends = UnrecordedEnds()
        self.validated: Validated | None = None
        self.transformed: Transformed | None = None

    def process(self) -> UnitEnd:
        """Take the unit through its stages, if it begins; a failure is recorded, not raised.

        Raises:
            StageFailed: the outcome itself could not be recorded.
        """
        try:
            began = self._ask()
            if not began.begin:
                status = UnitState.NOT_STARTED if began.reason in _FOR_GOOD else None
                used = self.operations.used
                return UnitEnd(status=status, not_begun=began.reason, uncounted=used)
            rows = self._stages()
        except StageFailed as failed:
            if failed.error_type == "OwnershipLost":
                raise
            if self._could_not_ask(failed):
                return UnitEnd(uncounted=self.operations.used)
            outcome = self._outcome(UnitStatus.FAILED, failed=failed)
        else:
            outcome = self._outcome(UnitStatus.STORED, rows=rows)
        return self._end(outcome)

    def _ask(self) -> Began:
        """Ask whether the unit begins. Until it does, it uses no more than ASKING operations."""
        asking, unit = self.asking, self.unit
        if asking is None:
            return self.steps.start_unit(unit)
        self.operations.allowed = ASKING + RESERVED_FROM_STAGES
        message = StartUnit(
            run_id=unit.run_id,
            unit_id=unit.unit_id,
            run_attempt=unit.run_attempt,
            execution_arn=asking.execution_arn,
            allowance=asking.allowance,
            reserved=asking.reserved,
            tolerated_losses=asking.tolerated_losses,
            max_cost=asking.max_cost,
        )
        began = self.steps.call(Steps.start_unit, message)
        self.begun = began.begin
        self.allowance = self.operations.allowed = began.allowance
        return began

    def _could_not_ask(self, failed: StageFailed) -> bool:
        """Whether nobody has said that it begins, and asking again may help."""
        asked = self.asking is not None and failed.stage == Steps.start_unit.name
        return asked and may_pass(failed.error_type)

    def _end(self, outcome: EndUnit) -> UnitEnd:
        if self.dataset.of_items:
            if not self.begun:
                self.operations.allowed = ASKING + RESERVED[Steps.record_items.name]
            outcome = self._with_items(outcome)
        if not self.begun:
            self.operations.allowed = ASKING
        before = self.operations.used
        self.steps.call_with(
            Steps.end_unit,
            lambda used: outcome.model_copy(
                update={
                    "operations": used + 1,
                    "repeats": used - before,
                    "usage": self.operations.usage(more=1),
                    "adopted": self.adopted or None,
                }
            ),
        )
        return UnitEnd(
            status=UnitState(outcome.status),
            passing=outcome.failure is not None and passes_with_time(outcome.failure.error_type),
            uncounted=0 if self.begun else self.operations.used,
        )

    def _stages(self) -> RowCounts:
        steps, unit = self.steps, self.unit

        for job in self.dataset.jobs:
            self._run_job(job)

        validated = self.validated = steps.validate(
            unit, input_url=self.job_output_url, ended_jobs=self.ends.pending
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
        superseded = self._store(transformed)
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

    def _run_job(self, of_chain: LoadedJob) -> None:
        """Run a job of the chain; the next one reads what it has written."""
        job = replace(
            self._job(of_chain.stage, of_chain.engine, of_chain.timeout_seconds),
            queue_seconds=of_chain.queue_seconds,
            pool=of_chain.pool,
            attempts=of_chain.attempts,
            backoff=between_tries(of_chain),
            input_url=self.job_output_url,
        )
        self.job_output_url = run_job(self.steps, job, self._job_ended).output_url

    def _store(self, output: Transformed) -> int:
        """Store the rows in every target.

        Files come first. A bucket that cannot be written, or a value that cannot be part of a key,
        then fails the unit before anything else is stored. And a repeat overwrites files, while
        readers may have seen the rows of a table already.

        Returns:
            How many rows DynamoDB skipped because it holds newer ones.
        """
        superseded = 0
        stores = Stores(
            self.steps, self.unit, self._last_job_id, output, self.dataset.load_flow, self.holder
        )
        if "files" in self.dataset.targets:
            stores.files()
        if "dynamodb" in self.dataset.targets:
            superseded = stores.dynamodb()
        if "redshift" in self.dataset.targets:
            seconds = self.dataset.warehouse_timeout_seconds
            load = self._job(Steps.store_redshift.name, Engine.REDSHIFT, seconds)
            queued = replace(load, queue_seconds=self.dataset.warehouse_queue_seconds)
            stores.redshift(queued, self._job_ended)
        return superseded

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
            self.adopted = added((self.adopted, status.usage))

    @property
    def _last_job_id(self) -> str | None:
        return self.job_ids[-1] if self.job_ids else None

    def _outcome(
        self, status: UnitStatus, rows: RowCounts | None = None, failed: StageFailed | None = None
    ) -> EndUnit:
        asking, stored = self.asking, failed is None
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
            execution_arn=asking.execution_arn if asking and self.allowance else None,
            allowance=self.allowance or 0,
            fail_fast=asking is not None and asking.tolerated_losses is not None,
            counts_cost=asking is not None and asking.max_cost is not None,
        )
