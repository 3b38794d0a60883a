"""Whether a unit begins: asked in its first step, which is the submission of its first job."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.job import JobStatus
from contracts.messages import Began, NotBegun, StartUnit, SubmitJob
from contracts.messages.operations import (
    ASKING,
    RESERVED,
    RESERVED_FROM_STAGES,
    UNTIL_BEGUN,
)
from contracts.steps import Steps, UnitRef
from durable_pipeline.operations import operations_of
from durable_pipeline.policies import PASSING, error_name, may_pass
from durable_pipeline.steps import BoundSteps, StageFailed


@dataclass(frozen=True)
class Asking:
    """What a unit says when it asks whether it begins.

    Attributes:
        execution_arn: the execution that it is to begin in; of a shard, its own.
        allowance, reserved: durable operations, see `contracts.messages.operations`.
        tolerated_losses, max_cost: see StartUnit.
        stages_carry: flow 3 (UNIT_FLOW): other stages carry the unit's start and end.
    """

    execution_arn: str
    allowance: int
    reserved: int
    tolerated_losses: int | None = None
    max_cost: float | None = None
    stages_carry: bool = False


class DoesNotBegin(Exception):
    """The unit does not begin here: why not, or None if it could not even ask."""

    def __init__(self, reason: NotBegun | None) -> None:
        super().__init__(reason)
        self.reason = reason


class Beginning:
    """The beginning of one unit; also the first submission of its first job, which asks as well.

    Until the unit begins, it uses no more than ASKING operations.

    Attributes:
        begun: it has.
        allowance: durable operations that it may use in all; None: as many as it takes.
    """

    input_url: str | None = None  # its job reads what the message says

    def __init__(self, steps: BoundSteps, unit: UnitRef, asking: Asking | None) -> None:
        self.steps = steps
        self.unit = unit
        self.asking = asking
        self.operations = operations_of(steps.context)
        self.begun = asking is None
        self.allowance: int | None = None

    def ask(self) -> None:
        """Ask by a step of its own: start-unit.

        Raises:
            DoesNotBegin: the unit does not begin here.
            StageFailed: it can never begin.
        """
        if self.asking is None:
            self.steps.start_unit(self.unit)
            return
        self.operations.allowed = UNTIL_BEGUN + RESERVED_FROM_STAGES
        try:
            began = self.steps.call(Steps.start_unit, self._message(self.asking))
        except StageFailed as failed:
            if may_pass(failed.error_type):
                raise DoesNotBegin(None) from failed
            raise
        self._has(began)

    def __call__(self, message: SubmitJob) -> JobStatus | None:
        """Ask by the submission of the unit's first job.

        Raises:
            DoesNotBegin: the unit does not begin here.
            StageFailed: it can never begin, or submit-job dies each time.
        """
        if self.asking is None or self.begun:
            return None
        self.operations.allowed = UNTIL_BEGUN + RESERVED_FROM_STAGES
        asks = message.model_copy(update={"start": self._message(self.asking)})
        try:
            submission = self.steps.call(Steps.submit_job, asks)
        except StageFailed as failed:
            if error_name(failed.error_type) in PASSING:
                raise DoesNotBegin(None) from failed
            # What it may have submitted is cancelled; two operations are left for the unit's end.
            self.operations.allowed = ASKING - 2 + RESERVED[Steps.cancel_job.name]
            raise
        self._has(submission.began or Began())
        return submission.status

    def _has(self, began: Began) -> None:
        self.begun = began.begin
        if not began.begin:
            raise DoesNotBegin(began.reason)
        self.allowance = self.operations.allowed = began.allowance

    def _message(self, asking: Asking) -> StartUnit:
        unit = self.unit
        return StartUnit(
            run_id=unit.run_id,
            unit_id=unit.unit_id,
            run_attempt=unit.run_attempt,
            execution_arn=asking.execution_arn,
            allowance=asking.allowance,
            reserved=asking.reserved,
            asking=ASKING,
            tolerated_losses=asking.tolerated_losses,
            max_cost=asking.max_cost,
        )
