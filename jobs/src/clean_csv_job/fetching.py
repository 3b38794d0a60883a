"""The object as a file of plain UTF-8 with equal line ends."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple, cast

from clean_csv_job.options import InvalidData
from reading_rules.csv.short_rows import MissingFields
from reading_rules.encodings import as_utf8, effective_compression
from reading_rules.line_ends import LineEnds, with_equal_line_ends
from reading_rules.malformed import too_long
from reading_rules.packed import bunzipped, unzipped
from reading_rules.plain_text import CHANGES, plain_text
from reading_rules.scans import LONGEST_HELD
from reading_rules.signatures import (
    WrongContent,
    checked_text,
    peeked,
    refuse_no_parquet,
    refuse_packed_otherwise,
)
from reading_rules.source_lines import SourceLines
from reading_rules.text_error import TextError

MEGABYTE = 1024 * 1024


class Fetched(NamedTuple):
    """A file.

    Attributes:
        compression: how it still is: `zstd` or `none`.
        lines: of the object, by those of the file.
        missing: of CSV, about how many fields its rows lack.
        surplus: so many empty fields more than columns a row may have.
    """

    path: str
    compression: str
    lines: SourceLines
    missing: int = 0
    surplus: int = 0


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
    changes = [name for name in CHANGES if form.get(name)]
    if compression == "zstd" and encoding != "utf-8":
        raise InvalidData(f"{source}: zstd goes with UTF-8 only; for {encoding} compress with gzip")
    if compression == "zstd" and changes:
        raise InvalidData(
            f"{source}: in this job, {changes[0]} does not go with zstd; compress with gzip"
        )
    lines = SourceLines(os.path.join(directory, "source-lines"))
    path = os.path.join(directory, "source" + (".zst" if compression == "zstd" else ".txt"))
    ends, fields, missing = LineEnds(), MissingFields(_counted_delimiter(form)), 0
    try:
        with open(path, "wb") as file:
            for block in _plain(body, compression, form, directory, lines):
                file.write(block)
                ends.add(block)
                fields.begin(block)
                missing += fields.of(block)
                if ends.unended > LONGEST_HELD and form["type"] in ("csv", "jsonl"):
                    raise InvalidData(too_long(f"{source}, line {ends.line_feeds + 1:,}"))
    except TextError as error:
        raise InvalidData(f"{source}, {error}") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InvalidData(f"{source} cannot be decompressed: {error}") from error
    except WrongContent as error:
        raise InvalidData(f"{source} {error}") from error
    if compression == "zstd":
        return Fetched(path, "zstd", lines)  # DuckDB reads it
    fetched = Fetched(path, "none", lines, missing)
    if form["type"] in ("csv", "jsonl") and ends.are_mixed:
        fetched = equalized(fetched, form["quote"].encode() if form["type"] == "csv" else b"")
    return fetched


def _counted_delimiter(form: Mapping[str, Any]) -> bytes:
    """What is counted to see whether rows lack fields; nothing where these are filled up anyway."""
    is_counted = form["type"] == "csv" and not form.get("padShortRows")
    return str(form["delimiter"]).encode() if is_counted else b""


def _plain(
    body: BinaryIO, compression: str, form: Mapping[str, Any], directory: str, lines: SourceLines
) -> Iterator[bytes]:
    """The object's bytes as they go into the file."""
    head, stream = peeked(body)
    if form["type"] == "parquet":
        refuse_no_parquet(head)
        return blocks_of(stream)
    refuse_packed_otherwise(head, compression)
    blocks = _unpacked(stream, compression, directory)
    if compression == "zstd":
        return blocks
    encoding = form.get("encoding", "utf-8")
    blocks = as_utf8(checked_text(blocks, form["type"], encoding), encoding)
    return plain_text(blocks, form, lines) if any(map(form.get, CHANGES)) else blocks


def equalized(fetched: Fetched, quote: bytes = b"") -> Fetched:
    """The file with LF at the end of every line; what stands between quotes stays as it is."""
    path = fetched.path + ".lf"
    with open(fetched.path, "rb") as source, open(path, "wb") as file:
        file.writelines(with_equal_line_ends(blocks_of(source), quote))
    os.remove(fetched.path)
    return fetched._replace(path=path)


def _unpacked(body: BinaryIO, compression: str, directory: str) -> Iterator[bytes]:
    if compression == "bzip2":
        return bunzipped(body)
    if compression == "gzip":
        return blocks_of(cast(BinaryIO, gzip.GzipFile(fileobj=body)))
    return _unzipped(body, directory) if compression == "zip" else blocks_of(body)


def _unzipped(body: BinaryIO, directory: str) -> Iterator[bytes]:
    """By way of a file, as what an archive holds stands at its end."""
    path = os.path.join(directory, "source.zip")
    with open(path, "w+b") as file:
        file.writelines(blocks_of(body))
        yield from unzipped(file)
    os.remove(path)


def blocks_of(file: BinaryIO) -> Iterator[bytes]:
    while True:
        block = file.read(MEGABYTE)
        if not block:
            return
        yield block
