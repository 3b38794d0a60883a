"""The benchmark of reading, cleaning, writing: every way does the same work and loses nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.data import orders_file
from benchmarks.data.__main__ import SOURCE, Measured, check_same, measure, median, table
from benchmarks.data.one_way import WAYS, available


def measured(way: str = "duckdb", clean: float = 1.0, **changes: float) -> Measured:
    numbers = {
        "transform": 1.0,
        "clean_processor": 1.5,
        "processor": 3.0,
        "clean_peak": 100.0,
        "peak": 200.0,
        **changes,
    }
    return Measured(way, 50.0, clean, rows=90, digest=7, rejected=10, **numbers)  # type: ignore[arg-type]


def test_the_same_size_and_seed_give_the_same_file(tmp_path: Path) -> None:
    first, again, other = (tmp_path / name for name in ("first", "again", "other"))
    rows = orders_file.write(first, 0.5)
    assert orders_file.write(again, 0.5) == rows
    orders_file.write(other, 0.5, seed=2)
    assert first.read_bytes() == again.read_bytes() != other.read_bytes()
    assert abs(first.stat().st_size / 1024 / 1024 - 0.5) < 0.05


def test_the_file_has_the_dirt_it_promises_and_no_number_twice(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    rows = orders_file.write(path, 2)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == ",".join(orders_file.COLUMNS)
    assert len({line.split(",", 1)[0] for line in lines[1:]}) == rows == len(lines) - 1
    dirty = sum(len(luck) for luck in orders_file.DIRT.values()) / 1000
    for sign, share in ((",twelve,", 2), (",XX,", 2), (",surplus", 1), (",2026-02-30,", 1)):
        found = sum(sign in line for line in lines)
        assert abs(found - rows * share / 1000) < rows * dirty / 10


def test_a_file_of_more_rows_than_order_numbers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="100000000 order numbers"):
        orders_file.write(tmp_path / "orders.csv", 20_000)


@pytest.mark.slow
def test_every_way_stores_the_same_rows_and_accounts_for_all(tmp_path: Path) -> None:
    (tmp_path / SOURCE).parent.mkdir()
    rows = orders_file.write(tmp_path / SOURCE, 1)
    found = [measure(way, tmp_path) for way in WAYS if available(way)]
    assert {"pipeline", "duckdb", "csv"} <= {one.way for one in found}
    check_same(found, rows)
    assert found[0].rejected > 0
    for form in ("parquet", "jsonl"):
        source = SOURCE.replace("csv", form)
        rows = orders_file.convert(tmp_path / SOURCE, tmp_path / source)
        check_same([measure(way, tmp_path, source=source) for way in ("pipeline", "duckdb")], rows)
    source = SOURCE.replace(".csv", "-warned.csv")
    rows = orders_file.repeat(tmp_path / SOURCE, tmp_path / source)
    check_same([measure(way, tmp_path, source=source) for way in ("pipeline", "duckdb")], rows)
    source = SOURCE.replace(".csv", "-short.csv")
    rows = orders_file.shorten(tmp_path / SOURCE, tmp_path / source)
    shortened = measure("pipeline", tmp_path, source=source)
    check_same([shortened], rows)
    assert shortened.rejected > rows * 0.9


@pytest.mark.slow
def test_a_file_larger_than_the_functions_memory_passes_without_being_whole_in_memory(
    tmp_path: Path,
) -> None:
    (tmp_path / SOURCE).parent.mkdir()
    rows = orders_file.write(tmp_path / SOURCE, 300)
    found = measure("pipeline", tmp_path, memory_megabytes=256)
    assert found.rows + found.rejected == rows
    assert found.peak < found.megabytes


def test_a_way_that_stores_other_rows_or_loses_some_is_found_out() -> None:
    with pytest.raises(RuntimeError, match="csv stored other rows than duckdb"):
        check_same([measured(), Measured(**{**vars(measured("csv")), "digest": 8})], 100)
    with pytest.raises(RuntimeError, match=r"duckdb: 90 \+ 10 of 101 rows"):
        check_same([measured()], 101)


def test_the_median_counts_and_the_highest_peak() -> None:
    found = median([measured(clean=2.0, peak=150.0), measured(clean=1.0), measured(clean=9.0)])
    assert (found.clean, found.peak) == (2.0, 200.0)


def test_the_table_compares_throughput_with_plain_duckdb() -> None:
    text = table([measured("pipeline", clean=2.0), measured("duckdb", clean=1.0)])
    ours, plain = text.splitlines()[2:]
    assert (
        "| **this project** | 25.0 | 0.50 | 1.5 | 1.00 | 16.7 | 0.67 | 3.0 | 1.00 | 200 |" in ours
    )
    assert "| plain DuckDB | 50.0 | 1.00 | 1.5 | 1.00 | 25.0 | 1.00 | 3.0 | 1.00 | 200 |" in plain
