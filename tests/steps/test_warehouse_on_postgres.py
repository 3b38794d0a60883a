"""The warehouse's SQL, as the steps write it, on a real PostgreSQL."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import postgres_warehouse
import pytest
from data_run import UNIT
from local_warehouse import LocalWarehouse
from postgres_warehouse import PostgresWarehouse
from test_warehouse_rows import RUN, UNITS, statements
from warehouse_run import WarehouseRun

from contracts.run import RunStatus
from durable_pipeline.load_failures import load_attempts

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with postgres_warehouse.start(tmp_path_factory.mktemp("pg")) as server:
        yield server


@pytest.fixture
def postgres(server: Any, cloud: Any, warehouse: LocalWarehouse) -> PostgresWarehouse:
    """With the tables that prepare-warehouse makes for a first run."""
    postgres = PostgresWarehouse(server, f"test_{next(_NUMBERS)}", cloud.client)
    postgres.done(list(WarehouseRun(cloud, warehouse).prepare().statements))
    return postgres


@pytest.fixture
def run(cloud: Any, postgres: PostgresWarehouse) -> Any:
    return WarehouseRun(cloud, postgres)  # type: ignore[arg-type]


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
