"""The bytes of an object: compression by name, encodings as UTF-8, line ends counted."""

from __future__ import annotations

import pytest

from reading_rules.encodings import as_utf8, effective_compression
from reading_rules.line_ends import LineEnds


@pytest.mark.parametrize(
    ("named", "key", "compression"),
    [
        ("auto", "a/b.csv.gz", "gzip"),
        ("auto", "a/b.zst", "zstd"),
        ("auto", "a.gz/b.csv", "none"),
        ("gzip", "a/b.csv", "gzip"),
        ("none", "a/b.csv.gz", "none"),
    ],
)
def test_a_compression_is_the_named_one_or_that_of_the_keys_ending(
    named: str, key: str, compression: str
) -> None:
    assert effective_compression(named, key) == compression


@pytest.mark.parametrize("encoding", ["utf-16", "windows-1252", "latin-1"])
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_a_text_is_the_same_wherever_its_blocks_end(encoding: str, size: int) -> None:
    text = "id,größe\n1,é\n"
    data = text.encode(encoding)
    blocks = [data[at : at + size] for at in range(0, len(data), size)]

    assert b"".join(as_utf8(blocks, encoding)).decode() == text


def test_what_is_no_text_of_its_encoding_is_no_utf_8_either() -> None:
    found = b"".join(as_utf8([b"a\x81b"], "windows-1252"))

    assert found.decode("utf-8", "replace") == "a\ufffdb"
    assert b"".join(as_utf8(["é".encode("utf-16")[:-1]], "utf-16")).endswith(b"\xff")


def test_utf_16_without_its_byte_order_mark_is_no_text_at_all() -> None:
    with pytest.raises(UnicodeError, match="does not start with BOM"):
        list(as_utf8(["id".encode("utf-16-le")], "utf-16"))


def test_utf_8_is_passed_on_as_it_is() -> None:
    assert list(as_utf8([b"\xff", b"a"], "utf-8")) == [b"\xff", b"a"]


@pytest.mark.parametrize(
    ("text", "feeds", "mixed"),
    [
        (b"", 0, False),
        (b"a\nb\n", 2, False),
        (b"a\r\nb\r\n", 2, False),
        (b"a\r\nb\n", 2, True),
        (b"a\rb\r", 0, True),
        (b"a\rb\n", 1, True),
        (b"a\r\r\n", 1, True),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 100])
def test_line_ends_are_reported_apart_wherever_blocks_end(
    text: bytes, feeds: int, mixed: bool, size: int
) -> None:
    ends = LineEnds()
    for at in range(0, len(text), size):
        ends.add(text[at : at + size])
    ends.add(b"")

    assert (ends.line_feeds, ends.are_mixed) == (feeds, mixed)
