"""Records that DuckDB could not read: their lines, their columns, and what people are shown."""

from __future__ import annotations

import io

import pytest

from reading_rules.malformed import (
    RejectedRecord,
    first_line,
    has_mixed_line_ends,
    lines_lost,
    reason_of,
    with_lines,
)

TEXT = b'id,n\na,1\nb\n"c\nd",1,2\ne\n'


def record(position: int, number: int | None = None, kind: str = "CAST") -> RejectedRecord:
    return RejectedRecord(position, 0, 1, kind, "", number, "")


def test_a_record_has_the_line_at_which_it_begins() -> None:
    positions = [TEXT.index(b"b\n"), TEXT.index(b'"c'), TEXT.index(b"e\n")]

    found = with_lines([record(position) for position in positions], io.BytesIO(TEXT))

    assert [one.line for one in found] == [3, 4, 6]


def test_a_position_behind_the_text_ends_the_search() -> None:
    (found,) = with_lines([record(10_000)], io.BytesIO(TEXT))

    assert found.line == 7


@pytest.mark.parametrize(
    ("number", "column"), [(1, "id"), (2, "n"), (3, None), (0, None), (None, None)]
)
def test_the_field_that_is_wrong_is_named_if_the_header_has_it(
    number: int | None, column: str | None
) -> None:
    assert record(0, number).column(["id", "n"]) == column
    assert record(0, number).column(()) is None


@pytest.mark.parametrize(
    ("kind", "message", "reason"),
    [
        ("X", "Expected Number of Columns: 4 Found: 2", "2 columns instead of 4"),
        ("UNQUOTED VALUE", "", "a quote is not closed, or text follows a closing quote"),
        ("INVALID ENCODING", "", "not WINDOWS-1252"),
        (
            "LINE SIZE OVER MAXIMUM",
            "",
            "longer than 2,000,000 bytes, the most that a record may have; of CSV, is a quote not"
            " closed?",
        ),
        ("OTHER", "as DuckDB says", "as DuckDB says"),
    ],
)
def test_what_is_wrong_is_said_for_people(kind: str, message: str, reason: str) -> None:
    assert reason_of(kind, message, "windows-1252") == reason


@pytest.mark.parametrize("kind", ["UNQUOTED VALUE", "LINE SIZE OVER MAXIMUM", "TOO MANY COLUMNS"])
def test_a_quote_may_be_open_where_duckdb_says_so(kind: str) -> None:
    assert record(0, kind=kind).may_have_open_quote == (kind != "TOO MANY COLUMNS")


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ('Error in "/tmp/duck-x1/a.csv": bad\n\nLINE 1: …', "Error in: bad"),
        ("Error in '/tmp/clean-csv-x1/a.csv': bad Possible fixes: …", "Error in: bad"),
        ("Error in '/data/a.csv':  bad\nworse", "Error in '/data/a.csv': bad worse"),
        ("CSV Parser state machine is wrong", "it is not CSV of this dialect"),
        ("x" * 1000, "x" * 400),
    ],
)
def test_of_an_error_people_see_what_is_wrong_and_no_scratch_file(message: str, shown: str) -> None:
    assert first_line(ValueError(message)) == shown


def test_mixed_line_ends_are_known_by_duckdbs_words() -> None:
    assert has_mixed_line_ends(ValueError("The CSV Parser state machine reached an invalid state"))
    assert not has_mixed_line_ends(ValueError("no such file"))


def test_lines_that_are_lost_or_there_twice_are_counted() -> None:
    lost, twice = lines_lost("s3://b/k", 3000, 2), lines_lost("s3://b/k", 3, -1, ", near line 2")

    assert lost.startswith("s3://b/k: 2 of its 3,000 lines are lost when")
    assert twice.startswith("s3://b/k: 1 of its 3 lines are there twice when")
    assert "2,000,000 bytes, near line 2; fix the object" in twice
