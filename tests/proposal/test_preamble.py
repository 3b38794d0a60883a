"""Lines that stand before a table."""

from __future__ import annotations

import pytest

from cli.proposal.preamble import Preamble, preamble_of

TABLE = "id;site;n\n" + "".join(f"{n};S{n};{n * 3}\n" for n in range(20))


@pytest.mark.parametrize(
    "text",
    [
        TABLE,
        "id\n1\n2\n",
        "",
        ",a,b\n0,x,1\n1,y,2\n",  # an index without a name, as pandas writes it
        "7,,\n8,a,b\n",  # no header, and a row without values
        "id,a\n1,x,9\n2,y,9\n3,z,9\n",  # a header that lacks a name is not a title
        "name\nMeier, Anna\nHuber, Jan\n",  # one column, whose values are not quoted
        "#chrom\tstart\tend\nchr1\t1\t2\nchr1\t3\t4\n",  # a header's mark
        "id,note\n1,# first\n#2,b\n",
        "a,b\n#,1\n",
    ],
)
def test_nothing_stands_before_a_table(text: str) -> None:
    assert preamble_of(text) == Preamble()


@pytest.mark.parametrize(
    ("before", "skipped"),
    [
        ("Report of November\n", 1),
        ("Report of November\nAll sites\n", 2),
        ("Report of November;;\nPrinted 2026-11-01;;\n;;\n", 3),
        ("\n\n", 2),
        ("Report\r\n\r\n", 2),
        ('"Report; of November"\n', 1),
    ],
)
def test_titles_and_empty_lines_are_skipped_and_named(before: str, skipped: int) -> None:
    found = preamble_of(before + TABLE)

    assert found.fields == {"skipLines": skipped}
    assert found.without(before + TABLE) == TABLE
    assert found.notes[0].startswith("lines before the table are skipped")
    assert ("Report" in before) == ("Report" in found.notes[0])


@pytest.mark.parametrize("mark", ["sep=;", "SEP=;", '"sep=;"'])
def test_the_line_for_spreadsheets_names_the_delimiter(mark: str) -> None:
    found = preamble_of(f"{mark}\r\n{TABLE}")

    assert (found.lines, found.delimiter) == (1, ";")
    assert found.without(f"{mark}\r\n{TABLE}") == TABLE


def test_comments_are_marked() -> None:
    text = f"# exported\n# by hand; twice\n{TABLE}# end\n"
    found = preamble_of(text)

    assert found.fields == {"comment": "#"}
    assert found.without(text) == TABLE


def test_a_title_above_a_comment_is_counted_with_it() -> None:
    text = f"# exported\nReport of November\n{TABLE}"
    assert preamble_of(text).fields == {"skipLines": 2, "comment": "#"}


@pytest.mark.parametrize(
    ("text", "skipped", "begins"),
    [
        ("# exported\nid,note\n#1,a\n2,b\n", 1, "id,note"),
        ("# exported\nid,note\n" + "1,a\n" * 300 + "#2,b\n", 1, "id,note"),
        ("# exported\n#id,note\n1,a\n2,b\n", 1, "#id,note"),
        ("# a\n# b\ntag\n#x\ny\n", 2, "tag"),
    ],
)
def test_rows_and_headers_that_begin_with_the_mark_are_no_comments(
    text: str, skipped: int, begins: str
) -> None:
    found = preamble_of(text)

    assert found.fields == {"skipLines": skipped}
    assert found.without(text).startswith(f"{begins}\n")


def test_a_total_is_pointed_at_and_stays() -> None:
    found = preamble_of(f"{TABLE}Total;;571\n")

    assert found.fields == {}
    assert "footerLines: 1" in found.notes[0]


@pytest.mark.parametrize("end", ["\n", "", "\r\n"])
def test_a_total_that_is_the_sum_of_the_rows_is_below_the_table(end: str) -> None:
    text = f"Report of sales\nid,team,n,x\n7,Reds,1,0.5\n8,Blues,2,\nTotal,,3,0.50{end}"
    found = preamble_of(text)
    assert found.fields == {"skipLines": 1, "footerLines": 1}
    assert "'Total,,3,0.50'" in found.notes[1]
    assert preamble_of(text, whole=False).fields == {"skipLines": 1}


@pytest.mark.parametrize(
    "rows",
    [
        "7,Reds,1\n8,Blues,2\nTotal,,4\n",
        "7,Reds,1\n8,Blues,2\nTotal,both,3\n",
        "7,Reds,1\n8,Blues,2\nTotal,,\n",
        "7,Reds,3\nTotal,,3\n",
        "7,Reds,one\n8,Blues,2\nTotal,,3\n",
        "7,Reds,1\n8,Blues,2\nTotal,,3\n\n",
        "7,Reds,1\n8,Blues,2\nTotalizator,,3\n",
    ],
)
def test_what_may_be_a_row_stays(rows: str) -> None:
    assert preamble_of(f"id,team,n\n{rows}").fields == {}


def test_numbers_with_a_space_between_are_columns() -> None:
    assert preamble_of("Chins Situps Jumps\n5 162 60\n2 110 60\n").delimiter == " "
    assert preamble_of("first words here\nof any text\nthat is prose\n").delimiter is None


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("id||note||n\n1||a;b||5\n2||||6\n", "||"),
        ("id~|~n\n1~|~2\n", "~|~"),
        ("id\x01n\n1\x012\n", "\x01"),
        ("id|note|n\n1||5\n2|b|6\n", None),
        ("a;;b\n1;2;3\n", None),
        ("at\n10::20\n", None),
    ],
)
def test_unusual_delimiters_are_recognised(text: str, delimiter: str | None) -> None:
    assert preamble_of(text).delimiter == delimiter
