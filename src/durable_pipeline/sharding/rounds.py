"""The units of a run in rounds: all of them, then those again that failed for what may pass.

Only the long-running function has the time for more than one round. Which units a further round has
is what the rounds before have recorded; begin-round makes the attempt that they run in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from aws_durable_execution_sdk_python.config import Duration

from contracts.manifest import positions_of, ranges, unpacked_positions
from contracts.messages import seconds_before_attempt
from durable_pipeline.operations import operations_of
from durable_pipeline.plan import OtherRuns, Plan
from durable_pipeline.sharding.lanes import Processed
from durable_pipeline.shards import Shards
from durable_pipeline.steps import BoundSteps


@dataclass(frozen=True)
class Rounds:
    """The rounds of one run.

    Attributes:
        shards: bound to the plan of the first one.
    """

    shards: Shards

    def first(self, *, of_long_runs: bool, others: OtherRuns) -> Processed | None:
        """Process every pending unit; None if units are left for the long-running function."""
        plan, shards = self.shards.plan, self.shards
        if len(plan.manifest.shard_sizes) == 1:
            end = shards.execute(0, others=others)
            if end.left and not of_long_runs:
                return None
            return _spent(shards, shards.start_left(end))
        return _process(shards, dict.fromkeys(range(len(plan.manifest.shard_sizes))))

    def further(self, processed: Processed) -> tuple[Plan, Processed]:
        """Process again what failed for what may pass, after a wait, until nothing did.

        Returns:
            The plan of the last attempt, and what became of all rounds.

        Raises:
            StageFailed: another execution holds the run.
        """
        plan = self.shards.plan
        steps = BoundSteps(self.shards.context, self.shards.settings)
        if not plan.units_ask:
            return plan, processed
        for number in range(1, self.shards.settings.rounds):
            passing = processed.passing
            if not passing or processed.halted:
                break
            seconds = seconds_before_attempt(number)
            begun = steps.begin_round(
                run_id=plan.request.run_id,
                run_attempt=plan.claim.run_attempt,
                execution_arn=self.shards.execution_arn,
                wait_seconds=seconds,
                units=sum(len(positions_of(units)) for units in passing.values()),
            )
            if begun.run_attempt is None:
                break
            claim = plan.claim.model_copy(update={"run_attempt": begun.run_attempt})
            plan = plan.model_copy(update={"claim": claim})
            self.shards.context.wait(Duration(seconds=seconds), name="wait-for-round")
            before = processed.model_copy(update={"failed_for_now": {}})
            again = _process(replace(self.shards, plan=plan), {**processed.failed_for_now})
            processed = before.and_then(again)
        return plan, processed


def _process(shards: Shards, wanted: Mapping[int, str | None]) -> Processed:
    """Have shards processed in executions of their own.

    Args:
        wanted: see `ShardRuns.process`.

    Raises:
        StageFailed: their plan could not be written.
    """
    if shards.runs is not None:
        shards.freeze_plan()
        return _spent(shards, shards.runs.process(wanted))
    processed = Processed()
    for shard, units in wanted.items():
        positions = ranges(unpacked_positions(units)) if units else ()
        processed = processed.and_then(shards.start(shard, positions))
        if processed.halted:
            break
    return _spent(shards, processed)


def _spent(shards: Shards, processed: Processed) -> Processed:
    """The same; what other executions have used counts for this one's context."""
    operations_of(shards.context).spend_all(processed.usage)
    return processed
