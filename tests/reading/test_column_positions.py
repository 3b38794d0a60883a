"""Columns whose names in the file are not those of the contract: in every format, and refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from data_run import DataRun, dataset
from pydantic import ValidationError
from scratch_duckdb import connect

from contracts.errors import InvalidData

COLUMNS = [
    {"name": "order_id", "source": "Order ID"},
    {"name": "groesse", "source": "Größe", "type": "integer"},
    {"name": "customer", "source": 'customer."na~me"/*'},
    {"name": "note"},
]
TARGETS = {"dynamodb": {"key": ["order_id"]}}
RECORDS: list[dict[str, Any]] = [
    {"Order ID": "a", "Größe": 1, 'customer."na~me"/*': "x", "note": "n", "more": 1},
    {"Order ID": "b", "Größe": "large", 'customer."na~me"/*': "", "note": "n"},
    {"note": "last", "Größe": 3, "Order ID": "c"},
]
ROWS = [("a", 1, "x", "n"), ("c", 3, None, "last")]


def run_of(cloud: Any, form: str, columns: Any = None, **changes: Any) -> DataRun:
    given = {"columns": columns or COLUMNS, "targets": TARGETS, "format": {"type": form}}
    return DataRun(cloud, dataset(**given, **changes))


def as_csv(header: str = '  ORDER id;gRÖßE;"customer.""na~me""/*";Note;more\n') -> bytes:
    return (header + "a;1;x;n;1\nb;large;;n;\nc;3;;last;\n").encode()


def test_csv_headers_are_found_whatever_their_case_and_spaces(cloud: Any) -> None:
    contract = dataset(columns=COLUMNS, targets=TARGETS, format={"delimiter": ";"})
    run = DataRun(cloud, contract).lay_out(as_csv())

    assert run.validate().valid == 2
    assert run.valid_rows() == ROWS
    (reject,) = run.rejects()
    assert (reject["column"], reject["reason"]) == ("groesse", "'large' is not an integer")
    assert reject["row"] == {"order_id": "b", "groesse": "large", "customer": None, "note": "n"}


def test_keys_of_json_are_found_as_they_are(cloud: Any) -> None:
    lines = run_of(cloud, "jsonl").lay_out("\n".join(map(json.dumps, RECORDS)), "a.jsonl")
    assert lines.validate().valid == 2
    assert lines.valid_rows() == ROWS
    array = run_of(cloud, "json").lay_out(json.dumps(RECORDS), "a.json")
    assert array.validate().valid == 2
    assert array.valid_rows() == ROWS
    (reject,) = array.rejects()
    assert json.loads(reject["raw"]) == RECORDS[1]
    assert reject["row"] == {"order_id": "b", "groesse": "large", "customer": "", "note": "n"}


def test_a_line_that_is_no_object_is_reported_as_ever(cloud: Any) -> None:
    run = run_of(cloud, "jsonl").lay_out('5\n{"Order ID": "a"}\n{"Order ID', "a.jsonl")
    response = run.validate()
    assert (response.rows_in, response.valid) == (3, 1)
    assert [reject["rule"] for reject in run.rejects()] == ["malformed", "malformed"]


def parquet(folder: Path, query: str) -> bytes:
    path = folder / "a.parquet"
    with connect() as maker:
        maker.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
    return path.read_bytes()


@pytest.mark.parametrize("name", ["Order ID", "order id", " ORDER ID", "order_id"])
def test_parquet_columns_are_found(cloud: Any, tmp_path: Path, name: str) -> None:
    body = parquet(tmp_path, f"""SELECT 'n' AS note, 'a' AS "{name}", 7 AS "Größe", 1 AS x""")
    run = run_of(cloud, "parquet", [*COLUMNS[:2], COLUMNS[3]]).lay_out(body, "a.parquet")
    assert run.validate().valid == 1
    assert run.valid_rows() == [("a", 7, "n")]


def test_of_two_alike_the_parquet_column_that_is_written_so_is_taken(
    cloud: Any, tmp_path: Path
) -> None:
    body = parquet(tmp_path, """SELECT 'wrong' AS " Order ID", 'a' AS "Order ID", 'n' AS note""")
    run = run_of(cloud, "parquet", [COLUMNS[0], COLUMNS[3]]).lay_out(body, "a.parquet")
    run.validate()
    assert run.valid_rows() == [("a", "n")]


def test_the_contracts_own_names_are_taken_too(cloud: Any) -> None:
    contract = dataset(columns=COLUMNS, targets=TARGETS)
    run = DataRun(cloud, contract).lay_out("order_id,groesse,customer,note\na,1,x,n\n")
    assert run.validate().valid == 1
    assert run.valid_rows() == ROWS[:1]
    record = {"order_id": "a", "groesse": 1, "customer": "x", "note": "n"}
    mixed = {"Order ID": "c", "groesse": 3, "note": "last", "customer": None}
    lines = run_of(cloud, "jsonl")
    lines.lay_out(f"{json.dumps(record)}\n{json.dumps(mixed)}\n", "a.jsonl").validate()
    assert lines.valid_rows() == ROWS


def test_a_file_with_both_names_of_a_column_is_refused(cloud: Any, tmp_path: Path) -> None:
    reported = 'has both "Order ID" and order_id, and either would be column order_id'
    columns = [COLUMNS[0], COLUMNS[3]]
    header = "order_id,note,order id\n"
    csv = DataRun(cloud, dataset(columns=columns, targets=TARGETS)).lay_out(header + "a,n,b\n")
    with pytest.raises(InvalidData, match=rf"a\.csv, line 1: the header {reported}"):
        csv.validate()
    body = parquet(tmp_path, """SELECT 'a' AS order_id, 'n' AS note, 'b' AS "Order ID" """)
    with pytest.raises(InvalidData, match=f"the header {reported}"):
        run_of(cloud, "parquet", columns).lay_out(body, "a.parquet").validate()


def test_a_record_with_both_names_of_a_column_is_rejected_by_itself(cloud: Any) -> None:
    lines = [{"Order ID": "a"}, {"Order ID": "a", "order_id": "b"}, {"order_id": "c"}, 5]
    run = run_of(cloud, "jsonl", [COLUMNS[0], COLUMNS[3]])
    run.lay_out("\n".join(map(json.dumps, lines)), "a.jsonl").validate()
    assert [row[0] for row in run.valid_rows()] == ["a", "c"]
    both, number = run.rejects()
    assert (both["line"], both["rule"], both["column"]) == (2, "malformed", "order_id")
    assert both["reason"].startswith('the record has both "Order ID" and order_id, and either')
    assert json.loads(both["raw"]) == lines[1]
    assert (number["line"], number["reason"]) == (4, "not a JSON object, but a number")


def test_a_missing_column_is_reported_by_both_names(cloud: Any) -> None:
    contract = dataset(columns=COLUMNS[:2], targets=TARGETS)
    with pytest.raises(InvalidData, match=r'lacks "Größe" \(column groesse\); it has order id, g'):
        DataRun(cloud, contract).lay_out("Order ID,Grösse\na,1\n").validate()


@pytest.mark.parametrize(
    ("columns", "reported"),
    [
        (
            [{"name": "a", "source": "X y"}, {"name": "b", "source": " x Y"}],
            "columns a and b would both be read from 'x y'",
        ),
        (
            [{"name": "a", "source": "b"}, {"name": "b", "source": "a"}],
            "columns a and b would both be read from 'b'",
        ),
        ([{"name": "id"}, {"name": "key", "source": "ID"}], "both be read from 'id'"),
        ([{"name": "id", "source": " "}], "should match pattern"),
        ([{"name": "id", "source": "x" * 257}], "at most 256 characters"),
    ],
    ids=["one source", "swapped", "another's name", "blank", "long"],
)
def test_a_name_in_the_file_is_one_columns_only(columns: Any, reported: str) -> None:
    with pytest.raises(ValidationError, match=reported):
        dataset(columns=columns)


def test_a_source_may_be_the_name_itself(cloud: Any) -> None:
    columns = [{"name": "id", "source": "ID"}]
    contract = dataset(columns=columns, format={"type": "jsonl"})
    run = DataRun(cloud, contract).lay_out('{"ID": "a"}\n{"id": "b"}\n', "a.jsonl")
    assert run.validate().valid == 2
    assert run.valid_rows() == [("a",), ("b",)]


def test_without_a_header_the_columns_are_the_contracts(cloud: Any) -> None:
    contract = dataset(columns=COLUMNS[:2], targets=TARGETS, format={"header": False})
    run = DataRun(cloud, contract).lay_out("a,1\n")
    assert run.validate().valid == 1
    assert run.valid_rows() == [("a", 1)]
