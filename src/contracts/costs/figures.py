"""What a run costs, and what it is expected to."""

from __future__ import annotations

from contracts.base import Contract


class ServiceCost(Contract):
    """What one service costs."""

    service: str
    usd: float


class RunCost(Contract):
    """What a run has used of services that bill by use, at list prices (`costs`).

    Attributes:
        usd: all that has a price; never below what is known.
        estimated_usd: what it was expected to be; absent: no estimate was made.
        by_service: the same by service, the dearest first.
        not_priced: what was used that the table has no price of, such as time of a cluster.
        unmetered_units: units that have ended, or began, without saying what they used: those of an
            earlier release, and those whose execution died.
        prices_of: the date of the table, and its Region.
    """

    usd: float
    estimated_usd: float | None = None
    by_service: tuple[ServiceCost, ...] = ()
    not_priced: tuple[str, ...] = ()
    unmetered_units: int = 0
    prices_of: str = ""


class PastCost(Contract):
    """What an ended run of a dataset has cost.

    Attributes:
        units: those that have said what they used.
        units_usd: what these cost together.
        own_usd: what the run used beside its units.
    """

    run_id: str
    units: int
    units_usd: float
    own_usd: float


class CostEstimate(Contract):
    """What a run is expected to cost.

    Attributes:
        runs: ended runs of the dataset by which it is estimated; 0: by the contract's declared
            seconds (`limits.unitSeconds`).
    """

    usd: float
    units: int
    runs: int = 0

    @property
    def basis(self) -> str:
        """By what it is estimated, as part of a sentence."""
        if not self.runs:
            return "the contract's limits.unitSeconds, as no run of it has said yet what it used"
        return f"the last {self.runs} runs of it" if self.runs > 1 else "the last run of it"
