"""The Glue job takes from a Parquet file what validate does: each value, or its row's rejection."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from parquet_values import DRAWN, Drawn
from pinned_job import ROOT
from scratch_duckdb import connect
from test_clean_csv import arguments, dataset, job, output, put

from contracts.dataset import Dataset
from contracts.errors import InvalidData
from reading.parquet_source import opened
from reading_rules.parquet.schema import columns_of
from tabular import workspace
from validation import unit_split
from validation.row_classes import RowClassifier

__all__ = ["job"]
FIXTURES = sorted((ROOT / "tests" / "reading" / "fixtures").glob("*.parquet"))
URL = "s3://data-bucket/in/a.parquet"


def validated(file: Path, contract: dict[str, Any]) -> Any:
    """Texts of valid rows and all rejects, or why there are none."""
    with workspace.workspace(512) as space:
        copy = space.path("source.parquet")
        shutil.copyfile(file, copy)
        classifier = RowClassifier(Dataset.from_json(contract), None)
        try:
            split = unit_split.split_parquet(space, [copy], classifier, URL)
        except InvalidData as error:
            return str(error)
        names = ", ".join(f"'{path}'" for path in split.parts)
        rows = space.connection.execute(f"FROM read_parquet([{names}])").fetchall()
        lines = [line for path in split.rejects for line in path.read_text("utf-8").splitlines()]
    return [[text or "" for text in row] for row in rows], [json.loads(line) for line in lines]


def through_the_job(job: Any, s3: Any, file: Path, contract: dict[str, Any]) -> Any:
    put(s3, file.read_bytes(), "in/a.parquet", contract)
    failure = job.main(arguments("in/a.parquet"))
    if failure is not None:
        return failure
    found = output(s3)
    assert found.report["rowsIn"] == len(found.rows) - 1 + len(found.rejects)
    assert found.report["rowsBad"] == len(found.rejects)
    return found.rows[1:], found.rejects


def contract_of(file: Path, **changes: Any) -> dict[str, Any]:
    """Every column as text, of those that differ in case only the last one."""
    with opened() as connection:
        columns = {one.name.lower(): one.name for one in columns_of(connection, file)}
    named = [{"name": f"c{at}", "source": name} for at, name in enumerate(columns.values())]
    return dataset(format={"type": "parquet", **changes}, columns=named)


@pytest.mark.parametrize("file", FIXTURES, ids=lambda file: file.stem)
def test_a_file_gives_what_validate_takes_from_it(job: Any, s3: Any, file: Path) -> None:
    contract = contract_of(file)
    expected = validated(file, contract)
    assert isinstance(expected, tuple), expected
    assert through_the_job(job, s3, file, contract) == expected


def test_nulls_of_the_format_are_none_of_its_values(job: Any, s3: Any) -> None:
    file = next(one for one in FIXTURES if one.stem == "milliseconds")
    contract = contract_of(file, nulls=["1970-01-01 00:00:00"])
    rows, rejects = validated(file, contract)
    assert ["4", "", "1970-01-01 00:00:00+00", '["1970-01-01 00:00:00"]'] in rows
    assert through_the_job(job, s3, file, contract) == (rows, rejects)


def test_times_that_are_none_reject_their_rows_by_column(job: Any, s3: Any) -> None:
    file = next(one for one in FIXTURES if one.stem == "milliseconds")
    contract = dataset(
        format={"type": "parquet"}, columns=[{"name": "id"}, {"name": "utc", "type": "timestamp"}]
    )
    rows, rejects = through_the_job(job, s3, file, contract)
    assert [row[0] for row in rows] == ["3", "4", "5", "8"]
    assert rows[1] == ["4", "1970-01-01 00:00:00+00"]
    assert rejects[1] == {
        "source": URL,
        "line": 2,
        "rule": "malformed",
        "column": "utc",
        "value": "9223372036854776",
        "reason": "a timestamp outside of the years 290308 BC to 294247",
        "raw": '{"id": "2", "utc": "9223372036854776"}',
    }


def test_a_query_leaves_out_no_row_that_cannot_be_read(job: Any, s3: Any) -> None:
    file = next(one for one in FIXTURES if one.stem == "milliseconds")
    put(s3, file.read_bytes(), "in/a.parquet", contract_of(file))
    assert job.main(arguments("in/a.parquet", "c0 >= '4'")) is None
    found = output(s3)
    assert [row[0] for row in found.rows[1:]] == ["4", "5", "8"]
    assert found.report["rowsFiltered"] == 1
    assert [reject["line"] for reject in found.rejects] == [1, 2, 6, 7]


@settings(  # shrinking takes too long
    max_examples=10,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(values=st.lists(DRAWN, min_size=4, max_size=12))
def test_values_of_any_type_come_as_validate_takes_them(
    job: Any, s3: Any, tmp_path: Path, values: list[Drawn]
) -> None:
    file = tmp_path / "drawn.parquet"
    selected = ", ".join(f"{value.sql} AS x{at}" for at, value in enumerate(values))
    with connect() as maker:
        maker.execute(f"COPY (SELECT {selected}) TO '{file}' (FORMAT parquet)")
    contract = contract_of(file)
    assert through_the_job(job, s3, file, contract) == validated(file, contract)
