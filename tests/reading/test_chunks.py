"""A text is split in chunks, side by side: whatever the cuts, it must come to the same."""

from __future__ import annotations

import csv
import io
import itertools
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from data_run import DataRun, dataset
from scratch_duckdb import connect

from contracts.dataset import CsvFormat
from contracts.errors import InvalidData
from reading import chunks
from reading.chunks import CHUNK_BYTES, WHOLE_BYTES, Cutter
from reading.line_numbers import line_numbers
from reading_rules.line_ends import with_equal_line_ends
from tabular import workspace
from validation.row_classes import RowClassifier
from validation.unit_split import SplitResult, split_text

COLUMNS = [
    {"name": "id", "type": "integer", "required": True},
    {"name": "name", "allowed": ["a", "b", 'x "y"', "two\nlines", "p,q"]},
    {"name": "on", "type": "date"},
]
NAMES = ["a", "b", 'x "y"', "two\nlines", "p,q", "c", "bad\n\nline", ""]


def dirty_file(chance: random.Random, records: int, line_end: str = "\n") -> bytes:
    """Rows good and bad, values with line breaks, empty lines, and records that cannot be read."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=line_end)
    writer.writerow(["id", "name", "on"])
    for number in range(records):
        kind = chance.random()
        if kind < 0.05:
            text.write(line_end)
        elif kind < 0.1:
            text.write(chance.choice(["1", "1,a,,,", '1,"a"b,', "x,y"]) + line_end)
        else:
            identifier = chance.choice([str(number), str(number), "", "x", "1.5"])
            when = chance.choice(["", "2026-11-01", "1.11.2026"])
            writer.writerow([identifier, chance.choice(NAMES), when])
    body = text.getvalue()
    return (body.removesuffix(line_end) if chance.random() < 0.5 else body).encode()


def blocks_of(body: bytes, size: int) -> Iterator[bytes]:
    return (body[at : at + size] for at in range(0, len(body), size))


class Result:
    """What came of a text: its counts, rejected rows and valid ones."""

    def __init__(self, rows: SplitResult) -> None:
        counts = (rows.records, rows.valid, rows.malformed, rows.rejected, rows.warned)
        self.counts = counts
        self.rejects = [
            json.loads(line) for path in rows.rejects for line in path.read_bytes().splitlines()
        ]
        files = [str(path) for path in rows.parts]
        with connect() as connection:
            found = connection.execute("SELECT * FROM read_parquet(?)", [files])
            self.valid = found.fetchall()
        self.rules = rows.rules.to_json()
        self.parts = len(files)

    @property
    def lines(self) -> list[int]:
        return [reject["line"] for reject in self.rejects]


def split(
    body: bytes,
    columns: list[dict[str, Any]] = COLUMNS,
    *,
    chunk_bytes: int | None = CHUNK_BYTES,
    block: int = 1024 * 1024,
    processors: int = 2,
    **changes: Any,
) -> Result:
    contract = dataset(columns=columns, **changes)
    with workspace.workspace(512) as space:
        blocks = blocks_of(body, block)
        rules = RowClassifier(contract, None)
        return Result(split_text(space, blocks, rules, "a.csv", processors, chunk_bytes))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_chunks_of_any_size_come_to_the_same_as_the_whole(seed: int) -> None:
    line_end, is_unique = list(itertools.product(["\n", "\r\n"], [True, False]))[seed]
    body = dirty_file(random.Random(seed), 200, line_end)  # noqa: S311
    columns = [*COLUMNS[:1], {**COLUMNS[1], "unique": is_unique}, *COLUMNS[2:]]
    whole = split(body, columns, chunk_bytes=None, processors=1)
    cuts = []
    for chunk_bytes in (1, 500, 3000):
        chunks = split(body, columns, chunk_bytes=chunk_bytes, block=200)
        cuts.append(chunks.parts)
        assert vars(chunks) | {"parts": 0} == vars(whole) | {"parts": 0}
    assert max(cuts) > 1
    lines = body.decode().split("\n")
    for reject in whole.rejects:
        raw = reject["raw"].split("\n")
        assert lines[reject["line"] - 1].removesuffix("\r") == raw[0].removesuffix("\r")
        assert len(raw) < 4


def test_a_cut_is_never_made_within_quotes_that_are_paired(tmp_path: Path) -> None:
    records = [f'{n},"a\n""b""\n{n}",\n' for n in range(200)]
    body = ("id,name,on\n" + "".join(records)).encode()
    cutter = Cutter(tmp_path, CsvFormat(), "chunk", 50)
    chunks = list(cutter.cut(blocks_of(body, 10)))
    texts = [chunk.path.read_bytes() for chunk in chunks]
    assert b"".join(texts) == body
    assert len(chunks) > 50
    assert all(text.count(b'"') % 2 == 0 and text.endswith(b"\n") for text in texts)
    ends = itertools.accumulate(text.count(b"\n") for text in texts)
    assert [chunk.first_line for chunk in chunks[1:]] == [1 + end for end in ends][:-1]


@pytest.mark.slow
def test_where_quotes_are_wrong_the_text_is_read_as_a_whole() -> None:
    """Behind one quote too many, the cuts are within values."""
    records = "".join(f'{n},"a\nb",\n' for n in range(60))
    body = f'id,name,on\n1,5" long,\n{records}'.encode()
    whole = split(body, [{"name": "id"}, {"name": "name"}, {"name": "on"}], chunk_bytes=None)
    for chunk_bytes in (1, 100, 400):
        columns = [{"name": "id"}, {"name": "name"}, {"name": "on"}]
        chunks = split(body, columns, chunk_bytes=chunk_bytes, block=16)
        assert (chunks.counts, chunks.rejects) == (whole.counts, whole.rejects)
        assert chunks.valid == whole.valid


def test_rows_that_lack_most_fields_make_small_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them is in memory: those of a chunk of the usual size may be millions."""
    monkeypatch.setattr(chunks, "SHORT_ROWS", 1_000)
    fields = 300
    full = b"," * (fields - 1) + b"\n"
    body = full + b'"a"\n' * 10_000
    cutter = Cutter(tmp_path, CsvFormat(header=False), "chunk")
    made = list(cutter.cut([body]))
    assert sum(chunk.lines for chunk in made) == 10_001
    assert max(chunk.lines for chunk in made) < 4_000


TWO: list[dict[str, Any]] = [{"name": "a"}, {"name": "b"}]


@pytest.mark.parametrize("chunk_bytes", [None, 1])
@pytest.mark.parametrize(
    ("body", "valid"),
    [
        (b"a,b\r1,x\r2,y\n", [("1", "x"), ("2", "y")]),
        (b"a,b\r1,x\n2,y\n", [("1", "x"), ("2", "y")]),
        (b'"a","b"\n"1","x"\r"2","y"\r\n"3","z"\n', [("1", "x"), ("2", "y"), ("3", "z")]),
        (b"a,b\n1,\r2,z\n", [("1", None), ("2", "z")]),
        (b'a,b\r\n1,"x\ny"\r\n2,z\r\n', [("1", "x\ny"), ("2", "z")]),
        (b'a,b\n1,"x\r\ny"\r\n2,"\r"\n', [("1", "x\r\ny"), ("2", "\r")]),
    ],
    ids=["returns but the last", "returns", "all three", "bare return", "in values", "unchanged"],
)
def test_line_ends_of_all_kinds_end_rows_and_stay_in_values(
    body: bytes, valid: list[Any], chunk_bytes: int | None
) -> None:
    found = split(body, TWO, chunk_bytes=chunk_bytes, block=5)
    assert found.valid == valid
    assert found.counts == (len(valid), len(valid), 0, 0, 0)


def test_a_return_does_not_hide_a_row_that_an_open_quote_swallows() -> None:
    with pytest.raises(InvalidData, match="1 of its 4 lines are lost .* perhaps at line 4"):
        split(b'a,b\n7,\r4,u\n8,"v\n', TWO)


def test_line_ends_are_made_equal_across_blocks() -> None:
    text = b'a\r\nb\r"c\r\n\r"\r\nd\n\r'
    for size in range(1, len(text) + 1):
        evened = b"".join(with_equal_line_ends(blocks_of(text, size), b'"'))
        assert evened == b'a\nb\n"c\r\n\r"\nd\n\n'
    assert b"".join(with_equal_line_ends([text])) == b'a\nb\n"c\n\n"\nd\n\n'


def test_a_text_that_cannot_be_cut_may_not_lack_too_many_fields(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All of its short rows are in memory until the text has been read."""
    monkeypatch.setattr(chunks, "SHORT_AS_A_WHOLE", 5_000)
    columns = [{"name": f"c{number}"} for number in range(100)]
    head = ",".join(column["name"] for column in columns)
    odd = '5" x' + 99 * ",y" + "\n" + '1,"a\nb"' + 98 * "," + "\n"
    body = f"{head}\n{odd * 40}{'1,2' * 10}\n".encode() + b"1,2\n" * 6_000
    with pytest.raises(InvalidData, match="only be read as a whole, but about .* are missing"):
        split(body, columns, chunk_bytes=400, block=100)


@pytest.mark.slow
def test_a_large_text_whose_quotes_are_wrong_is_refused_with_the_place() -> None:
    """Behind one quote too many, cuts are within values; so much cannot be read as a whole."""
    row = b'7,"' + b"a\nb" * 3000 + b'"\n'
    head = b'id,name\n5" long,x\n' + row * 20

    def blocks() -> Iterator[bytes]:
        yield head
        block = row * 80
        for _ in range(WHOLE_BYTES // len(block) + 1):
            yield block

    contract = dataset(columns=[{"name": "id"}, {"name": "name"}])
    refusal = r"a quote is not closed.*too large to be read as a whole \(up to 128 MB\); fix or"
    with workspace.workspace(512) as space, pytest.raises(InvalidData, match=refusal):
        split_text(space, blocks(), RowClassifier(contract, None), "a.csv")


@pytest.mark.slow
def test_a_thousand_columns_may_hold_line_breaks() -> None:
    columns = [{"name": f"c{number}"} for number in range(1000)]
    body = ",".join(column["name"] for column in columns) + '\n"x\ny"' + 999 * ",z" + "\n"
    assert split(body.encode(), columns, processors=1).counts == (1, 1, 0, 0, 0)


@pytest.mark.slow
def test_of_json_lines_a_cut_is_any_line_end() -> None:
    lines = [json.dumps({"id": n, "name": 'quote " and'[: n % 9]}) for n in range(200)]
    body = "\n".join(lines).encode()
    columns = [{"name": "id", "type": "integer"}, {"name": "name"}]
    found = split(body, columns, chunk_bytes=1, block=32, format={"type": "jsonl"})
    assert (found.counts[0], found.counts[1]) == (200, 200)
    assert found.parts > 50


def test_rows_quoted_in_an_unusual_way_keep_their_text() -> None:
    found = split(b'id,name,on\n1,a,\n"x","a",\n')
    assert found.counts == (2, 1, 0, 1, 0)
    assert found.rejects[0]["raw"] == '"x","a",'


def test_a_quote_that_is_never_closed_fails_the_file_for_it_swallows_rows() -> None:
    with pytest.raises(InvalidData, match="2 of its 5 lines are lost .* perhaps at line 4; fix"):
        split(b'id,name,on\n1,a,\nx,b,\n2,"a,\n3,b,\n', COLUMNS)


@pytest.mark.slow
@pytest.mark.parametrize("place", [5, 300_000, 599_995])
@pytest.mark.parametrize("later", ["", 'r500000,"cl",4'])
def test_rows_behind_an_open_quote_are_never_lost_without_a_word(place: int, later: str) -> None:
    """DuckDB goes on far behind a record that is too long and reports nothing in between."""
    lines = [f"r{number},abcdefgh,{number}" for number in range(600_000)]
    lines[place] = f'r{place},"open,{place}'
    if later:
        lines[500_000] = later
    columns = [{"name": "id"}, {"name": "name"}, {"name": "n", "type": "integer"}]
    with pytest.raises(InvalidData, match="lines are (lost|there twice)"):
        split(("id,name,n\n" + "\n".join(lines) + "\n").encode(), columns)


@pytest.mark.slow
def test_what_stands_within_quotes_is_no_row_however_it_looks() -> None:
    """With threads that begin in the middle, lines within values would become rows."""
    within = "\n" + "".join(f"f{number},fake,5\n" for number in range(30))
    records = [f'r{number},"{within}",{number}' for number in range(100_000)]
    records[25_000] = 'rB,"a"b,1'
    columns = [{"name": "id"}, {"name": "name"}, {"name": "n", "type": "integer"}]
    found = split(("id,name,n\n" + "\n".join(records) + "\n").encode(), columns)
    assert found.counts == (100_000, 99_999, 1, 1, 0)


@pytest.mark.slow
def test_a_record_larger_than_any_buffer_is_rejected() -> None:
    body = b"id,name,on\n1,a,\n2," + b"y" * 36_000_000 + b",\n3,b,\n"
    found = split(body)
    assert found.counts == (3, 2, 1, 1, 0)
    (reject,) = found.rejects
    assert reject["line"] == 3
    assert reject["reason"].startswith("longer than 2,000,000 bytes, the most that a record may")
    assert len(reject["raw"]) == 36_000_003


def test_empty_lines_at_the_end_are_no_rows() -> None:
    assert split(b"id,name,on\n1,a,\n2,b,\n\n\n").counts == (2, 2, 0, 0, 0)


def test_an_empty_last_line_of_a_single_column_is_a_row() -> None:
    assert split(b"id\n1\n\n", [{"name": "id", "required": True}]).counts == (2, 1, 0, 1, 0)


@pytest.mark.slow
def test_the_same_bad_row_may_come_often() -> None:
    found = split(b"id,name,on\n" + b"x,a,\n1,a,\n" * 30_000, chunk_bytes=50_000, block=9_000)
    assert found.counts == (60_000, 30_000, 0, 30_000, 0)
    assert found.lines == list(range(2, 60_002, 2))


def test_lines_between_rows_are_reported_apart_from_lines_within_them(tmp_path: Path) -> None:
    """Header, row, empty line, row of lines 4-6 (5 empty), unreadable 7 and 8, empty line, row."""
    file = tmp_path / "a.csv"
    file.write_text('h\nr\n\n"a\n\nb"\n"u\n\n\nr\n')
    lines = line_numbers(1, [(2, 2)], [(7, 2)], file)
    assert [lines.line_of(number) for number in (1, 2, 3)] == [2, 4, 10]
    assert lines.extra + 3 == 10


def test_the_quote_of_a_dialect_decides_what_a_record_is(cloud: Any) -> None:
    contract = dataset(columns=COLUMNS, format=CsvFormat(quote="'").to_json())
    run = DataRun(cloud, contract).lay_out("id,name,on\n1,'a',\n2,'two\nlines',\nx,\"a,\n")
    assert run.validate().valid == 2
    assert [(reject["line"], reject["rule"]) for reject in run.rejects()] == [(5, "type")]
