"""Headers are read as the standard library reads them, whoever reads them quickly."""

from __future__ import annotations

import http.client
import io
from collections.abc import Callable

import pytest
from botocore import useragent
from hypothesis import given
from hypothesis import strategies as st

from local.local_cloud.lambdas import quick_http
from local.local_cloud.lambdas.quick_http import be_quick, parse_headers, parse_slowly

USUAL = (
    b"Host: 127.0.0.1:4566\r\ncontent-length: 0\r\nX-Amz-Meta-Name:  M\xfcller \r\nEmpty:\r\n"
    b"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\n{}"
)
UNUSUAL = (
    USUAL,
    b"\r\n",
    b"",
    b"Host: a\n\n",
    b"Host: a",  # ends early
    b"Folded: one\r\n two\r\n\r\n",
    b"No colon\r\nHost: a\r\n\r\n",
    b"Host : a\r\n\r\n",
    b"Bare: a\rb\r\n\r\n",
    b"From: a\x00b\r\n\r\n",
    b": nameless\r\n\r\n",
    b"From nobody: a\r\nHost: a\r\n\r\n",
)


def read(parse: Callable[..., http.client.HTTPMessage], text: bytes) -> tuple[object, bytes]:
    stream = io.BytesIO(text)
    headers = parse(stream)
    return (headers.items(), headers.get("host"), headers.get_all("set-cookie")), stream.read()


@pytest.mark.parametrize("text", UNUSUAL)
def test_header_lines_are_those_of_the_standard_library(text: bytes) -> None:
    assert read(parse_headers, text) == read(parse_slowly, text)


@given(st.lists(st.sampled_from([b"A", b"b-1", b":", b" ", b"\t", b"\r", b"\n", b"\r\n", b"\xe9"])))
def test_any_bytes_are_read_alike(parts: list[bytes]) -> None:
    text = b"".join(parts) + b"\r\n\r\n"
    assert read(parse_headers, text) == read(parse_slowly, text)


def test_usual_header_lines_need_no_parser_of_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    slow: list[bytes] = []
    monkeypatch.setattr(quick_http, "parse_slowly", lambda stream, *_: slow.append(stream.read()))
    parse_headers(io.BytesIO(USUAL))
    assert slow == []
    parse_headers(io.BytesIO(b"Folded: one\r\n two\r\n\r\n"))
    assert slow == [b"Folded: one\r\n two\r\n\r\n"]


@pytest.mark.parametrize("text", [b"A: b\r\n" * 101, b"A: " + b"b" * 65_536 + b"\r\n\r\n"])
def test_there_may_be_no_more_than_the_standard_library_allows(text: bytes) -> None:
    with pytest.raises(http.client.HTTPException) as slow:
        parse_slowly(io.BytesIO(text))
    with pytest.raises(http.client.HTTPException) as quick:
        parse_headers(io.BytesIO(text))
    assert (type(quick.value), str(quick.value)) == (type(slow.value), str(slow.value))


def test_words_of_the_user_agent_are_cleaned_once(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "sanitize_user_agent_string_component"
    cleaned: list[str] = []
    clean = getattr(getattr(useragent, name), "__wrapped__", getattr(useragent, name))

    def counted(raw_str: str, allow_hash: bool) -> str:
        cleaned.append(raw_str)
        return str(clean(raw_str, allow_hash))

    monkeypatch.setattr(useragent, name, counted)
    monkeypatch.setattr(http.client, "parse_headers", http.client.parse_headers)
    be_quick()
    for _ in range(3):
        component = useragent.UserAgentComponent("md", "a word", "1 0")
        assert component.to_string() == "md/a-word#1-0"
    assert sorted(cleaned) == ["1 0", "a word", "md"]
    be_quick()
    assert useragent.UserAgentComponent("md", "a word", "1 0").to_string() == "md/a-word#1-0"
    assert len(cleaned) == 3
