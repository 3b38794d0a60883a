"""The object that a message names: `s3://bucket/key`, or a key without a scheme.

A key without a scheme lies below the dataset's prefix in the dataset's bucket; one that begins with
`/` counts from the bucket's root. Keys are taken literally: `%`, `+`, blanks and any other
character stand for themselves.
"""

from __future__ import annotations

import json
import re
from typing import Final

from pydantic_core import PydanticCustomError

from contracts import layout
from contracts.errors import InvalidRequest, Problem
from contracts.source import Source

KEY_BYTES: Final = 1024  # Amazon S3 User Guide, "Naming Amazon S3 objects"
_FULL_URL: Final = re.compile(r"s3://([^/]+)/.+")
# Amazon S3 User Guide, "General purpose bucket naming rules". Buckets of us-east-1 that were made
# before March 2018 may have a name that only the second one allows.
_BUCKET: Final = re.compile(r"(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_OLD_BUCKET: Final = re.compile(r"(?=.*[A-Z_]|.{64})[A-Za-z0-9._-]{3,255}")
_ADDRESS: Final = re.compile(r"[0-9]+(\.[0-9]+){3}")
_WINDOWS: Final = re.compile(r"[A-Za-z]:[\\/]|.*\\", re.DOTALL)
_HADOOP: Final = re.compile(r"(?i:s3[an]?)://([^/]+/.+)")
_ARN: Final = re.compile(r"arn:[a-z-]+:s3:::([^/]+/.+)")
# A key may hold a colon, so without `//` only schemes that people write count as one.
_SCHEME: Final = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*://|(?i:abfss?|arn|file|ftps?|gs|hdfs|https?|s3[an]?|wasbs?):"
)
_BY_FULL_URL: Final = "a key that really has one is named by its full URL, s3://bucket/key"


def check_input_url(text: str) -> str:
    """The text itself, if it names an object.

    Raises:
        PydanticCustomError: it does not; says what would.
    """
    problem = _problem(text)
    if problem is not None:
        raise PydanticCustomError("input_url", "{problem}", {"problem": problem})
    return text


def bucket_problem(text: str) -> str | None:
    """Why no bucket can have the name that a full URL has; None: one can, or it is another text.

    For new messages only: the ledger may hold requests that an earlier release took.
    """
    found = _FULL_URL.fullmatch(text)
    if found is None:
        return None
    name = found[1]
    possible = _BUCKET.fullmatch(name) or _OLD_BUCKET.fullmatch(name)
    if possible and not _ADDRESS.fullmatch(name):
        return None
    return (
        f"names a bucket that there cannot be, {json.dumps(_cut(name), ensure_ascii=False)}: a name"
        " has 3 to 63 lower case letters, digits, - and ., begins and ends with a letter or a"
        " digit, and is no IP address"
    )


def resolve(text: str, source: Source, data_bucket: str) -> str:
    """The full URL of the object that a checked text names.

    Args:
        source: of the dataset; its prefix and its bucket complete a key without a scheme.
        data_bucket: the bucket of a source that names none.

    Raises:
        InvalidRequest: with the prefix, the key is longer than S3 allows.
    """
    if text.startswith("s3://"):
        return text
    key = text[1:] if text.startswith("/") else source.prefix + text
    size = len(key.encode())
    if size > KEY_BYTES:
        problem = f"makes a key of {size:,} bytes, S3 allows {KEY_BYTES:,}: {_cut(key)}"
        raise InvalidRequest("run request", [Problem("inputUrl", problem)])
    return layout.s3_url(source.bucket or data_bucket, key)


def where_looked(text: str, source: Source) -> str | None:
    """How a text without a scheme was understood, for someone whose object was not found."""
    if text.startswith("s3://"):
        return None
    shown = json.dumps(text, ensure_ascii=False)
    if text.startswith("/"):
        return f"{shown} begins with /, so it is a key from the bucket's root"
    return (
        f"{shown} is a key below {source.prefix}, the dataset's prefix; one from the bucket's root"
        " begins with /"
    )


def _problem(text: str) -> str | None:
    if text.startswith("s3://"):
        return (
            None if _FULL_URL.fullmatch(text) else "must name a bucket and a key: s3://bucket/key"
        )
    if _WINDOWS.match(text):
        return (
            "looks like a path on Windows; upload the file, then name its key with / between its"
            f" parts ({_BY_FULL_URL})"
        )
    if _SCHEME.match(text):
        return _other_scheme(text)
    if "\n" in text:
        return "must be one line"
    key = text.removeprefix("/")
    if not key:
        return "must name an object: s3://bucket/key, or a key below the dataset's prefix"
    parts = key.removesuffix("/").split("/")
    if "" in parts:
        return f"has an empty part: two / in a row, or // at its beginning; {_BY_FULL_URL}"
    if "." in parts or ".." in parts:
        return (
            "has a part that is . or .., but keys are no paths; write the key as it is listed,"
            f" from the bucket's root with a / before it ({_BY_FULL_URL})"
        )
    return None


def _other_scheme(text: str) -> str:
    found = _HADOOP.fullmatch(text) or _ARN.fullmatch(text)
    if found:
        return f"must be written s3://{_cut(found[1])}"
    return (
        "has a scheme that is not read; name the object as s3://bucket/key, or as a key below the"
        " dataset's prefix"
    )


def _cut(text: str) -> str:
    return text if len(text) <= 120 else f"{text[:120]}…"
