"""When the records of a run that has ended leave the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from contracts.ledger_items.base import Changes, Key, LedgerItem
from contracts.ledger_items.run import RunIndex

RETENTION: Final = "#retention"  # the partition; no run can be called so
MESSAGES: Final = timedelta(days=14)  # what SQS holds a message at most, also a dead letter
MARGIN: Final = timedelta(days=7)  # expired items and objects are removed "within a few days"


@dataclass(frozen=True, kw_only=True)
class DueItem(LedgerItem):
    """`#retention`/`<instant>#<run>`: a run whose records may go from then on, if it has ended.

    Attributes:
        due: the instant, as the index of runs writes instants.
        of_run: the run's id.
        expired_to: sort key of the last of the run's records that is marked as expired.
        expires_at: epoch seconds; set once there is nothing left to do.
    """

    KEY_FIELDS: ClassVar = frozenset({"due", "of_run"})

    due: str = ""
    of_run: str = ""
    expired_to: str | None = None
    expires_at: int | None = None

    @classmethod
    def at(cls, due: datetime, run_id: str) -> DueItem:
        """The item of a run that is due then."""
        return cls(due=RunIndex.instant(due), of_run=run_id)

    @classmethod
    def key_of(cls, due: str, run_id: str) -> Key:
        return Key(RETENTION, f"{due}#{run_id}")

    @property
    def key(self) -> Key:
        """Where it is."""
        return self._key()

    @classmethod
    def _of_key(cls, item: Mapping[str, Any]) -> dict[str, Any]:
        due, _, run_id = str(item[Key._fields[1]]).partition("#")
        return {"due": due, "of_run": run_id}

    def _key(self) -> Key:
        return self.key_of(self.due, self.of_run)


def expiring(at: datetime) -> Changes:
    """What makes DynamoDB remove an item of any kind, within days from then on."""
    return Changes({"expires_at": int(at.timestamp())}, ())


def tombstone_stays(files_days: int) -> timedelta:
    """For how long the RUN item stays that an expired run leaves, and with it what the run was
    asked for, and whether it succeeded.

    Args:
        files_days: for which files of runs are in S3.
    """
    return max(MESSAGES, timedelta(days=files_days)) + MARGIN
