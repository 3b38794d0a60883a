"""What a run is expected to cost: by its dataset's past, else by what its contract declares."""

from __future__ import annotations

from typing import Any

import pytest
from control_fakes import DATASET
from yaml import safe_load

from contracts.costs.figures import PastCost
from contracts.dataset import Dataset
from contracts.job_step import JobStep
from costs.estimate import declared_usd_per_unit, estimated
from costs.prices import shipped_prices
from ledger.past_costs import RUNS, note_cost, past_costs
from ledger.table import Ledger

CONTRACT = Dataset.model_validate(safe_load(DATASET))


def past(run_id: str, units: int = 10, units_usd: float = 1.0, own_usd: float = 0.5) -> PastCost:
    return PastCost(run_id=run_id, units=units, units_usd=units_usd, own_usd=own_usd)


def test_past_runs_say_what_a_unit_and_a_run_itself_cost() -> None:
    found = estimated(100, [past("a"), past("b", units=30, units_usd=1.0, own_usd=1.5)], 99)
    assert found.usd == pytest.approx((0.5 + 1.5) / 2 + 100 * 2 / 40)
    assert (found.units, found.runs, found.basis) == (100, 2, "the last 2 runs of it")


def test_without_a_past_the_declared_seconds_count() -> None:
    found = estimated(4, [past("empty", units=0)], 0.25)
    assert (found.usd, found.runs) == (1.0, 0)
    assert "limits.unitSeconds" in found.basis


def test_declared_seconds_are_those_of_the_jobs() -> None:
    def usd(**fields: Any) -> float:
        jobs = tuple(JobStep(stage=f"s{n}", **job) for n, job in enumerate(fields["jobs"]))
        return declared_usd_per_unit(CONTRACT.model_copy(update={"jobs": jobs}), operations=10)

    seconds, operations = CONTRACT.limits.unit_seconds, 10 * 8e-6
    assumed = shipped_prices().assumed
    glue = {"engine": "glue", "glue_job": "clean"}
    serverless = {"engine": "emr-serverless", "script": "jobs/a.py"}
    glue_usd = seconds / 3600 * assumed["glueDpus"] * 0.44
    serverless_usd = (
        seconds
        / 3600
        * (assumed["emrServerlessVcpus"] * 0.052624 + assumed["emrServerlessMemoryGb"] * 0.0057785)
    )
    assert usd(jobs=[glue]) == pytest.approx(operations + glue_usd, abs=1e-7)
    both = usd(jobs=[glue, serverless])
    assert both == pytest.approx(operations + (glue_usd + serverless_usd) / 2, abs=1e-7)
    assert usd(jobs=[]) == pytest.approx(operations + seconds * 2 * 0.0000133334, abs=1e-7)


def test_the_last_runs_are_noted_the_latest_first(cloud: Any) -> None:
    for number in range(RUNS + 3):
        assert note_cost(cloud.ledger, "orders", past(f"r{number}"))
    noted = [each.run_id for each in past_costs(cloud.ledger, "orders")]
    assert noted == [f"r{number}" for number in range(RUNS + 2, 2, -1)]
    assert past_costs(cloud.ledger, "sales") == ()


def test_a_repeat_replaces_what_the_run_said_before(cloud: Any) -> None:
    for usd in (1.0, 1.0, 2.0):
        note_cost(cloud.ledger, "orders", past("r1", units_usd=usd))
    assert [each.units_usd for each in past_costs(cloud.ledger, "orders")] == [2.0]


class Overtaken(Ledger):
    """Another run notes its cost between each read and write, so many times."""

    def __init__(self, table: str, times: int) -> None:
        super().__init__(table)
        self._left = times

    def change(self, *args: Any, **options: Any) -> Any:
        if self._left:
            self._left -= 1
            assert note_cost(Ledger(self._table), "orders", past(f"other-{self._left}"))
        return super().change(*args, **options)


def test_two_runs_that_end_at_once_are_both_noted(cloud: Any) -> None:
    assert note_cost(Overtaken(cloud.ledger._table, 2), "orders", past("mine"))
    noted = {each.run_id for each in past_costs(cloud.ledger, "orders")}
    assert noted == {"mine", "other-0", "other-1"}


def test_a_run_that_is_always_overtaken_is_given_up_and_nothing_is_lost(cloud: Any) -> None:
    assert not note_cost(Overtaken(cloud.ledger._table, 9), "orders", past("mine"))
    assert "mine" not in {each.run_id for each in past_costs(cloud.ledger, "orders")}
