"""What an execution does that was started for shards of a run (`lanes`, `shards`)."""

from __future__ import annotations

from typing import Any

from aws_durable_execution_sdk_python import DurableContext

from contracts.base import Contract
from contracts.manifest import first_of, ranges, unpacked_positions
from durable_pipeline.operations import usage_with_start
from durable_pipeline.plan import Plan, Shard, ShardEnd
from durable_pipeline.settings import Settings
from durable_pipeline.sharding.lanes import Processed, ShardOfRun, ShardRuns, ShardsOfRun
from durable_pipeline.shards import Shards
from durable_pipeline.steps import BoundSteps


def execute_shards(
    event: dict[str, Any], context: DurableContext, settings: Settings, execution_arn: str
) -> Contract | None:
    """Process what the event names; None: it is not about shards.

    Raises:
        StageFailed: the plan could not be read, or a later attempt holds the run.
    """
    if "shards" in event:
        return _several(ShardsOfRun.from_json(event["shards"]), context, execution_arn)
    if "shard" not in event:
        return None
    if "plan" in event["shard"]:  # see `Shards.start`
        shard = Shard.from_json(event["shard"])
        shards = Shards(context, settings, execution_arn, shard.plan)
        return _with_usage(shards.execute(shard.shard, shard.positions), context)
    return _one(ShardOfRun.from_json(event["shard"]), context, settings, execution_arn)


def _one(
    asked: ShardOfRun, context: DurableContext, settings: Settings, execution_arn: str
) -> ShardEnd:
    found = BoundSteps(context, settings).read_shard(
        run_id=asked.run_id, run_attempt=asked.run_attempt, shard=asked.shard
    )
    units = ranges(unpacked_positions(asked.units)) if asked.units else found.pending
    if found.halted:
        # One unit asks, and is refused: without a trace of that, all would have failed.
        units = first_of(units) if found.pending else ()
    if not units:
        return _with_usage(ShardEnd(shard=asked.shard, halted=found.halted), context)
    plan = Plan.from_json(found.plan)
    shards = Shards(context, settings, execution_arn, plan, asked.side_by_side)
    end = shards.execute(asked.shard, units)
    halted = end.halted or found.halted
    return _with_usage(end.model_copy(update={"halted": halted}), context)


def _several(asked: ShardsOfRun, context: DurableContext, execution_arn: str) -> Processed:
    function = execution_arn.partition("/durable-execution/")[0]
    runs = ShardRuns(context, function, asked.run_id, asked.run_attempt, asked.side_by_side)
    done = runs.process(asked.wanted)
    return done.and_then(Processed(usage=usage_with_start(context)))


def _with_usage(end: ShardEnd, context: DurableContext) -> ShardEnd:
    return end.model_copy(update={"usage": usage_with_start(context)})
