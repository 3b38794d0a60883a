"""Odd samples: columns by names of their own, types without loss, and clear refusals."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from cli_world import pipeline
from proposals import proposed


def test_columns_that_no_contract_can_name_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    path.write_text("id,order date,ID,,n\n1,x,2,,1\n2,y,3,,2\n")

    dataset, text = proposed(path)

    assert [column.name for column in dataset.columns] == ["order_date", "n"]
    assert '"id" is left out: the header has it more than once' in text
    assert '"ID" is left out: the header has it more than once' in text
    assert '"" is left out: it has no name' in text


def test_columns_get_names_and_keep_those_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "names.csv"
    path.write_text("Order ID,order_id,Größe,Customer.Name,2nd,客户,Version\n1,2,3,4,5,6,7\n")

    dataset, _ = proposed(path)

    assert {column.name: column.source for column in dataset.columns} == {
        "order_id_2": "Order ID",
        "order_id": None,
        "groesse": "Größe",
        "customer_name": "Customer.Name",
        "column_2nd": "2nd",
        "column_6": "客户",
        "source_version": "Version",
    }


def test_keys_of_json_are_stored_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "names.jsonl"
    record = {"orderId": 1, "Order ID": 2, 'a"b\u2028c': 3, "id": 4, "ID": 5, "": 6, "*": 7}
    path.write_text(json.dumps(record, ensure_ascii=False))

    dataset, text = proposed(path)

    assert {column.name: column.source for column in dataset.columns} == {
        "order_id": "orderId",
        "order_id_2": "Order ID",
        "a_b_c": 'a"b\u2028c',
        "id": None,
        "column_7": "*",
    }
    assert "\"ID\" is left out: another key, 'id', differs in its case only" in text


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["01234", "11111"], "string"),
        (["12345678901234567890", "1"], "decimal(38,0)"),
        (["9" * 45, "1"], "string"),
        (["12345678901234.123456", "0.5"], "decimal(38,6)"),
        (["0.30000000000000004", "1"], "double"),
        (["1e5", "2.0"], "decimal(18,1)"),
        (["1e-5", "2"], "double"),
        (["12E3", "2"], "string"),
        (["+49301", "+49302"], "string"),
        (["+1", "-1"], "integer"),
        (["NO", "NO"], "string"),
        (["NO", "yes"], "boolean"),
        (["1_000", "2"], "string"),
        (["2026-11-01T00:00:00.123456000Z", "2026-11-01 10:00"], "timestamp"),
        (["2026-11-01T00:00:00.123456789Z", "2026-11-01 10:00"], "string"),
    ],
)
def test_types_lose_no_digit(tmp_path: Path, values: list[str], kind: str) -> None:
    path = tmp_path / "numbers.csv"
    path.write_text(f"id,n\na,{values[0]}\nb,{values[1]}\n")

    dataset, _ = proposed(path)

    assert dataset.column_types == {"id": "string", "n": kind}


def test_values_that_are_one_when_typed_make_no_key(tmp_path: Path) -> None:
    path = tmp_path / "amounts.csv"
    path.write_text("amount,name\n1.0,a\n1.00,b\n2.0,c\n")

    dataset, _ = proposed(path)

    assert dataset.targets.dynamodb
    assert dataset.targets.dynamodb.key == ("name",)


def test_a_first_line_that_looks_like_a_row_is_questioned(tmp_path: Path) -> None:
    path = tmp_path / "years.csv"
    path.write_text("country,2024,2025\nAT,1.5,2.5\nDE,2.5,3.5\n")

    _, text = proposed(path)

    assert "if it is the header, say so" in text


@pytest.mark.parametrize(
    ("name", "ending"),
    [("my.data.2026.csv", ".csv"), ("a.csv.gz", ".csv.gz"), ("2026.11", ""), ("a", "")],
)
def test_only_the_ending_of_a_name_is_one(tmp_path: Path, name: str, ending: str) -> None:
    path = tmp_path / name
    body = b"id\n1\n2\n"
    path.write_bytes(gzip.compress(body) if name.endswith(".gz") else body)

    dataset, _ = proposed(path, "--name", "x")

    assert dataset.source.suffix == ending


@pytest.mark.usefixtures("local")
@pytest.mark.parametrize(
    ("sample", "reported"),
    [
        ("s3://data/nothing.csv", "cannot be read"),
        ("s3://data", "not an S3 URL"),
        ("nothing.csv", "cannot be read"),
        ("empty.csv", "is empty"),
        ("header.csv", "has no rows"),
        ("bytes.csv", "is binary data, not text"),
        ("broken.csv.gz", "cannot be decompressed"),
        ("broken.parquet", "cannot be read as parquet"),
        ("twice.csv", "'ID': the header has it more than once; rename it"),
        ("blank.csv.gz", "is empty"),
        ("lines.csv", "a name in its header continues on the next line"),
        ("fields.csv", "none of the sample's rows has as many fields as its header (1: name)"),
        ("words.json", "holds no JSON object: write one on each line"),
        ("wide.csv", "has 1001 columns; a contract may have 1000"),
    ],
)
def test_what_is_no_sample_is_refused_with_the_reason(
    tmp_path: Path, sample: str, reported: str
) -> None:
    (tmp_path / "empty.csv").touch()
    (tmp_path / "header.csv").write_text("a,b\n")
    (tmp_path / "bytes.csv").write_bytes(b"\x81\x8d\x8f\x90\x9d")
    (tmp_path / "broken.csv.gz").write_bytes(gzip.compress(b"a\n1\n" * 99)[:-9])
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 is all")
    (tmp_path / "twice.csv").write_text("id,ID\n1,2\n")
    (tmp_path / "blank.csv.gz").write_bytes(gzip.compress(b"\n \n"))
    (tmp_path / "lines.csv").write_text('"a\nb",c\n1,2\n3,4\n')
    (tmp_path / "fields.csv").write_text("name\nMeier, Anna\nHuber, Jan\n")
    (tmp_path / "words.json").write_text("{not\n{json\n")
    wide = [str(number) for number in range(1001)]
    (tmp_path / "wide.csv").write_text(f"c{',c'.join(wide)}\n{','.join(wide)}\n")

    path = sample if sample.startswith("s3:") else str(tmp_path / sample)
    result = pipeline("dataset", "new", path)

    assert result.exit_code == 2
    assert reported in result.output
