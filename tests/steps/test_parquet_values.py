"""Values and columns of Parquet files that DuckDB would bend come exactly, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest
from data_run import DataRun, dataset

from contracts.errors import InvalidData
from steps.headers import ParquetColumn, parquet_header

FILES = Path(__file__).with_name("fixtures")
WIDE = FILES / "decimal-40-digits.parquet"  # id VARCHAR, amount DECIMAL(40,2)
ALIKE = FILES / "columns-that-differ-in-case.parquet"  # id, Amount (10, 20), amount (1, 2)
TARGETS = {"dynamodb": {"key": ["id"]}}


def run_of(cloud: Any, file: Path, *columns: dict[str, Any]) -> DataRun:
    contract = dataset(
        format={"type": "parquet"},
        columns=[{"name": "id", "required": True}, *columns],
        targets=TARGETS,
    )
    return DataRun(cloud, contract).lay_out(file.read_bytes(), "a.parquet")


def test_of_columns_that_differ_in_case_each_is_read_by_its_name(cloud: Any) -> None:
    small = run_of(cloud, ALIKE, {"name": "amount", "type": "integer"})
    small.validate()
    assert small.valid_rows() == [("1", 1), ("2", 2)]


def test_the_other_one_is_read_by_its_own_spelling(cloud: Any) -> None:
    large = run_of(cloud, ALIKE, {"name": "total", "source": "Amount", "type": "integer"})
    large.validate()
    assert large.valid_rows() == [("1", 10), ("2", 20)]


@pytest.mark.parametrize("kind", ["decimal(38,2)", "string", "double"])
def test_a_decimal_that_would_become_a_double_is_refused(cloud: Any, kind: str) -> None:
    run = run_of(cloud, WIDE, {"name": "amount", "type": kind})

    with pytest.raises(InvalidData, match=r"cannot be read exactly: amount \(40 digits\)"):
        run.validate()


def test_a_wide_decimal_that_the_contract_does_not_read_does_no_harm(cloud: Any) -> None:
    run = run_of(cloud, WIDE)
    run.validate()
    assert run.valid_rows() == [("1",), ("2",), ("3",)]


def test_columns_are_told_apart_from_what_is_nested_in_them(tmp_path: Path) -> None:
    file = tmp_path / "nested.parquet"
    with duckdb.connect() as maker:
        maker.execute(
            "COPY (SELECT 1 AS a, {'x': 1.5::DECIMAL(20,2), 'y': [1, 2]} AS s, [{'k': 1}] AS l,"
            f" MAP {{'a': 1}} AS m, 2::DECIMAL(9,1) AS b) TO '{file}' (FORMAT parquet)"
        )

    header = parquet_header(file)

    assert [(column.name, column.digits) for column in header] == [
        *(("a", 0), ("s", 20), ("l", 0), ("m", 0), ("b", 9))
    ]
    assert header[4] == ParquetColumn("b", "DECIMAL(9,1)", 9)
