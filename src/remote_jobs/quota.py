"""Shares an engine's request quota among its jobs, so that every job is checked in turn.

Some engines allow an account few requests. The ledger (`#quota`/`<name>`) holds a token bucket for
all sandboxes, with the job at which the last turn ended. The next turn goes on from there, so that
with more jobs than requests each is still checked in time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from contracts.ledger_items import QuotaItem
from ledger.conditions import QUOTA
from ledger.table import Ledger
from remote_jobs.engines.base import Quota
from remote_jobs.record import JobRecord
from runtime.handler import Clock

# Of taking a request, while others take theirs.
TRIES: Final = 8


def requests_for(record: JobRecord, quota: Quota, now: datetime) -> float:
    """How many requests checking a job takes: a share of one, or a search for it."""
    if record.service_id is not None:
        return 1 / quota.jobs_per_request
    return 1.0 if record.interrupted(now) else 0.0


@dataclass(frozen=True)
class RequestBudget:
    """Shares out the requests that engines with a quota allow."""

    ledger: Ledger
    clock: Clock

    def take(
        self,
        quota: Quota | None,
        queue: str,
        records: Sequence[JobRecord],
        requests: Callable[[JobRecord, Quota], float],
    ) -> list[JobRecord]:
        """The jobs that may be checked now.

        Args:
            queue: whose turns these are; each queue goes on where it stopped.
            requests: what checking a job takes: a whole request, or its share of one.
        """
        if quota is None or not any(requests(record, quota) for record in records):
            return list(records)
        bucket = self._bucket(quota)
        now = self.clock().timestamp()
        tokens = self._tokens(bucket, quota)
        ahead = _from(bucket.last.get(queue, ""), records)
        taken: list[JobRecord] = []
        cost = 0.0
        for record in ahead:
            more = requests(record, quota)
            if math.ceil(round(cost + more, 6)) > tokens:
                break
            cost += more
            taken.append(record)
        if not taken:
            return []
        changes = QuotaItem.changes(
            tokens=tokens - math.ceil(round(cost, 6)),
            at=now,
            last={**bucket.last, queue: str(taken[-1].key)},
            turn=bucket.turn + 1,
        )
        unchanged = QUOTA.turn.eq(bucket.turn)  # else another sandbox has taken tokens meanwhile
        key = QuotaItem.key_of(quota.name)
        return taken if self.ledger.change(key, changes, unchanged) else []

    def left(self, quota: Quota) -> int:
        """How many requests may be sent now."""
        return int(self._tokens(self._bucket(quota), quota))

    def draw(self, quota: Quota) -> bool:
        """Take one request, if one may be sent now; False also if others are faster each time."""
        key, bucket = QuotaItem.key_of(quota.name), self._bucket(quota)
        for _ in range(TRIES):
            tokens = self._tokens(bucket, quota)
            if tokens < 1:
                return False
            changes = QuotaItem.changes(
                tokens=tokens - 1, at=self.clock().timestamp(), turn=bucket.turn + 1
            )
            written = self.ledger.change(key, changes, QUOTA.turn.eq(bucket.turn))
            if written or written.item is None:
                return bool(written)
            bucket = QuotaItem.from_item(written.item)
        return False

    def _tokens(self, bucket: QuotaItem, quota: Quota) -> float:
        refilled = (self.clock().timestamp() - bucket.at) * quota.per_second
        return min(bucket.tokens + max(refilled, 0), quota.burst)

    def _bucket(self, quota: Quota) -> QuotaItem:
        item = self.ledger.get_item(*QuotaItem.key_of(quota.name))
        if item is not None:
            return QuotaItem.from_item(item)
        at = self.clock().timestamp()
        full = QuotaItem(name=quota.name, tokens=quota.burst, at=at)
        there = self.ledger.put_if_absent(full.to_item()).item
        return full if there is None else QuotaItem.from_item(there)


def _from(last: str, records: Sequence[JobRecord]) -> list[JobRecord]:
    """The jobs in the order of their keys, from the one after `last` on, round to it."""
    in_order = sorted(records, key=lambda record: str(record.key))
    later = [record for record in in_order if str(record.key) > last]
    return later + in_order[: len(in_order) - len(later)]
