"""transform: the contract's SQL, its promises on keys and counts, and what it cannot reach."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError
from data_run import UNIT, DataRun, dataset

from contracts import layout
from contracts.errors import InvalidData, TransientFailure
from steps import transform as transform_step

HEADER = "id,amount,seen_on,country\n"
ROWS = HEADER + "b,2.50,2026-11-02,DE\na,1.00,2026-11-01,AT\nc,3.00,,\n"


def run_with(cloud: Any, sql: str | None, columns: Any = None, **changes: Any) -> DataRun:
    run = DataRun(cloud, dataset(transform=sql, **changes), output_columns=columns)
    run.lay_out(ROWS).validate()
    return run


def test_without_sql_all_columns_are_kept_sorted_by_the_key(cloud: Any) -> None:
    run = run_with(cloud, None)
    answer = run.transform()
    assert [row[0] for row in run.output_rows()] == ["a", "b", "c"]
    assert (answer.rows, answer.removed) == (3, 0)
    assert answer.output_url == f"s3://data-bucket/{layout.output_prefix('run-1', UNIT)}"


def test_the_result_has_the_promised_types(cloud: Any) -> None:
    sql = "SELECT id, sum(amount) AS total, count(*) AS n FROM valid GROUP BY id;"
    columns = (("id", "string"), ("total", "decimal(12,2)"), ("n", "integer"))
    run = run_with(cloud, sql, columns)
    run.transform()
    assert run.output_rows()[0] == ("a", Decimal("1.00"), 1)


def test_rows_that_the_sql_takes_out_are_counted(cloud: Any) -> None:
    run = run_with(cloud, "SELECT * FROM valid WHERE country IS NOT NULL -- known ones")
    answer = run.transform()
    assert (answer.rows, answer.removed) == (2, 1)


def test_more_rows_than_were_given_are_refused(cloud: Any) -> None:
    run = run_with(cloud, "SELECT * FROM valid UNION ALL SELECT * FROM valid")
    with pytest.raises(InvalidData, match="made 6 rows of 3"):
        run.transform()
    assert not cloud.keys(layout.output_prefix("run-1", UNIT))


def test_a_key_that_is_there_twice_is_refused_with_the_way_out(cloud: Any) -> None:
    run = run_with(
        cloud,
        "SELECT 'x' AS id, amount FROM valid",
        (("id", "string"), ("amount", "decimal(10,2)")),
    )
    with pytest.raises(InvalidData, match=r"the key id is not unique .*: x; .*QUALIFY row_number"):
        run.transform()


def test_the_way_out_works(cloud: Any) -> None:
    sql = (
        "SELECT 'x' AS id, amount FROM valid"
        " QUALIFY row_number() OVER (PARTITION BY 1 ORDER BY amount DESC) = 1"
    )
    run = run_with(cloud, sql, (("id", "string"), ("amount", "decimal(10,2)")))
    assert run.transform().removed == 2
    assert run.output_rows() == [("x", Decimal("3.00"))]


def test_the_keys_of_every_target_are_checked(cloud: Any) -> None:
    targets = {"dynamodb": {"key": ["id"]}, "redshift": {"table": "t", "key": ["country"]}}
    run = run_with(cloud, None, targets=targets)
    with pytest.raises(InvalidData, match="1 rows of the transform's result have no country"):
        run.transform()


def test_other_columns_than_promised_are_refused(cloud: Any) -> None:
    run = run_with(cloud, "SELECT id FROM valid")
    with pytest.raises(InvalidData, match="answers the columns id instead of id, amount"):
        run.transform()


def test_sql_that_fails_on_the_rows_says_so(cloud: Any) -> None:
    run = run_with(cloud, "SELECT CAST(id AS INTEGER) AS id FROM valid", (("id", "integer"),))
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
        f"SELECT id, (SELECT count(*) FROM {relation}) AS n FROM valid",  # noqa: S608
        (("id", "string"), ("n", "integer")),
    )
    with pytest.raises(InvalidData, match="the transform fails"):
        run.transform()


def test_no_rows_in_give_no_rows_out(cloud: Any) -> None:
    run = DataRun(cloud).lay_out(HEADER)
    run.validate()
    assert run.transform().rows == 0
    assert run.output_rows() == []


def test_a_repeat_writes_the_same_bytes(cloud: Any) -> None:
    run = run_with(cloud, None)
    key = layout.output_prefix("run-1", UNIT) + transform_step.PART
    run.transform()
    before = run.object(key)
    run.transform()
    assert run.object(key) == before


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_around_the_write_is_mended_by_a_repeat(
    cloud: Any, clients: Any, after: bool
) -> None:
    run = run_with(cloud, None)
    failure: Any = {"Error": {"Code": "InternalError", "Message": "no"}}
    clients.break_once("s3", "upload_fileobj", ClientError(failure, "PutObject"), after=after)
    with pytest.raises(TransientFailure):
        run.transform()
    assert run.transform().rows == 3
    assert len(run.output_rows()) == 3
