"""A proposed contract against the real validation and transform: what fits the sample passes."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from data_run import DataRun
from scratch_duckdb import connect

from cli.proposal.contract import Origin
from cli.proposal.profile import profile
from cli.proposal.propose import propose
from cli.proposal.sample import look_at
from dataset_loading.check import check_dataset
from local import sample_data

ORDERS = sample_data.make().files[0].body
READINGS = "id;at;value\n" + "".join(f"{n};2026-11-01 10:00:{n:02};{n},5\n" for n in range(30))
BREAKS = "k,v\n" + "".join(f'"a{n % 3}\n",{n}\n' for n in range(60))
TYPED = (
    """SELECT range AS "Order ID", (range * 1.25)::DECIMAL(9, 2) AS amount, [1, 2] AS list,"""
    " TIMESTAMP '2026-11-01' + to_seconds(range) AS at, {'a': 1} AS struct, 'ab'::BLOB AS bytes,"
    " '2026-11-01 10:00:00.123456789'::TIMESTAMP_NS AS ns, NULL::INT AS none FROM range(40)"
)


def by_contract(cloud: Any, folder: Path, name: str, body: bytes) -> tuple[DataRun, Any]:
    """A run over the sample under the contract that it gives, and the sample's profile."""
    file = folder / name
    file.write_bytes(body)
    found = profile(look_at(file, folder))
    text = propose("sales", Origin(name), file, folder, files=False)
    checked = check_dataset(text, "sales")
    run = DataRun(cloud, checked.dataset, output_columns=checked.output_columns)
    return run.lay_out(body, name=name), found


@pytest.mark.parametrize(
    ("name", "body", "rejected"),
    [
        ("orders.csv", ORDERS, 22),  # unreadable rows, broken dates, no order id
        ("readings.csv", READINGS.encode("latin-1"), 0),
        ("items.jsonl", b'{"id": 1, "w": 0.5}\n{"id": 2, "w": -1e-3}\n{"id": 3}\n', 0),
        ("mixed.jsonl", b'{"id": 1}\n5\n{"id": 2}\n', 1),
        ("quotes.csv", b'a,b\n"x \\" y",1\n"z",2\n', 0),
    ],
    ids=["orders", "readings", "items", "mixed", "quotes"],
)
def test_all_rows_but_the_dirt_are_valid(
    cloud: Any, tmp_path: Path, name: str, body: bytes, rejected: int
) -> None:
    run, found = by_contract(cloud, tmp_path, name, body)

    counts = run.validate()

    assert counts.rows_in == found.rows + found.unreadable
    assert counts.rejected == rejected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "body", "rows"),
    [
        ("names.csv", "Order ID;Größe;customer.name\n1;2;x\n2;3;y\n".encode("latin-1"), 2),
        ("both.csv.gz", gzip.compress(b"Order ID,order_id\n1,2\n2,3\n"), 2),
        ("twice.csv", b"id,id,n\n1,2,3\n4,5,6\n", 2),
        ("unnamed.csv", b",a,b\n0,x,1\n1,y,2\n", 2),
        ("reserved.csv", b"index,version,source_index\n1,2,3\n2,2,3\n", 2),
        ("alike.csv", b"a,b,c\nx,y,z\nx,y,z\nx,y,\n,,1\n", 3),
        ("times.csv", b"at\n2026-11-01T00:00:00Z\n2026-11-01 00:00:00\n2026-11-02\n", 3),
        ("one.csv", b'name\n"M\xc3\xbcller, Anna"\n"X, Y"\n', 2),
        ("rowless.csv", b"1,x,2026-11-01\n2,y,2026-11-02\n", 2),
        ("breaks.csv", BREAKS.encode(), 60),
        ("long.csv", b"id,n\n12345678901234567890,1\n12345678901234567891,2\n", 2),
        ("returns.csv", b"Order ID,b\r1,2\r2,3\r", 2),
        ("wide.csv", "\ufeffOrder ID,b\n1,2\n2,3\n".encode("utf-16"), 2),
        ("control.csv", b"a\x07b,c\nx\x01,1\ny,2\n", 2),
        ("nested.jsonl", b'{"Id":1,"a":{"b":"x"},"t":[1]}\n{"Id":2,"a":null,"t":[]}\n', 2),
        ("keys.jsonl", b'{"orderId":1,"a\\"b":3,"*":4,"a/b~c":5}\n{"orderId":2,"*":4}\n', 2),
        ("array.json", b'[{"Order ID":1,"x":true},{"Order ID":2,"x":false}]', 2),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_whole_sample_comes_through(
    cloud: Any, tmp_path: Path, name: str, body: bytes, rows: int
) -> None:
    run, found = by_contract(cloud, tmp_path, name, body)

    counts = run.validate()

    assert (counts.valid, counts.rejected) == (found.rows, 0)
    assert run.transform().rows == rows


def test_parquet_of_many_types_comes_through(cloud: Any, tmp_path: Path) -> None:
    path = tmp_path / "typed.parquet"
    with connect() as maker:
        maker.execute(f"COPY ({TYPED}) TO '{path}' (FORMAT parquet)")
    run, _ = by_contract(cloud, tmp_path, path.name, path.read_bytes())

    assert run.validate().valid == run.transform().rows == 40
    assert run.dataset.column_types == {
        "order_id": "integer",
        "amount": "decimal(18,2)",
        "list": "string",
        "at": "timestamp",
        "struct": "string",
        "bytes": "string",
        "ns": "string",
        "none": "string",
    }
