"""prepare_warehouse: tables come into being and grow; what would lose something is refused."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from local_warehouse import LocalWarehouse
from warehouse_run import COLUMNS, WarehouseRun, sales

from contracts.errors import Conflict, InvalidDataset, NotConfigured, TransientFailure

OWN = {"pipeline_jobs", "pipeline_loads", "pipeline_runs", "pipeline_tables", "pipeline_units"}


def tables(warehouse: LocalWarehouse) -> set[str]:
    rows = warehouse.rows("SELECT table_schema || '.' || table_name FROM svv_tables")
    return {str(row[0]) for row in rows}


def columns(warehouse: LocalWarehouse, table: str) -> list[tuple[str, str]]:
    rows = warehouse.rows(
        "SELECT column_name, data_type FROM svv_columns"
        f" WHERE table_name = '{table}' ORDER BY ordinal_position"
    )
    return [(row[0], row[1]) for row in rows]


def made_by_hand(warehouse: LocalWarehouse, more: str = "") -> None:
    columns = f"id VARCHAR(20), amount DECIMAL(10,2), note VARCHAR(100){more}"
    warehouse.done(["CREATE SCHEMA mart", f"CREATE TABLE mart.sales ({columns})"])


def changed(cloud: Any, warehouse: LocalWarehouse, *more: dict[str, Any]) -> WarehouseRun:
    """The next run, for which the contract has other or further columns."""
    names = {column["name"] for column in more}
    others = [column for column in COLUMNS if column["name"] not in names]
    return WarehouseRun(cloud, warehouse, "run-2", dataset=sales(columns=[*others, *more]))


def refusal(run: WarehouseRun) -> str:
    with pytest.raises(InvalidDataset) as refused:
        run.prepare()
    return str(refused.value)


def test_what_is_missing_is_made_and_then_nothing_is_done(
    cloud: Any, warehouse: LocalWarehouse
) -> None:
    run = WarehouseRun(cloud, warehouse)
    assert len(run.prepare().statements) == 8  # a schema, five tables, the target, its key
    assert {f"public.{name}" for name in OWN} | {"mart.sales"} <= tables(warehouse)
    assert columns(warehouse, "sales") == [
        ("id", "character varying"),
        ("amount", "numeric"),
        ("note", "character varying"),
        ("index", "character varying"),
        ("run_id", "character varying"),
        ("job_id", "character varying"),
        ("unit_id", "character varying"),
        ("version", "character varying"),
        ("loaded_at", "timestamp without time zone"),
    ]
    batches = len(warehouse.batches())
    assert run.prepare().statements == ()
    assert len(warehouse.batches()) == batches  # asked, but nothing changed


def test_a_run_without_the_target_needs_the_pipelines_own_tables_only(
    cloud: Any, warehouse: LocalWarehouse
) -> None:
    run = WarehouseRun(cloud, warehouse, dataset=sales(targets={"dynamodb": {"key": ["id"]}}))
    run.prepare()
    assert {name for name in tables(warehouse) if "mart" in name} == set()
    assert {f"public.{name}" for name in OWN} <= tables(warehouse)


def test_a_new_column_is_added_and_old_rows_stay(cloud: Any, warehouse: LocalWarehouse) -> None:
    run = WarehouseRun(cloud, warehouse)
    run.prepare()
    run.output("('a', 1, 'x')").load(1)
    grown = changed(cloud, warehouse, {"name": "seen_on", "type": "date"})
    assert grown.prepare().statements == ('ALTER TABLE "mart"."sales" ADD COLUMN "seen_on" DATE',)
    grown.output("('b', 2, 'y', '2026-11-01')").load(1)
    assert warehouse.rows("SELECT id, note, seen_on FROM mart.sales ORDER BY id") == [
        ["a", "x", None],
        ["b", "y", "2026-11-01"],
    ]
    # An earlier run of the smaller contract still loads.
    run.output("('c', 3, 'z')", unit="00000-001").load(1, "00000-001")
    assert warehouse.rows("SELECT COUNT(*) FROM mart.sales") == [[3]]


def test_a_table_from_before_the_trace_columns_is_reported_apart_by_its_own_collection(
    cloud: Any, warehouse: LocalWarehouse
) -> None:
    made_by_hand(warehouse)
    warehouse.done("INSERT INTO mart.sales VALUES ('a', 1, 'before')")
    run = WarehouseRun(cloud, warehouse)
    run.prepare()
    run.output("('a', 2, 'now')").load(1)
    assert warehouse.rows('SELECT id, note, "index" FROM mart.sales') == [["a", "now", "sales"]]


def test_another_type_stops_the_run_with_the_statements_that_it_needs(
    cloud: Any, warehouse: LocalWarehouse
) -> None:
    run = WarehouseRun(cloud, warehouse)
    run.prepare()
    run.output("('a', 1.25, 'x')").load(1)
    finer = changed(cloud, warehouse, {"name": "amount", "type": "decimal(12,3)"})
    reported = refusal(finer)
    assert "mart.sales.amount: the table has DECIMAL(10,2) instead of DECIMAL(12,3)" in reported
    advice = [text.strip() for text in reported.partition("run: ")[2].split(";") if text.strip()]
    assert len(advice) == 4
    warehouse.done(advice)  # what it advises works, and keeps what was there
    assert finer.prepare().statements == ()
    assert warehouse.rows("SELECT id, amount FROM mart.sales") == [["a", "1.250"]]


def test_a_table_that_two_runs_registered_by_two_keys_stops_both(
    cloud: Any, warehouse: LocalWarehouse
) -> None:
    """As can be where both were its first, at the same moment."""
    run = WarehouseRun(cloud, warehouse)
    run.prepare()
    warehouse.done(
        "INSERT INTO pipeline_tables (table_name, dataset_name, key_columns, updated_at)"
        " VALUES ('mart.sales', 'sales', 'id, note', GETDATE())"
    )
    assert "id and by id, note" in refusal(WarehouseRun(cloud, warehouse, "run-2"))


def test_another_key_stops_the_run_until_somebody_has_looked(
    cloud: Any, warehouse: LocalWarehouse
) -> None:
    WarehouseRun(cloud, warehouse).prepare()
    targets = {"redshift": {"table": "mart.sales", "key": ["id", "note"]}}
    other = WarehouseRun(cloud, warehouse, "run-2", dataset=sales(targets=targets))
    reported = refusal(other)
    assert "targets.redshift.key" in reported
    assert "merged by id, the contract says id, note" in reported
    check, _, update = reported.partition("finds nothing: ")[2].partition("; and then run: ")
    assert warehouse.rows(check) == []
    warehouse.done(update.strip().removesuffix(";"))
    assert other.prepare().statements == ()


def test_a_column_that_is_gone_stops_the_run_if_nothing_may_be_missing_in_it(
    cloud: Any, warehouse: LocalWarehouse
) -> None:
    made_by_hand(warehouse, ", old INT NOT NULL, other INT")
    reported = refusal(WarehouseRun(cloud, warehouse))
    assert "mart.sales.old: the column is NOT NULL" in reported
    assert 'ALTER TABLE "mart"."sales" DROP COLUMN "old";' in reported
    assert "other" not in reported


@pytest.mark.slow
def test_a_result_too_wide_for_one_statement_is_refused_before_anything_is_loaded(
    cloud: Any, warehouse: LocalWarehouse
) -> None:
    def wide(count: int) -> WarehouseRun:
        more = [{"name": f"column_with_a_long_name_{number:04d}"} for number in range(count)]
        return changed(cloud, warehouse, *more)

    reported = refusal(wide(900))
    assert "a load of these 903 columns has a statement of 1" in reported
    assert warehouse.batches() == []
    run = wide(600)
    run.prepare()
    run.output(f"('a', 1, 'x'{', NULL' * 600})").load(1)
    assert warehouse.rows("SELECT id, note FROM mart.sales") == [["a", "x"]]


def test_two_runs_that_make_the_same_table_at_once_both_go_on(
    cloud: Any, warehouse: LocalWarehouse
) -> None:
    WarehouseRun(cloud, warehouse).prepare()
    grown = changed(cloud, warehouse, {"name": "seen_on", "type": "date"})

    class Slow:
        """Another run adds the column between this one's look and its statement."""

        def __getattr__(self, name: str) -> Any:
            if name == "batch_execute_statement":
                warehouse.done("ALTER TABLE mart.sales ADD COLUMN seen_on DATE")
            return getattr(warehouse, name)

    assert grown.prepare(Slow()).statements == ()
    assert ("seen_on", "date") in columns(warehouse, "sales")


def test_a_user_who_may_not_make_tables_is_reported_what_to_have_made(
    cloud: Any, warehouse: LocalWarehouse
) -> None:
    class Forbidding:
        def __getattr__(self, name: str) -> Any:
            if name == "batch_execute_statement":
                return lambda **request: warehouse.batch_execute_statement(
                    **{**request, "Sqls": ["SELECT permission FROM denied"]}
                )
            return getattr(warehouse, name)

    with pytest.raises(NotConfigured, match="run these as a user who may: CREATE SCHEMA"):
        WarehouseRun(cloud, warehouse).prepare(Forbidding())


@pytest.mark.parametrize("operation", ["ExecuteStatement", "BatchExecuteStatement"])
@pytest.mark.parametrize("after", [False, True])
def test_it_may_die_before_and_after_each_request_and_be_called_again(
    cloud: Any, warehouse: LocalWarehouse, operation: str, after: bool
) -> None:
    run = WarehouseRun(cloud, warehouse)
    response: Any = {"Error": {"Code": "InternalServerException", "Message": "gone"}}
    warehouse.break_once(operation, ClientError(response, operation), after=after)
    with pytest.raises(TransientFailure):
        run.prepare()
    run.prepare()
    assert "mart.sales" in tables(warehouse)
    assert warehouse.rows("SELECT COUNT(*) FROM public.pipeline_tables") == [[1]]
    assert run.prepare().statements == ()


def test_a_conflict_with_another_transaction_is_tried_again_later(
    cloud: Any, warehouse: LocalWarehouse
) -> None:
    class Contended:
        def __getattr__(self, name: str) -> Any:
            if name == "describe_statement":
                error = "ERROR: 1023 DETAIL: Serializable isolation violation on table - 1"
                return lambda **_request: {"Status": "FAILED", "Error": error}
            return getattr(warehouse, name)

    with pytest.raises(Conflict):
        WarehouseRun(cloud, warehouse).prepare(Contended())


def test_a_table_whose_name_reads_like_a_conflict_is_no_conflict(
    cloud: Any, warehouse: LocalWarehouse
) -> None:
    class Refuses:
        def __getattr__(self, name: str) -> Any:
            if name == "describe_statement":
                error = "ERROR: permission denied for relation concurrent_conflicts"
                return lambda **_request: {"Status": "FAILED", "Error": error}
            return getattr(warehouse, name)

    with pytest.raises(NotConfigured, match="permission denied for relation"):
        WarehouseRun(cloud, warehouse).prepare(Refuses())


def test_without_the_tables_texts_the_deployment_is_not_ready(
    cloud: Any, warehouse: LocalWarehouse
) -> None:
    run = WarehouseRun(cloud, warehouse)
    for key in cloud.keys("sql/", cloud.code_bucket):
        cloud.client("s3").delete_object(Bucket=cloud.code_bucket, Key=key)
    with pytest.raises(NotConfigured, match="run: pipeline upload"):
        run.prepare()


def test_a_table_text_that_cannot_be_read_is_named(cloud: Any, warehouse: LocalWarehouse) -> None:
    run = WarehouseRun(cloud, warehouse)
    cloud.put("sql/views.sql", "CREATE VIEW x AS SELECT 1;", bucket=cloud.code_bucket)
    with pytest.raises(NotConfigured, match=r"sql/views\.sql: not one CREATE TABLE"):
        run.prepare()
