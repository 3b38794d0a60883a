"""Conditions on attributes of the ledger's items, by the names that the items have.

RUN.holder.eq(arn) & RUN.run_attempt.eq(2)
"""

from __future__ import annotations

from typing import Final

from boto3.dynamodb.conditions import Attr

from contracts.ledger_items import (
    BackfillItem,
    ExpectedDayItem,
    JobItem,
    LedgerItem,
    LossesItem,
    NewObjectsItem,
    OperationsItem,
    PastCostsItem,
    PoolItem,
    PoolsFileItem,
    QuotaItem,
    RunItem,
    SpentItem,
    UnitItem,
)


class Attributes:
    """The attributes of one class of items, each as boto3's conditions take it."""

    def __init__(self, item_class: type[LedgerItem]) -> None:
        self._item_class = item_class

    def __getattr__(self, name: str) -> Attr:
        if name not in self._item_class.attributes():
            raise AttributeError(f"{self._item_class.__name__} has no attribute {name}")
        return Attr(name)


RUN: Final = Attributes(RunItem)
BACKFILL: Final = Attributes(BackfillItem)
UNIT: Final = Attributes(UnitItem)
JOB: Final = Attributes(JobItem)
POOL: Final = Attributes(PoolItem)
POOLS_FILE: Final = Attributes(PoolsFileItem)
QUOTA: Final = Attributes(QuotaItem)
OPERATIONS: Final = Attributes(OperationsItem)
LOSSES: Final = Attributes(LossesItem)
SPENT: Final = Attributes(SpentItem)
PAST_COSTS: Final = Attributes(PastCostsItem)
NEW_OBJECTS: Final = Attributes(NewObjectsItem)
EXPECTED_DAY: Final = Attributes(ExpectedDayItem)
