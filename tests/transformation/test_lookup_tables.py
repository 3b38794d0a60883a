"""lookup_tables: what a transform may join, typed, as it was when the run began."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from data_run import DATA_BUCKET, DataRun, dataset
from scratch_duckdb import connect

from contracts.dataset import FrozenLookup
from contracts.errors import InvalidData, InvalidDataset, NotFound

VALID = """
SELECT id, 1.00::DECIMAL(10, 2) AS amount, NULL::DATE AS seen_on, country
FROM (VALUES ('b', 'DE'), ('a', 'AT'), ('c', NULL)) AS rows(id, country)
"""
JOIN = "SELECT id, name, rate FROM valid LEFT JOIN countries ON code = country"
COLUMNS = (("id", "string"), ("name", "string"), ("rate", "decimal(4,2)"))
LOOKUP: dict[str, Any] = {
    "name": "countries",
    "key": "reference/countries.csv",
    "columns": [
        {"name": "code"},
        {"name": "name"},
        {"name": "rate", "type": "decimal(4,2)"},
    ],
}
COUNTRIES = "Rate,Code,Name,capital\n19.00,DE,Germany,Berlin\n20.00,AT,Austria,Wien\n"


def run_with(cloud: Any, body: bytes | str = COUNTRIES, sql: str = JOIN, **lookup: Any) -> DataRun:
    given = {**LOOKUP, **lookup}
    run = DataRun(cloud, dataset(transform=sql, lookups=[given]), output_columns=COLUMNS)
    cloud.put(given["key"], body)
    found = cloud.client("s3").head_object(Bucket=DATA_BUCKET, Key=given["key"])
    run.lookups = (
        FrozenLookup(
            name=given["name"],
            url=f"s3://{DATA_BUCKET}/{given['key']}",
            etag=found["ETag"].strip('"'),
            size=found["ContentLength"],
        ),
    )
    return run.freeze().put_valid(VALID)


def test_rows_are_joined_with_a_csv_whatever_its_order_of_columns(cloud: Any) -> None:
    run = run_with(cloud)
    assert run.transform().rows == 3
    assert [(row[0], row[1], str(row[2])) for row in run.output_rows()] == [
        ("a", "Austria", "20.00"),
        ("b", "Germany", "19.00"),
        ("c", None, "None"),
    ]


@pytest.mark.parametrize(
    ("body", "lookup"),
    [
        (gzip.compress(mtime=0, data=COUNTRIES.encode()), {"key": "reference/countries.csv.gz"}),
        (
            "DE;Grönland;1\nAT;'a;b';2\n".encode("latin-1"),
            {
                "format": {
                    **{"type": "csv", "delimiter": ";", "quote": "'", "header": False},
                    "encoding": "latin-1",
                }
            },
        ),
    ],
)
def test_a_lookup_is_written_as_its_format_says(cloud: Any, body: bytes, lookup: Any) -> None:
    run = run_with(cloud, body, **lookup)
    assert run.transform().rows == 3
    assert all(row[1] for row in run.output_rows()[:2])


def test_a_lookup_may_be_parquet(cloud: Any, tmp_path: Path) -> None:
    path = tmp_path / "countries.parquet"
    with connect() as connection:
        connection.execute(
            f"COPY (SELECT 'DE' AS code, 'Germany' AS name, 19.5 AS rate) TO '{path}'"
        )
    run = run_with(cloud, path.read_bytes(), format={"type": "parquet"})
    run.transform()
    assert str(run.output_rows()[1][2]) == "19.50"


def test_bytes_of_a_parquet_lookup_are_texts_or_named(cloud: Any, tmp_path: Path) -> None:
    path = tmp_path / "countries.parquet"

    def run_with_name(name: str) -> DataRun:
        with connect() as connection:
            connection.execute(
                f"COPY (SELECT 'DE' AS code, '{name}'::BLOB AS name, 19.5 AS rate) TO '{path}'"
            )
        return run_with(cloud, path.read_bytes(), format={"type": "parquet"})

    run = run_with_name(r"Stra\xC3\x9Fe")
    run.transform()
    assert run.output_rows()[1][1] == "Straße"

    run = run_with_name(r"Stra\xDFe")
    with pytest.raises(InvalidData, match=r"lookup countries .*, row 1, column name: bytes that"):
        run.transform()


@pytest.mark.parametrize("header", ["ISO Code,Tax,Name,Name", "iso code,TAX ,Name,x"])
def test_columns_of_a_lookup_may_have_other_names_in_it(cloud: Any, header: str) -> None:
    columns = [
        {"name": "code", "source": "ISO Code"},
        {"name": "rate", "source": "tax", "type": "decimal(4,2)"},
        {"name": "name"},
    ]
    run = run_with(cloud, f"{header}\nDE,19,Germany,\n", columns=columns)
    if header.endswith("Name,Name"):
        with pytest.raises(InvalidData, match="lookup countries .* has name more than once"):
            run.transform()
        return
    run.transform()
    assert [str(value) for value in run.output_rows()[1]] == ["b", "Germany", "19.00"]


def test_a_lookup_that_has_changed_since_the_run_began_is_refused(cloud: Any) -> None:
    run = run_with(cloud)
    cloud.put("reference/countries.csv", "code,name,rate\nDE,Denmark,25.00\n")
    with pytest.raises(InvalidData, match="countries.csv has changed since"):
        run.transform()


def test_a_lookup_that_is_gone_is_an_error(cloud: Any) -> None:
    run = run_with(cloud)
    cloud.client("s3").delete_object(Bucket=DATA_BUCKET, Key="reference/countries.csv")
    with pytest.raises(NotFound, match="countries.csv"):
        run.transform()


def test_a_lookup_that_the_run_does_not_know_is_an_error(cloud: Any) -> None:
    run = run_with(cloud)
    run.lookups = ()
    with pytest.raises(InvalidDataset, match="was not frozen with the run .*countries"):
        run.freeze().transform()


def test_a_value_of_another_type_is_reported_with_its_row_and_column(cloud: Any) -> None:
    run = run_with(cloud, "code,name,rate\nDE,Germany,19.00\nAT,Austria,a fifth\n")
    with pytest.raises(
        InvalidData, match=r"lookup countries \(s3://.*\), row 2, column rate: 'a fifth' is not a"
    ):
        run.transform()


def test_a_lookup_without_a_column_of_the_contract_is_refused(cloud: Any) -> None:
    run = run_with(cloud, "code,title,rate\nDE,Germany,19.00\n")
    with pytest.raises(InvalidData, match="lacks name; it has code, title, rate"):
        run.transform()


@pytest.mark.parametrize(
    "body", ["code,name,rate\nDE,Germany\n", 'code,name,rate\nDE,"Germany,1\n', ""]
)
def test_a_lookup_that_is_malformed_is_refused(cloud: Any, body: str) -> None:
    run = run_with(cloud, body)
    with pytest.raises(InvalidData, match="lookup countries"):
        run.transform()


def test_a_lookup_without_rows_joins_nothing(cloud: Any) -> None:
    run = run_with(cloud, "code,name,rate\n")
    assert run.transform().rows == 3
    assert {row[1] for row in run.output_rows()} == {None}


def test_a_key_twice_in_a_lookup_is_refused_as_it_multiplies_rows(cloud: Any) -> None:
    run = run_with(cloud, COUNTRIES + "19.00,DE,Deutschland,Berlin\n")
    with pytest.raises(
        InvalidData, match="made 4 rows of 3 .*has a lookup the same key twice. There are countries"
    ):
        run.transform()
