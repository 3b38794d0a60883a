"""Pages of ListObjectsV2 are read as botocore reads them, whether fast or left to it."""

from __future__ import annotations

import functools
from datetime import datetime
from typing import Any
from unittest.mock import patch
from urllib.parse import quote
from xml.sax.saxutils import escape

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime import clients, object_listing
from runtime.object_listing import columns, read_contents, read_pages_of

PAGE = """<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix>a%26b/</Prefix>
<KeyCount>{count}</KeyCount><MaxKeys>1000</MaxKeys><EncodingType>url</EncodingType>
<IsTruncated>true</IsTruncated><NextContinuationToken>1/x==</NextContinuationToken>{contents}
<CommonPrefixes><Prefix>a/b%3D1/</Prefix></CommonPrefixes></ListBucketResult>"""
TIME = "<LastModified>2026-11-01T06:30:00.000Z</LastModified>"
ETAG = "<ETag>&quot;0cc175b9c0f1b6a831c399e269772661&quot;</ETag>"
SIZE, CLASS = "<Size>12</Size>", "<StorageClass>STANDARD</StorageClass>"
CHECKSUM = (
    "<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>"
)
KEY = "<Key>a/dt%3D2026-11-01/x+y.csv</Key>"
PLAIN = KEY + TIME + ETAG + SIZE + CLASS
TWO_ALGORITHMS = CHECKSUM.replace(
    "<ChecksumType>", "<ChecksumAlgorithm>SHA256</ChecksumAlgorithm><ChecksumType>"
)
OWNER = "<Owner><ID>1</ID></Owner>"


class Raw:
    def __init__(self, body: bytes) -> None:
        self.body = body

    def stream(self, **_: Any) -> Any:
        yield self.body


class Server:
    """Responds to every request of a client with the same body."""

    def __init__(self, *, fast: bool) -> None:
        self.body, self.status = "", 200
        self.client = boto3.client(
            "s3",
            endpoint_url="http://127.0.0.1:1",
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        self.client.meta.events.register("before-send.s3", self._respond)
        if fast:
            read_pages_of(self.client)

    def _respond(self, request: Any, **_: Any) -> AWSResponse:
        return AWSResponse(request.url, self.status, {}, Raw(self.body.encode()))


_server = functools.cache(Server)


def listed(body: str, status: int = 200, *, fast: bool) -> Any:
    server = _server(fast=fast)
    server.body, server.status = body, status
    response = server.client.list_objects_v2(Bucket="b", Prefix="a&b/")
    del response["ResponseMetadata"]
    if "Contents" in response:  # botocore's list, or what stands for it
        response["Contents"] = list(response["Contents"])
    return response


def page(*contents: str) -> str:
    whole = "".join(f"<Contents>{each}</Contents>" for each in contents)
    return PAGE.format(count=len(contents), contents=whole)


def entries_read_fast(body: str) -> int:
    customized: dict[str, Any] = {}
    read_contents({"status_code": 200, "body": body.encode()}, customized)
    return len(customized.get("Contents", ()))


@pytest.mark.parametrize(
    "contents",
    [
        [PLAIN],
        [PLAIN, KEY + CLASS + SIZE + ETAG + TIME, PLAIN],
        [KEY + TIME + ETAG + CHECKSUM + SIZE + CLASS],
        [KEY + TIME + ETAG + SIZE],
        [PLAIN.replace("x+y", "ü"), PLAIN.replace("x+y", "%E2%82%AC%0A")],
        [PLAIN.replace(".000Z", "Z")],
    ],
    ids=["one", "in any order", "checksums", "no storage class", "other texts", "whole seconds"],
)
def test_what_is_read_fast_is_what_botocore_reads(contents: list[str]) -> None:
    body = page(*contents)
    assert entries_read_fast(body) == len(contents)
    assert listed(body, fast=True) == listed(body, fast=False)


@pytest.mark.parametrize(
    "contents",
    [
        [],
        [PLAIN, KEY + TIME + ETAG + TWO_ALGORITHMS + SIZE + CLASS],
        [PLAIN + OWNER],
        [PLAIN, PLAIN.replace("x+y", "&amp;")],
        [PLAIN.replace("x+y", "&#13;")],
        [PLAIN.replace("x+y", "<![CDATA[<]]>")],
        [PLAIN, PLAIN.replace("2026-11-01T06:30:00.000Z", "Sun, 01 Nov 2026 06:30:00 GMT")],
        [PLAIN.replace("2026-11-01T06:30:00.000Z", "2026-11-01T06:30:00")],
        [PLAIN, "\n" + PLAIN],
    ],
    ids=[
        *("nothing", "two algorithms", "an owner", "an escaped character", "a character reference"),
        *("CDATA", "another form of time", "no zone", "space"),
    ],
)
def test_what_is_not_expected_is_left_to_botocore_as_a_whole(contents: list[str]) -> None:
    body = page(*contents)
    assert entries_read_fast(body) == 0
    assert listed(body, fast=True) == listed(body, fast=False)


def test_objects_that_stand_in_two_places_are_read() -> None:
    body = page(PLAIN, PLAIN).replace(
        "</Contents><Contents>", "</Contents><Delimiter>x</Delimiter><Contents>"
    )
    assert entries_read_fast(body) == 2
    assert listed(body, fast=True) == listed(body, fast=False)
    assert listed(body, fast=True)["Delimiter"] == "x"


@pytest.mark.parametrize("contents", [[PLAIN, PLAIN], [PLAIN, PLAIN + OWNER]])
def test_columns_are_those_of_the_elements(contents: list[str]) -> None:
    customized: dict[str, Any] = {}
    body = page(*contents)
    read_contents({"status_code": 200, "body": body.encode()}, customized)
    found = listed(body, fast=False)["Contents"]
    for each in found:
        each["Key"] = quote(each["Key"].replace(" ", "+"), safe="/+")  # as the page has it
    keys, sizes, etags, instants, modified = columns(customized.get("Contents", found))

    assert list(keys) == [each["Key"] for each in found]
    assert (list(sizes), list(etags)) == ([12, 12], [found[0]["ETag"]] * 2)
    assert list(instants) == [each["LastModified"] for each in found]
    assert [datetime.fromisoformat(text) for text in modified] == list(instants)


def test_errors_are_botocores() -> None:
    error = "<Error><Code>NoSuchBucket</Code><Message>none &lt;Contents></Message></Error>"
    for fast in (True, False):
        with pytest.raises(Exception, match="NoSuchBucket") as raised:
            listed(error, 404, fast=fast)
        assert type(raised.value).__name__ == "NoSuchBucket"


@settings(deadline=None, max_examples=30, derandomize=True, database=None)
@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), max_size=4),
    st.booleans(),
)
def test_any_keys(keys: list[str], encoded: bool) -> None:
    shown = [quote(key) if encoded else escape(key) for key in keys]
    contents = [f"<Key>{key}</Key>{TIME}{ETAG}{SIZE}{CLASS}" for key in shown]
    body = page(*contents)
    with patch.object(object_listing, "Contents", wraps=object_listing.Contents) as read:
        assert listed(body, fast=True) == listed(body, fast=False)
    assert read.called or not encoded or not keys


def test_the_deployed_client_reads_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    clients.client.cache_clear()
    handlers = clients.client("s3").meta.events._emitter._handlers.prefix_search(
        "before-parse.s3.ListObjectsV2"
    )
    assert handlers[0] is read_contents
    clients.client.cache_clear()
