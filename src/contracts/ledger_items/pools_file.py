"""What the ledger holds of `pools.yaml`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Final

from contracts.ledger_items.base import Key, LedgerItem
from contracts.run_request import Timestamp

POOLS_FILES: Final = "#pools"  # the partition; no run can be called so


@dataclass(frozen=True, kw_only=True)
class PoolsFileItem(LedgerItem):
    """`#pools`/`file`: the last `pools.yaml` without problems, which is in force.

    Attributes:
        revision: of that file, see `remote_jobs.pools.pools_file`; None: there is none.
        limits: of that file, by pool.
        problem: what is wrong with the file that is in the code bucket now; None: nothing.
        problem_at: when that was seen first.
    """

    KEY_FIELDS: ClassVar = frozenset[str]()
    SORT: ClassVar = "file"

    revision: str | None = None
    limits: dict[str, int] = field(default_factory=dict)
    problem: str | None = None
    problem_at: Timestamp | None = None

    @classmethod
    def key_of(cls) -> Key:
        return Key(POOLS_FILES, cls.SORT)

    def _key(self) -> Key:
        return self.key_of()
