"""The notification that a backfill has ended: SUCCEEDED, FAILED or STOPPED.

The write that ends it also marks it as still to be announced; whoever made that write publishes,
then takes the mark off. What broke off in between is repeated by the same call or by the reaper's
sweep, under the same event id.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from contracts.ledger_items import ENDED_BACKFILL, BackfillItem
from contracts.run_request import format_timestamp
from ledger.table import Ledger
from runs.backfills.records import change_backfill
from runs.topic import EventName
from runtime.handler import Clock


@dataclass(frozen=True)
class BackfillEnded:
    """One notification, the same whenever it is made of the same record.

    Attributes:
        at: when it is published.
        stack: for the commands in its text; None on a local cloud.
    """

    item: BackfillItem
    at: str
    stack: str | None = None
    name: EventName = EventName.BACKFILL_ENDED
    outcome: str | None = None

    @property
    def event_id(self) -> str:
        """Stable across repeats; a backfill that was resumed ends again, in a later execution."""
        return f"{self.item.backfill_id}/{self.name}/{self.item.generation}"

    @property
    def dataset_name(self) -> str:
        return self.item.dataset_name

    @property
    def status(self) -> str:
        return self.item.status.value

    @property
    def text(self) -> str:
        """For people; its first line stands alone: it is the subject, too."""
        item, on = self.item, f" --stack {self.stack}" if self.stack else ""
        counts = item.counts
        lines = [
            f"Backfill {item.backfill_id} of {item.dataset_name} {item.status}: {counts.words}"
        ]
        if item.reason:
            lines.append(f"Reason: {item.reason}")
        todo = [f"pipeline backfill show {item.backfill_id}{on}"]
        if counts.failed:
            todo.append(f"pipeline backfill resume {item.backfill_id} --failed{on}")
        elif counts.left or counts.running:
            todo.append(f"pipeline backfill resume {item.backfill_id}{on}")
        return "\n".join([*lines, "What to do next:", *(f"   {command}" for command in todo)])

    def to_json(self) -> dict[str, Any]:
        item = self.item
        return {
            "eventId": self.event_id,
            "event": self.name.value,
            "backfillId": item.backfill_id,
            "datasetName": item.dataset_name,
            "status": self.status,
            "counts": item.counts.to_json(),
            "reason": item.reason,
            "text": self.text,
            "time": self.at,
        }


@dataclass(frozen=True)
class BackfillEnds:
    """Announces ends of backfills.

    Attributes:
        publish: sends the notification.
        stack: for the commands in it.
    """

    ledger: Ledger
    publish: Callable[[BackfillEnded], None]
    clock: Clock
    stack: str | None = None

    def announce(self, item: BackfillItem) -> None:
        """Announce the end of the backfill, unless it has not ended, or that was done before."""
        if item.active != ENDED_BACKFILL:
            return
        self.publish(BackfillEnded(item, format_timestamp(self.clock()), self.stack))

        def announced(now: BackfillItem) -> dict[str, Any] | None:
            same = now.generation == item.generation and now.active == ENDED_BACKFILL
            return dict(active=None) if same else None

        change_backfill(self.ledger, item.backfill_id, announced, self.clock())
