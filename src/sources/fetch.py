"""Fetches the objects that steps read: decompressed, as UTF-8, and still what was listed.

Objects of any size pass through memory in blocks. One that would not fit the function's disk is
refused before or, if a compressed object turns out larger than expected, while it is being read.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from botocore.exceptions import ClientError

from contracts.dataset import CsvFormat, Format, ParquetFormat
from contracts.errors import InvalidData, NotFound
from reading_rules.encodings import as_utf8
from reading_rules.packed import bunzipped, unzipped
from reading_rules.plain_text import plain_text
from reading_rules.signatures import (
    WrongContent,
    checked_text,
    peeked,
    refuse_no_parquet,
    refuse_packed_otherwise,
)
from reading_rules.source_lines import SourceLines
from reading_rules.text_error import TextError
from runtime import clients
from sources import zstd
from sources.limits import DISK, compression_of
from sources.ranged import RANGE_BYTES, RangedObject
from tabular.workspace import BLOCK_BYTES, MEGABYTE

_SHARE_OF_SOURCE: Final = 0.4  # of the disk: more than this, and the rest has no place beside it


def refuse_what_cannot_fit(
    size: int, key: str, file_format: Format, ephemeral_megabytes: int, source: str
) -> None:
    """Check an object's size against the function's disk.

    Args:
        size: bytes, as listed.
        source: how messages name the object.

    Raises:
        InvalidData: it would not fit; says how large it may be and what to do instead.
    """
    compression = compression_of(file_format, key)
    needed = size * DISK[compression] / MEGABYTE
    if needed > ephemeral_megabytes:
        at_most = ephemeral_megabytes / DISK[compression]
        raise InvalidData(
            f"{source} has {size / MEGABYTE:.0f} MB ({compression} compression), which needs about"
            f" {needed:.0f} MB of disk; this function has {ephemeral_megabytes} MB, enough for"
            f" {at_most:.0f} MB. {_ADVICE}"
        ).without_values()


def megabytes_that_fit(key: str, file_format: Format, ephemeral_megabytes: int) -> int:
    """How large an object may be for `refuse_what_cannot_fit`."""
    return int(ephemeral_megabytes / DISK[compression_of(file_format, key)])


_ADVICE: Final = (
    "Split the object, or give the dataset a Spark job (docs/jobs.md) that writes Parquet"
)


def room_for_source(ephemeral_megabytes: int) -> int:
    """Bytes of the function's disk that a source may take, so that its results fit beside it."""
    return int(ephemeral_megabytes * _SHARE_OF_SOURCE) * MEGABYTE


def text_of(
    bucket: str,
    key: str,
    file_format: Format,
    *,
    etag: str | None = None,
    room: int | None = None,
    lines: SourceLines | None = None,
) -> Generator[bytes, None, None]:
    """The text of an object, decompressed and as UTF-8; each item of a JSON array is a line.

    What is no text of its encoding is no UTF-8 either.

    Args:
        lines: becomes the object's lines, where those of the text are others.
        etag: what the object must still be, without quotes.
        room: bytes that the text may take; absent: any.

    Raises:
        NotFound: it is not there.
        InvalidData: it is not what it was when it was listed, is damaged, grows too large, or is
            something else by its first bytes.
    """
    url = f"s3://{bucket}/{key}"
    with clients.translated(f"reading {url}"), _named_by(url):
        response = _response(bucket, key, etag, url)
        blocks = _unpacked(response, bucket, key, compression_of(file_format, key))
        yield from _text(blocks, file_format, url, room, lines or SourceLines())


def text_in(
    file: BinaryIO, name: str, file_format: Format, lines: SourceLines | None = None
) -> Iterator[bytes]:
    """The same of a file that is here, for the command line.

    Args:
        name: of the file, by which its compression goes, and in messages.
        lines: as of `text_of`.
    """
    with _named_by(name):
        blocks = _blocks_of(file, compression_of(file_format, name), name, lambda: file)
        yield from _text(blocks, file_format, name, None, lines or SourceLines())


def _text(
    blocks: Iterator[bytes], file_format: Format, url: str, room: int | None, lines: SourceLines
) -> Iterator[bytes]:
    encoding = file_format.encoding if isinstance(file_format, CsvFormat) else "utf-8"
    blocks = checked_text(blocks, file_format.type, encoding)
    blocks = _within(_transcoded(blocks, encoding, url), room, url)
    yield from _within(_plain(blocks, file_format, lines, url), room, url, lines)


def fetch(
    bucket: str,
    key: str,
    path: Path,
    file_format: Format,
    *,
    etag: str | None = None,
    room: int | None = None,
    lines: SourceLines | None = None,
) -> None:
    """Copy an object into a file; a text decompressed and as UTF-8. See `text_of`."""
    with path.open("wb") as file:
        if not isinstance(file_format, ParquetFormat):
            with closing(
                text_of(bucket, key, file_format, etag=etag, room=room, lines=lines)
            ) as text:
                file.writelines(text)
            return
        url = f"s3://{bucket}/{key}"
        with (
            clients.translated(f"reading {url}"),
            closing(cast(BinaryIO, _response(bucket, key, etag, url)["Body"])) as body,
            _named_by(url),
        ):
            head, whole = peeked(body)
            refuse_no_parquet(head)
            file.writelines(_within(_blocks(whole, url), room, url))


def _response(bucket: str, key: str, etag: str | None, url: str) -> Mapping[str, Any]:
    condition = {} if etag is None else {"IfMatch": f'"{etag}"'}
    try:
        response: Mapping[str, Any] = clients.client("s3").get_object(
            Bucket=bucket, Key=key, **condition
        )
    except ClientError as error:
        if clients.error_code(error) in ("PreconditionFailed", "412"):
            raise InvalidData(
                f"{url} has changed since the run listed it; start a new run for it"
            ).without_values() from error
        if clients.error_code(error) == "NoSuchKey":
            raise NotFound(
                f"there is no object {url} any more; upload it again, and start a new run for it"
            ) from error
        raise
    return response


def _unpacked(
    response: Mapping[str, Any], bucket: str, key: str, compression: str
) -> Iterator[bytes]:
    def by_ranges() -> BinaryIO:
        body.close()
        etag, size = response["ETag"].strip('"'), response["ContentLength"]
        return io.BufferedReader(RangedObject(bucket, key, etag, size), RANGE_BYTES)

    with closing(cast(BinaryIO, response["Body"])) as body:
        yield from _blocks_of(body, compression, f"s3://{bucket}/{key}", by_ranges)


def _blocks_of(
    body: BinaryIO, compression: str, url: str, seekable: Callable[[], BinaryIO]
) -> Iterator[bytes]:
    """What a compressed object holds.

    Args:
        seekable: the same to be read anywhere, as the directory of a zip file is at its end.
    """
    head, whole = peeked(body)
    refuse_packed_otherwise(head, compression)
    if not head:
        return  # an empty object has no rows, however it would be compressed
    try:
        if compression == "bzip2":
            yield from bunzipped(whole)
        elif compression == "zip":
            yield from unzipped(seekable())
        else:
            yield from _blocks(_decompressed(whole, compression), url)
    except TextError as error:
        raise InvalidData(f"{url} {error}") from error


@contextmanager
def _named_by(url: str) -> Iterator[None]:
    """Report what an object is instead with its name."""
    try:
        yield
    except WrongContent as error:
        raise InvalidData(f"{url} {error}") from error


def _decompressed(body: BinaryIO, compression: str) -> BinaryIO:
    if compression == "gzip":
        return cast(BinaryIO, gzip.GzipFile(fileobj=body, mode="rb"))
    return cast(BinaryIO, zstd.ZstdFile(body)) if compression == "zstd" else body


def _blocks(file: BinaryIO, url: str) -> Iterator[bytes]:
    try:
        while block := file.read(BLOCK_BYTES):
            yield block
    except (gzip.BadGzipFile, EOFError, zlib.error, zstd.ZstdError) as error:
        raise InvalidData(f"{url} cannot be decompressed: {error}") from error


def _within(
    blocks: Iterator[bytes], room: int | None, url: str, lines: SourceLines | None = None
) -> Iterator[bytes]:
    size = 0
    for block in blocks:
        size += len(block)
        if room is not None and size + (lines.size if lines else 0) > room:
            raise InvalidData(
                f"{url} takes more than {room / MEGABYTE:.0f} MB and does not fit this function's"
                f" disk with what comes of it. {_ADVICE}"
            ).without_values()
        yield block


def _plain(
    blocks: Iterator[bytes], file_format: Format, lines: SourceLines, url: str
) -> Iterator[bytes]:
    try:
        yield from plain_text(blocks, file_format.to_json(), lines)
    except TextError as error:
        raise InvalidData(f"{url}, {error}") from error


def _transcoded(blocks: Iterator[bytes], encoding: str, url: str) -> Iterator[bytes]:
    """Bytes of an encoding as UTF-8."""
    try:
        yield from as_utf8(blocks, encoding)
    except UnicodeError as error:
        raise InvalidData(f"{url} is not {encoding.upper()}: {error}") from error
