"""warehouse and store_redshift: what is sent to Redshift, in its own dialect and within its limits.

What the statements do is in test_warehouse_load.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import sqlglot
from botocore.exceptions import ClientError
from data_run import UNIT, DataRun, dataset

from contracts import layout
from contracts.dataset import DatasetSnapshot
from contracts.errors import InvalidData, NotConfigured, NotFound, TransientFailure
from contracts.messages import StoreRedshift
from steps.store_redshift import Settings, store_redshift
from stores.redshift import load as warehouse
from stores.redshift import sql
from stores.redshift.schema import parse_table, target_table
from tabular.parts import digest_of, output_parts

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = "s3://data-bucket/runs/run-1/units/00000-000/copy-manifest-1.json"
COLUMNS = (("id", "string"), ("day", "date"), ("amount", "decimal(10,2)"), ("x", "double"))
SQL_FILES = sorted((ROOT / "sql").glob("*.sql"))


def snapshot(key: tuple[str, ...] = ("id", "day")) -> DatasetSnapshot:
    return DatasetSnapshot(
        dataset=dataset(targets={"redshift": {"table": "sales", "key": list(key)}}),
        version="0123456789ab",
        index="sales",
        run_id="run-1",
        run_started_at="2026-11-20T08:00:00Z",
        output_columns=COLUMNS,
    )


def load(**changes: Any) -> list[str]:
    frozen = snapshot()
    target = frozen.dataset.targets.redshift
    assert target is not None
    arguments: dict[str, Any] = {
        "unit_id": UNIT,
        "job_id": "job-1",
        "manifest_url": MANIFEST,
        "rows": 3,
        **changes,
    }
    return warehouse.load_statements(warehouse.Load(frozen, target, **arguments))


def kinds(statements: list[str]) -> list[str]:
    return [statement.split()[0] for statement in statements]


def test_a_load_is_one_batch_that_locks_first_and_notes_itself_last() -> None:
    statements = load()
    assert len(statements) <= sql.STATEMENTS_AT_MOST
    assert kinds(statements) == [
        *("LOCK", "CREATE", "CREATE", "COPY", "SELECT", "INSERT", "DELETE", "DELETE", "MERGE"),
        *("DELETE", "INSERT", "DROP", "DROP"),
    ]
    assert statements[0] == 'LOCK TABLE "public"."pipeline_tables"'  # readers of sales go on
    assert all(text.startswith("CREATE TEMP TABLE") for text in statements[1:3])
    assert statements[10].startswith('INSERT INTO "public"."pipeline_loads"')


def test_the_files_are_copied_by_their_manifest_into_columns_of_exactly_theirs() -> None:
    statements = load()
    assert statements[1].endswith(
        '("id" VARCHAR(65535), "day" DATE, "amount" DECIMAL(10,2), "x" DOUBLE PRECISION)'
    )
    copy = statements[3]
    assert '" FROM ' in copy  # no column list: COPY takes none of Parquet
    assert copy.endswith(f"FROM '{MANIFEST}' IAM_ROLE default FORMAT AS PARQUET MANIFEST")


def test_the_merge_is_one_that_redshift_takes() -> None:
    """Both branches, no alias of the target, no subquery as source, equality only."""
    merge = load()[8]
    assert re.match(r'MERGE INTO "public"\."sales" USING "load_rows_\w+" AS s ON ', merge)
    condition = merge.partition(" ON ")[2].partition(" WHEN ")[0]
    assert condition == " AND ".join(
        f'"public"."sales"."{key}" = s."{key}"' for key in ("index", "id", "day")
    )
    matched, _, missing = merge.partition(" WHEN MATCHED ")[2].partition(" WHEN NOT MATCHED ")
    assert matched.startswith("THEN UPDATE SET ")
    assert '"id" =' not in matched  # keys stay
    assert missing.startswith("THEN INSERT (")


def test_no_rows_are_not_copied_but_noted() -> None:
    assert "COPY" not in kinds(load(rows=0))
    assert any('INSERT INTO "public"."pipeline_loads"' in text for text in load(rows=0))


def test_a_role_of_its_own_is_used_for_copy() -> None:
    copy = load(copy_role_arn="arn:aws:iam::1:role/r")[3]
    assert "IAM_ROLE 'arn:aws:iam::1:role/r'" in copy


def test_nothing_in_a_load_ends_the_transaction() -> None:
    for statement in load():
        assert statement.split()[0] not in ("BEGIN", "COMMIT", "END", "TRUNCATE", "VACUUM")
        assert "ALTER" not in statement
        assert ";" not in statement


@pytest.mark.parametrize("statement", load())
def test_every_statement_parses_as_redshift(statement: str) -> None:
    if not statement.startswith("LOCK"):  # sqlglot knows no LOCK
        assert len(sqlglot.parse(statement, dialect="redshift")) == 1


def test_types_are_redshifts() -> None:
    contract = ("string", "integer", "double", "boolean", "date", "timestamp", "decimal(12,2)")
    assert [sql.column_type(kind) for kind in contract] == [
        "VARCHAR(65535)",
        "BIGINT",
        "DOUBLE PRECISION",
        "BOOLEAN",
        "DATE",
        "TIMESTAMP",
        "DECIMAL(12,2)",
    ]


def test_texts_cannot_leave_their_quotes() -> None:
    assert sql.literal("it's \\' x") == "'it''s \\\\'' x'"
    with pytest.raises(ValueError, match="NUL"):
        sql.literal("a\x00b")


@pytest.mark.parametrize("name", ['a"b', "a b", "A", "", "a;b"])
def test_identifiers_are_plain(name: str) -> None:
    with pytest.raises(ValueError, match="not an identifier"):
        sql.identifier(name)


def test_a_text_is_cut_to_bytes_and_to_what_can_be_printed() -> None:
    assert sql.cut("a\nb\x00c", 10) == "a b c"
    assert sql.cut("üüü", 5) == "üü"


@pytest.mark.parametrize("file", SQL_FILES, ids=lambda file: file.stem)
def test_each_file_in_sql_is_one_table_of_its_name(file: Path) -> None:
    table = parse_table(file.read_text(), file.name)
    assert table.name == f"public.{file.stem}"
    assert len(table.columns) >= 4
    assert len(sqlglot.parse(table.create, dialect="redshift")) == 1


def test_what_a_load_writes_into_its_ledger_are_columns_that_the_ledger_has() -> None:
    ledger = parse_table((ROOT / "sql" / "pipeline_loads.sql").read_text(), "pipeline_loads.sql")
    names = load()[10].partition("(")[2].partition(")")[0].replace('"', "").split(", ")
    assert names == [column.name for column in ledger.columns]


def test_a_target_table_holds_the_result_and_who_wrote_it() -> None:
    frozen = snapshot()
    target = frozen.dataset.targets.redshift
    assert target is not None
    table = target_table(target, frozen)
    assert table.name == "public.sales"
    assert [column.name for column in table.columns] == [
        *("id", "day", "amount", "x"),
        *("index", "run_id", "job_id", "unit_id", "version", "loaded_at"),
    ]


def test_the_step_writes_manifest_and_load_and_says_where(cloud: Any) -> None:
    targets = {"redshift": {"table": "mart.sales", "key": ["id"]}}
    run = DataRun(cloud, dataset(targets=targets)).freeze()
    run.put_part("SELECT 1 AS a").put_part("SELECT 2 AS a", 1)
    message = StoreRedshift(run_id="run-1", unit_id=UNIT, rows=2, job_id="job-1", files=2)

    response = store_redshift(message, Settings("data-bucket"))

    assert response.rows == 2
    digest = digest_of(output_parts("data-bucket", "run-1", UNIT, files=2))
    load_key = layout.load_key("run-1", UNIT, digest)
    assert response.statements_url == f"s3://data-bucket/{load_key}"
    document = cloud.read_json(load_key)
    assert document["load_id"] == "run-1/00000-000"
    assert any('"mart"."sales"' in statement for statement in document["statements"])
    prefix = layout.output_prefix("run-1", UNIT)
    manifest = cloud.read_json(layout.copy_manifest_key("run-1", UNIT, digest))
    assert [entry["url"] for entry in manifest["entries"]] == [
        f"s3://data-bucket/{prefix}part-00000.parquet",
        f"s3://data-bucket/{prefix}part-00001.parquet",
    ]
    for entry in manifest["entries"]:
        key = layout.split_s3_url(entry["url"])[1]
        assert entry["meta"] == {"content_length": len(run.object(key))}
        assert entry["mandatory"] is True
    assert store_redshift(message, Settings("data-bucket")) == response
    assert cloud.read_json(load_key) == document
    run.put_part("SELECT 3 AS a", 1)
    assert (
        store_redshift(message, Settings("data-bucket")).statements_url != response.statements_url
    )


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("call", [1, 2])
def test_a_step_that_dies_around_its_writes_is_repeated_to_the_same_end(
    cloud: Any, clients: Any, call: int, after: bool
) -> None:
    targets = {"redshift": {"table": "mart.sales", "key": ["id"]}}
    DataRun(cloud, dataset(targets=targets)).freeze().put_part("SELECT 1 AS a")
    message = StoreRedshift(run_id="run-1", unit_id=UNIT, rows=1, run_attempt=2)
    failure: Any = {"Error": {"Code": "InternalError", "Message": "no"}}
    error = ClientError(failure, "PutObject")
    clients.break_once("s3", "put_object", error, after=after, call=call)
    with pytest.raises(TransientFailure):
        store_redshift(message, Settings("data-bucket"))

    response = store_redshift(message, Settings("data-bucket"))

    document = cloud.read_json(layout.split_s3_url(response.statements_url)[1])
    assert any("#0002'" in statement for statement in document["statements"])
    of_load = cloud.keys(f"{layout.unit_prefix('run-1', UNIT)}load-")
    assert [f"s3://data-bucket/{key}" for key in of_load] == [response.statements_url]


def test_what_a_broken_off_repeat_left_behind_is_not_loaded(cloud: Any) -> None:
    run = DataRun(cloud)
    for number in range(3):
        run.put_part("SELECT 1 AS a", number)
    names = [part.name for part in output_parts("data-bucket", "run-1", UNIT, files=2)]
    assert names == ["part-00000.parquet", "part-00001.parquet"]


def test_a_part_that_is_missing_is_named(cloud: Any) -> None:
    run = DataRun(cloud)
    with pytest.raises(NotFound, match=r"no such rows: no s3://.*part-00000\.parquet"):
        output_parts("data-bucket", "run-1", UNIT)
    run.put_part("SELECT 1 AS a").put_part("SELECT 1 AS a", 2)
    with pytest.raises(InvalidData, match=r"part-00001\.parquet is left out"):
        output_parts("data-bucket", "run-1", UNIT)
    with pytest.raises(NotFound, match=r"part-00001\.parquet is not there; the unit has 3"):
        output_parts("data-bucket", "run-1", UNIT, files=3)


def test_a_dataset_without_the_target_is_not_configured(cloud: Any) -> None:
    DataRun(cloud).freeze()
    with pytest.raises(NotConfigured):
        store_redshift(StoreRedshift(run_id="run-1", unit_id=UNIT, rows=1), Settings("data-bucket"))
