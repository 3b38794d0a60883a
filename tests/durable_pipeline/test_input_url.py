"""How a message names one object: by a full URL, or by a key without a scheme."""

from __future__ import annotations

import json
from typing import Any

import pytest

from contracts.errors import InvalidRequest, Problem
from contracts.run_request import RunRequest
from contracts.source import Source
from contracts.source.input_url import resolve, where_looked
from durable_pipeline.intake import parse_message

PREFIX = "landing/standard/"
SOURCE = Source(prefix=PREFIX)


def resolved(text: str, source: Source = SOURCE) -> str:
    """The URL that the message's text comes to, by the two places that see it."""
    message = {"data_source": text, "processing_type": "standard"}
    request = parse_message(json.dumps(message), "message-1")
    assert request is not None
    assert request.input_url == text
    return resolve(text, source, "data")


def problem(text: Any, field: str = "data_source") -> Problem:
    with pytest.raises(InvalidRequest) as refused:
        parse_message(json.dumps({field: text, "processing_type": "standard"}), "message-1")
    (found,) = refused.value.problems
    assert found.path == field
    return found


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("test.csv", "s3://data/landing/standard/test.csv"),
        ("dt=2026-11-01/a.csv", "s3://data/landing/standard/dt=2026-11-01/a.csv"),
        ("/archive/test.csv", "s3://data/archive/test.csv"),
        ("/test.csv", "s3://data/test.csv"),
        ("landing/standard/a.csv", "s3://data/landing/standard/landing/standard/a.csv"),
        ("day one/ä+b%20c.csv", "s3://data/landing/standard/day one/ä+b%20c.csv"),
        (" a?b#c&d.csv ", "s3://data/landing/standard/ a?b#c&d.csv "),
        ("at 12:30:00.csv", "s3://data/landing/standard/at 12:30:00.csv"),
        ("a..b/...csv", "s3://data/landing/standard/a..b/...csv"),
        ("folder/", "s3://data/landing/standard/folder/"),
        ("_hidden.csv", "s3://data/landing/standard/_hidden.csv"),
        ("s3://other/a//../b.csv", "s3://other/a//../b.csv"),
    ],
)
def test_a_text_names_one_object(text: str, url: str) -> None:
    assert resolved(text) == url


def test_a_key_lies_in_the_bucket_of_its_dataset() -> None:
    source = Source(bucket="partner", prefix="out/")

    assert resolved("a.csv", source) == "s3://partner/out/a.csv"
    assert resolved("/a.csv", source) == "s3://partner/a.csv"


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("../orders/a.csv", "a part that is . or .."),
        ("./a.csv", "a part that is . or .."),
        ("/a/../b.csv", "a part that is . or .."),
        ("a//b.csv", "two / in a row"),
        ("//bucket/a.csv", "// at its beginning"),
        ("", "must name an object: s3://bucket/key, or a key below"),
        ("/", "must name an object"),
        ("a\nb.csv", "must be one line"),
        ("s3://bucket", "must name a bucket and a key: s3://bucket/key"),
        ("s3:///a.csv", "must name a bucket and a key"),
        ("s3a://bucket/a.csv", "must be written s3://bucket/a.csv"),
        ("S3://bucket/a.csv", "must be written s3://bucket/a.csv"),
        ("arn:aws:s3:::bucket/a.csv", "must be written s3://bucket/a.csv"),
        ("https://bucket.s3.amazonaws.com/a.csv", "a scheme that is not read"),
        ("http:a.csv", "a scheme that is not read"),
        ("file:/tmp/a.csv", "a scheme that is not read"),
        ("custom+x://a/b.csv", "a scheme that is not read"),
        (r"C:\data\a.csv", "a path on Windows"),
        ("c:/data/a.csv", "a path on Windows"),
        (r"\\server\share\a.csv", "a path on Windows"),
        (r"orders\a.csv", "a path on Windows"),
        ("x" * 1101, "at most 1100 characters"),
        ("s3://my bucket/a.csv", 'a bucket that there cannot be, "my bucket": a name has 3'),
        ("s3://b/a.csv", "a bucket that there cannot be"),
        ("s3://a..b/a.csv", "a bucket that there cannot be"),
        ("s3://-data/a.csv", "a bucket that there cannot be"),
        ("s3://data./a.csv", "a bucket that there cannot be"),
        ("s3://10.0.0.1/a.csv", "a bucket that there cannot be"),
        ("s3://données/a.csv", "a bucket that there cannot be"),
        ("s3://" + "x" * 256 + "/a.csv", "a bucket that there cannot be"),
        ("s3://data:8080/a.csv", "a bucket that there cannot be"),
    ],
)
def test_what_names_no_object_is_refused_with_what_would(text: str, advice: str) -> None:
    assert advice in problem(text).message


@pytest.mark.parametrize("bucket", ["data", "a.b-3", "x" * 63, "1.2.3", "Old_Bucket", "x" * 64])
def test_a_bucket_may_have_any_name_that_s3_gave(bucket: str) -> None:
    """Until March 2018 names of us-east-1 could be longer, with capitals and underscores."""
    request = parse_message(f'{{"datasetName": "x", "inputUrl": "s3://{bucket}/a.csv"}}', "m")
    assert request is not None
    assert request.input_url == f"s3://{bucket}/a.csv"


def test_an_impossible_bucket_is_reported_with_all_other_problems() -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_message('{"data_source": "s3://a b/c", "processing_type": "No!"}', "m")
    assert [found.path for found in refused.value.problems] == ["processing_type", "data_source"]
    assert refused.value.problems[1].value == "'s3://a b/c'"


def test_a_stored_request_with_an_impossible_bucket_is_still_read() -> None:
    """An earlier release took it."""
    fields = {"datasetName": "x", "inputUrl": "s3://a b/c", "runId": "r"}
    assert RunRequest.from_json(fields).input_url == "s3://a b/c"


@pytest.mark.parametrize("value", [5, ["a.csv"]])
def test_what_is_no_text_is_refused(value: Any) -> None:
    assert "text" in problem(value).message


def test_problems_have_the_names_that_the_message_uses() -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_message('{"data_source": "../a.csv", "processing_type": "No!"}', "m")
    assert [found.path for found in refused.value.problems] == ["processing_type", "data_source"]

    with pytest.raises(InvalidRequest) as refused:
        parse_message('{"inputUrl": "../a.csv", "datasetName": "No!"}', "m")
    assert [found.path for found in refused.value.problems] == ["datasetName", "inputUrl"]


def test_a_key_that_its_prefix_makes_too_long_is_refused() -> None:
    assert resolved("ä" * 503 + "b")
    with pytest.raises(InvalidRequest, match="makes a key of 1,025 bytes, S3 allows 1,024"):
        resolved("ä" * 504)


def test_how_a_text_was_understood_is_said_where_it_was_no_full_url() -> None:
    assert where_looked("s3://data/a.csv", SOURCE) is None
    below = where_looked("a.csv", SOURCE)
    assert below is not None
    assert '"a.csv" is a key below landing/standard/' in below
    root = where_looked("/a.csv", SOURCE)
    assert root is not None
    assert "bucket's root" in root
