"""Executions of shards read the run's plan, and what is pending, from S3 and the ledger."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from control_fakes import NOW, arn, claimed, freeze_dataset, request

from contracts import layout
from contracts.errors import OwnershipLost
from contracts.ledger_items import LossesItem, SpentItem, UnitItem
from contracts.messages import FreezePlan, ListUrls, NotBegun, ReadShard, ShardPlan, StartUnit
from contracts.run import UnitState, UnitStatus
from runs.long.shard_plans import freeze_plan, read_shard
from runs.unit.beginning import start_unit
from runs.units import OutputLocations, unit_outcomes
from sources.frozen import read_manifest_summary
from sources.listed_run import list_run
from steps.list_urls import handler

END = datetime(2026, 11, 10, tzinfo=UTC)
PLAN: dict[str, Any] = {
    "request": request().to_json(),
    "claim": {"endDateTime": "2026-11-10T00:00:00Z"},
    "ofALaterRelease": {"x": 1},
}


@pytest.fixture
def run(cloud: Any) -> Any:
    """A run of five objects in shards of two, whose plan is frozen."""
    claimed(cloud.ledger)
    freeze_dataset(cloud.data_bucket)
    for name in "abcde":
        cloud.put(f"landing/orders/dt=2026-11-01/{name}.csv")
    listing = ListUrls(request=request(), end_date_time=END, units_per_shard=2, run_attempt=1)
    list_run(listing, cloud.data_bucket, cloud.ledger, NOW)
    freeze_plan(FreezePlan(run_id="r1", run_attempt=1, plan=PLAN), cloud.data_bucket)
    return cloud


def read(run: Any, shard: int, attempt: int = 1) -> ShardPlan:
    message = ReadShard(run_id="r1", run_attempt=attempt, shard=shard)
    return read_shard(message, run.data_bucket, run.ledger, redeliver=False)


def test_the_plan_comes_back_as_it_was_with_what_is_pending(run: Any) -> None:
    assert read(run, 0) == ShardPlan(plan=PLAN, pending=((0, 2),))
    assert read(run, 2).pending == ((0, 1),)
    assert read(run, 7).pending == ()


def test_what_an_earlier_attempt_has_stored_is_not_pending(run: Any) -> None:
    run.ledger.update("r1", "RUN", {"run_attempt": 2})
    changes = UnitItem.changes(status=UnitStatus.STORED, run_attempt=1)
    run.ledger.change(UnitItem.key_of("r1", "00001-000"), changes)
    freeze_plan(FreezePlan(run_id="r1", run_attempt=2, plan=PLAN), run.data_bucket)
    assert read(run, 1, attempt=2).pending == ((1, 2),)


def test_a_run_that_is_to_stop_is_halted(run: Any) -> None:
    run.ledger.update("r1", "RUN", {"stop_requested_at": "2026-11-20T00:00:00Z"})
    assert read(run, 0) == ShardPlan(plan=PLAN, halted=True)


@pytest.mark.parametrize(("lost", "halted"), [(1, False), (2, True)])
def test_a_run_that_has_lost_more_than_is_tolerated_is_halted(
    run: Any, lost: int, halted: bool
) -> None:
    message = FreezePlan(run_id="r1", run_attempt=1, plan=PLAN, tolerated_losses=1)
    freeze_plan(message, run.data_bucket)
    for shard in range(lost):
        item = LossesItem(run_id="r1", of=f"00001#{shard}", losses=1)
        run.ledger.put_if_absent(item.to_item())
    assert read(run, 2).halted is halted


def test_of_a_run_that_is_halted_one_unit_says_why_all_others_were_not_started(run: Any) -> None:
    """All units of the shards before it may have begun, so nothing else in the ledger says so."""
    message = FreezePlan(run_id="r1", run_attempt=1, plan=PLAN, tolerated_losses=0)
    freeze_plan(message, run.data_bucket)
    ended = UnitItem.changes(status=UnitStatus.FAILED, run_attempt=1)
    for unit in ("00000-000", "00000-001"):
        run.ledger.change(UnitItem.key_of("r1", unit), ended)
    lost = LossesItem(run_id="r1", of="00001#0", losses=2)
    run.ledger.put_if_absent(lost.to_item())

    found = read(run, 1)

    assert (found.halted, found.pending) == (True, ((0, 1),))
    asks = StartUnit(
        run_id="r1", unit_id="00001-000", run_attempt=1, execution_arn=arn("x"), tolerated_losses=0
    )
    assert start_unit(asks, run.ledger, run.data_bucket, NOW).began.reason is NotBegun.FAILED_FAST
    units = [UnitItem.from_item(item) for item in run.ledger.query("r1", "UNIT#")]
    manifest = read_manifest_summary(run.data_bucket, "r1")
    places = OutputLocations(run.data_bucket, "r1", "orders")
    states = [outcome.status for outcome in unit_outcomes(manifest, units, places)]
    assert states == [UnitState.FAILED] * 2 + [UnitState.NOT_STARTED] * 3


@pytest.mark.parametrize(("dollars", "halted"), [(0.4, False), (0.6, True)])
def test_a_run_that_has_spent_its_most_is_halted(run: Any, dollars: float, halted: bool) -> None:
    plan = {**PLAN, "request": {**PLAN["request"], "maxCost": 0.5}}
    freeze_plan(FreezePlan(run_id="r1", run_attempt=1, plan=plan), run.data_bucket)
    run.ledger.update(
        *SpentItem.key_of("r1", 1, 0), {}, add=SpentItem.of_unit(dollars, "00000-000")
    )
    assert (read(run, 2).halted, read(run, 2).pending) == (halted, ((0, 1),))


def test_an_attempt_that_lost_the_run_reads_nothing(run: Any) -> None:
    run.ledger.update("r1", "RUN", {"run_attempt": 2, "holder": arn("two")})
    with pytest.raises(OwnershipLost):
        read(run, 0)


def test_the_handler_takes_each_message_by_its_kind(run: Any, lambda_context: Any) -> None:
    plan = FreezePlan(run_id="r1", run_attempt=1, plan={**PLAN, "more": 2})
    assert handler(plan.to_json(), lambda_context) is None
    assert run.read_json(layout.plan_key("r1", 1))["plan"]["more"] == 2

    asked = ReadShard(run_id="r1", run_attempt=1, shard=2)
    response = handler(asked.to_json(), lambda_context)
    assert response is not None
    assert (response["plan"]["more"], response["pending"]) == (2, [[0, 1]])

    listing = ListUrls(request=request(), end_date_time=END, units_per_shard=2, run_attempt=1)
    listed = handler(listing.to_json(), lambda_context)
    assert listed is not None
    assert listed["shardSizes"] == [2, 2, 1]
