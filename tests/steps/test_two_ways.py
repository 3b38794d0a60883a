"""validate finds rejected rows in one scan or in two: both must come to the same, line by line."""

from __future__ import annotations

import csv
import io
import random
from pathlib import Path
from typing import Any

import pytest
from data_run import DataRun, dataset

from contracts.dataset import CsvFormat
from contracts.errors import InvalidData
from steps import duck, fetching, set_aside, unit_rows
from steps.line_numbers import with_blanks
from steps.splitting import split_of

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


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("seed", range(6))
def test_one_scan_tells_what_two_tell(cloud: Any, seed: int, line_end: str) -> None:
    """A query that is always true is a reason for the second scan, and changes nothing else."""
    body = dirty_file(random.Random(seed), 300, line_end)  # noqa: S311
    one, two = (
        DataRun(cloud, dataset(columns=COLUMNS), run_id=name, query=query)
        for name, query in (("one", None), ("two", "true"))
    )
    answers = [run.lay_out(body).validate() for run in (one, two)]
    assert one.rejects() == two.rejects()
    assert one.valid_rows() == two.valid_rows()
    counts = [(a.rows_in, a.valid, a.rejected, a.filtered) for a in answers]
    assert counts[0] == counts[1]
    lines = body.decode().split("\n")
    for reject in one.rejects():
        first = reject["raw"].split("\n")[0]
        assert lines[reject["line"] - 1].removesuffix("\r") == first


def shortcut(body: bytes, columns: list[dict[str, Any]]) -> tuple[unit_rows.UnitRows, list[int]]:
    contract = dataset(columns=columns)
    with duck.workspace(512) as space:
        path = space.path("a.txt")
        path.write_bytes(body)
        split = split_of(contract, None)
        rows = unit_rows.split_rows(space, fetching.Fetched(path), split, "a.csv")
        found = [] if rows.aside is None else [note.line for note in rows.aside.notes()]
        return rows, found


def test_rejected_rows_cost_no_second_scan() -> None:
    rows, lines = shortcut(b"id,name,on\n1,a,\nx,a,\n2,b,\ny,b,\n", COLUMNS)
    assert rows.aside is not None
    assert (rows.valid, rows.rejected, rows.records, lines) == (2, 2, 4, [3, 5])


def test_rows_quoted_in_an_unusual_way_are_found_by_the_second_scan() -> None:
    rows, _ = shortcut(b'id,name,on\n1,a,\n"x","a",\n', COLUMNS)
    assert rows.aside is None
    assert (rows.valid, rows.rejected, rows.records) == (1, 1, 2)


def test_a_quote_that_is_never_closed_fails_the_file_for_it_swallows_rows() -> None:
    with pytest.raises(InvalidData, match="2 of its 4 lines are lost .* perhaps at line 4; mend"):
        shortcut(b'id,name,on\n1,a,\nx,b,\n2,"a,\n3,b,\n', COLUMNS)


@pytest.mark.slow
@pytest.mark.parametrize("place", [5, 300_000, 599_995])
@pytest.mark.parametrize("later", ["", 'r500000,"cl",4'])
def test_rows_behind_an_open_quote_are_never_lost_without_a_word(place: int, later: str) -> None:
    """DuckDB goes on far behind a record that is too long, and tells nothing of what is between."""
    lines = [f"r{number},abcdefgh,{number}" for number in range(600_000)]
    lines[place] = f'r{place},"open,{place}'
    if later:
        lines[500_000] = later
    columns = [{"name": "id"}, {"name": "name"}, {"name": "n", "type": "integer"}]
    with pytest.raises(InvalidData, match="lines are (lost|there twice)"):
        shortcut(("id,name,n\n" + "\n".join(lines) + "\n").encode(), columns)


@pytest.mark.slow
def test_what_stands_within_quotes_is_no_row_however_it_looks() -> None:
    """With threads that begin in the middle, lines within values would become rows."""
    within = "\n" + "".join(f"f{number},fake,5\n" for number in range(30))
    records = [f'r{number},"{within}",{number}' for number in range(100_000)]
    records[25_000] = 'rB,"a"b,1'
    columns = [{"name": "id"}, {"name": "name"}, {"name": "n", "type": "integer"}]
    rows, _ = shortcut(("id,name,n\n" + "\n".join(records) + "\n").encode(), columns)
    assert (rows.valid, rows.malformed, rows.records) == (99_999, 1, 100_000)


def test_a_record_larger_than_any_buffer_is_not_passed_over() -> None:
    body = b"id,name,on\n1,a,\n2," + b"y" * 36_000_000 + b",\n3,b,\n"
    with pytest.raises(InvalidData, match="1 of its 3 lines are lost"):
        shortcut(body, COLUMNS)


def test_a_clean_file_has_nothing_to_look_for() -> None:
    rows, _ = shortcut(b"id,name,on\n1,a,\n2,b,\n\n\n", COLUMNS)
    assert rows.others is None
    assert rows.records == rows.valid == 2


def test_an_empty_last_line_of_a_single_column_is_a_row() -> None:
    rows, _ = shortcut(b"id\n1\n\n", [{"name": "id", "required": True}])
    assert (rows.valid, rows.rejected, rows.records) == (1, 1, 2)


def test_the_same_bad_row_may_come_often() -> None:
    body = b"id,name,on\n" + b"x,a,\n1,a,\n" * 30_000
    rows, lines = shortcut(body, COLUMNS)
    assert (rows.valid, rows.rejected) == (30_000, 30_000)
    assert lines == list(range(2, 60_002, 2))


def test_very_many_bad_rows_are_not_held_in_memory() -> None:
    long = "z" * 1000
    records = set_aside.CHARACTERS_AT_MOST // 1000 + 1000
    body = b"id,name,on\n" + f"1,{long},\n".encode() * records
    rows, _ = shortcut(body, COLUMNS)
    assert rows.aside is None
    assert (rows.valid, rows.rejected) == (0, records)


def test_lines_between_rows_are_told_apart_from_lines_within_them(tmp_path: Path) -> None:
    """Header, row, empty line, a row of lines 4 to 6 (5 empty), 7 and 8 unread, empty line, row."""
    file = tmp_path / "a.csv"
    file.write_text('h\nr\n\n"a\n\nb"\n"u\n\n\nr\n')
    lines = with_blanks([(7, 2)], [(3, 2)], file)
    assert [lines.line_of(dense) for dense in (2, 3, 6)] == [2, 4, 10]


def test_the_quote_of_a_dialect_decides_what_a_record_is(cloud: Any) -> None:
    contract = dataset(columns=COLUMNS, format=CsvFormat(quote="'").to_json())
    run = DataRun(cloud, contract).lay_out("id,name,on\n1,'a',\n2,'two\nlines',\nx,\"a,\n")
    assert run.validate().valid == 2
    assert [(reject["line"], reject["rule"]) for reject in run.rejects()] == [(5, "type")]
