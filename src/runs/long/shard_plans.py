"""The plan of a large run in S3, which the executions of its shards read.

So a shard's message holds ids only, whatever the size of the run and of its request.
"""

from __future__ import annotations

from typing import Final

from contracts import layout
from contracts.manifest import first_of
from contracts.messages import FreezePlan, ListUrls, ReadShard, ShardPlan
from ledger.runs import owned_run
from ledger.table import Ledger
from runs.unit.counts import losses, spent
from runtime import s3
from sources import frozen
from sources.listed_run import with_pending

_PLAN: Final = "plan"
_TOLERATED: Final = "toleratedLosses"


def freeze_plan(message: FreezePlan, data_bucket: str) -> None:
    """Write the plan of an attempt; a repeat writes the same."""
    document = {_PLAN: message.plan, _TOLERATED: message.tolerated_losses}
    s3.write_json(data_bucket, layout.plan_key(message.run_id, message.run_attempt), document)


def read_shard(
    message: ReadShard, data_bucket: str, ledger: Ledger, *, redeliver: bool
) -> ShardPlan:
    """The plan of an attempt, and which units of a shard are pending.

    Args:
        redeliver: what failed for good before is pending, too.

    Raises:
        OwnershipLost: a later attempt holds the run.
        NotFound: the run's files have expired.
    """
    run_id, attempt = message.run_id, message.run_attempt
    run = owned_run(ledger, run_id, attempt)
    document = s3.read_json(data_bucket, layout.plan_key(run_id, attempt))
    plan, tolerated = document[_PLAN], document[_TOLERATED]
    if run.stopping:
        return ShardPlan(plan=plan, halted=True)
    asked = ListUrls.from_json(
        {
            "request": plan["request"],
            "endDateTime": plan["claim"]["endDateTime"],
            "unitsPerShard": 1,  # the manifest is frozen
            "runAttempt": attempt,
            "shard": message.shard,
        }
    )
    manifest = frozen.read_manifest_summary(data_bucket, run_id)
    snapshot = frozen.read_snapshot(data_bucket, run_id)
    found = with_pending(asked, manifest, ledger, snapshot, data_bucket, redeliver=redeliver)
    most, pending = plan["request"].get("maxCost"), found.pending
    lost_too_many = tolerated is not None and losses(ledger, run_id, attempt) > tolerated
    if lost_too_many or (most is not None and spent(ledger, run_id) >= most):
        return ShardPlan(plan=plan, pending=first_of(pending), halted=True)
    return ShardPlan(plan=plan, pending=pending)
