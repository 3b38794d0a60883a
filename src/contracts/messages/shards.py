"""Messages about the shards of a large run, whose plan lies in S3."""

from __future__ import annotations

from typing import Any

from contracts.base import Contract


class FreezePlan(Contract):
    """list_urls with `FreezePlan`: write the run's plan to S3, for the executions of its shards.

    Returns nothing.

    Attributes:
        plan: `durable_pipeline.plan.Plan`, which only the orchestrator reads.
        tolerated_losses: see `StartUnit`.
        kind: distinguishes it from ListUrls.
    """

    run_id: str
    run_attempt: int
    plan: dict[str, Any]
    tolerated_losses: int | None = None
    kind: str = "freeze-plan"


class ReadShard(Contract):
    """list_urls with `ReadShard`: the plan of the run, and what is pending of one shard.

    Returns ShardPlan.

    Attributes:
        kind: distinguishes it from ListUrls.
    """

    run_id: str
    run_attempt: int
    shard: int
    kind: str = "read-shard"


class ShardPlan(Contract):
    """Response of read-shard.

    Attributes:
        plan: as FreezePlan had it.
        pending: half-open ranges of the positions that are pending, see `ManifestSummary`.
        halted: the run is to stop, has lost more than is tolerated or has spent its maxCost:
            nothing more of it begins. If something is pending, the first unit of it is to ask all
            the same, but if the run is to stop: its outcome says why the others were not started.
    """

    plan: dict[str, Any]
    pending: tuple[tuple[int, int], ...] = ()
    halted: bool = False
