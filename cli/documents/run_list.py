"""`pipeline ls` and `pipeline ledger index`: the list of runs."""

from __future__ import annotations

from cli.documents.base import Document
from cli.documents.ledger import RunDocument


class RunsDocument(Document):
    """The runs that were claimed since then, newest first.

    Attributes:
        more: whether there are more of them than `--limit`.
        cursor: where the next ones begin, for `--cursor`; null where there are no more.
    """

    since: str
    runs: tuple[RunDocument, ...]
    more: bool
    cursor: str | None = None


class LedgerIndexDocument(Document):
    """What one call of `pipeline ledger index` did; it has reached the end of the ledger.

    Attributes:
        ledger_table: name of the table.
        examined: items that were read.
        indexed: runs that were put into the index.
        resumed: whether an earlier call had been interrupted, and this one went on with it.
    """

    ledger_table: str
    examined: int
    indexed: int
    resumed: bool
