"""transform: the contract's SQL, its promises on keys and counts, and what it cannot reach."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError
from data_run import UNIT, DataRun, dataset

from contracts import layout
from contracts.errors import InvalidData, TransientFailure

VALID = """
SELECT id, CAST(amount AS DECIMAL(10, 2)) AS amount, CAST(seen_on AS DATE) AS seen_on, country
FROM (VALUES ('b', 2.50, '2026-11-02', 'DE'), ('a', 1.00, '2026-11-01', 'AT'),
  ('c', 3.00, NULL, NULL)) AS rows(id, amount, seen_on, country)
"""


def run_with(
    cloud: Any, sql: str | None, output: Any = None, valid: str = VALID, **changes: Any
) -> DataRun:
    run = DataRun(cloud, dataset(transform=sql, **changes), output_columns=output)
    return run.freeze().put_valid(valid)


def test_without_sql_all_rows_and_columns_stay_as_they_are(cloud: Any) -> None:
    run = run_with(cloud, None)
    response = run.transform()
    assert [row[0] for row in run.output_rows()] == ["b", "a", "c"]
    assert (response.rows, response.removed, response.files) == (3, 0, 1)
    assert response.output_url == f"s3://data-bucket/{layout.output_prefix('run-1', UNIT)}"


def test_a_result_that_is_computed_of_several_rows_is_sorted_by_the_key(cloud: Any) -> None:
    run = run_with(cloud, "SELECT DISTINCT * FROM valid")
    run.transform()
    assert [row[0] for row in run.output_rows()] == ["a", "b", "c"]


def test_the_result_has_the_promised_types(cloud: Any) -> None:
    sql = "SELECT id, sum(amount) AS total, count(*) AS n FROM valid GROUP BY id;"
    columns = (("id", "string"), ("total", "decimal(12,2)"), ("n", "integer"))
    run = run_with(cloud, sql, columns)
    run.transform()
    assert run.output_rows()[0] == ("a", Decimal("1.00"), 1)


def test_rows_that_the_sql_takes_out_are_counted(cloud: Any) -> None:
    run = run_with(cloud, "SELECT * FROM valid WHERE country IS NOT NULL -- known ones")
    response = run.transform()
    assert (response.rows, response.removed) == (2, 1)


def test_more_rows_than_were_given_are_refused(cloud: Any) -> None:
    run = run_with(cloud, "SELECT * FROM valid UNION ALL SELECT * FROM valid")
    with pytest.raises(InvalidData, match="made 6 rows of 3"):
        run.transform()
    assert not cloud.keys(layout.output_prefix("run-1", UNIT))


def test_the_way_out_works(cloud: Any) -> None:
    sql = (
        "SELECT 'x' AS id, amount FROM valid"
        " QUALIFY row_number() OVER (PARTITION BY 1 ORDER BY amount DESC) = 1"
    )
    run = run_with(cloud, sql, (("id", "string"), ("amount", "decimal(10,2)")))
    assert run.transform().removed == 2
    assert run.output_rows() == [("x", Decimal("3.00"))]


def test_other_columns_than_promised_are_refused(cloud: Any) -> None:
    run = run_with(cloud, "SELECT id FROM valid")
    with pytest.raises(InvalidData, match="returns the columns id instead of id, amount"):
        run.transform()


def test_sql_that_fails_on_the_rows_says_so(cloud: Any) -> None:
    sql = "SELECT CAST(id AS INTEGER) AS id FROM valid"
    run = run_with(cloud, sql, (("id", "integer"),), onTransformError="fail")
    with pytest.raises(InvalidData, match="the transform fails in unit 00000-000 of run run-1"):
        run.transform()


@pytest.mark.parametrize(
    "relation",
    [
        "read_text('/etc/passwd')",
        "read_csv('/proc/self/environ')",
        "read_parquet('https://example.com/a.parquet')",
        "'/etc/passwd'",
    ],
)
def test_sql_reaches_no_files_and_no_network(cloud: Any, relation: str) -> None:
    run = run_with(
        cloud,
        f"SELECT id, (SELECT count(*) FROM {relation}) AS n FROM valid",
        (("id", "string"), ("n", "integer")),
    )
    with pytest.raises(InvalidData, match="the transform fails"):
        run.transform()


def test_no_rows_in_give_no_rows_out(cloud: Any) -> None:
    run = run_with(cloud, None, valid=f"SELECT * FROM ({VALID}) WHERE false")
    response = run.transform()
    assert (response.rows, response.files) == (0, 1)
    assert run.output_rows() == []


def test_a_repeat_writes_the_same_bytes(cloud: Any) -> None:
    run = run_with(cloud, None)
    run.transform()
    (key,) = run.output_keys()
    before = run.object(key)
    run.transform()
    assert run.object(key) == before


MANY = """
SELECT md5(CAST(i AS VARCHAR)) AS id, CAST(i % 100 AS DECIMAL(10, 2)) AS amount,
  CAST(NULL AS DATE) AS seen_on, 'DE' AS country FROM range(80000) AS numbers(i)
"""
SMALL_PARTS = {"rejectedPercentage": 100, "partMegabytes": 1}


def test_a_large_result_is_written_in_parts_of_bounded_size(cloud: Any) -> None:
    run = run_with(cloud, None, valid=MANY, limits=SMALL_PARTS)
    response = run.transform()
    prefix = layout.output_prefix("run-1", UNIT)
    assert run.output_keys() == [f"{prefix}part-{i:05d}.parquet" for i in range(response.files)]
    assert response.files > 1
    assert all(len(run.object(key)) <= 2 * 1024 * 1024 for key in run.output_keys())
    assert len(run.output_rows()) == response.rows == 80_000


@pytest.mark.slow
@pytest.mark.parametrize("sql", [None, "SELECT DISTINCT * FROM valid"])
def test_a_repeat_puts_the_same_rows_into_the_same_parts(cloud: Any, sql: str | None) -> None:
    run = run_with(cloud, sql, valid=MANY, limits=SMALL_PARTS)
    first = run.transform()
    before = [run.parquet(key) for key in run.output_keys()]
    assert run.transform() == first
    assert [run.parquet(key) for key in run.output_keys()] == before


def test_sums_of_floats_are_the_same_at_every_try(cloud: Any) -> None:
    valid = f"SELECT * REPLACE (1e15 / (hash(id) % 100000 + 1) AS amount) FROM ({MANY})"
    columns = [{"name": name} for name in ("id", "country")] + [
        {"name": "amount", "type": "double"}
    ]
    run = run_with(
        cloud,
        "SELECT left(id, 1) AS id, sum(amount) AS amount FROM valid GROUP BY left(id, 1)",
        (("id", "string"), ("amount", "double")),
        valid,
        columns=columns,
    )
    responses = set()
    for _ in range(3):
        assert run.transform(memory_megabytes=4096).removed == 80_000 - 16
        responses.add(tuple(run.output_rows()))
    assert len(responses) == 1


def test_what_does_not_fit_is_refused_with_the_advice_to_use_spark(cloud: Any) -> None:
    run = run_with(cloud, "SELECT DISTINCT * FROM valid", valid=MANY)
    with pytest.raises(InvalidData, match=r"needs about .* of disk .* has 10 MB: .*Spark job"):
        run.transform(ephemeral_megabytes=10)
    assert not run.output_keys()


def test_a_crash_between_two_parts_is_fixed_by_a_repeat(cloud: Any, clients: Any) -> None:
    run = run_with(cloud, None, valid=MANY, limits=SMALL_PARTS)
    failure: Any = {"Error": {"Code": "InternalError", "Message": "no"}}
    error = ClientError(failure, "PutObject")
    clients.break_once("s3", "upload_fileobj", error, after=True, call=2)
    with pytest.raises(TransientFailure):
        run.transform()
    assert len(run.output_keys()) == 2
    assert run.transform().files == len(run.output_keys()) > 1
    assert len(run.output_rows()) == 80_000


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_around_the_write_is_fixed_by_a_repeat(
    cloud: Any, clients: Any, after: bool
) -> None:
    run = run_with(cloud, None)
    failure: Any = {"Error": {"Code": "InternalError", "Message": "no"}}
    clients.break_once("s3", "upload_fileobj", ClientError(failure, "PutObject"), after=after)
    with pytest.raises(TransientFailure):
        run.transform()
    assert run.transform().rows == 3
    assert len(run.output_rows()) == 3
