from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from control_fakes import LOST_ANSWER, NOW, arn, claimed, request

from contracts import layout
from contracts.errors import NotFound, OwnershipLost, TransientFailure
from contracts.manifest import ManifestSummary
from contracts.messages import RecordedRun, RecordRun
from contracts.run import RowCounts, RunStatus, UnitTotals
from contracts.run_request import format_timestamp
from steps import storage
from steps.ledger import unit_item
from steps.record_run import Settings, handler, record_run

SETTINGS = Settings(ledger_table="ledger", data_bucket="data-bucket", warehouse="true")
FAILURE = {"stage": "validate", "error_type": "InvalidData", "message": "too many rejected rows"}


@pytest.fixture
def run(cloud: Any) -> Any:
    """A claimed run whose manifest has three units over two shards."""
    claimed(cloud.ledger)
    summary = ManifestSummary(
        manifest_url="s3://data-bucket/runs/r1/manifest/summary.json",
        objects=3,
        total_bytes=3,
        shard_sizes=(2, 1),
        pending=(),
    )
    storage.write_json("data-bucket", layout.manifest_summary_key("r1"), summary.to_json())
    return cloud


def unit(cloud: Any, unit_id: str, status: str = "STORED", **attributes: Any) -> None:
    stored = {"rows_in": 10, "rejected": 1, "removed": 2, "stored": 7} if status == "STORED" else {}
    values = {"status": status, "rows": stored, "job_ids": [f"job-{unit_id}"], **attributes}
    cloud.ledger.update("r1", unit_item(unit_id), {"source_url": f"s3://b/{unit_id}", **values})


def record(cloud: Any, later: int = 0, settings: Settings = SETTINGS, **fields: Any) -> RecordedRun:
    percentage = fields.pop("tolerated", 0)
    sent = request(toleratedFailurePercentage=percentage)
    values = {"execution_arn": arn("one"), "run_attempt": 1, **fields}
    message = RecordRun(request=sent, **values)
    return record_run(message, settings, cloud.ledger, NOW + timedelta(seconds=later))


def run_item(cloud: Any) -> dict[str, Any]:
    found: dict[str, Any] = cloud.ledger.get_item("r1", "RUN")
    return found


def test_a_run_whose_units_are_stored_has_succeeded(run: Any) -> None:
    for unit_id in ("00000-000", "00000-001", "00001-000"):
        unit(run, unit_id)

    result = record(run).result

    assert result.status is RunStatus.SUCCEEDED
    assert result.units == UnitTotals(total=3, stored=3)
    assert result.rows == RowCounts(rows_in=30, rejected=3, removed=6, stored=21)
    assert result.rows.balanced
    item = run_item(run)
    assert (item["status"], item["units"]["stored"], item["rows"]["stored"]) == ("SUCCEEDED", 3, 21)
    assert item["results_url"] == result.results_url == "s3://data-bucket/runs/r1/results.json"


def test_the_results_document_holds_every_unit(run: Any) -> None:
    unit(run, "00000-000")
    unit(run, "00000-001", "FAILED", failure=FAILURE)

    record(run)

    document = run.read_json("runs/r1/results.json")
    assert document["status"] == "FAILED"
    assert document["request"]["datasetName"] == "orders"
    first, second, third = document["outcomes"]
    assert (first["jobIds"], first["sourceUrl"]) == (["job-00000-000"], "s3://b/00000-000")
    assert second["failure"]["errorType"] == "InvalidData"
    assert third["status"] == "FAILED"
    assert "never begun" in third["failure"]["message"]


def test_the_first_failures_are_told_with_what_is_known_of_them(run: Any) -> None:
    of_a_job = {**FAILURE, "job_id": "j1", "log_url": "https://logs", "log_tail": "row 7"}
    unit(run, "00000-001", "FAILED", failure=of_a_job)
    unit(run, "00001-000", "FAILED", failure={**FAILURE, "message": "x" * 2000})

    result = record(run).result

    first, second, never_begun = result.failures
    assert (first.unit_id, first.failure.job_id, first.failure.log_tail) == (
        "00000-001",
        "j1",
        "row 7",
    )
    assert len(second.failure.message) == 500
    assert never_begun.failure.error_type == "OutcomeMissing"
    document = storage.read_json("data-bucket", layout.results_key("r1"))
    assert document["failures"][0]["failure"]["logTail"] == "row 7"
    assert document["outcomes"][1]["failure"]["logUrl"] == "https://logs"


def test_the_reason_names_the_first_failed_unit_its_stage_and_error(run: Any) -> None:
    unit(run, "00000-000")
    unit(run, "00000-001", "FAILED", failure=FAILURE)
    unit(run, "00001-000", "RUNNING")

    result = record(run).result

    assert result.units == UnitTotals(total=3, stored=1, failed=2)
    assert result.reason == (
        "2 of 3 units failed (66.67%, tolerated 0%); the first is 00000-001 at validate:"
        " InvalidData: too many rejected rows"
    )
    assert run_item(run)["reason"] == result.reason


@pytest.mark.parametrize(
    ("tolerated", "status"), [(33, RunStatus.FAILED), (33.34, RunStatus.SUCCEEDED)]
)
def test_the_request_says_how_many_failed_units_are_tolerated(
    run: Any, tolerated: float, status: RunStatus
) -> None:
    for unit_id in ("00000-000", "00000-001"):
        unit(run, unit_id)
    unit(run, "00001-000", "FAILED", failure=FAILURE)

    result = record(run, tolerated=tolerated).result

    assert (result.status, result.units.failed) == (status, 1)
    assert (result.reason is None) == (status is RunStatus.SUCCEEDED)


def test_rows_of_failed_units_do_not_count(run: Any) -> None:
    unit(run, "00000-000")
    unit(run, "00000-001", "FAILED", rows={"rows_in": 100, "rejected": 90}, failure=FAILURE)

    assert record(run).result.rows.rows_in == 10


@pytest.mark.parametrize("status", [RunStatus.SKIPPED, RunStatus.FAILED])
def test_a_run_that_ended_before_its_units_keeps_its_given_status(
    cloud: Any, status: RunStatus
) -> None:
    claimed(cloud.ledger)

    recorded = record(cloud, status=status, reason="no objects")

    assert recorded.result.status is status
    assert recorded.result.results_url is None
    assert run_item(cloud)["reason"] == "no objects"
    assert not cloud.keys("runs/r1/results.json")


def test_a_run_without_a_manifest_cannot_have_succeeded(cloud: Any) -> None:
    claimed(cloud.ledger)

    result = record(cloud).result

    assert result.status is RunStatus.FAILED
    assert "never listed" in str(result.reason)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    ("service", "operation"), [("s3", "put_object"), ("dynamodb", "update_item")]
)
def test_what_broke_off_is_repeated_to_the_same_end(
    run: Any, clients: Any, service: str, operation: str, after: bool
) -> None:
    for unit_id in ("00000-000", "00000-001", "00001-000"):
        unit(run, unit_id)
    clients.break_once(service, operation, LOST_ANSWER, after=after)
    with pytest.raises(TransientFailure):
        record(run)

    recorded = record(run)

    assert recorded.result.status is RunStatus.SUCCEEDED
    assert run_item(run)["status"] == "SUCCEEDED"
    assert run.read_json("runs/r1/results.json")["status"] == "SUCCEEDED"
    assert run.keys("runs/r1/units/RUN/load.json")


def test_a_repeat_keeps_the_end_and_counts_the_run_once(
    run: Any, lambda_context: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    unit(run, "00000-000")
    message = RecordRun(request=request(), run_attempt=1, execution_arn=arn("one")).to_json()

    first = handler(message, lambda_context)
    (metric,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    load = run.read_json("runs/r1/units/RUN/load.json")
    again = handler(message, lambda_context)

    assert again == first
    assert (metric["RunsFailed"], metric["RowsStored"]) == ([1.0], [7.0])
    assert capsys.readouterr().out == ""
    assert run.read_json("runs/r1/units/RUN/load.json") == load


def test_a_success_takes_away_the_reason_of_an_earlier_attempt(run: Any) -> None:
    for unit_id in ("00000-000", "00000-001", "00001-000"):
        unit(run, unit_id)
    run.ledger.update("r1", "RUN", {"reason": "old"})

    record(run)

    assert "reason" not in run_item(run)


@pytest.mark.parametrize("changed", [{"run_attempt": 2}, {"holder": arn("two")}])
def test_who_does_not_hold_the_run_records_nothing(run: Any, changed: dict[str, Any]) -> None:
    run.ledger.update("r1", "RUN", changed)

    with pytest.raises(OwnershipLost):
        record(run)
    assert run_item(run)["status"] == "CLAIMED"
    assert not run.keys("runs/r1/results.json")


def test_who_loses_the_run_meanwhile_does_not_end_it(run: Any, clients: Any) -> None:
    taken = {"run_attempt": 2, "holder": arn("two")}
    clients.meanwhile("dynamodb", "update_item", lambda: run.ledger.update("r1", "RUN", taken))

    with pytest.raises(OwnershipLost):
        record(run)
    assert run_item(run)["status"] == "CLAIMED"


def test_an_unknown_run_is_told_of(cloud: Any) -> None:
    with pytest.raises(NotFound, match="r1"):
        record(cloud)


def test_the_warehouse_gets_the_runs_own_row(run: Any) -> None:
    recorded = record(run)

    assert recorded.statements_url == "s3://data-bucket/runs/r1/units/RUN/load.json"
    load = run.read_json("runs/r1/units/RUN/load.json")
    assert load["load_id"] == "r1/RUN"
    assert any(format_timestamp(NOW)[:19] in statement for statement in load["statements"])


def test_without_a_warehouse_there_is_no_row(run: Any) -> None:
    recorded = record(run, settings=Settings("ledger", "data-bucket"))

    assert recorded.statements_url is None
    assert not run.keys("runs/r1/units/RUN/")
