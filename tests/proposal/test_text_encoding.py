"""The encoding of a sample's bytes."""

from __future__ import annotations

import pytest

from cli.proposal.text_encoding import decoded

STREETS = "".join(f"{n},Straße {n} in Köln\n" for n in range(200))
CURLY = "id,note\n1,“quoted” – 5 €\n2,café\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be"])
def test_unicode_is_seen_with_and_without_a_mark(encoding: str) -> None:
    found = decoded(STREETS.encode(encoding))
    assert (found.encoding, found.text, found.bad_lines, found.notes) == (encoding, STREETS, 0, ())


def test_a_byte_order_mark_is_no_text() -> None:
    assert decoded(STREETS.encode("utf-8-sig")).text == STREETS


@pytest.mark.parametrize(("bad", "shown"), [(1, "1 line holds"), (3, "3 lines hold")])
def test_a_few_bad_bytes_do_not_change_the_encoding(bad: int, shown: str) -> None:
    broken = "Straße\n".encode("latin-1") * bad

    found = decoded(STREETS.encode() + broken)

    assert found.encoding == "utf-8"
    assert found.bad_lines == bad
    assert found.text.endswith("Stra\ufffde\n")
    assert found.notes[0].startswith(f"{shown} bytes that are not UTF-8")


def test_letters_of_one_byte_that_happen_to_be_a_letter_in_utf8_do_not_decide() -> None:
    text = "é è à ü Ã¤\n" * 3

    assert decoded(text.encode("latin-1")).encoding == "latin-1"


def test_quotes_and_dashes_show_windows_1252() -> None:
    found = decoded(CURLY.encode("cp1252"))
    assert (found.encoding, found.text) == ("windows-1252", CURLY)


def test_an_undefined_byte_is_a_bad_line_and_no_reason_for_latin_1() -> None:
    found = decoded(CURLY.encode("cp1252") + b"3,\x81\n")

    assert found.encoding == "windows-1252"
    assert found.bad_lines == 1
    assert "1 line holds bytes that are not WINDOWS-1252" in found.notes[0]


def test_many_control_codes_are_latin_1_in_doubt() -> None:
    found = decoded(b"\x81\x8d\n\x8f\n\x90\n\xe9\n")

    assert found.encoding == "latin-1"
    assert "look at its letters" in found.notes[0]


def test_the_end_may_be_cut_within_a_character() -> None:
    found = decoded("aé".encode()[:-1])
    assert (found.encoding, found.text) == ("utf-8", "a")


def test_a_few_nuls_are_no_utf_16() -> None:
    assert decoded(b"id,n\n1,\0\n2,\0\n3,c\n4,d\n").encoding == "utf-8"
