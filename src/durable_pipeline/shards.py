"""The units of a run, shard by shard: those of one in this execution, or of each in its own.

Whether a unit begins is the recorded response of its first step. What an execution has not begun,
another one is started for, until nothing is left: no unit is lost to the 3,000 operations that an
execution may have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, InvokeError

from contracts import layout
from contracts.costs.usage import added
from contracts.manifest import UNITS_PER_EXECUTION, positions_of, ranges, units_per_shard
from contracts.messages.operations import ASKING, allowance, reserved
from contracts.run import UnitState
from contracts.steps import UnitRef
from durable_pipeline.beginning import Asking
from durable_pipeline.ending import UnitEnd
from durable_pipeline.operations import Operations, counted, operations_of
from durable_pipeline.plan import ALONE, OtherRuns, Plan, Shard, ShardEnd, operations_per_unit
from durable_pipeline.settings import Settings
from durable_pipeline.sharding.groups import groups_of, process_each
from durable_pipeline.sharding.lanes import Processed, ShardRuns
from durable_pipeline.steps import BoundSteps
from durable_pipeline.unit import Unit

Ranges = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Shards:
    """The shards of one run, bound to one context of one execution.

    Attributes:
        side_by_side: units at once, of a shard that was started by its number.
    """

    context: DurableContext
    settings: Settings
    execution_arn: str
    plan: Plan
    side_by_side: int | None = None

    @property
    def at_once(self) -> int:
        """Units side by side in one execution."""
        most = min(self.plan.concurrency, self.settings.units_side_by_side, UNITS_PER_EXECUTION)
        return most if self.side_by_side is None else self.side_by_side

    @property
    def runs(self) -> ShardRuns | None:
        """Executions of the shards by the plan in S3.

        None: an earlier release has frozen the manifest, and its shards get the whole plan.
        """
        if self.plan.manifest.pack_objects is None:
            return None
        return ShardRuns(
            self.context,
            self._same_code,
            self.plan.request.run_id,
            self.plan.claim.run_attempt,
            min(self.plan.concurrency, self.settings.units_side_by_side),
        )

    @property
    def _same_code(self) -> str:
        """This function and version."""
        return self.execution_arn.partition("/durable-execution/")[0]

    def freeze_plan(self) -> None:
        """Write the plan to S3, for the executions of the shards.

        Raises:
            StageFailed: it could not be written.
        """
        plan = self.plan
        small = plan.manifest.model_copy(update={"shard_sizes": (), "pending": ()})
        BoundSteps(self.context, self.settings).freeze_plan(
            run_id=plan.request.run_id,
            run_attempt=plan.claim.run_attempt,
            plan=plan.model_copy(update={"manifest": small}).to_json(),
            tolerated_losses=plan.tolerated_losses,
        )

    def start(self, shard: int, positions: Ranges = ()) -> Processed:
        """Process a shard in executions of its own, one after another, until no unit is left.

        They get the plan in their message: of a run of one shard, of which something was left, and
        of a manifest that an earlier release has frozen. For others see `runs`.

        Args:
            positions: see `Shard`.
        """
        so_far = Processed()
        while True:
            asked = Shard(plan=self.plan, shard=shard, positions=positions)
            try:
                message = {"shard": asked.to_json()}
                response: Any = self.context.invoke(self._same_code, message, name="run-shard")
                end = ShardEnd.from_json(response or {"shard": shard})
            except InvokeError as error:
                self._unrecorded("shard", f"{shard}: {error}")
                return so_far
            so_far = so_far.and_then(Processed.of(end))
            if end.halted or not end.left:
                return so_far
            if not end.begun:
                units = len(end.left_positions)
                why = (
                    f"{units} units of shard {shard} could not begin, in an execution of their own"
                )
                return so_far.and_then(Processed(problem=why))
            positions = end.left

    def start_left(self, end: ShardEnd) -> Processed:
        """What became of a shard; what its execution has left is processed in further ones."""
        here = Processed.of(end)
        if end.halted or not end.left:
            return here
        return here.and_then(self.start(end.shard, end.left))

    def execute(self, shard: int, positions: Ranges = (), *, others: OtherRuns = ALONE) -> ShardEnd:
        """Process units of one shard here, as many in parallel as the request allows.

        Args:
            positions: see `Shard`.
            others: runs of the same batch.
        """
        pending = positions_of(positions) or self._pending(shard)
        if not pending:
            return ShardEnd(shard=shard)
        # As an earlier release decided, where that has recorded it: all of them.
        fitting = self._fitting if self.plan.stages_carry else len(pending)
        pending, later = pending[:fitting], pending[fitting:]
        units = [layout.unit_id(shard, position) for position in pending]
        grouped = self.plan.units_grouped
        # With the map itself, and the groups of its units.
        used = operations_of(self.context).used + 1 + (groups_of(len(units)) if grouped else 0)

        def process(context: DurableContext, index: int) -> dict[str, Any]:
            operations = Operations(used=1)  # its context
            steps = BoundSteps(counted(context, operations), self.settings)
            unit = UnitRef(self.plan.request.run_id, units[index], self.plan.claim.run_attempt)
            asking = self._asking(len(units), used, others)
            of_run = Unit(
                steps,
                self.plan.dataset,
                unit,
                holder=self.plan.claim.holder,
                priority=self.plan.request.effective_priority,
                asking=asking,
            )
            return of_run.process().to_json()

        found = process_each(self.context, units, process, at_once=self.at_once, grouped=grouped)
        for index, why in sorted(found.failed.items()):
            self._unrecorded("unit", f"{units[index]}: {why}")
        ends = {index: UnitEnd.from_json(result) for index, result in found.results.items()}
        uncounted = sum(end.uncounted for end in ends.values()) + ASKING * len(found.failed)
        operations_of(self.context).used += uncounted
        operations_of(self.context).spend_all(added(end.usage for end in ends.values()))
        left = [pending[index] for index, end in sorted(ends.items()) if end.status is None]
        passing = [pending[index] for index, end in sorted(ends.items()) if end.passing]
        statuses = [end.status for end in ends.values()]
        return ShardEnd(
            shard=shard,
            left=ranges([*left, *later]),
            passing=ranges(passing),
            begun=len(units) - len(left) - statuses.count(UnitState.NOT_STARTED),
            halted=UnitState.NOT_STARTED in statuses,
        )

    @property
    def _fitting(self) -> int:
        """How many units of a shard are planned for one execution.

        A shard of this release has no more. Of one that an earlier release has frozen, where a unit
        used fewer operations to ask whether it begins, the first unit that asks would be refused,
        and so all of them.
        """
        return units_per_shard(operations_per_unit(self.plan.dataset), self.at_once)

    def _asking(self, units: int, used: int, others: OtherRuns) -> Asking | None:
        """What each of so many units says when it asks; see `contracts.messages.operations`."""
        plan = self.plan
        if not plan.units_ask:
            return None
        return Asking(
            execution_arn=self.execution_arn,
            allowance=allowance(operations_per_unit(plan.dataset), self.at_once),
            reserved=reserved(used, others.units_before + units - 1, others.further),
            tolerated_losses=plan.tolerated_losses,
            max_cost=plan.request.max_cost,
            stages_carry=plan.stages_carry,
        )

    def _pending(self, shard: int) -> list[int]:
        plan = self.plan
        if shard == 0:
            return plan.manifest.pending_positions()
        manifest = BoundSteps(self.context, self.settings).list_urls(
            request=plan.request,
            end_date_time=plan.claim.end_date_time,
            units_per_shard=units_per_shard(operations_per_unit(plan.dataset), self.at_once),
            run_attempt=plan.claim.run_attempt,
            shard=shard,
        )
        return manifest.pending_positions()

    def _unrecorded(self, what: str, details: str) -> None:
        extra = {"run_id": self.plan.request.run_id, what: details}
        self.context.logger.error("no outcome recorded", extra=extra)
