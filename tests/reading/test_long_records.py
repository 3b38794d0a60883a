"""Records that memory does not hold meet the limit of records, with a message that says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from scratch_duckdb import connect

from contracts.dataset import Dataset
from contracts.errors import InvalidData
from tabular import workspace
from validation.row_classes import RowClassifier
from validation.unit_split import SplitResult, split_parquet, split_text

BLOCK = b"x" * 1024 * 1024


def classifier(**form: str) -> RowClassifier:
    columns = [{"name": "id"}, {"name": "note"}]
    targets = {"files": {"prefix": "results/"}}
    contract = {"name": "d", "source": {"prefix": "a/"}, "columns": columns, "targets": targets}
    return RowClassifier(Dataset.from_json({**contract, "format": form}), None)


def split(form: str, begin: bytes, blocks: int, end: bytes) -> SplitResult:
    def text() -> Iterator[bytes]:
        yield begin
        for _ in range(blocks):
            yield BLOCK
        yield end

    with workspace.workspace(1024) as space:
        return split_text(space, text(), classifier(type=form), "s3://b/k")


@pytest.mark.parametrize(
    ("form", "begin", "line"),
    [
        ("csv", b"id,note\n1,a\n2,", 3),
        ("csv", b"", 1),
        ("jsonl", b'{"id":"1"}\n{"id":"2","note":"', 2),
        ("jsonl", b"\n\n", 3),
    ],
)
def test_a_record_of_a_gigabyte_is_refused_by_its_line_before_it_is_read(
    form: str, begin: bytes, line: int
) -> None:
    with pytest.raises(InvalidData) as refusal:
        split(form, begin, 1024, b"\n")
    assert str(refusal.value).startswith(f"s3://b/k, line {line}: longer than 2,000,000 bytes")


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_record_of_some_megabytes_is_rejected_by_itself(form: str) -> None:
    begin = b"id,note\n1," if form == "csv" else b'{"id":"1","note":"'
    end = b"\n2,b\n" if form == "csv" else b'"}\n{"id":"2"}\n'
    found = split(form, begin, 3, end)
    assert (found.valid, found.malformed) == (1, 1)


@pytest.mark.slow
def test_a_text_with_carriage_returns_only_has_records_too() -> None:
    lines = b"id,note\r" + b"".join(b"%d,%s\r" % (n, b"y" * 1_000_000) for n in range(70))
    with workspace.workspace(1024) as space:
        found = split_text(space, iter([lines]), classifier(type="csv"), "s3://b/k")
    assert (found.valid, found.rejected) == (70, 0)


def of_parquet(query: str, megabytes: int) -> SplitResult:
    with workspace.workspace(megabytes) as space:
        path = space.path("a.parquet")
        with connect() as maker:
            maker.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)")
        return split_parquet(space, [Path(path)], classifier(type="parquet"), "s3://b/k")


@pytest.mark.slow
def test_cells_of_a_megabyte_are_reported_with_the_limit_and_not_with_memory() -> None:
    cells = "SELECT i || '' AS id, repeat('x', 1000000) || i AS note FROM range(300) t(i)"
    with pytest.raises(InvalidData) as refusal:
        of_parquet(cells, 256)
    message = str(refusal.value)
    assert message.startswith("s3://b/k, rows 1 to 300: records of these take more memory than")
    assert "A record may have 2,000,000 bytes" in message
    assert "Out of Memory" not in message


@pytest.mark.slow
def test_a_cell_of_many_megabytes_is_reported_with_its_row() -> None:
    cells = (
        "SELECT CAST(i AS VARCHAR) AS id, CASE WHEN i = 20 THEN repeat('x', 120000000)"
        " ELSE 'a' END AS note FROM range(30) t(i)"
    )
    with pytest.raises(InvalidData, match=r"s3://b/k, row 21: longer than 2,000,000 bytes"):
        of_parquet(cells, 256)
