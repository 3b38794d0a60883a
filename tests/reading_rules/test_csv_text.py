"""CSV with lines around the table, comments, backslashes: as plain CSV, each line in its place."""

from __future__ import annotations

import csv
import io
import random
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from reading_rules.csv import escapes as csv_escapes
from reading_rules.csv.rules import CsvRules, plain_nulls
from reading_rules.csv.text import plain_csv
from reading_rules.source_lines import SourceLines
from reading_rules.text_error import TextError


def plain(text: str, size: int = 5, **form: Any) -> tuple[str, list[int]]:
    """The plain text, and the line of the object at which each of its lines stands."""
    rules = CsvRules.of(form)
    assert rules is not None
    data, lines = text.encode(), SourceLines()
    blocks = [data[at : at + size] for at in range(0, len(data), size)]
    found = b"".join(plain_csv(blocks, rules, lines)).decode()
    return found, [lines.line_of(n) for n in range(1, len(found.splitlines()) + 1)]


def test_a_format_without_these_fields_changes_nothing() -> None:
    assert CsvRules.of({"type": "csv", "delimiter": ";", "nulls": ["NA"]}) is None


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_are_those_of_the_object_wherever_its_blocks_are_cut(size: int, end: str) -> None:
    text = '# a "\nx "\n\nid,note\n1,"b"\n#c\n#d\n2,e\n# f\n3,g\nTotal "\n#'.replace("\n", end)
    found, lines = plain(text, size, skipLines=3, comment="#", footerLines=2)
    assert found.split(end) == ["id,note", '1,"b"', "2,e", "3,g", ""]
    assert lines == [4, 5, 8, 10]


def test_what_begins_like_a_comment_within_a_value_is_none() -> None:
    text = 'id,note\n1,"a\n#b\n"\n#c\n2,5" pipe\n#d "\n3,"x"\n'
    found, lines = plain(text, comment="#")
    assert found == 'id,note\n1,"a\n#b\n"\n2,5" pipe\n3,"x"\n'
    assert lines == [1, 2, 3, 4, 6, 8]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_comment_above_the_header_may_follow_a_byte_order_mark(mark: str) -> None:
    assert plain(mark + "#c\nid\n1\n", comment="#") == ("id\n1\n", [2, 3])


@pytest.mark.parametrize(("skipped", "footer"), [(3, 0), (0, 3), (2, 2), (9, 9)])
def test_fewer_lines_than_are_left_out_leave_nothing(skipped: int, footer: int) -> None:
    assert plain("a\nb\nc", skipLines=skipped, footerLines=footer) == ("", [])


def test_a_footer_without_a_line_end_is_a_line() -> None:
    assert plain("a\nb\nc", footerLines=1)[0] == "a\nb\n"
    assert plain("a\nb\nc\n", footerLines=1)[0] == "a\nb\n"
    assert plain("a\nb\n\n", footerLines=1)[0] == "a\nb\n"


@pytest.mark.parametrize(
    ("record", "fields"),
    [
        (r'1,"5\" pipe"', ["1", '5" pipe']),
        (r'1,"a\\"', ["1", "a\\"]),
        (r'1,"a\\\""', ["1", 'a\\"']),
        (r'1,"say ""x"" and \"y\""', ["1", 'say "x" and "y"']),
        (r"1,a\,b", ["1", "a,b"]),
        (r"1,\"a", ["1", '"a']),
        ("1,a\\\nb", ["1", "a\nb"]),
        ("1,a\\\r\nb", ["1", "a\r\nb"]),
        ("1,a\\\r\\\nb", ["1", "a\r\nb"]),
        ('1,"a\\\nb"', ["1", "a\nb"]),
        ('1,"a\nb\\"c"', ["1", 'a\nb"c']),
        (r"C:\data\new,a\tb", ["C:\\data\\new", "a\\tb"]),
        (r"\N,\\N", ["", "\\N"]),
        (r'"\N","\\N"', ["", "\\N"]),
        (r"\\,\\\\", ["\\", "\\\\"]),
        (r"\,", [","]),
    ],
)
def test_a_backslash_takes_the_meaning_from_what_follows(record: str, fields: list[str]) -> None:
    nulls = {"escape": "\\", "nulls": ["\\N", "NA"]}
    for size in (1, 3, 100):
        found, _ = plain(f"{record}\nnext,row\n", size, **nulls)
        assert list(csv.reader(io.StringIO(found, newline=""))) == [fields, ["next", "row"]]
    assert plain_nulls(nulls) == ["NA"]


def test_a_delimiter_of_several_characters_is_escaped_as_a_whole() -> None:
    assert plain("1\\||2||3\n", escape="\\", delimiter="||")[0] == '"1||2"||3\n'


@pytest.mark.parametrize("escape", ["", "\\"])
def test_records_are_read_alike_by_the_quick_way_and_the_thorough_one(
    escape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = random.Random(7)  # noqa: S311 -- texts of a test
    signs = ['"', '"', ",", "\n", "\r\n", "#", "a", "b", "N", "\\", "\\"]
    texts = ["".join(draw.choices(signs, k=draw.randint(1, 30))) for _ in range(4000)]
    form = {"comment": "#", "escape": escape, "nulls": ["\\N"]}
    quick = [plain(text, 1000, **form) for text in texts]
    monkeypatch.setattr(csv_escapes, "whole_record", lambda _: None)
    thorough = [plain(text, 1000, **form) for text in texts]
    assert quick == thorough
    assert len({text for text, _ in quick}) > 2000


def test_text_behind_a_closing_quote_stays_to_be_rejected() -> None:
    found, _ = plain('1,"a\\"b"c\\,d\n2,x\n', escape="\\")
    assert found == '1,"a""b"c\\,d\n2,x\n'


def test_a_quote_that_is_never_closed_names_its_line_and_holds_no_more_than_a_record() -> None:
    text = b'id,note\n1,a\n2,"open\\" ' + f"{'x,y' * 33}\n".encode() * 24_000
    rules = CsvRules.of({"escape": "\\"})
    assert rules is not None
    with pytest.raises(TextError, match="line 3: the record is longer than 2,000,000 bytes"):
        list(plain_csv([text], rules, SourceLines()))


def test_lines_that_are_too_long_to_be_held_back_are_refused_in_bounded_memory() -> None:
    rules = CsvRules.of({"footerLines": 100})
    assert rules is not None
    line = b"x" * 1_000_000 + b"\n"
    tracemalloc.start()
    with pytest.raises(TextError, match="too many for footerLines"):
        for _ in plain_csv((line for _ in range(100)), rules, SourceLines()):
            pass
    assert tracemalloc.get_traced_memory()[1] < 40_000_000
    tracemalloc.stop()


def test_lines_of_any_number_of_records_are_found_again(tmp_path: Path) -> None:
    lines = SourceLines(tmp_path / "lines")
    begins, line = [], 1
    for n in range(30_000):
        lines.add(line)
        begins.append(line)
        line += n % 3  # none, one or two lines on: no run of them is regular
    assert lines.size > 0
    for n in (*range(0, 30_000, 777), 29_999):
        assert lines.line_of(n + 1) == begins[n]
    lines.close()


def test_regular_records_take_no_room(tmp_path: Path) -> None:
    lines = SourceLines(tmp_path / "lines")
    for n in range(30_000):
        lines.add(1 + 4 * n)
    assert (lines.line_of(1), lines.line_of(20_000), lines.size) == (1, 79_997, 0)
    assert not (tmp_path / "lines").exists()
