"""`pipeline cost --json`: what runs have used, and what that costs at list prices."""

from __future__ import annotations

from cli.documents.base import Document
from contracts.run import RunStatus


class CostLine(Document):
    """What one meter comes to.

    Attributes:
        meter: what was counted, with the function it was used by; see docs/cost.md.
        usd: null: the table has no price of it.
    """

    service: str
    meter: str
    amount: int
    usd: float | None = None


class ServiceTotal(Document):
    """What one service costs."""

    service: str
    usd: float


class RunCostDocument(Document):
    """One run.

    Attributes:
        usd: null: what it used is not known, as it is of an earlier release.
        estimated_usd: what it was expected to cost when it began; null: no estimate was made.
        so_far: it has not ended, and only units that have ended are counted. So they are of a run
            that ended as its execution died.
        units: that have ended.
        unmetered_units: those of them that did not say what they used.
        usd_per_unit: null where nothing is known.
        not_priced: what was used that the table has no price of.
        lines: the bill, the dearest first; empty in a list of runs.
    """

    run_id: str
    dataset_name: str
    status: RunStatus
    started_at: str | None = None
    usd: float | None = None
    estimated_usd: float | None = None
    so_far: bool = False
    units: int = 0
    unmetered_units: int = 0
    usd_per_unit: float | None = None
    by_service: tuple[ServiceTotal, ...] = ()
    not_priced: tuple[str, ...] = ()
    lines: tuple[CostLine, ...] = ()


class CostDocument(Document):
    """What runs cost: of one, or of all that were claimed since then.

    Attributes:
        prices_of: Region and date of the table of prices.
        since: null of one run.
        dataset: as `--dataset` names it.
        runs: newest first; of those of `--last`, the newest that `--limit` allows.
        counted_runs: all of them, listed or not, of which it is known what they used.
        unknown_runs: those of which it is not.
        usd: of all that are known.
    """

    prices_of: str
    since: str | None = None
    dataset: str | None = None
    runs: tuple[RunCostDocument, ...]
    counted_runs: int
    unknown_runs: int
    usd: float
