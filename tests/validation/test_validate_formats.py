"""validate: every format, encoding and compression; odd line ends; lines reported exactly."""

from __future__ import annotations

import base64
import gzip
import json
from decimal import Decimal
from typing import Any

import pytest
from data_run import DataRun, dataset
from scratch_duckdb import connect

from contracts import layout
from contracts.errors import InvalidData
from sources import fetch, zstd
from tabular import workspace

HEADER = "id,amount,seen_on,country\n"
DIRTY = HEADER + "a,1,,AT\nb,x,,AT\nc,1\nd,2,,DE\n"


@pytest.mark.parametrize(
    ("form", "name", "body"),
    [
        ({}, "a.csv", DIRTY.encode()),
        ({}, "a.csv.gz", gzip.compress(mtime=0, data=DIRTY.encode())),
        (
            {},
            "a.csv.gz",
            gzip.compress(mtime=0, data=DIRTY[:30].encode())
            + gzip.compress(mtime=0, data=DIRTY[30:].encode()),
        ),
        ({"compression": "gzip"}, "a.data", gzip.compress(mtime=0, data=DIRTY.encode())),
        ({}, "a.csv.zst", zstd.compress(DIRTY.encode())),
        ({}, "a.csv.zst", zstd.compress(DIRTY[:9].encode()) + zstd.compress(DIRTY[9:].encode())),
        ({"encoding": "utf-16"}, "a.csv.zst", zstd.compress(DIRTY.encode("utf-16"))),
        ({"encoding": "utf-16"}, "a.csv", DIRTY.encode("utf-16")),
        ({"encoding": "latin-1", "compression": "none"}, "a.csv.gz", DIRTY.encode("latin-1")),
        ({}, "a.csv", b"\xef\xbb\xbf" + DIRTY.encode()),
        ({}, "a.csv", DIRTY.replace("\n", "\r\n").encode()),
        ({}, "a.csv", DIRTY.replace("\n", "\r").encode()),
        ({}, "a.csv", DIRTY.replace("AT\n", "AT\r\n").encode()),
        ({"delimiter": "|"}, "a.csv", DIRTY.replace(",", "|").encode()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_one_table_written_in_many_ways_reads_alike(
    cloud: Any, form: dict[str, Any], name: str, body: bytes
) -> None:
    run = DataRun(cloud, dataset(format=form)).lay_out(body, name)
    response = run.validate()
    assert (response.rows_in, response.valid, response.rejected) == (4, 2, 2)
    assert [row[0] for row in run.valid_rows()] == ["a", "d"]
    assert [(reject["line"], reject["rule"]) for reject in run.rejects()] == [
        (3, "type"),
        (4, "malformed"),
    ]


def test_text_of_another_encoding_is_read_and_what_is_none_of_it_is_rejected(cloud: Any) -> None:
    body = HEADER.encode() + "a,1,,AT\nb,1,,Ö€\n".encode("windows-1252") + b"c,1,,\x81\n"
    columns = [{"name": "id"}, {"name": "country"}]
    form = {"encoding": "windows-1252"}
    run = DataRun(cloud, dataset(format=form, columns=columns)).lay_out(body)
    assert run.validate().rejected == 1
    assert run.valid_rows() == [("a", "AT"), ("b", "Ö€")]
    (reject,) = run.rejects()
    assert (reject["line"], reject["column"]) == (4, "country")
    assert reject["reason"] == "not WINDOWS-1252"


def test_bad_encoding_in_a_column_that_nobody_asked_for_rejects_the_row_all_the_same(
    cloud: Any,
) -> None:
    body = b"note,id,amount,seen_on,country\n\xff,a,1,,\nx,b,1,,\n"
    response = DataRun(cloud).lay_out(body).validate()
    assert (response.rows_in, response.valid, response.rejected) == (2, 1, 1)
    (reject,) = DataRun(cloud).rejects()
    assert (reject["line"], reject["column"], reject["rule"]) == (2, "note", "malformed")


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("a.csv.gz", b"\x1f\x8b\x08garbage"),
        ("a.csv.gz", gzip.compress(mtime=0, data=DIRTY.encode())[:-9]),
        ("a.csv.zst", zstd.compress(DIRTY.encode())[:-9]),
        ("a.csv.zst", b"\x28\xb5\x2f\xfdgarbage"),
    ],
    ids=["no gzip", "cut gzip", "cut zstd", "no zstd"],
)
def test_a_damaged_object_is_refused_with_its_name(cloud: Any, name: str, body: bytes) -> None:
    with pytest.raises(InvalidData, match=f"{name} cannot be decompressed"):
        DataRun(cloud).lay_out(body, name).validate()


@pytest.mark.parametrize(
    ("pack", "ending"), [(bytes, ""), (gzip.compress, ".gz"), (zstd.compress, ".zst")]
)
def test_each_item_of_a_json_array_is_a_row(cloud: Any, pack: Any, ending: str) -> None:
    items = [
        {"id": "a", "amount": 1.5, "country": "AT", "more": {"x": [1]}},
        {"id": "b", "amount": "many", "country": ""},
        5,
        {"country": "DE", "amount": 2, "id": "c", "seen_on": "2026-11-01"},
    ]
    run = DataRun(cloud, dataset(format={"type": "json"}))
    response = run.lay_out(pack(json.dumps(items, indent=2).encode()), f"a.json{ending}").validate()
    assert (response.rows_in, response.valid, response.rejected) == (4, 2, 2)
    assert [row[0] for row in run.valid_rows()] == ["a", "c"]
    first, second = run.rejects()
    assert (first["line"], first["rule"], first["row"]["amount"]) == (2, "type", "many")
    assert json.loads(first["raw"]) == items[1]
    assert (second["line"], second["rule"], second["raw"]) == (3, "malformed", "5")


@pytest.mark.parametrize("kind", ["jsonl", "json"])
def test_numbers_of_json_are_taken_as_they_are_written(cloud: Any, kind: str) -> None:
    columns = [
        {"name": "id"},
        {"name": "amount", "type": "decimal(38,12)"},
        {"name": "share", "type": "double"},
        {"name": "note"},
    ]
    item = (
        '{"id": 12345678901234567890.10, "amount": 1234567890123456789.123456789012,'
        ' "share": 1.5E-3, "note": {"said": "3.00", "n": 7}}'
    )
    body = item if kind == "jsonl" else f"[{item}]"
    run = DataRun(cloud, dataset(format={"type": kind}, columns=columns))
    assert run.lay_out(body, f"a.{kind}").validate().valid == 1
    (row,) = run.valid_rows()
    assert row == (
        "12345678901234567890.10",
        Decimal("1234567890123456789.123456789012"),
        0.0015,
        '{"said":"3.00","n":7}',
    )


@pytest.mark.parametrize("body", [b"", b"[]", b" [ ] \n"])
def test_an_array_without_items_is_fine(cloud: Any, body: bytes) -> None:
    run = DataRun(cloud, dataset(format={"type": "json"})).lay_out(body, "a.json")
    assert run.validate().rows_in == 0


def test_bytes_that_are_no_text_cost_an_array_one_item(cloud: Any) -> None:
    body = b'[{"id": "a", "amount": 1}, {"id": "\xff", "amount": 2}, {"id": "c", "amount": 3}]'
    run = DataRun(cloud, dataset(format={"type": "json"})).lay_out(body, "a.json")
    response = run.validate()
    assert (response.rows_in, response.valid, response.rejected) == (3, 2, 1)
    (reject,) = run.rejects()
    assert (reject["line"], reject["reason"]) == (2, "not UTF-8")
    assert base64.b64decode(reject["rawBase64"]) == b'{"id": "\xff", "amount": 2}'


@pytest.mark.parametrize("body", [b'[{"id": "a"}', b'[{"id": "a"},]', b'[{"id" 1}]', b"x"])
def test_what_is_no_json_array_is_refused_with_its_name(cloud: Any, body: bytes) -> None:
    run = DataRun(cloud, dataset(format={"type": "json"}))
    with pytest.raises(InvalidData, match=r"a\.json"):
        run.lay_out(body, "a.json").validate()


def test_columns_may_be_named_like_our_own(cloud: Any) -> None:
    names = ["line", "state", "fields", "record", "breaks", "found", "value"]
    columns = [{"name": "id"}, *({"name": name, "type": "integer"} for name in names)]
    numbers = dict.fromkeys(names, 1)
    lines = [json.dumps({"id": "a", **numbers}), json.dumps({"id": "b", **numbers, "state": "x"})]
    contract = dataset(format={"type": "jsonl"}, columns=columns)
    run = DataRun(cloud, contract).lay_out("\n".join(lines), "a.jsonl")
    assert run.validate().rejected == 1
    assert run.valid_rows() == [("a", *[1] * len(names))]
    assert run.rejects()[0]["value"] == "x"


def test_lines_are_exact_behind_values_with_line_breaks_and_empty_lines(cloud: Any) -> None:
    body = HEADER + (
        'a,1,,"AT"\n'  # 2
        '"b\n\n1",1,,\n'  # 3 to 5: against the pattern
        "\n"  # 6
        "c,x,,\n"  # 7
        'd,1,,"A"T\n'  # 8
        "\n\n"  # 9, 10
        'e,"y\nz",,\n'  # 11, 12
        "f,1\n"  # 13
        "g,1,,XX\n"  # 14
        "\n\n"
    )
    response = DataRun(cloud).lay_out(body).validate()
    assert (response.rows_in, response.valid) == (7, 1)
    assert [(r["line"], r["rule"], r["raw"]) for r in DataRun(cloud).rejects()] == [
        (3, "pattern", '"b\n\n1",1,,'),
        (7, "type", "c,x,,"),
        (8, "malformed", 'd,1,,"A"T'),
        (11, "type", 'e,"y\nz",,'),
        (13, "malformed", "f,1"),
        (14, "allowed", "g,1,,XX"),
    ]


def test_the_text_of_a_rejected_row_reads_back_as_the_row_was(cloud: Any) -> None:
    columns = [{"name": "id", "type": "integer"}, {"name": "note"}]
    contract = dataset(columns=columns, format={"delimiter": ";", "quote": "'"})
    body = "id;x;note\nz;'it''s; so';'a\nb'\n"
    DataRun(cloud, contract).lay_out(body).validate()
    (reject,) = DataRun(cloud, contract).rejects()
    assert reject["raw"] == "z;'it''s; so';'a\nb'"
    assert reject["row"] == {"id": "z", "note": "a\nb"}


def test_good_rows_behind_a_bad_quote_are_not_lost(cloud: Any) -> None:
    body = HEADER + 'a,1,,\nb,1,,"A"T\n' + "".join(f"c{n},1,,AT\n" for n in range(50))
    run = DataRun(cloud, query="amount = 1")  # so that every row is looked at again
    response = run.lay_out(body).validate()
    assert (response.rows_in, response.valid, response.rejected) == (52, 51, 1)


def test_a_parquet_row_is_reported_by_its_number_and_as_json(cloud: Any, tmp_path: Any) -> None:
    file = tmp_path / "a.parquet"
    with connect() as connection:
        connection.execute(
            "COPY (SELECT 'c' || i AS id, i - 1 AS amount, DATE '2026-11-01' AS seen_on,"
            f" 'AT' AS country FROM range(4) AS t(i)) TO '{file}' (FORMAT parquet)"
        )
    run = DataRun(cloud, dataset(format={"type": "parquet"}))
    assert run.lay_out(file.read_bytes(), "a.parquet").validate().valid == 3
    (reject,) = run.rejects()
    assert (reject["line"], reject["rule"]) == (1, "minimum")
    assert json.loads(reject["raw"]) == reject["row"]
    assert reject["row"]["amount"] == "-1"


def test_each_parquet_file_of_a_job_is_read_by_its_own_columns(cloud: Any) -> None:
    columns = [{"name": "id"}, {"name": "note"}]
    run = DataRun(cloud, dataset(columns=columns)).lay_out(HEADER)
    counts = {"rowsIn": 3, "rowsOut": 3, "rowsFiltered": 0, "rowsBad": 0}
    parts = (
        "SELECT '1' AS id, 'x' AS note",
        "SELECT 'y' AS note, '2' AS id",
        "SELECT 0 AS more, '3' AS id, encode('é') AS note",
    )
    assert run.validate(run.put_parquet_output(counts, *parts)).valid == 3
    assert run.valid_rows() == [("1", "x"), ("2", "y"), ("3", "é")]


def test_what_cannot_fit_the_functions_disk_is_refused_unreadable(cloud: Any, clients: Any) -> None:
    run = DataRun(cloud, dataset(limits={"objectMegabytes": 10_000}))
    run.lay_out(HEADER, size=4000 * 1024 * 1024)
    reads = clients.watch("s3", "get_object")
    with pytest.raises(InvalidData, match=r"4000 MB .*needs about 12000 MB of disk.*Spark job"):
        run.validate()
    assert all(call["Key"].startswith("runs/") for call in reads)


def test_an_object_that_grows_too_large_when_decompressed_is_refused(cloud: Any) -> None:
    cloud.put("landing/a.csv.gz", gzip.compress(mtime=0, data=b"id\n" + b"x" * 3_000_000))
    form = dataset().format
    with pytest.raises(InvalidData, match="more than 2 MB"):
        list(fetch.text_of("data-bucket", "landing/a.csv.gz", form, room=2 * workspace.MEGABYTE))


@pytest.mark.slow
def test_the_valid_rows_keep_the_order_of_the_object(cloud: Any) -> None:
    body = HEADER + "".join(f"r{n},{n % 7},,AT\n" for n in range(300_000))
    run = DataRun(cloud).lay_out(body)
    assert run.validate().valid == 300_000
    assert [row[0] for row in run.valid_rows()] == [f"r{n}" for n in range(300_000)]
    assert layout.findings_key("run-1", "00000-000") not in cloud.keys("")


@pytest.mark.parametrize(
    ("form", "name", "body", "message"),
    [
        ({}, "a.csv", b"\nid,n\na,1\n", "line 1: the header is expected here"),
        ({}, "a.csv", b"\xef\xbb\xbf\nid,n\na,1\n", "line 1: the header is expected here"),
        (
            {"encoding": "utf-16"},
            "a.csv",
            "id,n\na,1\n".encode("utf-16-le"),
            "has no byte order mark, which utf-16 needs",
        ),
        ({"type": "json"}, "a.json", b'[{"id":"a","n":1},', "item 1: is cut off"),
        ({"type": "json"}, "a.json", b'[{"id":"a","n":1}, \n', "item 1: is cut off"),
    ],
)
def test_what_is_no_whole_file_is_refused_by_name(
    cloud: Any, form: dict[str, Any], name: str, body: bytes, message: str
) -> None:
    columns = [{"name": "id"}, {"name": "n", "type": "integer"}]
    run = DataRun(cloud, dataset(format=form, columns=columns, rules=[])).lay_out(body, name)
    with pytest.raises(InvalidData, match=f"{name}.*{message}"):
        run.validate()


@pytest.mark.parametrize(
    ("form", "name", "body"),
    [
        ({}, "a.csv", b"id,n\ra,1\nb,2\n"),
        ({"type": "jsonl"}, "a.jsonl", b'{"id":"a","n":1}\r\n{"id":"b","n":2}\n'),
    ],
)
def test_line_ends_may_be_mixed_in_any_way(
    cloud: Any, form: dict[str, Any], name: str, body: bytes
) -> None:
    columns = [{"name": "id"}, {"name": "n", "type": "integer"}]
    run = DataRun(cloud, dataset(format=form, columns=columns, rules=[])).lay_out(body, name)
    assert run.validate().valid == 2
    assert run.valid_rows() == [("a", 1), ("b", 2)]
