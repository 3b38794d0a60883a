"""An object that is not what it is read as is refused with what it is, and what to do."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from typing import Any

import pytest
from data_run import DataRun, dataset

from contracts.errors import InvalidData
from sources import zstd

TEXT = b"id,note\n1,a\n2,b\n"
COLUMNS = [{"name": "id", "required": True}, {"name": "note"}]
TARGETS = {"dynamodb": {"key": ["id"]}}


def zipped(name: str = "a.csv") -> bytes:
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), TEXT)
    return found.getvalue()


def run_of(cloud: Any, body: bytes, name: str, **form: Any) -> DataRun:
    contract = dataset(format=form, columns=COLUMNS, targets=TARGETS)
    return DataRun(cloud, contract).lay_out(body, name)


@pytest.mark.parametrize(
    ("form", "name", "body", "message"),
    [
        ({}, "a.csv", gzip.compress(TEXT), "is gzip, not text: set format.compression: gzip"),
        ({}, "a.csv", zstd.compress(TEXT), "is zstd, not text: set format.compression: zstd"),
        (
            {},
            "a.csv",
            b"\x50\x2a\x4d\x18\x01\x00\x00\x00x" + zstd.compress(TEXT),
            "is zstd, not text: set format.compression: zstd",
        ),
        ({"type": "jsonl"}, "a.bz2", bz2.compress(TEXT), "is bzip2, not text: "),
        ({"encoding": "latin-1"}, "a.csv", bz2.compress(TEXT), "is bzip2, not text: "),
        ({}, "a.xz", lzma.compress(TEXT), "is xz, not text: unpack it, or compress"),
        ({}, "a.zip", zipped(), "is a zip archive, not text: "),
        ({}, "a.csv", zipped("xl/a.xml"), "is an Excel workbook (.xlsx), not text: save it as CSV"),
        (
            {},
            "a.csv.gz",
            TEXT,
            "is not gzip, but text (it begins with 'id,note'): set format.compression: none",
        ),
        ({}, "a.csv.gz", zstd.compress(TEXT), "is zstd, not gzip: set format.compression: zstd"),
        (
            {"type": "json"},
            "a.json.zst",
            b"[]",
            "is not zstd, but text (it begins with '[]'): set format.compression: none",
        ),
        (
            {},
            "a.csv.gz",
            gzip.compress(gzip.compress(TEXT)),
            "is gzip once decompressed: compress it only once",
        ),
        (
            {},
            "a.csv",
            TEXT.decode().encode("utf-16"),
            "is UTF-16, not UTF-8 (it has its byte order mark): set format.encoding: utf-16",
        ),
        (
            {},
            "a.csv.gz",
            gzip.compress(TEXT.decode().encode("utf-16-be")),
            "is UTF-16, not UTF-8 (every other byte is 0): set format.encoding: utf-16",
        ),
        (
            {"encoding": "latin-1", "header": False},
            "a.csv",
            TEXT.decode().encode("utf-16-le"),
            "is UTF-16, not LATIN-1 (every other byte is 0): set format.encoding: utf-16",
        ),
        (
            {"type": "jsonl"},
            "a.jsonl",
            '{"id": "1"}'.encode("utf-16"),
            "is UTF-16, not UTF-8 (it has its byte order mark): write it as UTF-8",
        ),
        ({}, "a.csv", TEXT.decode().encode("utf-32"), "is UTF-32, which is not read: write it as"),
        ({}, "a.csv", b"PAR1\x15\x04", "is Parquet, not text: set format.type: parquet"),
        ({}, "a.csv", b"\n<!DOCTYPE html><html>", "is an HTML page, not data; was a login or an"),
        ({"type": "parquet"}, "a", b"", "is empty, and so no Parquet file: leave it out"),
        (
            {"type": "parquet"},
            "a",
            TEXT,
            "is text (it begins with 'id,note'), not Parquet: set format.type: csv, jsonl or json",
        ),
        ({"type": "parquet"}, "a", gzip.compress(TEXT), "is gzip, not Parquet, which compresses"),
        ({"type": "parquet"}, "a", b"PARE", "is an encrypted Parquet file, which is not read"),
        ({"type": "parquet"}, "a", b"\x00\x01", "is no Parquet file: it does not begin with PAR1"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_message_says_what_the_object_is_and_which_field_to_set(
    cloud: Any, form: dict[str, Any], name: str, body: bytes, message: str
) -> None:
    with pytest.raises(InvalidData) as refusal:
        run_of(cloud, body, name, **form).validate()
    assert str(refusal.value).startswith(f"s3://data-bucket/landing/sales/{name} {message}")


@pytest.mark.parametrize(
    ("form", "body"),
    [
        ({}, b"PAR1,id,note\nx,1,a\n"),
        ({}, b"BZh,id,note\n,1,a\n"),
        ({}, b"id,note\n1,a\x00\x00\x00\n"),
        ({"delimiter": "\x01"}, b"id\x01note\n1\x01a\n"),
        ({"encoding": "latin-1"}, b"\xff\xb5,id,note\nx,1,a\n"),
        ({"encoding": "utf-16"}, TEXT.decode().encode("utf-16")),
        ({}, b""),
        ({}, b"\xef\xbb\xbf" * 2 + TEXT),
        ({}, b"\xef\xbb\xbf" * 3 + b'"id","note"\n1,a\n'),
        ({"encoding": "utf-16"}, ("\ufeff" + TEXT.decode()).encode("utf-16")),
        ({"header": False}, b"\xef\xbb\xbf" * 2 + b'"1","a"\n'),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_text_that_only_looks_a_little_like_it_is_read(
    cloud: Any, form: dict[str, Any], body: bytes
) -> None:
    run = run_of(cloud, body, "a.csv", **form)
    assert run.validate().rejected == 0
    assert {row[0] for row in run.valid_rows()} <= {"1", "2"}


def test_what_cannot_be_seen_in_a_header_is_shown(cloud: Any) -> None:
    run = run_of(cloud, "\u200bid,no\u00a0te,\U000e0001\n1,a,\n".encode(), "a.csv")
    with pytest.raises(InvalidData) as refusal:
        run.validate()
    assert str(refusal.value).endswith(
        r"the header lacks id, note; it has \u200bid, no\u00a0te, \U000e0001"
    )


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("part-1.csv.crc", "*.crc"),
        ("x_SUCCESS", None),
        ("_SUCCESS", "*_SUCCESS"),
        ("a.csv", None),
        ("day/a.csv.md5", "*.md5"),
    ],
)
def test_the_advice_for_what_is_no_data_is_to_leave_it_out(
    cloud: Any, name: str, pattern: str | None
) -> None:
    with pytest.raises(InvalidData) as refusal:
        run_of(cloud, b"crc\x00\x00\x01\x02\n", name).validate()
    advice = f'source.exclude: ["{pattern}"]'
    assert str(refusal.value).endswith(advice) == (pattern is not None)


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        ("date", "05.01.2026", "'05.01.2026' is not a date (YYYY-MM-DD)"),
        ("boolean", "maybe", "'maybe' is not a boolean (true or false, yes or no, 1 or 0)"),
        ("date", "2026-01-05\u200b", r"'2026-01-05\u200b' is not a date (YYYY-MM-DD)"),
    ],
)
def test_a_reason_names_the_form_that_is_due(
    cloud: Any, kind: str, value: str, reason: str
) -> None:
    contract = dataset(columns=[COLUMNS[0], {"name": "x", "type": kind}], targets=TARGETS)
    run = DataRun(cloud, contract).lay_out(f"id,x\n1,{value}\n")
    run.validate()
    assert run.rejects()[0]["reason"] == reason


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd", "bzip2", "zip"])
def test_an_object_of_no_bytes_has_no_rows(cloud: Any, compression: str) -> None:
    run = run_of(cloud, b"", "a.csv", compression=compression)
    assert run.validate().rows_in == 0


@pytest.mark.parametrize(
    ("said", "wrote"),
    [
        ("utf-16", "utf-16-le"),
        ("utf-16", "utf-16-be"),
        ("utf-16", "utf-8"),
        ("utf-16-le", "utf-16-be"),
        ("utf-16-be", "utf-16-le"),
        ("utf-16-le", "utf-8"),
        ("utf-16-be", "utf-8"),
    ],
)
def test_another_encoding_than_utf_16_is_named(cloud: Any, said: str, wrote: str) -> None:
    with pytest.raises(InvalidData, match=f"a.csv .*: set format.encoding: {wrote}$"):
        run_of(cloud, TEXT.decode().encode(wrote), "a.csv", encoding=said).validate()


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_of_other_letters_is_read(cloud: Any, encoding: str) -> None:
    body = "id,note\n日本,価格\n".encode(encoding)
    assert run_of(cloud, body, "a.csv", encoding=encoding).validate().valid == 1
