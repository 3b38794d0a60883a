"""explain_load: file, row, column and value of what a load fell over."""

from __future__ import annotations

from typing import Any

import pytest
from data_run import UNIT
from local_warehouse import LocalWarehouse
from warehouse_run import WarehouseRun

PART = f"s3://data-bucket/runs/run-1/units/{UNIT}/output/part-%05d.parquet"


@pytest.fixture
def run(cloud: Any, warehouse: LocalWarehouse) -> WarehouseRun:
    made = WarehouseRun(cloud, warehouse)
    made.prepare()
    return made


def failed(run: WarehouseRun, rows: int) -> str:
    described = run.warehouse.run(run.statements(rows))
    assert described["Status"] == "FAILED"
    return str(described["Error"])


def test_a_text_that_no_column_holds_is_found_with_its_row(run: WarehouseRun) -> None:
    run.output("('a', 1, 'x')", "('b', 1, 'x'), ('c', 1, repeat('ü', 40000))")
    reported = run.explain(failed(run, 3))
    assert reported.startswith("Query #4 failed with ERROR: Load into table")
    assert f"{PART % 1}, column note: row 2, column note: String length exceeds" in reported
    assert (
        f"{PART % 1}, row 2 (key c), column note: the text has 80000 bytes, the column holds 65535"
        " (value 'üüü" in reported
    )


def test_a_text_that_only_the_target_cannot_hold_is_found_too(
    run: WarehouseRun, warehouse: LocalWarehouse
) -> None:
    warehouse.done(
        [
            "DROP TABLE mart.sales",
            'CREATE TABLE mart.sales (id VARCHAR(9), amount DECIMAL(10,2), note VARCHAR(3), "index"'
            " VARCHAR(63), run_id VARCHAR(40), job_id VARCHAR(40), unit_id VARCHAR(16),"
            " version VARCHAR(96), loaded_at TIMESTAMP)",
        ]
    )
    run.output("('a', 1, 'fits'), ('b', 1, 'not')")
    reported = run.explain(failed(run, 2))
    assert (
        f"{PART % 0}, row 1 (key a), column note: the text has 4 bytes, the column holds 3"
        in reported
    )


def test_a_row_that_the_warehouse_knows_is_reported_with_its_value(
    run: WarehouseRun, warehouse: LocalWarehouse
) -> None:
    run.output("('a', 1, 'x'), ('b', 7.5, 'y')")
    warehouse.done(
        "INSERT INTO redshift_catalog.load_errors (file_name, line_number, column_name,"
        f" error_message, start_time) VALUES ('{PART % 0}', 2, 'amount', 'Overflow', GETDATE())"
    )
    reported = run.explain("Load failed. Check 'sys_load_error_detail'")
    assert f"{PART % 0}, row 2, column amount: Overflow (value 7.50)" in reported


def test_another_units_errors_are_not_this_ones(
    run: WarehouseRun, warehouse: LocalWarehouse
) -> None:
    run.output("('a', 1, 'x')")
    other = (PART % 0).replace(UNIT, "00000-001")
    warehouse.done(
        "INSERT INTO redshift_catalog.load_errors (file_name, line_number, column_name,"
        f" error_message, start_time) VALUES ('{other}', 2, 'amount', 'Overflow', GETDATE())"
    )
    assert run.explain("it failed") == "it failed"


def test_a_warehouse_that_does_not_response_leaves_the_files_to_report(run: WarehouseRun) -> None:
    run.output("('c', 1, repeat('x', 70000))")
    error = failed(run, 1)

    class Silent:
        def __getattr__(self, name: str) -> Any:
            if name == "describe_statement":
                return lambda **_request: {"Status": "ABORTED"}
            return getattr(run.warehouse, name)

    assert "row 1 (key c), column note: the text has 70000 bytes" in run.explain(error, Silent())
