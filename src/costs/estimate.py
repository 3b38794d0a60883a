"""What a run is going to cost: by its dataset's past runs, else by what its contract declares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from contracts.costs.figures import CostEstimate, PastCost
from contracts.costs.usage import Amounts, Meter
from contracts.dataset import Dataset
from contracts.job import Engine
from costs.model import cost_of
from costs.prices import Prices, shipped_prices

_MB_OF_A_STEP: Final = 2048
_MS: Final = 1000


def estimated(
    units: int, past: Sequence[PastCost], declared_usd: float, runs: int = 1
) -> CostEstimate:
    """The estimate for so many units, in one run or in several.

    Args:
        past: what earlier runs of the dataset have cost; those without units say nothing.
        declared_usd: of one unit, as the contract declares it; counts where nothing is past.
    """
    known = [each for each in past if each.units > 0]
    if not known:
        return CostEstimate(usd=round(units * declared_usd, 8), units=units)
    of_a_unit = sum(each.units_usd for each in known) / sum(each.units for each in known)
    own = sum(each.own_usd for each in known) / len(known)
    return CostEstimate(usd=round(runs * own + units * of_a_unit, 8), units=units, runs=len(known))


def declared_usd_per_unit(dataset: Dataset, operations: int, prices: Prices | None = None) -> float:
    """What one unit costs if its declared seconds are what it takes.

    They are its jobs', each an equal share; of a dataset without jobs those of a step of 2 GB. How
    large a job is, the contract does not say: the table of prices assumes it.

    Args:
        operations: durable operations of a unit.
    """
    prices = prices or shipped_prices()
    milliseconds = dataset.limits.unit_seconds * _MS
    usage: Amounts = {Meter.OPERATIONS: operations}
    if not dataset.jobs:
        usage[Meter.MB_MS] = milliseconds * _MB_OF_A_STEP
    for job in dataset.jobs:
        for meter, assumed in _OF_ENGINE.get(job.engine, {}).items():
            amount = milliseconds / len(dataset.jobs) * prices.assumed.get(assumed, 0)
            usage[meter] = usage.get(meter, 0) + round(amount)
    return cost_of(usage, prices).usd


_OF_ENGINE: Final = {
    Engine.GLUE: {Meter.GLUE_DPU_MS: "glueDpus"},
    Engine.EMR_SERVERLESS: {
        Meter.EMR_SERVERLESS_VCPU_MS: "emrServerlessVcpus",
        Meter.EMR_SERVERLESS_MEMORY_GB_MS: "emrServerlessMemoryGb",
    },
    Engine.LAMBDA: {Meter.MB_MS: "lambdaJobMegabytes"},
}
