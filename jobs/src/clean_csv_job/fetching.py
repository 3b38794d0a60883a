"""The object as a file of plain UTF-8 with equal line ends."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple, cast

from clean_csv_job.options import InvalidData
from reading_rules.encodings import as_utf8, effective_compression
from reading_rules.line_ends import LineEnds, with_equal_line_ends
from reading_rules.malformed import too_long
from reading_rules.scans import LONGEST_HELD
from reading_rules.signatures import (
    WrongContent,
    checked_text,
    peeked,
    refuse_no_parquet,
    refuse_packed_otherwise,
)

MEGABYTE = 1024 * 1024


class Fetched(NamedTuple):
    """A file, and how it is still compressed: `zstd` or `none`."""

    path: str
    compression: str


def fetch(
    body: BinaryIO, key: str, form: Mapping[str, Any], directory: str, source: str
) -> Fetched:
    """Copy the object to a file as plain UTF-8.

    Args:
        form: the contract's format.
        source: how messages name the object.
    """
    is_parquet = form["type"] == "parquet"
    named = form.get("compression", "auto")
    compression = "none" if is_parquet else effective_compression(named, key)
    encoding = form.get("encoding", "utf-8")
    if compression == "zstd" and encoding != "utf-8":
        raise InvalidData(f"{source}: zstd goes with UTF-8 only; for {encoding} compress with gzip")
    path = os.path.join(directory, "source" + (".zst" if compression == "zstd" else ".txt"))
    ends = LineEnds()
    try:
        with open(path, "wb") as file:
            for block in _plain_blocks(body, form["type"], compression, encoding):
                file.write(block)
                ends.add(block)
                if ends.unended > LONGEST_HELD and form["type"] in ("csv", "jsonl"):
                    raise InvalidData(too_long(f"{source}, line {ends.line_feeds + 1:,}"))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InvalidData(f"{source} cannot be decompressed: {error}") from error
    except WrongContent as error:
        raise InvalidData(f"{source} {error}") from error
    if compression == "zstd":
        return Fetched(path, "zstd")  # DuckDB reads it
    fetched = Fetched(path, "none")
    if form["type"] in ("csv", "jsonl") and ends.are_mixed:
        fetched = equalized(fetched, form["quote"].encode() if form["type"] == "csv" else b"")
    return fetched


def _plain_blocks(body: BinaryIO, kind: str, compression: str, encoding: str) -> Iterator[bytes]:
    """The object as plain UTF-8; Parquet, and what is compressed as zstd, as it is."""
    head, stream = peeked(body)
    if kind == "parquet":
        refuse_no_parquet(head)
        return blocks_of(stream)
    refuse_packed_otherwise(head, compression)
    if compression == "zstd":
        return blocks_of(stream)
    if compression == "gzip":
        stream = cast(BinaryIO, gzip.GzipFile(fileobj=stream))
    return as_utf8(checked_text(blocks_of(stream), kind, encoding), encoding)


def equalized(fetched: Fetched, quote: bytes = b"") -> Fetched:
    """The file with LF at the end of every line; what stands between quotes stays as it is."""
    path = fetched.path + ".lf"
    with open(fetched.path, "rb") as source, open(path, "wb") as file:
        file.writelines(with_equal_line_ends(blocks_of(source), quote))
    os.remove(fetched.path)
    return Fetched(path, "none")


def blocks_of(file: BinaryIO) -> Iterator[bytes]:
    while True:
        block = file.read(MEGABYTE)
        if not block:
            return
        yield block
