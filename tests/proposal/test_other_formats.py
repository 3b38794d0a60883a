"""Samples of formats that are not read: each is called by its name."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
import zipfile
from pathlib import Path

import pytest
from scratch_duckdb import connect

from cli.exit_codes import REFUSED, CommandFailed
from cli.proposal.contract import Origin
from cli.proposal.propose import propose
from cli.proposal.sample import look_at
from dataset_loading.check import check_dataset
from sources import zstd

ROWS = b"id,n\n1,2\n2,3\n"


def archive(*members: str) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as opened:
        for member in members:
            opened.writestr(member, ROWS)
    return body.getvalue()


def tar() -> bytes:
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w") as opened:
        member = tarfile.TarInfo("a.csv")
        member.size = len(ROWS)
        opened.addfile(member, io.BytesIO(ROWS))
    return body.getvalue()


@pytest.mark.parametrize(
    ("body", "called"),
    [
        (archive("[Content_Types].xml", "xl/workbook.xml"), "an Excel workbook"),
        (archive("word/document.xml"), "a Word document"),
        (archive("mimetype", "content.xml"), "an OpenDocument file"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "an old Excel workbook"),
        (lzma.compress(ROWS), "compressed by xz"),
        (gzip.compress(tar()), "a tar archive"),
        (gzip.compress(gzip.compress(ROWS)), "compressed twice"),
        (b"Obj\x01\x04\x14avro.codec", "an Avro file"),
        (b"ORC\n", "an ORC file"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"SQLite format 3\0" + bytes(100), "an SQLite database"),
        (b"\n<!DOCTYPE html><html><body>Please log in</body></html>", "an HTML page"),
        (b'<?xml version="1.0"?><rows><row/></rows>', "XML"),
        (b"<rows>\n<row/></rows>", "XML"),
        (bytes(range(256)) * 4, "binary data, not text"),
        (b"\0\1\2\3" * 100, "binary data, not text"),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)
def test_it_is_called_by_its_name_with_advice(tmp_path: Path, body: bytes, called: str) -> None:
    file = tmp_path / "sample.csv"
    file.write_bytes(body)

    with pytest.raises(CommandFailed) as refused:
        look_at(file, tmp_path)

    assert f"sample.csv is {called}" in str(refused.value)
    assert refused.value.exit_code == REFUSED
    assert refused.value.hint


@pytest.mark.parametrize("text", ["<1,2\n>3,4\n", "a<b,c\n1,2\n", "id,n\n1,\x02\n2,3\n"])
def test_a_table_with_odd_signs_is_one(tmp_path: Path, text: str) -> None:
    file = tmp_path / "odd.csv"
    file.write_text(text)

    assert look_at(file, tmp_path).kind == "csv"


def test_json_is_read_as_utf8_only(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes('{"a": "é"}\n'.encode("utf-16"))

    with pytest.raises(CommandFailed, match="JSON in UTF-16, which is not read"):
        look_at(file, tmp_path)


def test_zstd_may_begin_with_a_frame_that_is_skipped(tmp_path: Path) -> None:
    file = tmp_path / "sample.csv.zst"
    file.write_bytes(b"\x5f\x2a\x4d\x18\x02\x00\x00\x00ab" + zstd.compress(ROWS))
    assert look_at(file, tmp_path).path.read_bytes() == ROWS


@pytest.mark.parametrize(
    ("made", "why"),
    [
        ("'\\xFF'::BLOB", "bytes that are no text (UTF-8)"),
        ("['\\xFF'::BLOB]", "nested in it is bytes that are no text (UTF-8)"),
        ("CASE WHEN n > 1 THEN 'a'::BLOB ELSE '\\x00'::BLOB END", "bytes that are no text (UTF-8)"),
        (
            "['NaN'::DOUBLE]",
            "nested in it is a number that is not finite, which JSON does not know",
        ),
    ],
)
def test_a_column_of_parquet_that_is_no_text_is_left_out(
    tmp_path: Path, made: str, why: str
) -> None:
    file = tmp_path / "a.parquet"
    with connect() as maker:
        maker.execute(
            f"COPY (SELECT n AS id, {made} AS x FROM range(3) AS rows(n)) TO '{file}'"
            " (FORMAT parquet)"
        )
    text = propose("sales", Origin("a.parquet"), file, tmp_path, files=False)
    assert f'# "x" is left out: {why}' in text
    checked = check_dataset(text, "sales").dataset
    assert list(checked.column_types) == ["id"]
    assert checked.limits.rejected_percentage == 10
