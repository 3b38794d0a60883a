"""warehouse and store_redshift: transactions that may be repeated, in Redshift's own dialect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlglot
from data_run import UNIT, DataRun, dataset

from contracts.dataset import RedshiftTarget
from contracts.errors import NotConfigured
from contracts.messages import StoreRedshift
from contracts.run import RowCounts, RunResult, RunStatus, UnitTotals
from steps import warehouse
from steps.store_redshift import Settings, store_redshift

ROOT = Path(__file__).resolve().parents[2]
TARGET = RedshiftTarget(table="sales", key=("id", "day"))
COLUMNS = (("id", "string"), ("day", "date"), ("amount", "decimal(10,2)"), ("x", "double"))


def load(**changes: Any) -> list[str]:
    arguments: dict[str, Any] = {
        "run_id": "run-1",
        "unit_id": UNIT,
        "job_id": "job-1",
        "source_url": "s3://data-bucket/runs/run-1/units/00000-000/output/part-",
        "rows": 3,
        **changes,
    }
    return warehouse.load_statements(TARGET, COLUMNS, **arguments)


def run_row(reason: str | None = None) -> list[str]:
    result = RunResult(
        run_id="run-1",
        dataset_name="sales",
        status=RunStatus.SUCCEEDED,
        units=UnitTotals(total=2, stored=2),
        rows=RowCounts(rows_in=5, rejected=2, stored=3),
        reason=reason,
    )
    return warehouse.run_row_statements(
        result, run_attempt=1, started_at="2026-11-20T08:00:00Z", ended_at="2026-11-20T08:01:00Z"
    )


def test_a_load_is_one_batch_that_takes_the_rows_and_notes_itself() -> None:
    statements = load()
    assert len(statements) <= warehouse.STATEMENTS_AT_MOST
    copy = next(s for s in statements if s.startswith("COPY"))
    assert '" FROM ' in copy  # no column list: Parquet is copied by position
    assert copy.endswith(
        "FROM 's3://data-bucket/runs/run-1/units/00000-000/output/part-'"
        " IAM_ROLE default FORMAT AS PARQUET"
    )
    order = [" ".join(s.split()[:3]) for s in statements]
    deleted = order.index('DELETE FROM "public"."sales"')
    assert order.index('INSERT INTO "public"."sales"') == deleted + 1
    assert order.index('INSERT INTO "public"."pipeline_loads"') == deleted + 2


def test_what_the_load_ledger_knows_is_thrown_away_before_it_is_used() -> None:
    statements = load()
    guard = next(i for i, s in enumerate(statements) if "WHERE EXISTS" in s)
    assert "'run-1/00000-000'" in statements[guard]
    copied = next(i for i, s in enumerate(statements) if s.startswith("COPY"))
    replaced = next(i for i, s in enumerate(statements) if s.startswith('DELETE FROM "public"'))
    assert copied < guard < replaced


def test_no_rows_are_not_copied_but_noted() -> None:
    statements = load(rows=0)
    assert not any(s.startswith("COPY") for s in statements)
    assert any('INSERT INTO "public"."pipeline_loads"' in s for s in statements)


def test_a_role_of_its_own_is_used_for_copy() -> None:
    copy = next(s for s in load(copy_role_arn="arn:aws:iam::1:role/r") if s.startswith("COPY"))
    assert "IAM_ROLE 'arn:aws:iam::1:role/r'" in copy


def test_nothing_in_a_load_ends_the_transaction() -> None:
    for statement in load() + run_row():
        assert statement.split()[0] not in ("BEGIN", "COMMIT", "END", "TRUNCATE", "VACUUM")
        assert ";" not in statement


@pytest.mark.parametrize("statement", load() + run_row("it's a \\ reason"))
def test_every_statement_parses_as_redshift(statement: str) -> None:
    if not statement.startswith("LOCK"):  # sqlglot knows no LOCK
        assert len(sqlglot.parse(statement, dialect="redshift")) == 1


def test_types_are_redshifts() -> None:
    kinds = ("string", "integer", "double", "boolean", "date", "timestamp", "decimal(12,2)")
    assert [warehouse.column_type(kind) for kind in kinds] == [
        "VARCHAR(65535)",
        "BIGINT",
        "DOUBLE PRECISION",
        "BOOLEAN",
        "DATE",
        "TIMESTAMP",
        "DECIMAL(12,2)",
    ]


def test_texts_cannot_leave_their_quotes() -> None:
    assert warehouse.literal("it's \\' x") == "'it''s \\\\'' x'"
    with pytest.raises(ValueError, match="NUL"):
        warehouse.literal("a\x00b")


@pytest.mark.parametrize("name", ['a"b', "a b", "A", "", "a;b"])
def test_identifiers_are_plain(name: str) -> None:
    with pytest.raises(ValueError, match="not an identifier"):
        warehouse.identifier(name)


def test_the_runs_row_replaces_itself() -> None:
    create, delete, insert = run_row("half of it")
    assert create.startswith("CREATE TABLE IF NOT EXISTS")
    assert delete.endswith("WHERE \"run_id\" = 'run-1'")
    assert "'2026-11-20T08:00:00', '2026-11-20T08:01:00', 'half of it'" in insert


@pytest.mark.parametrize(
    ("file", "ddl"),
    [
        ("pipeline_tables.sql", warehouse.CREATE_TABLES),
        ("pipeline_loads.sql", warehouse.CREATE_LOADS),
        ("pipeline_runs.sql", warehouse.CREATE_RUNS),
    ],
)
def test_the_files_in_sql_are_what_is_applied(file: str, ddl: str) -> None:
    assert (ROOT / "sql" / file).read_text() == f"{ddl};\n"


def test_the_step_writes_the_load_and_says_where(cloud: Any) -> None:
    targets = {"redshift": {"table": "mart.sales", "key": ["id"]}}
    DataRun(cloud, dataset(targets=targets)).freeze()
    message = StoreRedshift(run_id="run-1", unit_id=UNIT, rows=3, job_id="job-1")
    answer = store_redshift(message, Settings("data-bucket"))
    assert answer.rows == 3
    assert answer.statements_url == "s3://data-bucket/runs/run-1/units/00000-000/load.json"
    document = cloud.read_json("runs/run-1/units/00000-000/load.json")
    assert document["load_id"] == "run-1/00000-000"
    assert any('"mart"."sales"' in statement for statement in document["statements"])
    store_redshift(message, Settings("data-bucket"))
    assert cloud.read_json("runs/run-1/units/00000-000/load.json") == document


def test_a_dataset_without_the_target_is_not_configured(cloud: Any) -> None:
    DataRun(cloud).freeze()
    with pytest.raises(NotConfigured):
        store_redshift(StoreRedshift(run_id="run-1", unit_id=UNIT, rows=1), Settings("data-bucket"))
