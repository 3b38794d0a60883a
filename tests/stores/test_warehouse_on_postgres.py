"""The warehouse's SQL, as the steps write it, on a real PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import postgres_warehouse
import pytest
from data_run import UNIT
from postgres_warehouse import PostgresClient, PostgresWarehouse
from test_warehouse_rows import RUN, UNITS, statements
from warehouse_run import COLUMNS, WarehouseRun, sales

from contracts.dataset import Group
from contracts.errors import InvalidDataset
from contracts.run import RunStatus
from durable_pipeline.load_failures import load_attempts

pytestmark = pytest.mark.slow  # to start the server, and to remove what it wrote, takes seconds


@pytest.fixture
def run(cloud: Any, postgres: PostgresWarehouse) -> Any:
    return WarehouseRun(cloud, postgres)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ci", "ends"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)]
)
def test_without_the_server_tests_are_skipped_by_name_and_fail_in_ci(
    monkeypatch: pytest.MonkeyPatch, ci: str, ends: type[BaseException]
) -> None:
    monkeypatch.setenv("CI", ci)
    with pytest.raises(ends, match="no PostgreSQL: No module named 'no_such_server'"):
        postgres_warehouse.package("no_such_server")


@pytest.mark.usefixtures("run")
def test_the_first_run_ever_records_its_own_rows(postgres: PostgresWarehouse) -> None:
    """On empty tables: the guard against a later attempt must not fail by being read."""
    postgres.done(statements())

    assert postgres.rows("SELECT run_id, status, rows_stored FROM pipeline_runs") == [
        ["run-1", "SUCCEEDED", 3]
    ]
    assert postgres.rows("SELECT unit_id, status FROM pipeline_units ORDER BY unit_id") == [
        [UNIT, "STORED"],
        ["00000-001", "FAILED"],
        ["00000-002", "RUNNING"],
    ]
    assert postgres.rows("SELECT job_id, engine FROM pipeline_jobs") == [
        ["20261120T080002Z-3f9c2a1b", "glue"]
    ]


@pytest.mark.usefixtures("run")
def test_a_repeat_and_a_later_attempt_replace_the_runs_rows(postgres: PostgresWarehouse) -> None:
    postgres.done(statements(status=RunStatus.FAILED, reason="C:\\x isn't there"))
    postgres.done(statements(status=RunStatus.FAILED, reason="C:\\x isn't there"))
    counts = (
        "SELECT (SELECT COUNT(*) FROM pipeline_runs), (SELECT COUNT(*) FROM pipeline_units) AS u"
    )
    assert postgres.rows(counts) == [[1, 3]]
    assert postgres.rows("SELECT reason FROM pipeline_runs") == [["C:\\x isn't there"]]
    postgres.done(statements(run={**RUN, "run_attempt": 2}, units=UNITS[:1]))
    assert postgres.rows("SELECT run_attempt, status FROM pipeline_runs") == [[2, "SUCCEEDED"]]


@pytest.mark.usefixtures("run")
def test_an_earlier_attempt_that_comes_late_is_refused_for_good(
    postgres: PostgresWarehouse,
) -> None:
    late = statements(status=RunStatus.FAILED, reason="half of it")
    postgres.done(statements(run={**RUN, "run_attempt": 2}))

    error = postgres.run(late) or ""

    assert "a later attempt than 1 has been recorded" in error
    assert load_attempts(error) == 1
    assert postgres.rows("SELECT run_attempt, status FROM pipeline_runs") == [[2, "SUCCEEDED"]]


def test_a_load_and_its_repeat_store_each_row_once(run: Any, postgres: PostgresWarehouse) -> None:
    run.output("('a', 1.5, 'x'), ('b', NULL, 'it''s \\ so')").load(2)
    run.load(2)

    rows = postgres.rows("SELECT id, amount, note, run_id FROM mart.sales ORDER BY id")
    assert [
        [key, Decimal(str(amount)) if amount else None, *rest] for key, amount, *rest in rows
    ] == [
        ["a", Decimal("1.5"), "x", "run-1"],
        ["b", None, "it's \\ so", "run-1"],
    ]
    ledger = "SELECT rows_copied, rows_duplicate, rows_older, rows_merged FROM pipeline_loads"
    assert postgres.rows(ledger) == [[2, 0, 0, 2]]


def test_a_newer_run_replaces_rows_and_an_older_one_leaves_them(
    run: Any, cloud: Any, postgres: PostgresWarehouse
) -> None:
    newer: Any = WarehouseRun(
        cloud,
        postgres,
        run_id="run-2",
        started_at="2026-11-21T08:00:00Z",  # type: ignore[arg-type]
    )
    newer.output("('a', 2, 'new')").load(1)
    run.output("('a', 1, 'old'), ('b', 1, 'old')").load(2)

    assert postgres.rows("SELECT id, note FROM mart.sales ORDER BY id") == [
        ["a", "new"],
        ["b", "old"],
    ]


def test_a_load_that_lacks_rows_changes_nothing(run: Any, postgres: PostgresWarehouse) -> None:
    load = run.output("('a', 1, 'x')").statements(2)

    error = postgres.run(load) or ""

    assert "2 rows expected, the files hold 1" in error
    assert load_attempts(error) == 1
    assert postgres.rows("SELECT id FROM mart.sales") == []


def test_an_empty_load_is_recorded(run: Any, postgres: PostgresWarehouse) -> None:
    postgres.done(run.statements(0, files=0))

    assert postgres.rows("SELECT rows_copied, rows_merged FROM pipeline_loads") == [[0, 0]]


def test_loads_side_by_side_wait_for_each_other(run: Any, postgres: PostgresWarehouse) -> None:
    """Each transaction locks first, so none fails with a conflict (40001, Redshift's 1023)."""
    units = [f"00000-{number:03d}" for number in range(6)]
    loads = [
        run.output(f"('shared', {n}, 'x'), ('{n}', {n}, 'x')", unit=unit).statements(2, unit)
        for n, unit in enumerate(units)
    ]

    with ThreadPoolExecutor(len(loads)) as pool:
        errors = list(pool.map(postgres.run, loads))

    assert errors == [None] * len(loads)
    assert postgres.rows("SELECT COUNT(*) FROM pipeline_loads") == [[6]]
    assert postgres.rows("SELECT COUNT(*), COUNT(DISTINCT id) AS d FROM mart.sales") == [[7, 7]]


def test_a_second_preparation_finds_all_as_it_should_be(
    run: Any, postgres: PostgresWarehouse
) -> None:
    assert run.prepare(PostgresClient(postgres)).statements == ()


def test_columns_of_the_contract_and_of_sql_are_added_to_tables_with_rows(
    run: Any, cloud: Any, postgres: PostgresWarehouse
) -> None:
    run.output("('a', 1.5, 'x')").load(1)
    more: list[dict[str, Any]] = [
        {"name": "rate", "type": "double"},
        {"name": "paid", "type": "boolean"},
        {"name": "day", "type": "date"},
        {"name": "seen", "type": "timestamp"},
        {"name": "items", "type": "integer"},
    ]
    wider: Any = WarehouseRun(
        cloud,
        postgres,  # type: ignore[arg-type]
        run_id="run-2",
        started_at="2026-11-21T08:00:00Z",
        dataset=sales(columns=[*COLUMNS, *more]),
    )
    key = "sql/pipeline_units.sql"
    text = cloud.client("s3").get_object(Bucket=cloud.code_bucket, Key=key)["Body"].read().decode()
    text = text.replace("  PRIMARY KEY (", '  "team" VARCHAR(16),\n  PRIMARY KEY (')
    cloud.client("s3").put_object(Bucket=cloud.code_bucket, Key=key, Body=text.encode())

    added = wider.prepare(PostgresClient(postgres)).statements

    assert sum("ADD COLUMN" in statement for statement in added) == 6
    wider.output("('b', 2, 'y', 0.5, true, '2026-11-20', '2026-11-20 08:00:00', 3)").load(1)
    assert postgres.rows("SELECT id, rate, paid, day, items FROM mart.sales ORDER BY id") == [
        ["a", None, None, None, None],
        ["b", 0.5, True, "2026-11-20", 3],
    ]
    assert postgres.rows("SELECT COUNT(team) AS n FROM pipeline_units") == [[0]]


def test_more_columns_than_a_batch_has_statements_are_refused_before_it_is_sent(
    cloud: Any, postgres: PostgresWarehouse
) -> None:
    many = [{"name": f"c{number}"} for number in range(41)]
    wider: Any = WarehouseRun(
        cloud,
        postgres,  # type: ignore[arg-type]
        run_id="run-2",
        dataset=sales(columns=[*COLUMNS, *many]),
    )

    with pytest.raises(InvalidDataset, match="one transaction holds 40"):
        wider.prepare(PostgresClient(postgres))


def test_a_failed_load_is_explained_by_the_warehouses_own_views(
    run: Any, postgres: PostgresWarehouse
) -> None:
    postgres.done(["ALTER TABLE mart.sales ALTER COLUMN note TYPE VARCHAR(3)"])
    load = run.output("('a', 1, 'long')").statements(1)

    error = postgres.run(load) or ""
    message = run.explain(error, PostgresClient(postgres))

    assert load_attempts(error) == 1
    assert "value too long for type character varying(3)" in message
    assert "column note: the text has 4 bytes, the column holds 3 (value 'long')" in message
    assert postgres.rows("SELECT id FROM mart.sales") == []


def test_a_load_error_in_the_warehouses_view_is_reported(
    run: Any, postgres: PostgresWarehouse
) -> None:
    run.output("('a', 1, 'x'), ('b', 2, 'y')").statements(2)
    postgres.done(
        [
            "INSERT INTO sys_load_error_detail SELECT"
            f" 's3://data-bucket/runs/run-1/units/{UNIT}/output/part-00000.parquet', 2, 'note',"
            " 'it does not fit', now()"
        ]
    )
    assert "it does not fit" in run.explain("ERROR: failed", PostgresClient(postgres))


def test_of_a_key_in_several_objects_of_a_unit_the_last_ones_row_is_stored(
    cloud: Any, postgres: PostgresWarehouse
) -> None:
    run = WarehouseRun(cloud, postgres, group=Group())  # type: ignore[arg-type]
    run.prepare(PostgresClient(postgres))
    run.output("('a', 1, 'x', 0), ('b', 2, 'x', 0), ('a', 3, 'y', 12)", "('a', 4, 'z', 11)")

    run.load(4)
    run.load(4)  # a repeat changes nothing

    versions = "SELECT id, amount, version FROM mart.sales ORDER BY id"
    before = "2026-11-20T08:00:00.000000Z#run-1#00000-000/"
    assert postgres.rows(versions) == [
        ["a", Decimal("3.00"), f"{before}0012#0001"],
        ["b", Decimal("2.00"), f"{before}0000#0001"],
    ]
    assert run.ledger() == [["run-1/00000-000", 4, 2, 0, 2]]
    other = WarehouseRun(cloud, postgres, group=Group())  # type: ignore[arg-type]
    other.output("('a', 5, 'late', 1)", "('b', 6, 'new', 1)")
    other.load(2, unit=UNIT, attempt=2)  # what other rows of a later attempt come to
    assert [row[1] for row in postgres.rows(versions)] == [Decimal("3.00"), Decimal("6.00")]
