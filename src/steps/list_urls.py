"""list_urls: freeze a run's objects into a manifest, once, and return which are pending; of a large
run also its plan (`runs.long.shard_plans`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from contracts.base import Contract
from contracts.manifest import ManifestSummary
from contracts.messages import REDELIVER, FreezePlan, ListUrls, ReadShard, ShardPlan
from ledger.table import Ledger
from runs.long.shard_plans import freeze_plan, read_shard
from runtime.handler import settings_from_environment, step_handler, utc_now
from sources.listed_run import list_run


class ListingMessage(Contract):
    """One of the messages, by its `kind`; ListUrls has none."""

    message: ListUrls | FreezePlan | ReadShard

    @classmethod
    def from_json(cls, value: Any) -> Self:
        kind = value.get("kind") if isinstance(value, dict) else None
        classes: dict[Any, type[FreezePlan | ReadShard]] = {
            "freeze-plan": FreezePlan,
            "read-shard": ReadShard,
        }
        return cls(message=classes.get(kind, ListUrls).from_json(value))


@dataclass(frozen=True)
class Settings:
    ledger_table: str
    data_bucket: str
    permanent_failures: str = ""
    validate_megabytes: str = "10240"  # disk of the function that reads the objects


@step_handler(ListingMessage)
def handler(event: ListingMessage) -> ManifestSummary | ShardPlan | None:
    settings = settings_from_environment(Settings)
    ledger, message = Ledger(settings.ledger_table), event.message
    redeliver = settings.permanent_failures == REDELIVER
    if isinstance(message, FreezePlan):
        freeze_plan(message, settings.data_bucket)
        return None
    if isinstance(message, ReadShard):
        return read_shard(message, settings.data_bucket, ledger, redeliver=redeliver)
    return list_run(
        message,
        settings.data_bucket,
        ledger,
        utc_now(),
        redeliver=redeliver,
        validate_disk=int(settings.validate_megabytes),
    )
