"""transform: rows that a store cannot take go to none, by row, and into the quarantine."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from data_run import UNIT, DataRun, dataset

from contracts import layout
from contracts.dataset import ItemArray
from contracts.errors import InvalidData, TransientFailure

ITEMS = {"dynamodb": {"key": ["id"]}}
BOTH = {**ITEMS, "redshift": {"table": "sales", "key": ["id"]}}
TEXTS = (("id", "string"), ("note", "string"))
SOURCE = "s3://data-bucket/landing/sales/a.csv"
FAILURE: Any = {"Error": {"Code": "InternalError", "Message": "no"}}


def run_over(cloud: Any, valid: str, columns: Any = TEXTS, **changes: Any) -> DataRun:
    """A unit whose valid rows are those of a query."""
    made = {"columns": [{"name": name, "type": kind} for name, kind in columns], **changes}
    return DataRun(cloud, dataset(**made)).lay_out("as it came").put_valid(valid)


def values(*rows: str, names: str = "id, note") -> str:
    return f"SELECT * FROM (VALUES {', '.join(rows)}) AS v({names})"


def reasons(run: DataRun) -> list[tuple[str, str | None, str]]:
    return [(row["rule"], row.get("column"), row["reason"]) for row in run.set_aside()]


def test_an_item_over_400_kb_is_found_unstorable_and_its_neighbours_are_stored(cloud: Any) -> None:
    rows = values("('a', 'x')", "('b', repeat('y', 409600))", "('c', NULL)")
    run = run_over(cloud, rows)
    response = run.transform()
    assert (response.rows, response.removed, response.rejected) == (2, 0, 1)
    key = layout.transform_quarantine_key("sales", "run-1", UNIT)
    assert response.rejected_url == f"s3://data-bucket/{key}"
    assert run.output_rows() == [("a", "x"), ("c", None)]
    (row,) = run.set_aside()
    assert row == {
        "source": SOURCE,
        "rule": "item-size",
        "reason": "the row sales#b makes an item of 409,818 bytes, DynamoDB takes 409,600",
        "valid_row": 2,
        "row": {"id": "b", "note": "y" * 409_600},
    }
    assert (run.store(job_id=None).rows, sorted(run.items())) == (2, ["sales#a", "sales#c"])


def test_the_size_is_that_of_the_item_with_its_job(cloud: Any) -> None:
    """As store-dynamodb makes it, which would refuse the whole unit."""
    room = 409_600 - 218 - len("job_id") - len("job-1")
    run = run_over(cloud, values(f"('a', repeat('x', {room}))", f"('b', repeat('x', {room + 1}))"))
    assert run.transform(job_id="job-1").rejected == 1
    assert run.set_aside()[0]["row"]["id"] == "b"
    assert run.transform(job_id="job-1", execution_arn="arn").rejected == 2
    assert run.transform().rejected == 0


@pytest.mark.slow
def test_many_columns_with_long_names_weigh_too(cloud: Any) -> None:
    names = [f"{'c' * 50}_{number:04d}" for number in range(990)]
    columns = [("id", "string"), *((name, "string") for name in names), ("x", "double")]
    texts = ", ".join(f"repeat('x', {{size}}) AS {name}" for name in names)
    rows = " UNION ALL ".join(
        f"SELECT '{row}' AS id, {texts.format(size=size)}, 1.5::DOUBLE AS x"
        for row, size in (("a", 350), ("b", 360))
    )
    run = run_over(cloud, rows, columns)
    response = run.transform()
    assert (response.rows, response.rejected) == (1, 1)
    assert reasons(run)[0][0] == "item-size"  # its texts alone are 50 KB below the limit
    assert run.set_aside()[0]["row"]["id"] == "b"


def test_a_key_that_no_item_can_have_is_found_unstorable(cloud: Any) -> None:
    run = run_over(
        cloud, values("('a', 'x')", "(repeat('|', 1022), 'y')", "(repeat('|', 1021), '')")
    )
    assert run.transform().rows == 2
    shown = "sales#" + "\\|" * 37
    assert reasons(run) == [
        ("key-size", None, f"the key {shown}… has 2,050 bytes, DynamoDB takes 2,048")
    ]


def test_numbers_that_dynamodb_cannot_hold_are_found_unstorable(cloud: Any) -> None:
    columns = (("id", "string"), ("x", "double"))
    numbers = {"a": "1e-200", "b": "1e10", "c": "'inf'", "d": "0", "e": "NULL"}
    rows = (f"('{name}', CAST({number} AS DOUBLE))" for name, number in numbers.items())
    run = run_over(cloud, values(*rows, names="id, x"), columns)
    assert run.transform().rows == 3
    assert [row[0] for row in run.output_rows()] == ["b", "d", "e"]
    reported = "x of the row sales#a is 1e-200, DynamoDB takes numbers of 1e-130 to 9.9e+125 and 0"
    assert reasons(run)[0] == ("number", "x", reported)
    assert [row["value"] for row in run.set_aside()] == ["1e-200", "inf"]


def test_a_text_that_the_warehouse_cannot_hold_goes_to_no_store(cloud: Any) -> None:
    run = run_over(cloud, values("('a', repeat('ü', 32768))", "('b', 'y')"), targets=BOTH)
    assert run.transform().rows == 1
    reported = "the text has 65,536 bytes, the warehouse takes 65,535"
    assert reasons(run) == [("text-size", "note", reported)]
    assert len(run.set_aside()[0]["value"]) == 500


def test_rows_without_a_key_are_found_unstorable(cloud: Any) -> None:
    targets = {"dynamodb": {"key": ["id"]}, "redshift": {"table": "t", "key": ["id", "note"]}}
    run = run_over(cloud, values("('a', NULL)", "(NULL, 'y')", "('c', 'z')"), targets=targets)
    assert run.transform().rows == 1
    assert reasons(run) == [
        ("key-missing", "note", "there is no note, which the key needs"),
        ("key-missing", "id", "there is no id, which the key needs"),
    ]


def test_of_equal_keys_the_first_row_stays(cloud: Any) -> None:
    rows = values("('b', '1')", "('a', '2')", "('b', '3')", "('b', '0')")
    run = run_over(cloud, rows)
    response = run.transform()
    assert run.output_rows() == [("b", "1"), ("a", "2")]
    assert (response.rows, response.rejected) == (2, 2)
    reported = ("key-unique", "id", "3 rows have the key id b; the first one is stored")
    assert reasons(run) == [reported, reported]
    assert [row["row"]["note"] for row in run.set_aside()] == ["3", "0"]


def test_a_row_that_is_found_unstorable_is_nobodys_double(cloud: Any) -> None:
    run = run_over(cloud, values("('a', repeat('x', 500000))", "('a', 'small')"))
    assert run.transform().rows == 1
    assert run.output_rows() == [("a", "small")]


@pytest.mark.parametrize("target", ["dynamodb", "redshift"])
def test_keys_that_differ_in_blanks_at_the_end_are_one_in_the_warehouse(
    cloud: Any, target: str
) -> None:
    """Redshift compares texts without them, DynamoDB with them."""
    targets = {target: BOTH[target]}
    run = run_over(cloud, values("('x', '1')", "('x ', '2')"), targets=targets)
    assert run.transform().rows == (2 if target == "dynamodb" else 1)
    if target == "redshift":
        assert "blanks at the end do not count" in reasons(run)[0][2]


def test_each_target_reports_rows_apart_by_its_own_key(cloud: Any) -> None:
    targets = {"dynamodb": {"key": ["id"]}, "redshift": {"table": "t", "key": ["note"]}}
    rows = values("('a', 'x')", "('a', 'y')", "('b', 'y')", "('c', 'x')")
    run = run_over(cloud, rows, targets=targets)
    run.transform()
    assert run.output_rows() == [("a", "x"), ("b", "y")]


TOGETHER = "SELECT DISTINCT upper(id) AS id, note FROM valid"


def test_of_a_sorted_result_the_smaller_values_come_first(cloud: Any) -> None:
    run = run_over(cloud, values("('b', '2')", "('B', '1')", "('a', '3')"), transform=TOGETHER)
    run.transform()
    assert run.output_rows() == [("A", "3"), ("B", "1")]
    (row,) = run.set_aside()
    assert row["result"] == {"id": "B", "note": "2"}
    assert not {"row", "valid_row"} & set(row)


def test_a_sorted_result_is_looked_through_as_well(cloud: Any) -> None:
    rows = values("('b', repeat('x', 500000))", "('a', '1')")
    run = run_over(cloud, rows, transform=TOGETHER)
    assert (run.transform().rejected, run.output_rows()) == (1, [("A", "1")])


def test_rows_that_the_transform_leaves_out_are_counted_apart(cloud: Any) -> None:
    rows = values("('a', '1')", "('b', NULL)", "('a', '2')", "('c', '3')")
    run = run_over(cloud, rows, transform="SELECT * FROM valid WHERE note IS NOT NULL")
    response = run.transform()
    assert (response.rows, response.removed, response.rejected) == (2, 1, 1)
    assert run.set_aside()[0]["result"] == {"id": "a", "note": "2"}


def test_a_suspicion_that_proves_wrong_rejects_nothing(cloud: Any) -> None:
    """A key of 1,500 letters is looked at, as it might have been 1,500 bars."""
    run = run_over(cloud, values("(repeat('k', 1500), '1')", "('a', '2')"))
    response = run.transform()
    assert (response.rows, response.rejected, response.rejected_url) == (2, 0, None)
    assert [row[1] for row in run.output_rows()] == ["1", "2"]


@pytest.mark.slow
def test_many_rows_are_found_unstorable_in_parts_of_bounded_size(cloud: Any) -> None:
    valid = (
        "SELECT CAST(i - i % 10 // 9 AS VARCHAR) AS id, md5(CAST(i AS VARCHAR)) AS note"
        " FROM range(60000) AS r(i)"
    )
    limits = {"rejectedPercentage": 10, "partMegabytes": 1}
    run = run_over(cloud, valid, limits=limits)
    first = run.transform()
    assert (first.rows, first.rejected) == (54_000, 6000)
    assert first.files > 1
    rows, unstorable = run.output_rows(), run.set_aside()
    assert [int(row[0]) for row in rows] == [i for i in range(60_000) if i % 10 != 9]
    assert [row["valid_row"] for row in unstorable] == list(range(10, 60_001, 10))
    assert run.transform() == first
    assert (run.output_rows(), run.set_aside()) == (rows, unstorable)


def test_too_many_rows_fail_the_unit_and_leave_the_evidence(cloud: Any) -> None:
    rows = values("('a', '1')", "('b', '1')", "('a', '3')")
    run = run_over(cloud, rows, limits={"rejectedPercentage": 20})
    with pytest.raises(InvalidData) as refused:
        run.transform(rows_in=10, rejected=2)
    reported = str(refused.value)
    assert reported.startswith(
        f"{SOURCE}: 1 rows of the transform's result cannot be stored, with the 2 that validation"
        " has rejected 30.0 % of 10 rows (the contract allows 20 %): key-unique id (1); they are in"
    )
    assert "QUALIFY row_number()" in reported
    assert (len(run.set_aside()), run.output_keys()) == (1, [])
    assert run.transform(rows_in=10, rejected=1).rejected == 1


def test_what_was_found_is_counted_by_rule(cloud: Any) -> None:
    run = run_over(cloud, values("('a', '1')", "(NULL, '2')", "('a', '3')", "('a', '4')"))
    response = run.transform()
    key = layout.transform_findings_key("run-1", UNIT)
    assert response.findings_url == f"s3://data-bucket/{key}"
    found = cloud.read_json(key)["rules"]
    assert [(rule["rule"], rule["column"], rule["severity"], rule["rows"]) for rule in found] == [
        ("key-unique", "id", "quarantine", 2),
        ("key-missing", "id", "quarantine", 1),
    ]
    assert found[0]["examples"][0]["value"] == "3 rows have the key id a; the first one is stored"


@pytest.mark.parametrize("operation", ["upload_fileobj", "put_object"])
@pytest.mark.parametrize("after", [False, True])
def test_a_crash_around_what_is_found_unstorable_is_fixed_by_a_repeat(
    cloud: Any, clients: Any, operation: str, after: bool
) -> None:
    run = run_over(cloud, values("('a', '1')", "('a', '2')"))
    clients.break_once("s3", operation, ClientError(FAILURE, "PutObject"), after=after)
    with pytest.raises(TransientFailure):
        run.transform()
    assert (run.transform().rejected, run.output_rows()) == (1, [("a", "1")])
    assert len(run.set_aside()) == 1


def test_a_result_column_may_have_any_name(cloud: Any) -> None:
    columns = (("id", "string"), ("file_row_number", "string"), ("number", "string"))
    rows = values("('a', '1', 'x')", "('a', '2', 'y')", names="id, file_row_number, number")
    run = run_over(cloud, rows, columns)
    assert (run.transform().rejected, run.output_rows()) == (1, [("a", "1", "x")])


def batch_over(cloud: Any, valid: str, transform: str, **changes: Any) -> DataRun:
    """As `run_over`, where each valid row is an item of an array, which is to have its result."""
    run = run_over(cloud, valid, transform=transform, **changes)
    run.array = ItemArray(items_per_batch=25, megabytes=10)
    return run.freeze()


@pytest.mark.parametrize(
    ("transform", "valid_rows"),
    [
        pytest.param("SELECT * FROM valid", [3, 4], id="row by row"),
        pytest.param("SELECT * FROM valid WHERE note <> '0'", [3, 4], id="with rows left out"),
        pytest.param("SELECT DISTINCT * FROM valid", [3, 4], id="together"),
        pytest.param(
            "SELECT valid.* FROM valid JOIN (SELECT 1 AS one) AS ones ON true", [3, 4], id="joined"
        ),
    ],
)
def test_items_whose_rows_are_found_unstorable_are_reported_by_number(
    cloud: Any, transform: str, valid_rows: list[int]
) -> None:
    rows = values("('z', '0')", "('a', '1')", "('a', '2')", "('b', repeat('x', 500000))")
    run = batch_over(cloud, rows, transform)
    run.transform()
    assert sorted(row["valid_row"] for row in run.set_aside()) == valid_rows
    assert {row["row"]["id"] for row in run.set_aside()} == {"a", "b"}


def test_of_equal_items_the_last_one_is_found_unstorable(cloud: Any) -> None:
    rows = values("('b', '1')", "('a', '1')", "('b', '1')")
    run = batch_over(cloud, rows, "SELECT v.* FROM valid AS v JOIN (SELECT 1 AS one) AS o ON true")
    run.transform()
    assert [row["valid_row"] for row in run.set_aside()] == [3]


def test_a_row_that_no_single_item_makes_fails_the_batch(cloud: Any) -> None:
    transform = "SELECT NULL AS id, string_agg(note, ',') AS note FROM valid"
    run = batch_over(cloud, values("('a', '1')", "('b', '2')"), transform)
    with pytest.raises(
        InvalidData, match=r"several items in unit .* cannot be stored: there is no"
    ):
        run.transform()


def test_values_that_cannot_be_part_of_a_files_key_are_found_unstorable(cloud: Any) -> None:
    files = {"files": {"prefix": "out/", "partitionBy": ["id", "note"]}}
    columns = (*TEXTS, ("n", "integer"))
    rows = values(
        "('a', 'x', 1)",
        "('', 'x', 2)",
        "('b', '__HIVE_DEFAULT_PARTITION__', 3)",
        "('c', repeat('/', 400), 4)",
        "(repeat('d', 940), 'y', 5)",
        "(NULL, NULL, 6)",
        names="id, note, n",
    )
    run = run_over(cloud, rows, columns, targets=files)
    response = run.transform()
    assert (response.rows, response.rejected) == (3, 3)
    assert [row[2] for row in run.output_rows()] == [1, 5, 6]
    assert reasons(run) == [
        (
            "partition-key",
            "id",
            "cannot be part of a file's key: an empty text, which readers of partitions take for"
            " no value at all",
        ),
        (
            "partition-key",
            "note",
            "cannot be part of a file's key: the name of the partition of rows without a value",
        ),
        (
            "partition-key",
            "note",
            "the file's key would have 216 bytes more than the 1,024 that S3 takes",
        ),
    ]


def test_without_a_key_equal_rows_are_all_stored_and_order_is_that_of_all_columns(
    cloud: Any,
) -> None:
    rows = values("('b', 'x')", "('a', NULL)", "('b', 'x')", "(NULL, 'y')")
    transform = "SELECT id, note FROM valid GROUP BY ALL"
    files = {"files": {"prefix": "out/"}}
    plain = run_over(cloud, rows, targets=files)
    assert plain.transform().rows == 4
    assert plain.output_rows() == [("b", "x"), ("a", None), ("b", "x"), (None, "y")]
    grouped = run_over(cloud, rows, targets=files, transform=transform)
    assert grouped.transform().rows == 3
    assert grouped.output_rows() == [("a", None), ("b", "x"), (None, "y")]
