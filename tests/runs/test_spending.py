"""What a run has used, over its units and attempts, in the ledger and in its result."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from control_fakes import NOW, arn, claimed, request
from manifests import put_manifest

from contracts import layout
from contracts.ledger_items import RunItem, UnitItem
from contracts.manifest import ManifestEntry
from contracts.messages import EndUnit, RecordRun, StartUnit
from contracts.run import RowCounts, RunResult, StageFailure, UnitStatus
from ledger.runs import change_run, find_run, held_as
from runs.recording import Recording, record_run
from runs.unit.beginning import start_unit
from runs.unit.recording import end_unit
from runtime import s3
from runtime.metering import meter

SETTINGS = Recording(data_bucket="data-bucket")
UNITS = ("00000-000", "00000-001")
FAILURE = StageFailure(stage="validate", error_type="InvalidData", message="no rows")


@pytest.fixture
def run(cloud: Any) -> Any:
    """A claimed run of two objects, of whose steps the meter counts nothing by itself."""
    claimed(cloud.ledger)
    entries = tuple(
        ManifestEntry(
            bucket="data-bucket", key=f"landing/{name}.csv", size=1, etag="e", last_modified=NOW
        )
        for name in ("a", "b")
    )
    put_manifest(cloud.put, "r1", entries)
    return cloud


def begin(cloud: Any, unit_id: str, attempt: int = 1) -> None:
    message = StartUnit(run_id="r1", unit_id=unit_id, run_attempt=attempt)
    start_unit(message, cloud.ledger, "data-bucket", NOW)


def end(cloud: Any, unit_id: str, attempt: int = 1, **fields: Any) -> None:
    meter.begin("record-unit", 0)
    status = UnitStatus.FAILED if "failure" in fields else UnitStatus.STORED
    message = EndUnit(
        run_id="r1", unit_id=unit_id, run_attempt=attempt, status=status, rows=RowCounts(), **fields
    )
    end_unit(message, cloud.ledger, "data-bucket", NOW)


def attempt(cloud: Any, number: int) -> None:
    """Another attempt holds the run, as after a takeover."""
    held = find_run(cloud.ledger, "r1")
    assert held is not None
    changes = RunItem.changes(run_attempt=number, status="RUNNING", ended_at=None)
    cloud.ledger.change(RunItem.key_of("r1"), changes)


def record(cloud: Any, attempt: int = 1, usage: dict[str, int] | None = None) -> RunResult:
    meter.begin("record-run", 0)
    message = RecordRun(
        request=request(), execution_arn=arn("one"), run_attempt=attempt, usage=usage
    )
    later = NOW + timedelta(seconds=60)
    return record_run(message, SETTINGS, cloud.ledger, later).result


def unit(cloud: Any, unit_id: str) -> UnitItem:
    return UnitItem.from_item(cloud.ledger.get_item(*UnitItem.key_of("r1", unit_id)))


def operations(cloud: Any) -> int:
    item = find_run(cloud.ledger, "r1")
    assert item is not None
    assert item.usage is not None
    return item.usage["operations"]


def test_a_run_costs_what_its_units_and_it_itself_have_used(run: Any) -> None:
    for unit_id in UNITS:
        begin(run, unit_id)
        end(run, unit_id, usage={"operations": 11, "glue-dpu-ms": 3_600_000})

    result = record(run, usage={"operations": 8})

    assert result.cost is not None
    assert operations(run) == 30
    glue = 2 * 0.44
    assert result.cost.usd == pytest.approx(glue + 30 * 8e-6, abs=1e-4)
    assert result.cost.by_service[0].service == "Glue"
    item = find_run(run.ledger, "r1")
    assert item is not None
    assert item.cost == result.cost
    document = json.loads(s3.read_bytes("data-bucket", layout.results_key("r1")))
    assert document["cost"]["usd"] == result.cost.usd
    assert document["usage"]["glue-dpu-ms"] == 7_200_000


def test_the_units_record_says_what_it_used_with_the_writing_of_it(run: Any) -> None:
    begin(run, UNITS[0])
    end(run, UNITS[0], usage={"operations": 11})
    usage = unit(run, UNITS[0]).usage
    assert usage is not None
    assert usage["operations"] == 11
    assert usage["dynamodb-half-reads"] >= 1, "the step reads the run before it writes"


def test_a_repeated_step_adds_nothing(run: Any) -> None:
    for unit_id in UNITS:
        begin(run, unit_id)
        end(run, unit_id, usage={"operations": 11})
        end(run, unit_id, usage={"operations": 12})  # a try more, which is billed
    record(run, usage={"operations": 8})
    record(run, usage={"operations": 9})
    assert operations(run) == 12 + 12 + 9


def test_what_earlier_attempts_used_is_paid_for_too(run: Any) -> None:
    begin(run, UNITS[0])
    end(run, UNITS[0], usage={"operations": 11})
    begin(run, UNITS[1])
    end(run, UNITS[1], usage={"operations": 7, "glue-dpu-ms": 5}, failure=FAILURE)
    record(run, usage={"operations": 8})
    attempt(run, 2)
    begin(run, UNITS[1], attempt=2)
    begin(run, UNITS[1], attempt=2)  # a repeat of it
    # The job of the first attempt is gone on with; that has recorded it.
    end(run, UNITS[1], attempt=2, usage={"operations": 10}, adopted={"glue-dpu-ms": 5})

    record(run, attempt=2, usage={"operations": 6})

    assert operations(run) == 11 + 7 + 10 + 8 + 6
    item = find_run(run.ledger, "r1")
    assert item is not None
    assert item.usage is not None
    assert item.usage["glue-dpu-ms"] == 5


def test_a_job_counts_though_the_attempt_that_submitted_it_died(run: Any) -> None:
    begin(run, UNITS[0])
    attempt(run, 2)
    begin(run, UNITS[0], attempt=2)
    end(run, UNITS[0], attempt=2, usage={"operations": 10}, adopted={"glue-dpu-ms": 5})
    assert unit(run, UNITS[0]).total_usage["glue-dpu-ms"] == 5


def test_units_that_do_not_say_what_they_used_are_counted_as_such(run: Any) -> None:
    begin(run, UNITS[0])
    end(run, UNITS[0], usage={"operations": 11})
    begin(run, UNITS[1])
    end(run, UNITS[1])  # by an earlier release
    cost = record(run, usage={"operations": 8}).cost
    assert cost is not None
    assert cost.unmetered_units == 1


def test_what_a_run_of_an_earlier_release_used_is_not_known_rather_than_nothing(run: Any) -> None:
    for unit_id in UNITS:
        begin(run, unit_id)
        end(run, unit_id)
    assert record(run).cost is None
    item = find_run(run.ledger, "r1")
    assert item is not None
    assert (item.usage, item.cost) == (None, None)


def test_a_run_taken_over_has_no_cost_until_it_ends_again(run: Any) -> None:
    begin(run, UNITS[0])
    end(run, UNITS[0], usage={"operations": 11}, failure=FAILURE)
    record(run, usage={"operations": 8})
    changed = dict.fromkeys(RunItem.OF_AN_END)
    item = find_run(run.ledger, "r1")
    assert item is not None

    assert change_run(run.ledger, "r1", held_as(item), **changed)[0]
    item = find_run(run.ledger, "r1")
    assert item is not None
    assert (item.usage, item.cost) == (None, None)
    assert item.own_usage is not None, "what its attempts used stays known"
