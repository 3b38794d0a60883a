"""One unit's load on the local Redshift: repeats, older runs, doubles, and deaths in between."""

from __future__ import annotations

from typing import Any

import pytest
from data_run import UNIT
from local_warehouse import LocalWarehouse
from warehouse_run import WarehouseRun, sales

from contracts import layout
from sources import frozen
from stores.redshift.load import Load, load_statements

OLDER, NEWER = "2026-11-19T08:00:00Z", "2026-11-21T08:00:00Z"


@pytest.fixture
def run(cloud: Any, warehouse: LocalWarehouse) -> WarehouseRun:
    made = WarehouseRun(cloud, warehouse)
    made.prepare()
    return made


def row(name: str, amount: str, note: str | None, run_id: str = "run-1") -> list[Any]:
    return [name, amount, note, run_id, UNIT]


def test_a_load_takes_every_part_and_says_who_wrote_each_row(run: WarehouseRun) -> None:
    run.output("('a', 1.5, 'x'), ('b', 2, NULL)", "('it''s', 3, 'y')").load(3)
    assert run.stored() == [
        row("a", "1.50", "x"),
        row("b", "2.00", None),
        row("it's", "3.00", "y"),
    ]
    assert run.ledger() == [[f"run-1/{UNIT}", 3, 0, 0, 3]]
    trace = 'SELECT DISTINCT "index", job_id, version FROM mart.sales'
    version = f"2026-11-20T08:00:00.000000Z#run-1#{UNIT}#0001"
    assert run.warehouse.rows(trace) == [["sales", "job-1", version]]


def test_a_repeat_changes_nothing_even_after_a_newer_run(
    cloud: Any, run: WarehouseRun, warehouse: LocalWarehouse
) -> None:
    run.output("('a', 1, 'first'), ('b', 1, 'first')").load(2)
    newer = WarehouseRun(cloud, warehouse, "run-2", NEWER)
    newer.output("('a', 2, 'second')").load(1)
    written = "SELECT id, loaded_at FROM mart.sales ORDER BY id"
    before = (run.stored(), run.ledger(), warehouse.rows(written))
    run.load(2)
    newer.load(1)
    assert (run.stored(), run.ledger(), warehouse.rows(written)) == before
    assert run.stored() == [row("a", "2.00", "second", "run-2"), row("b", "1.00", "first")]


def test_an_older_run_fills_gaps_and_overwrites_nothing_newer(
    cloud: Any, run: WarehouseRun, warehouse: LocalWarehouse
) -> None:
    run.output("('a', 1, 'new')").load(1)
    older = WarehouseRun(cloud, warehouse, "run-0", OLDER)
    older.output("('a', 0, 'old'), ('z', 0, 'old')").load(2)
    assert run.stored() == [row("a", "1.00", "new"), row("z", "0.00", "old", "run-0")]
    assert run.ledger()[-1] == [f"run-0/{UNIT}", 2, 0, 1, 1]


def test_the_order_of_units_does_not_change_the_rows(
    cloud: Any, run: WarehouseRun, warehouse: LocalWarehouse
) -> None:
    parts = {"00000-000": "('a', 1, 'u0'), ('b', 1, 'u0')", "00000-001": "('c', 1, 'u1')"}
    for unit, values in parts.items():
        run.output(values, unit=unit)
    run.load(1, "00000-001")
    run.load(2, "00000-000")
    there = run.stored()
    again = WarehouseRun(cloud, warehouse, dataset=sales(targets=target("mart.other")))
    again.prepare()
    warehouse.done("DELETE FROM public.pipeline_loads")
    again.load(2, "00000-000")
    again.load(1, "00000-001")
    other = "SELECT id, amount, note, run_id, unit_id FROM mart.other ORDER BY id"
    assert warehouse.rows(other) == there


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (1, 0, 1, 0)])
def test_of_a_key_in_two_objects_the_later_objects_row_stays(
    run: WarehouseRun, order: tuple[int, ...]
) -> None:
    run.output("('a', 1, 'first'), ('b', 1, 'first')", unit="00000-000")
    run.output("('a', 2, 'later')", unit="00000-001")
    for number in order:
        run.load((2, 1)[number], f"00000-00{number}")
    assert [found[:3] for found in run.stored()] == [["a", "2.00", "later"], ["b", "1.00", "first"]]


def target(table: str) -> dict[str, Any]:
    return {"redshift": {"table": table, "key": ["id"]}}


def test_rows_of_another_collection_are_other_rows(
    cloud: Any, run: WarehouseRun, warehouse: LocalWarehouse
) -> None:
    run.output("('a', 1, 'x')").load(1)
    snapshot = frozen.read_snapshot(cloud.data_bucket, "run-1")
    trial = snapshot.model_copy(update={"index": "trial", "run_id": "run-t"})
    target = trial.dataset.targets.redshift
    (key,) = cloud.keys(f"{layout.unit_prefix('run-1', UNIT)}copy-manifest-")
    manifest = f"s3://{cloud.data_bucket}/{key}"
    warehouse.done(load_statements(Load(trial, target, UNIT, None, manifest, 1)))
    assert warehouse.rows('SELECT "index", id FROM mart.sales ORDER BY 1') == [
        ["sales", "a"],
        ["trial", "a"],
    ]


def test_a_table_may_be_named_as_shortly_as_the_merges_alias(
    cloud: Any, warehouse: LocalWarehouse
) -> None:
    run = WarehouseRun(cloud, warehouse, dataset=sales(targets=target("s")))
    run.prepare()
    run.output("('a', 1, 'x')").load(1)
    run.output("('a', 2, 'y')", unit="00000-001").load(1, "00000-001")
    assert warehouse.rows("SELECT id, note FROM s") == [["a", "y"]]


def test_a_key_that_comes_twice_is_stored_once_and_counted(run: WarehouseRun) -> None:
    run.output("('a', 1, 'x'), ('a', 1, 'x')").load(2)
    assert run.stored() == [row("a", "1.00", "x")]
    assert run.ledger() == [[f"run-1/{UNIT}", 2, 1, 0, 1]]


@pytest.mark.parametrize("expected", [1, 3])
def test_rows_that_went_missing_or_too_many_fail_the_load(
    run: WarehouseRun, warehouse: LocalWarehouse, expected: int
) -> None:
    described = warehouse.run(run.output("('a', 1, 'x'), ('b', 1, 'x')").statements(expected))
    assert described["Status"] == "FAILED"
    assert f"{expected} rows expected, the files hold 2" in described["Error"]
    assert run.stored() == []
    assert run.ledger() == []


def test_a_part_that_is_gone_fails_the_load_and_changes_nothing(
    cloud: Any, run: WarehouseRun, warehouse: LocalWarehouse
) -> None:
    statements = run.output("('a', 1, 'x')", "('b', 1, 'x')").statements(2)
    key = f"runs/run-1/units/{UNIT}/output/part-00001.parquet"
    cloud.client("s3").delete_object(Bucket=cloud.data_bucket, Key=key)
    described = warehouse.run(statements)
    assert described["Status"] == "FAILED"
    assert "part-00001.parquet" in described["Error"]
    assert run.stored() == []


def test_a_unit_without_rows_is_noted(run: WarehouseRun) -> None:
    run.output("('a', 1, 'x')")
    run.warehouse.done(run.statements(0, files=0))
    assert run.stored() == []
    assert run.ledger() == [[f"run-1/{UNIT}", 0, 0, 0, 0]]


def test_a_later_attempt_with_other_rows_replaces_what_the_first_one_loaded(
    run: WarehouseRun,
) -> None:
    """As DynamoDB has it: rows by their key, those of the later attempt where both have some."""
    run.output("('a', 1, 'first'), ('b', 1, 'first')").load(2)
    run.output("('a', 2, 'second'), ('c', 2, 'second')").load(2, attempt=2)
    assert [found[:3] for found in run.stored()] == [
        ["a", "2.00", "second"],
        ["b", "1.00", "first"],
        ["c", "2.00", "second"],
    ]
    assert run.ledger() == [[f"run-1/{UNIT}", 2, 0, 0, 2]]


def test_a_later_attempt_with_the_same_rows_changes_nothing(
    run: WarehouseRun, warehouse: LocalWarehouse
) -> None:
    written = "SELECT version, loaded_at FROM mart.sales"
    run.output("('a', 1, 'x')").load(1)
    before = (warehouse.rows(written), run.ledger())
    run.load(1, attempt=2)
    assert (warehouse.rows(written), run.ledger()) == before


def test_an_earlier_attempts_load_that_comes_late_changes_nothing(
    run: WarehouseRun, warehouse: LocalWarehouse
) -> None:
    late = run.output("('a', 1, 'first'), ('b', 1, 'first')").statements(2)
    run.output("('a', 2, 'second')").load(1, attempt=2)
    before = (run.stored(), run.ledger())
    assert warehouse.run(late)["Status"] == "FAILED"  # its files are not what they were
    assert (run.stored(), run.ledger()) == before
    run.output("('a', 1, 'first'), ('b', 1, 'first')")
    warehouse.done(late)
    assert (run.stored(), run.ledger()) == before


def test_rows_may_change_back(run: WarehouseRun) -> None:
    for attempt, note in enumerate(("one", "other", "one"), start=1):
        run.output(f"('a', 1, '{note}')").load(1, attempt=attempt)
        assert run.stored() == [row("a", "1.00", note)]
    assert len(run.ledger()) == 1


def test_a_load_noted_before_digests_were_is_made_once_more(
    run: WarehouseRun, warehouse: LocalWarehouse
) -> None:
    run.output("('a', 1, 'x')").load(1)
    forgotten = "UPDATE public.pipeline_loads SET digest = NULL, run_attempt = NULL"
    warehouse.done(forgotten)
    run.load(1)
    assert run.stored() == [row("a", "1.00", "x")]
    assert run.ledger() == [[f"run-1/{UNIT}", 1, 0, 0, 1]]


@pytest.mark.slow
def test_a_second_load_of_a_unit_that_breaks_off_leaves_the_first_one(
    run: WarehouseRun, warehouse: LocalWarehouse
) -> None:
    """Before each statement in turn and after the last; a unit and a key of its own for each."""
    for broken_at in range(14):
        unit, key = f"00000-{broken_at:03d}", f"k{broken_at:02d}"
        run.output(f"('{key}', 1, 'first')", unit=unit).load(1, unit)
        before = (run.stored(), run.ledger())
        second = run.output(f"('{key}', 2, 'second')", unit=unit)
        statements = second.statements(1, unit, attempt=2)
        assert len(statements) == 13
        broken = [*statements[:broken_at], "SELECT nothing FROM nowhere", *statements[broken_at:]]
        assert warehouse.run(broken)["Status"] == "FAILED"
        assert (run.stored(), run.ledger()) == before
        warehouse.done(statements)
        warehouse.done(statements)
        assert run.stored()[-1] == [key, "2.00", "second", "run-1", unit]
        assert run.stored()[:-1] == before[0][:-1]


@pytest.mark.slow
def test_a_load_that_breaks_off_anywhere_leaves_nothing_and_may_come_again(
    run: WarehouseRun, warehouse: LocalWarehouse
) -> None:
    statements = run.output("('a', 1, 'x')").statements(1)
    for number in range(len(statements) + 1):
        broken = [*statements[:number], "SELECT nothing FROM nowhere", *statements[number:]]
        assert warehouse.run(broken)["Status"] == "FAILED"
        assert (run.stored(), run.ledger()) == ([], [])
    warehouse.done(statements)
    warehouse.done(statements)  # the response to the first was lost
    assert run.stored() == [row("a", "1.00", "x")]
    assert run.ledger() == [[f"run-1/{UNIT}", 1, 0, 0, 1]]
