"""Items of the ledger table: the one place that knows their keys, attribute names and encoding.

"Item" is DynamoDB's word for what is stored under one key, and here it means nothing else. Each
class has `key_of`, `from_item`, `to_item`, and `changes` for a part of its attributes. Field names
are attribute names, but for KEY_FIELDS, which the key holds. Values are plain Python, without
Decimal. Attributes that a class does not know are ignored, and those that an earlier release did
not write have a default, so both may meet in one table.
"""

from __future__ import annotations

from contracts.ledger_items.backfill import (
    ACTIVE_BACKFILL,
    BACKFILLS,
    ENDED_BACKFILL,
    BackfillItem,
    Lane,
    WindowsItem,
)
from contracts.ledger_items.base import Changes, Key, LedgerItem
from contracts.ledger_items.costs import COSTS, NANODOLLARS, PastCostsItem, SpentItem
from contracts.ledger_items.counts import LossesItem, OperationsItem
from contracts.ledger_items.job import AdoptedItem, JobItem
from contracts.ledger_items.notes import (
    EXPECTED,
    NO_RUN,
    QUOTAS,
    DrawnItem,
    EventItem,
    ExpectedDayItem,
    IndexingItem,
    NewObjectsItem,
    QuotaItem,
    RejectedItem,
)
from contracts.ledger_items.pool import POOLS, Place, PoolItem, Ticket
from contracts.ledger_items.pools_file import POOLS_FILES, PoolsFileItem
from contracts.ledger_items.retention import RETENTION, DueItem, expiring, tombstone_stays
from contracts.ledger_items.run import (
    ACTIVE_RUN,
    ANNOUNCED,
    RUN_INDEX,
    UNANNOUNCED,
    RunIndex,
    RunItem,
    place_in_list,
    stopped_because,
)
from contracts.ledger_items.unit import UnitItem

__all__ = [
    "ACTIVE_BACKFILL",
    "ACTIVE_RUN",
    "ANNOUNCED",
    "BACKFILLS",
    "ENDED_BACKFILL",
    "EXPECTED",
    "NO_RUN",
    "POOLS",
    "POOLS_FILES",
    "QUOTAS",
    "UNANNOUNCED",
    "AdoptedItem",
    "COSTS",
    "BackfillItem",
    "Changes",
    "DrawnItem",
    "DueItem",
    "EventItem",
    "ExpectedDayItem",
    "IndexingItem",
    "JobItem",
    "Key",
    "Lane",
    "LedgerItem",
    "LossesItem",
    "NANODOLLARS",
    "NewObjectsItem",
    "OperationsItem",
    "PastCostsItem",
    "Place",
    "PoolItem",
    "PoolsFileItem",
    "QuotaItem",
    "RETENTION",
    "RUN_INDEX",
    "RejectedItem",
    "RunIndex",
    "RunItem",
    "SpentItem",
    "Ticket",
    "UnitItem",
    "WindowsItem",
    "expiring",
    "place_in_list",
    "stopped_because",
    "tombstone_stays",
]
