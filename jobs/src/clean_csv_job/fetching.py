"""The object as a file of plain UTF-8 with equal line ends."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO, NamedTuple, Optional, cast

from clean_csv_job.options import InvalidData
from clean_csv_job.zstd_text import Looked, decompressed, look_at, refuse_broken_frames
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
        has_raw_texts: of Parquet: texts are read as bytes, as some are none.
        looked: of what is compressed: its lines.
    """

    path: str
    compression: str
    lines: SourceLines
    missing: int = 0
    surplus: int = 0
    has_raw_texts: bool = False
    looked: Optional[Looked] = None  # noqa: UP045 - Python 3.9


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
    with _explained(source, encoding), open(path, "wb") as file:
        for block in _plain(body, compression, form, directory, lines):
            file.write(block)
            ends.add(block)
            fields.begin(block)
            missing += fields.of(block)
            if ends.unended > LONGEST_HELD and form["type"] in ("csv", "jsonl"):
                raise InvalidData(too_long(f"{source}, line {ends.line_feeds + 1:,}"))
    if compression == "zstd":
        return _fetched_zstd(Fetched(path, "zstd", lines), form, source)
    fetched = Fetched(path, "none", lines, missing)
    if form["type"] in ("csv", "jsonl") and ends.are_mixed:
        fetched = equalized(fetched, form["quote"].encode() if form["type"] == "csv" else b"")
    return fetched


@contextmanager
def _explained(source: str, encoding: str) -> Iterator[None]:
    """Raise InvalidData, with the object's name, for what is wrong with its bytes."""
    try:
        yield
    except TextError as error:
        raise InvalidData(f"{source}, {error}") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InvalidData(f"{source} cannot be decompressed: {error}") from error
    except WrongContent as error:
        raise InvalidData(f"{source} {error}") from error
    except UnicodeError as error:
        raise InvalidData(f"{source} is not {encoding.upper()}: {error}") from error


def _fetched_zstd(file: Fetched, form: Mapping[str, Any], source: str) -> Fetched:
    """The file for DuckDB to decompress; of an array the items, each on a line."""
    refuse_broken_frames(file.path, source)
    if form["type"] != "json":
        with _explained(source, "utf-8"):
            return file._replace(looked=look_at(file.path, form))
    path = file.path[: -len(".zst")] + ".txt"
    with _explained(source, "utf-8"), open(path, "wb") as items:
        blocks = checked_text(decompressed(file.path, source), form["type"], "utf-8")
        items.writelines(plain_text(blocks, form, file.lines))
    os.remove(file.path)
    return file._replace(path=path, compression="none")


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
    blocks = _as_a_whole(_unpacked(stream, compression, directory))
    if compression == "zstd":
        return blocks
    encoding = form.get("encoding", "utf-8")
    blocks = as_utf8(checked_text(blocks, form["type"], encoding), encoding)
    is_array = form["type"] == "json"
    return plain_text(blocks, form, lines) if is_array or any(map(form.get, CHANGES)) else blocks


def _as_a_whole(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """What is wrong with a compressed object is wrong with all of it, not with a line."""
    try:
        yield from blocks
    except TextError as error:
        raise WrongContent(str(error)) from error


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
