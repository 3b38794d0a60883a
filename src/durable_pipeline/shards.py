"""The units of a run, shard by shard: those of one in this execution, or of each in its own.

Whether a unit begins is the recorded response of its first step. What an execution has not begun,
another one is started for, until nothing is left: no unit is lost to the 3,000 operations that an
execution may have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aws_durable_execution_sdk_python import BatchResult, DurableContext, InvokeError
from aws_durable_execution_sdk_python.config import CompletionConfig, MapConfig
from aws_durable_execution_sdk_python.exceptions import NonDeterministicExecutionError

from contracts import layout
from contracts.manifest import positions_of, ranges, units_per_shard
from contracts.messages.operations import ASKING, allowance, reserved
from contracts.run import UnitState
from contracts.steps import UnitRef
from durable_pipeline.beginning import Asking
from durable_pipeline.ending import UnitEnd
from durable_pipeline.operations import Operations, counted, operations_of
from durable_pipeline.plan import Plan, Shard, ShardEnd, operations_per_unit
from durable_pipeline.settings import Settings
from durable_pipeline.steps import BoundSteps, is_broken_replay
from durable_pipeline.unit import Unit

Ranges = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Processed:
    """What became of shards, as far as the rest of the run depends on it.

    Attributes:
        halted: no more units of the run are to begin.
        problem: why units are left that nobody begins.
        passing: by shard, the units that failed for what may pass.
    """

    halted: bool = False
    problem: str | None = None
    passing: Mapping[int, Ranges] = field(default_factory=dict)

    def and_then(self, other: Processed) -> Processed:
        """Both together; of the same shard, the units of both."""
        passing = {**self.passing}
        for shard, units in other.passing.items():
            positions = positions_of(passing.get(shard, ())) + positions_of(units)
            passing[shard] = ranges(sorted(positions))
        return Processed(
            halted=self.halted or other.halted,
            problem=self.problem or other.problem,
            passing=passing,
        )


@dataclass(frozen=True)
class Shards:
    """The shards of one run, bound to one context of one execution."""

    context: DurableContext
    settings: Settings
    execution_arn: str
    plan: Plan

    def start(self, shard: int, positions: Ranges = ()) -> Processed:
        """Process a shard in executions of its own, one after another, until no unit is left.

        Args:
            positions: see `Shard`.
        """
        same_code = self.execution_arn.partition("/durable-execution/")[0]  # function and version
        so_far = Processed()
        while True:
            asked = Shard(plan=self.plan, shard=shard, positions=positions)
            try:
                message = {"shard": asked.to_json()}
                end = ShardEnd.from_json(
                    self.context.invoke(same_code, message, name="run-shard") or {"shard": shard}
                )
            except InvokeError as error:
                self._unrecorded("shard", f"{shard}: {error}")
                return so_far
            so_far = so_far.and_then(_processed(end))
            operations_of(self.context).spend_all(end.usage)
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
        here = _processed(end)
        if end.halted or not end.left:
            return here
        return here.and_then(self.start(end.shard, end.left))

    def execute(self, shard: int, positions: Ranges = (), *, further_runs: int = 0) -> ShardEnd:
        """Process units of one shard here, as many in parallel as the request allows.

        Args:
            positions: see `Shard`.
            further_runs: runs of the same batch that are to be executed after this one.
        """
        pending = positions_of(positions) or self._pending(shard)
        if not pending:
            return ShardEnd(shard=shard)
        units = [layout.unit_id(shard, position) for position in pending]
        used = operations_of(self.context).used + 1  # with the map itself

        def process(context: DurableContext, unit_id: str, index: int, _all: Sequence[str]) -> Any:
            operations = Operations(used=1)  # its context
            steps = BoundSteps(counted(context, operations), self.settings)
            unit = UnitRef(self.plan.request.run_id, unit_id, self.plan.claim.run_attempt)
            asking = self._asking(index, len(units), used, further_runs)
            of_run = Unit(
                steps,
                self.plan.dataset,
                unit,
                holder=self.plan.claim.holder,
                priority=self.plan.request.effective_priority,
                asking=asking,
            )
            return of_run.process().to_json()

        config: MapConfig[Any] = MapConfig(
            max_concurrency=self.plan.concurrency,
            # Every unit runs, even if others fail.
            completion_config=CompletionConfig(tolerated_failure_percentage=100),
            item_namer=lambda unit_id, _index: f"unit-{unit_id}",
        )
        batch: BatchResult[Any] = self.context.map(units, process, name="units", config=config)
        for item in batch.failed():
            why = item.error.message if item.error else "no error reported"
            if item.error and is_broken_replay(item.error.type):
                raise NonDeterministicExecutionError(why or "")
            self._unrecorded("unit", f"{units[item.index]}: {why}")
        ends = {item.index: UnitEnd.from_json(item.result) for item in batch.succeeded()}
        uncounted = sum(end.uncounted for end in ends.values()) + ASKING * len(batch.failed())
        operations_of(self.context).used += uncounted
        operations_of(self.context).write([item.result for item in batch.succeeded()])
        left = [pending[index] for index, end in sorted(ends.items()) if end.status is None]
        passing = [pending[index] for index, end in sorted(ends.items()) if end.passing]
        statuses = [end.status for end in ends.values()]
        return ShardEnd(
            shard=shard,
            left=ranges(left),
            passing=ranges(passing),
            begun=len(units) - len(left) - statuses.count(UnitState.NOT_STARTED),
            halted=UnitState.NOT_STARTED in statuses,
        )

    def _asking(self, index: int, units: int, used: int, further_runs: int) -> Asking | None:
        """What the unit at this index says when it asks; see `contracts.messages.operations`."""
        plan = self.plan
        if not plan.units_ask:
            return None
        # Those behind it, and those before it that have been started but perhaps not asked.
        may_ask = units - 1 - index + min(index, plan.concurrency - 1)
        return Asking(
            execution_arn=self.execution_arn,
            allowance=allowance(operations_per_unit(plan.dataset), plan.concurrency),
            reserved=reserved(used, may_ask, further_runs),
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
            units_per_shard=units_per_shard(operations_per_unit(plan.dataset)),
            run_attempt=plan.claim.run_attempt,
            shard=shard,
        )
        return manifest.pending_positions()

    def _unrecorded(self, what: str, details: str) -> None:
        extra = {"run_id": self.plan.request.run_id, what: details}
        self.context.logger.error("no outcome recorded", extra=extra)


def _processed(end: ShardEnd) -> Processed:
    passing = {end.shard: end.passing} if end.passing else {}
    return Processed(halted=end.halted, passing=passing)
