"""Conditional puts in parallel, slower while the table is throttled."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Any, Final

from botocore.exceptions import ClientError

from contracts.errors import InvalidData, Throttled
from runtime import clients
from runtime.handler import RemainingTime, logger, utc_now
from stores.dynamodb.items import Item

WRITERS: Final = 16
# Reserved for the batch under way, with the client's own retries, and for the response.
RESERVED_SECONDS: Final = 120.0
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 20.0
Pause = Callable[[float], None]
Clock = Callable[[], datetime]


class _Put(Enum):
    """The result of one put. UNCHANGED: this unit's item was there. SUPERSEDED: a newer one is."""

    WRITTEN = auto()
    UNCHANGED = auto()
    SUPERSEDED = auto()
    THROTTLED = auto()


@dataclass(frozen=True)
class Puts:
    """Of items that were put: how many this unit had put before, how many newer ones stayed."""

    unchanged: int = 0
    superseded: int = 0

    def __add__(self, other: Puts) -> Puts:
        return Puts(self.unchanged + other.unchanged, self.superseded + other.superseded)


class ItemWriter:
    """Puts items unless the table has newer ones.

    Args:
        pause: waits so many seconds.
        now: the clock that dates each put.
    """

    def __init__(
        self,
        table: str,
        pool: ThreadPoolExecutor,
        remaining: RemainingTime,
        pause: Pause = time.sleep,
        now: Clock = utc_now,
    ) -> None:
        self._table = table
        self._pool, self._remaining, self._pause, self._now = pool, remaining, pause, now
        self._client = clients.client("dynamodb")  # made here: making clients is not thread-safe

    @property
    def time_is_up(self) -> bool:
        """No further batch may be begun."""
        return self._remaining() < RESERVED_SECONDS

    def put_all(self, items: Sequence[Item]) -> Puts:
        """Put items; those that the table throttles again and again, at growing distances.

        Raises:
            InvalidData: one is over 400 KB.
            Throttled: time is up before the table has taken all.
        """
        done, pause = Puts(), _FIRST_PAUSE
        pending = list(items)
        while pending:
            outcomes = list(self._pool.map(self._put, pending))
            done += Puts(outcomes.count(_Put.UNCHANGED), outcomes.count(_Put.SUPERSEDED))
            pending = [
                item
                for item, outcome in zip(pending, outcomes, strict=True)
                if outcome is _Put.THROTTLED
            ]
            if not pending:
                break
            if self.time_is_up:
                raise Throttled(
                    f"the table {self._table} throttles {len(pending)} of {len(items)} puts, and"
                    " the function's time is up"
                )
            logger.info("throttled", extra={"puts": len(pending), "pause_seconds": pause})
            self._pause(pause * random.uniform(0.5, 1))  # noqa: S311 -- spreads the writers
            pause = min(2 * pause, _LONGEST_PAUSE)
        return done

    def _put(self, item: Item) -> _Put:
        try:
            return self._put_once(item)
        except Throttled:
            return _Put.THROTTLED

    def _put_once(self, item: Item) -> _Put:
        with clients.translated(f"storing {item.key}"):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=item.put_at(self._now()),
                    ConditionExpression="attribute_not_exists(pk) OR #version < :version",
                    ExpressionAttributeNames={"#version": "version"},
                    ExpressionAttributeValues={":version": item.version},
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except ClientError as error:
                code, message = clients.error_code(error), str(error)
                if code == "ConditionalCheckFailedException":
                    return _left_alone(item, error)
                if code == "ValidationException" and "size" in message.lower():
                    raise InvalidData(
                        f"the row {item.key} makes an item over DynamoDB's 400 KB"
                    ) from error
                raise
        return _Put.WRITTEN


def _left_alone(item: Item, error: ClientError) -> _Put:
    """What the table holds in the item's place comes with the error (DynamoDB API Reference,
    "PutItem": ReturnValuesOnConditionCheckFailure)."""
    there: dict[str, Any] = dict(error.response).get("Item", {})
    return _Put.UNCHANGED if there.get("version") == item.version else _Put.SUPERSEDED
