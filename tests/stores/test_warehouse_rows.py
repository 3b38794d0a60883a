"""What the warehouse keeps of runs, units and jobs: which run wrote a row, how long, how much."""

from __future__ import annotations

from typing import Any

import pytest
from data_run import UNIT
from local_warehouse import LocalWarehouse
from warehouse_run import WarehouseRun

from contracts.ledger_items import JobItem, RunItem, UnitItem
from contracts.run import RowCounts, RunResult, RunStatus, UnitTotals
from durable_pipeline.load_failures import load_attempts
from stores.redshift.run_rows import run_statements

RUN: dict[str, Any] = {
    "run_id": "run-1",
    "item": "RUN",
    "status": "RUNNING",
    "run_attempt": 1,
    "claimed_at": "2026-11-20T08:00:00Z",
    "dataset_version": "0123456789ab",
}
UNITS: list[dict[str, Any]] = [
    {
        "run_id": "run-1",
        "item": f"UNIT#{UNIT}",
        "run_attempt": 1,
        "status": "STORED",
        "source_url": "s3://data-bucket/landing/sales/a.csv",
        "source_bytes": 4096,
        "rows": {"rows_in": 5, "rejected": 2, "stored": 3, "warned": 1},
        "started_at": "2026-11-20T08:00:01.5Z",
        "ended_at": "2026-11-20T08:00:31.5Z",
    },
    {
        "run_id": "run-1",
        "item": "UNIT#00000-001",
        "run_attempt": 1,
        "status": "FAILED",
        "failure": {"stage": "validate", "error_type": "InvalidData", "message": 'a "b"\n\\' * 999},
    },
    {"run_id": "run-1", "item": "UNIT#00000-002", "run_attempt": 1, "status": "RUNNING"},
]
JOBS: list[dict[str, Any]] = [
    {
        "run_id": "run-1",
        "item": f"JOB#{UNIT}#clean#0001",
        "unit_id": UNIT,
        "stage": "clean",
        "attempt": 1,
        "job_id": "20261120T080002Z-3f9c2a1b",
        "engine": "glue",
        "state": "SUCCEEDED",
        "service_id": "jr_1",
        "submitted_at": "2026-11-20T08:00:02Z",
        "ended_at": "2026-11-20T08:00:20Z",
        "callback_id": "c-1",
        "deadline": 1,
        "timeout_seconds": 900,
        "target": "stack-clean",
        "input_url": "s3://data-bucket/landing/sales/a.csv",
        "output_url": "s3://data-bucket/jobs/1/",
    }
]


@pytest.fixture
def run(cloud: Any, warehouse: LocalWarehouse) -> WarehouseRun:
    made = WarehouseRun(cloud, warehouse)
    made.prepare()
    return made


def statements(**changes: Any) -> list[str]:
    result = RunResult(
        run_id="run-1",
        dataset_name="sales",
        status=changes.pop("status", RunStatus.SUCCEEDED),
        units=UnitTotals(total=3, stored=1, failed=2),
        rows=RowCounts(rows_in=5, rejected=2, stored=3, warned=1),
        reason=changes.pop("reason", None),
        results_url="s3://data-bucket/runs/run-1/results.json",
    )
    given = {
        "units": map(UnitItem.from_item, changes.pop("units", UNITS)),
        "jobs": map(JobItem.from_item, changes.pop("jobs", JOBS)),
        "run": RunItem.from_item(changes.pop("run", RUN)),
        **changes,
    }
    return run_statements(
        "data-bucket",
        result,
        given["run"],
        iter(given["units"]),
        iter(given["jobs"]),
        ended_at="2026-11-20T08:01:00Z",
    )


def test_a_query_reports_which_run_wrote_a_row_how_long_it_took_and_how_much(
    run: WarehouseRun, warehouse: LocalWarehouse
) -> None:
    run.output("('a', 1.5, 'x')").load(1)
    warehouse.done(statements())
    response = warehouse.rows(
        "SELECT s.id, r.status, DATEDIFF(second, r.started_at, r.ended_at), u.source_url,"
        " u.source_bytes, u.rows_in, u.rows_warned,"
        " DATEDIFF(second, u.started_at, u.ended_at), j.engine, j.service_id"
        " FROM mart.sales s JOIN pipeline_runs r ON r.run_id = s.run_id"
        " JOIN pipeline_units u ON u.run_id = s.run_id AND u.unit_id = s.unit_id"
        " JOIN pipeline_jobs j ON j.run_id = s.run_id AND j.unit_id = s.unit_id"
    )
    source = "s3://data-bucket/landing/sales/a.csv"
    assert response == [["a", "SUCCEEDED", 60, source, 4096, 5, 1, 30, "glue", "jr_1"]]


@pytest.mark.usefixtures("run")
def test_failed_and_unfinished_units_are_reported_too(warehouse: LocalWarehouse) -> None:
    warehouse.done(statements(status=RunStatus.FAILED, reason="C:\\x isn't there"))
    assert warehouse.rows(
        "SELECT unit_id, status, failed_stage, error_type, ended_at IS NULL FROM pipeline_units"
        " ORDER BY unit_id"
    ) == [
        [UNIT, "STORED", None, None, False],
        ["00000-001", "FAILED", "validate", "InvalidData", True],
        ["00000-002", "RUNNING", None, None, True],
    ]
    (error,) = warehouse.rows("SELECT error FROM pipeline_units WHERE unit_id = '00000-001'")
    assert error[0].startswith('a "b" \\a "b"')
    assert len(error[0]) == 4096
    reported = warehouse.rows("SELECT status, reason, units_failed FROM pipeline_runs")
    assert reported == [["FAILED", "C:\\x isn't there", 2]]


@pytest.mark.usefixtures("run")
def test_a_repeat_and_a_later_attempt_replace_what_was_reported(warehouse: LocalWarehouse) -> None:
    warehouse.done(statements(status=RunStatus.FAILED, reason="half of it"))
    warehouse.done(statements(status=RunStatus.FAILED, reason="half of it"))
    counts = "SELECT (SELECT COUNT(*) FROM pipeline_runs), (SELECT COUNT(*) FROM pipeline_units)"
    assert warehouse.rows(counts) == [[1, 3]]
    warehouse.done(statements(run={**RUN, "run_attempt": 2}, units=UNITS[:1]))
    assert warehouse.rows("SELECT run_attempt, status FROM pipeline_runs") == [[2, "SUCCEEDED"]]
    assert warehouse.rows(counts) == [[1, 1]]


@pytest.mark.usefixtures("run")
def test_an_earlier_attempt_that_comes_late_changes_nothing(warehouse: LocalWarehouse) -> None:
    late = statements(status=RunStatus.FAILED, reason="half of it")
    warehouse.done(statements(run={**RUN, "run_attempt": 2}))
    refused = warehouse.run(late)
    assert refused["Status"] == "FAILED"
    assert "a later attempt than 1 has been recorded" in refused["Error"]
    assert load_attempts(refused["Error"]) == 1, "it is not tried again"
    assert warehouse.rows("SELECT run_attempt, status FROM pipeline_runs") == [[2, "SUCCEEDED"]]


@pytest.mark.usefixtures("run")
def test_it_may_break_off_anywhere_and_come_again(warehouse: LocalWarehouse) -> None:
    sqls = statements()
    for number in range(len(sqls) + 1):
        broken = [*sqls[:number], "SELECT nothing FROM nowhere", *sqls[number:]]
        assert warehouse.run(broken)["Status"] == "FAILED"
        assert warehouse.rows("SELECT COUNT(*) FROM pipeline_units") == [[0]]
    warehouse.done(sqls)
    assert warehouse.rows("SELECT COUNT(*) FROM pipeline_units") == [[3]]


@pytest.mark.usefixtures("run")
def test_a_run_without_jobs_copies_none(warehouse: LocalWarehouse) -> None:
    sqls = statements(jobs=[])
    assert sum(sql.startswith("COPY") for sql in sqls) == 1
    warehouse.done(sqls)
    assert warehouse.rows("SELECT COUNT(*) FROM pipeline_jobs") == [[0]]


@pytest.mark.slow
@pytest.mark.usefixtures("run")
def test_many_units_make_no_more_statements_than_one(warehouse: LocalWarehouse) -> None:
    units = ({**UNITS[0], "item": f"UNIT#{number:05d}-000"} for number in range(20_000))
    sqls = statements(units=units)
    assert len(sqls) == len(statements())
    assert sum(map(len, sqls)) < 5000
    warehouse.done(statements(units=[{**UNITS[0], "item": f"UNIT#{n:05d}-0"} for n in range(500)]))
    assert warehouse.rows("SELECT COUNT(*) FROM pipeline_units") == [[500]]
