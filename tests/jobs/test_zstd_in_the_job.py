"""The Glue job reads zstd by DuckDB, and loses nothing of it without a word."""

from __future__ import annotations

from typing import Any

import pytest
from test_clean_csv import arguments, dataset, job, output, put

from sources.zstd import compress

__all__ = ["job"]
COLUMNS = [{"name": "id"}, {"name": "note"}]
CSV = b"id,note\n1,a\n2,b\n"
SKIPPABLE = b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd"


def run(job: Any, s3: Any, body: bytes, kind: str = "csv", **form: Any) -> Any:
    """Why the job failed, or what it wrote."""
    described = dataset(format={"type": kind, **form}, columns=COLUMNS)
    put(s3, body, f"in/a.{kind}.zst", described)
    failure = job.main(arguments(f"in/a.{kind}.zst"))
    return failure or output(s3)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (compress(CSV)[:-3], "cannot be decompressed: the zstd stream is cut off"),
        (compress(CSV)[:5], "cannot be decompressed: the zstd stream is cut off"),
        (SKIPPABLE[:-1], "cannot be decompressed: the zstd stream is cut off"),
        (compress(CSV) + b"rest", "there is something that is not zstd"),
        (compress(b'id,note\n1,a\n2,"b\n3,c\n4,d\n'), "3 of its 4 lines are lost"),
        (compress(b"id,note\r\n1,a\n2,b\r3,c\r\n"), "compress it with gzip"),
        (compress(b"\xef\xbb\xbf" * 2 + CSV), "two byte order marks"),
        (compress(b"id,n\xfcte\n1,a\n"), "has a header that is not UTF-8"),
        (compress(compress(CSV)), "has a header that is not UTF-8"),
        (compress("number,a note\n".encode("utf-16-le")), "is UTF-16, not UTF-8"),
        (compress(b"<!doctype html>\n<html></html>\n"), "is an HTML page"),
    ],
    ids=[
        "cut",
        "head",
        "skipped",
        "rest",
        "quote",
        "ends",
        "marks",
        "header",
        "twice",
        "utf-16",
        "html",
    ],
)
def test_what_it_cannot_read_whole_fails(job: Any, s3: Any, body: bytes, reason: str) -> None:
    failure = run(job, s3, body)
    assert isinstance(failure, str)
    assert "a.csv.zst" in failure
    assert reason in failure


@pytest.mark.parametrize(
    "body",
    [
        compress(CSV),
        compress(CSV[:10]) + SKIPPABLE + compress(CSV[10:]),
        SKIPPABLE + compress(CSV) + compress(b""),
        compress(CSV.replace(b"\n", b"\r\n")),
        compress(b"id,note\n\n1,a\n\n\n2,b\n\n"),
    ],
    ids=["plain", "frames", "skippable", "returns", "empty lines"],
)
def test_what_is_whole_is_read(job: Any, s3: Any, body: bytes) -> None:
    assert run(job, s3, body).rows == [["id", "note"], ["1", "a"], ["2", "b"]]


@pytest.mark.parametrize(
    "value", ["x\ny", "x\n\ny", "x\ry", "x\r\ny", "\n"], ids=["lf", "two", "cr", "crlf", "only"]
)
def test_line_ends_within_values_lose_no_line(job: Any, s3: Any, value: str) -> None:
    found = run(job, s3, compress(f'id,note\n1,"{value}"\n2,\n3\n\xff,\n'.encode("latin-1")))
    assert found.rows == [["id", "note"], ["1", value], ["2", ""]]
    assert found.report["rowsBad"] == 2


def test_an_array_is_read_as_validate_reads_it(job: Any, s3: Any) -> None:
    body = b'[{"id": "1", "note": 2.10},\n\n5, {"id": "3"}]\n'
    found = run(job, s3, compress(body), "json")
    assert found.rows == [["id", "note"], ["1", "2.10"], ["3", ""]]
    assert [(line["line"], line["raw"]) for line in found.rejects] == [(2, "5")]


@pytest.mark.parametrize("is_packed", [False, True], ids=["plain", "zstd"])
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'[{"id": "1"}, {"id": "2"},', "item 2: is cut off"),
        (b'[{"id": "1"}, {"id": NaN}]', "item 1: is not JSON: NaN is no number"),
        (b'{"Records": [{"id": "1"}]}', "needs format.records"),
        (b'[{"id": "1"}] [{"id": "2"}]', "has something behind the array's end"),
        (b"id\n1\n", "is not a JSON array: it begins with 'i'"),
    ],
    ids=["cut", "nan", "envelope", "two", "csv"],
)
def test_what_is_no_array_fails_as_in_validate(
    job: Any, s3: Any, body: bytes, reason: str, is_packed: bool
) -> None:
    described = dataset(format={"type": "json"}, columns=COLUMNS)
    key = f"in/a.json{'.zst' * is_packed}"
    put(s3, compress(body) if is_packed else body, key, described)
    failure = job.main(arguments(key))
    assert failure.startswith("clean_csv: InvalidData: ")
    assert reason in failure


def test_bytes_that_are_no_text_reject_their_item_of_an_array(job: Any, s3: Any) -> None:
    described = dataset(format={"type": "json"}, columns=COLUMNS)
    put(s3, b'[{"id": "1"}, {"id": "\xff"}, {"id": "3"}]', "in/a.json", described)
    assert job.main(arguments("in/a.json")) is None
    assert [row[0] for row in output(s3).rows] == ["id", "1", "3"]
    assert [line["reason"] for line in output(s3).rejects] == ["not UTF-8"]
