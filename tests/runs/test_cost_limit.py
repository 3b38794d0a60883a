"""`maxCost`: a run that is estimated to cost more is refused; one that has begins no more units."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from control_fakes import LOST_RESPONSE, NOW, arn, claimed, freeze_dataset, request
from manifests import put_manifest

from contracts.costs.figures import PastCost
from contracts.dataset import Group
from contracts.errors import InvalidInput, InvalidRequest, TransientFailure
from contracts.manifest import ManifestEntry, ManifestSummary
from contracts.messages import Began, EndUnit, ListUrls, NotBegun, RecordRun, StartUnit
from contracts.messages.operations import JOBS_OF_PARTS, OF_A_JOB
from contracts.run import COST_EXCEEDED, RowCounts, RunStatus, UnitStatus
from durable_pipeline.intake import parse_message
from ledger.past_costs import note_cost
from ledger.runs import find_run
from runs.recording import Recording, record_run
from runs.unit.beginning import start_unit
from runs.unit.counts import spent
from runs.unit.recording import end_unit
from runtime.metering import meter
from sources.estimating import estimate_run
from sources.frozen import read_manifest_summary
from sources.listed_run import list_run

EXECUTION = arn("shard")
A_DOLLAR = {"operations": 125_000}


@pytest.fixture
def run(cloud: Any) -> Any:
    """A claimed run of three units."""
    claimed(cloud.ledger)
    freeze_dataset(cloud.data_bucket)
    entries = tuple(
        ManifestEntry(
            bucket="data-bucket", key=f"landing/{name}.csv", size=1, etag="e", last_modified=NOW
        )
        for name in ("a", "b", "c")
    )
    put_manifest(cloud.put, "r1", entries)
    return cloud


def begin(cloud: Any, number: int, most: float | None = 2.0, attempt: int = 1) -> Began:
    message = StartUnit(
        run_id="r1",
        unit_id=f"00000-{number:03d}",
        run_attempt=attempt,
        execution_arn=EXECUTION,
        allowance=84,
        reserved=158,
        max_cost=most,
    )
    return start_unit(message, cloud.ledger, "data-bucket", NOW).began


def end(cloud: Any, number: int, **fields: Any) -> None:
    meter.begin("record-unit", 0)
    values: dict[str, Any] = dict(usage=A_DOLLAR, counts_cost=True, run_attempt=1)
    message = EndUnit(
        run_id="r1",
        unit_id=f"00000-{number:03d}",
        status=UnitStatus.STORED,
        rows=RowCounts(),
        **{**values, **fields},
    )
    end_unit(message, cloud.ledger, "data-bucket", NOW)


class TestWhileItRuns:
    def test_once_units_have_cost_that_no_more_begin(self, run: Any) -> None:
        for number in (0, 1):
            assert begin(run, number).begin
            end(run, number)
        response = begin(run, 2)
        assert (response.begin, response.reason) == (False, NotBegun.COST)
        assert response.why is not None
        assert "units have cost $2.00" in response.why
        assert response.why.endswith("maxCost is $2")
        item = run.ledger.get_item("r1", "UNIT#00000-002")
        assert item["not_started"] is True
        assert item["failure"]["error_type"] == COST_EXCEEDED

    def test_without_a_limit_nothing_is_counted(self, run: Any) -> None:
        assert begin(run, 0, most=None).begin
        end(run, 0, counts_cost=False)
        assert begin(run, 1, most=None).begin
        assert spent(run.ledger, "r1") == 0

    def test_below_it_they_begin(self, run: Any) -> None:
        begin(run, 0)
        end(run, 0)
        assert begin(run, 1).begin

    def test_what_an_earlier_attempt_cost_counts(self, run: Any) -> None:
        for number in (0, 1):
            begin(run, number)
            end(run, number)
        run.ledger.update("r1", "RUN", {"run_attempt": 2})
        assert begin(run, 2, attempt=2).reason is NotBegun.COST

    @pytest.mark.parametrize("before", [True, False])
    def test_a_step_that_dies_around_the_write_counts_once(
        self, run: Any, clients: Any, before: bool
    ) -> None:
        begin(run, 0)
        # Its first write is the unit's record, its second one the count.
        clients.break_once("dynamodb", "update_item", LOST_RESPONSE, after=not before, call=2)
        with pytest.raises(TransientFailure):
            end(run, 0)
        assert spent(run.ledger, "r1") == (0 if before else pytest.approx(1, abs=1e-4))
        end(run, 0)
        assert spent(run.ledger, "r1") == pytest.approx(1, abs=1e-4)

    def test_the_run_fails_for_good_and_says_why(self, run: Any) -> None:
        begin(run, 0, most=0.5)
        end(run, 0)
        begin(run, 1, most=0.5)
        meter.begin("record-run", 0)
        message = RecordRun(
            request=request(maxCost=0.5), execution_arn=arn("one"), run_attempt=1, usage={}
        )
        result = record_run(message, Recording(data_bucket="data-bucket"), run.ledger, NOW).result
        assert (result.status, result.permanent) == (RunStatus.FAILED, True)
        assert (result.units.stored, result.units.not_started) == (1, 2)
        why = r"2 of 3 units were not started: units have cost \$[01].\d+ by now, maxCost is \$0.5"
        assert re.fullmatch(why, result.reason or "")
        assert result.cost is not None
        assert result.cost.usd == pytest.approx(1, abs=1e-3)


def listed(cloud: Any, attempt: int = 1, **fields: Any) -> ManifestSummary:
    message = ListUrls(
        request=request(**fields), end_date_time=NOW, units_per_shard=200, run_attempt=attempt
    )
    return list_run(message, cloud.data_bucket, cloud.ledger, NOW)


class TestBeforeItBegins:
    def test_a_run_that_is_estimated_to_cost_more_is_refused_with_the_figure(
        self, run: Any
    ) -> None:
        past = PastCost(run_id="r0", units=10, units_usd=5.0, own_usd=0.25)
        note_cost(run.ledger, "orders", past)
        with pytest.raises(InvalidInput) as refused:
            listed(run, maxCost=1.7)
        said = str(refused.value)
        assert "maxCost" in said
        assert "$1.75 for 3 units, by the last run of it" in said
        assert "allow at least that, or ask for a shorter range" in said
        item = find_run(run.ledger, "r1")
        assert item is not None
        assert item.status is RunStatus.CLAIMED, "nothing has begun"
        with pytest.raises(InvalidInput):
            listed(run, attempt=1, maxCost=1.7)

    def test_one_that_is_not_begins_and_its_estimate_stays_with_it(self, run: Any) -> None:
        note_cost(run.ledger, "orders", PastCost(run_id="r0", units=1, units_usd=1, own_usd=0))
        assert listed(run, maxCost=3).objects == 3
        item = find_run(run.ledger, "r1")
        assert item is not None
        assert item.estimate is not None
        assert (item.estimate.usd, item.estimate.units, item.estimate.runs) == (3, 3, 1)

        note_cost(run.ledger, "orders", PastCost(run_id="r5", units=1, units_usd=9, own_usd=0))
        assert listed(run, maxCost=3).objects == 3, "what was allowed to begin goes on"

    def test_operations_that_only_halves_of_a_unit_take_are_not_estimated(self, run: Any) -> None:
        snapshot = freeze_dataset(run.data_bucket)
        message = ListUrls(request=request(), end_date_time=NOW, units_per_shard=14, run_attempt=1)
        manifest = read_manifest_summary(run.data_bucket, "r1")
        alone, grouped = (
            estimate_run(message, snapshot.model_copy(update=group), manifest, run.ledger).usd
            for group in ({}, {"group": Group()})
        )
        of_halves = 3 * JOBS_OF_PARTS * OF_A_JOB / A_DOLLAR["operations"]
        assert alone - grouped == pytest.approx(of_halves)
        assert grouped > 0

    def test_the_result_has_the_estimate_beside_the_cost(self, run: Any) -> None:
        listed(run)
        meter.begin("record-run", 0)
        message = RecordRun(
            request=request(), execution_arn=arn("one"), run_attempt=1, usage={"operations": 1}
        )
        result = record_run(message, Recording(data_bucket="data-bucket"), run.ledger, NOW).result
        assert result.cost is not None
        assert result.cost.estimated_usd is not None
        assert result.cost.estimated_usd > 0


@pytest.mark.parametrize("value", [0, -1, "5", True, 1e999])
def test_a_limit_is_an_amount_of_money_above_nothing(value: Any) -> None:
    fields = {"datasetName": "orders", "startDateTime": "2026-11-01", "maxCost": value}
    with pytest.raises(InvalidRequest, match="maxCost"):
        parse_message(json.dumps(fields), "r1")


def test_a_limit_may_have_cents() -> None:
    fields = {"datasetName": "orders", "startDateTime": "2026-11-01", "maxCost": 0.25}
    parsed = parse_message(json.dumps(fields), "r1")
    assert parsed is not None
    assert parsed.max_cost == 0.25
    assert parsed.to_json()["maxCost"] == 0.25
