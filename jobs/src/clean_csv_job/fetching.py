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
    with open(path, "wb") as file:
        try:
            head, stream = peeked(body)
            if is_parquet:
                refuse_no_parquet(head)
            else:
                refuse_packed_otherwise(head, compression)
            if compression == "gzip":
                stream = cast(BinaryIO, gzip.GzipFile(fileobj=stream))
            blocks = blocks_of(stream)
            if not is_parquet and compression != "zstd":
                blocks = as_utf8(checked_text(blocks, form["type"], encoding), encoding)
            for block in blocks:
                file.write(block)
                ends.add(block)
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
