"""Where a file has the contract's columns, and what is wrong with a header."""

from __future__ import annotations

import pytest

from reading_rules.header import (
    HeaderError,
    field_names,
    first_line_of,
    in_contract_names,
    positions_of,
)


@pytest.mark.parametrize(
    ("block", "line"),
    [
        (b"\xef\xbb\xbfid,n\nrest", "id,n"),
        (b"id,n\r\nrest", "id,n"),
        (b"id,n\rrest\n", "id,n"),
        (b"\nid", ""),
        ("größe".encode(), "größe"),
    ],
)
def test_the_first_line_is_without_its_end_and_the_byte_order_mark(block: bytes, line: str) -> None:
    assert first_line_of(block, "utf-8") == line


def test_a_first_line_that_is_no_text_is_named_by_its_encoding() -> None:
    with pytest.raises(HeaderError, match="^the header is not UTF-16$"):
        first_line_of(b"\xff\n", "utf-16")


def test_names_are_without_the_spaces_around_them() -> None:
    assert field_names(" id ;'a;b'; Note", ";", "'") == ["id", "a;b", "Note"]
    with pytest.raises(HeaderError, match="but the line is empty"):
        field_names("", ",", '"')


@pytest.mark.parametrize(
    ("header", "names", "positions"),
    [
        (["x", "Order ID"], {"id": "order id"}, {"id": 1}),
        (["x", "ID "], {"id": "id"}, {"id": 1}),
        (["Id", "id"], {"id": "id"}, {"id": 1}),  # as it is written goes before
        (["x", "id"], {"id": "Order ID"}, {"id": 1}),  # by its own name
        (["b", "a"], {"a": "a", "b": "b"}, {"a": 1, "b": 0}),
    ],
)
def test_a_column_is_found_by_its_source_or_its_own_name(
    header: list[str], names: dict[str, str], positions: dict[str, int]
) -> None:
    assert positions_of(header, names) == positions


@pytest.mark.parametrize(
    ("header", "names", "message"),
    [
        (
            ["x", "y"],
            {"id": "Order ID", "n": "n"},
            r'lacks "Order ID" \(column id\), n; it has x, y',
        ),
        (["n", "N"], {"m": "m", "n": "n"}, "lacks m"),
        (["N ", "N"], {"n": "n"}, "the header has n more than once"),
        (["id", "Order ID"], {"id": "Order ID"}, 'has both "Order ID" and id'),
    ],
)
def test_what_a_header_lacks_or_has_twice_is_named(
    header: list[str], names: dict[str, str], message: str
) -> None:
    with pytest.raises(HeaderError, match=message):
        positions_of(header, names)


def test_a_source_that_differs_in_case_only_is_no_second_name() -> None:
    assert positions_of(["id"], {"id": "ID"}) == {"id": 0}


def test_a_long_header_is_shown_by_its_beginning() -> None:
    with pytest.raises(HeaderError) as lacking:
        positions_of(["x" * 30] * 100, {"id": "id"})
    assert len(str(lacking.value)) < 450


def test_a_header_in_the_contracts_names_keeps_what_the_contract_does_not_know() -> None:
    assert in_contract_names(["Order ID", "x"], {"id": 0}) == ["id", "x"]
