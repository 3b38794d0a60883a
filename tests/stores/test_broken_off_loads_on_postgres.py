"""Loads that are broken off, or fail on what passes, on a real PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from postgres_warehouse import PostgresWarehouse
from warehouse_run import WarehouseRun

from durable_pipeline.load_failures import load_attempts
from durable_pipeline.policies import LOAD_AGAIN

pytestmark = pytest.mark.slow  # as starting the server is

_STORED = (
    "SELECT (SELECT COUNT(*) FROM mart.sales) AS stored,"
    " (SELECT COUNT(*) FROM pipeline_loads) AS loads"
)
_END_SLEEPING = (
    "SELECT COUNT(pg_terminate_backend(pid)) AS n FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event = 'PgSleep'"
)


@pytest.fixture
def run(cloud: Any, postgres: PostgresWarehouse) -> Any:
    return WarehouseRun(cloud, postgres)  # type: ignore[arg-type]


def test_a_load_broken_off_behind_any_statement_changes_nothing_and_is_repeated(
    run: Any, postgres: PostgresWarehouse
) -> None:
    load = run.output("('a', 1, 'x')").statements(1)

    for done in range(1, len(load) + 1):
        postgres.broken_off(load[:done])
        assert postgres.rows(_STORED) == [[0, 0]], load[done - 1]

    postgres.done(load)
    assert postgres.rows(_STORED) == [[1, 1]]


def test_a_load_whose_connection_is_ended_within_a_statement_is_tried_again(
    run: Any, postgres: PostgresWarehouse
) -> None:
    load = run.output("('a', 1, 'x')").statements(1)

    with ThreadPoolExecutor(1) as pool:
        broken = pool.submit(postgres.run, [*load, "SELECT pg_sleep(600)"])
        while postgres.rows(_END_SLEEPING) == [[0]] and not broken.done():
            pass
        error = broken.result() or ""

    assert "terminating connection" in error
    assert load_attempts(error) == LOAD_AGAIN.attempts
    assert postgres.rows(_STORED) == [[0, 0]]
    postgres.done(load)
    assert postgres.rows(_STORED) == [[1, 1]]


def test_a_serialization_failure_passes_and_the_repeat_stores_each_row_once(
    run: Any, postgres: PostgresWarehouse
) -> None:
    """Whoever does not lock first has a snapshot from before the other's commit: 40001."""
    load = run.output("('a', 1, 'x')").statements(1)
    other = run.output("('a', 2, 'y')", unit="00000-001").statements(1, "00000-001")
    session = postgres.session()
    assert session.stdin is not None
    assert session.stdout is not None
    session.stdin.write(postgres.begun(["SELECT COUNT(*) FROM mart.sales"]))
    session.stdin.flush()
    assert session.stdout.readline().strip() == "0"

    postgres.done(other)
    rest = postgres.begun(load).partition("SERIALIZABLE;\n")[2]
    error, _ = session.communicate(f"{rest}COMMIT;\n")

    assert "could not serialize access" in error
    assert load_attempts(error) == LOAD_AGAIN.attempts
    postgres.done(load)
    assert postgres.rows("SELECT COUNT(*) AS n FROM mart.sales") == [[1]]
    assert postgres.rows("SELECT COUNT(*) AS n FROM pipeline_loads") == [[2]]
