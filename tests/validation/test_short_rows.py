"""Rows that lack columns are reported in the same words and places by whatever reads them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from data_run import dataset
from scratch_duckdb import connect

from contracts.errors import InvalidData
from reading import chunks, malformed, short_rows
from reading.chunks import Cutter
from tabular import workspace
from tabular.workspace import Workspace
from validation.row_classes import RowClassifier
from validation.unit_split import split_text

COLUMNS: list[dict[str, Any]] = [{"name": "a"}, {"name": "n", "type": "integer"}, {"name": "c"}]
CONTRACT = dataset(columns=COLUMNS, targets={"files": {"prefix": "out/"}})
FIELDS = ["", "1", "x", "é", " ", "\x00", "-", "''"]
QUOTED = ['"q"', '"a,b"', '"l\nm"', '5"', '"open']


@pytest.fixture
def space() -> Iterator[Workspace]:
    with workspace.workspace(512) as opened:
        yield opened


def found(space: Workspace, body: bytes, chunk_bytes: int | None = None) -> Any:
    for path in space.directory.glob("*-*"):
        path.unlink()
    blocks = [body[at : at + 7] for at in range(0, len(body), 7)]
    classifier = RowClassifier(CONTRACT, None)
    try:
        rows = split_text(space, blocks, classifier, "a.csv", chunk_bytes=chunk_bytes)
    except InvalidData as error:
        return str(error)
    with connect() as connection:
        valid = [connection.execute(f"FROM '{path}'").fetchall() for path in rows.parts]
    counts = (rows.records, rows.valid, rows.rejected, rows.malformed)
    rejects = "".join(path.read_text(encoding="utf-8") for path in rows.rejects)
    return counts, sum(valid, []), rejects, rows.rules.to_json()


def text(chance: random.Random, fields: list[str], end: str) -> bytes:
    rows = [
        ",".join(chance.choice(fields) for _ in range(chance.choice([1, 1, 2, 2, 3, 3, 4])))
        for _ in range(chance.randrange(1, 12))
    ]
    return end.join(["a,n,c", *rows, *chance.choice([[], [""], ["", ""]])]).encode()


@pytest.mark.parametrize("seed", range(12))
def test_it_is_what_the_parser_says_of_them(
    space: Workspace, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 -- no secret
    fields = FIELDS + (QUOTED[: seed % 6] if seed % 2 else [])
    body = text(chance, fields, "\r\n" if seed % 3 == 0 else "\n")
    if seed % 4 == 2:
        body += b"\n\xff\n1,\xff\xc3\nz,1\n"
    expected = found(space, body)
    monkeypatch.setattr(short_rows, "WORTHWHILE", 0)
    assert found(space, body) == expected
    assert found(space, body, chunk_bytes=30) == expected


def test_no_reject_is_stored_of_many_short_rows(
    space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What DuckDB would hold of each missing field is what took time and memory."""
    stored: list[Any] = []
    original = malformed.collect

    def collect(*arguments: Any) -> Any:
        stored.extend(found := original(*arguments))
        return found

    monkeypatch.setattr(malformed, "collect", collect)
    few = b"x,1,2,y\n" + b"x\n" * 300 + b'"x,y"\n' * 400 + b'5",1,y\n' + b'"l\nm",2\n' * 700
    body = b"a,n,c\nx,1,y\n" + few + b'"open"x,1,1\nx,1,y\n'
    counts, valid, rejects, _ = found(space, body)
    assert counts == (1405, 3, 1402, 1402)
    assert valid == [("x", 1, "y"), ('5"', 1, "y"), ("x", 1, "y")]
    assert rejects.count("1 columns instead of 3") == 700
    assert rejects.count("2 columns instead of 3") == 700
    assert [record.line for record in stored] == [3, 2105]


def test_many_short_rows_make_small_chunks(
    space: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = b"a,n,c\n" + b"x\n" * 700 + b"x,1,y\n" + b"x\n" * 700
    whole = found(space, body)
    monkeypatch.setattr(chunks, "SHORT_ROWS", 100)
    assert len(list(Cutter(tmp_path, CONTRACT.format, "small").cut([body]))) > 1
    assert found(space, body, chunk_bytes=10_000) == whole


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
@pytest.mark.parametrize(
    "last", ['x,"open', '"open', 'x,"a\nb', '"a\nb","c', 'x,1,"z', 'x,"ok"', "x"]
)
def test_an_open_quote_at_the_end_is_no_short_row(
    space: Workspace, monkeypatch: pytest.MonkeyPatch, last: str, end: str
) -> None:
    body = ("a,n,c\nx,1,y\nz\n" + last).replace("\n", end or "\n").encode() + end.encode()
    expected = found(space, body)
    monkeypatch.setattr(short_rows, "WORTHWHILE", 0)
    assert found(space, body) == expected
    assert isinstance(expected, str) == (last not in ('x,"ok"', "x"))
