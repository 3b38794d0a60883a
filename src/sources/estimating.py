"""What the listed units are going to cost, and whether the run may cost that."""

from __future__ import annotations

from contracts.costs.figures import CostEstimate
from contracts.dataset import DatasetSnapshot
from contracts.errors import InvalidInput, Problem
from contracts.manifest import ManifestSummary
from contracts.messages import ListUrls
from contracts.messages.operations import JOBS_OF_PARTS, OF_A_JOB, PLANNED
from costs.estimate import declared_usd_per_unit, estimated
from costs.prices import shipped_prices
from costs.texts import ESTIMATED, enough
from ledger.past_costs import past_costs
from ledger.runs import find_run
from ledger.table import Ledger


def estimate_run(
    message: ListUrls, snapshot: DatasetSnapshot, manifest: ManifestSummary, ledger: Ledger
) -> CostEstimate:
    """The estimate for all units of the manifest, made once: a run that was allowed to begin by it
    is not refused by a later one.

    Raises:
        InvalidInput: it is above the request's `maxCost`; says what to change.
    """
    run = find_run(ledger, message.request.run_id)
    if run is not None and run.estimate is not None:
        return run.estimate
    units = sum(manifest.shard_sizes)
    operations = PLANNED // max(message.units_per_shard, 1)
    if snapshot.group is not None and operations > JOBS_OF_PARTS * OF_A_JOB:
        operations -= JOBS_OF_PARTS * OF_A_JOB  # only where a job of a unit fails
    declared = declared_usd_per_unit(snapshot.dataset, operations)
    past = past_costs(ledger, message.request.dataset_name)
    estimate = estimated(units, past, declared)
    most = message.request.max_cost
    if most is not None and estimate.usd > most:
        raise InvalidInput(
            "run request",
            [
                Problem(
                    "maxCost",
                    f"{ESTIMATED}{enough(estimate.usd)} for"
                    f" {units:,} units, by {estimate.basis}, at list prices of"
                    f" {shipped_prices().label}; allow at least that, or ask for a shorter range",
                    f"{most:g}",
                )
            ],
        )
    return estimate
