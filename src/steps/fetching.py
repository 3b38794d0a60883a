"""A source object as a file that DuckDB reads well: plain, UTF-8, known to be what was listed.

Whatever the object's size, it passes through memory in pieces. What would not fit the function's
disk is refused before or, where a compressed object turns out larger than expected, while it comes.
"""

from __future__ import annotations

import codecs
import functools
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

from botocore.exceptions import ClientError

from contracts.dataset import CsvFormat, Format, ParquetFormat, effective_compression
from contracts.errors import InvalidData
from steps import aws
from steps.duck import MEGABYTE

# Disk that one byte of an object comes to, at its worst: itself, the valid rows as Parquet and the
# rejected ones as JSON lines. Compressed text is taken to be a fifth of itself.
_DISK: Final = {"none": 3.0, "gzip": 3.0 * 5, "zstd": 2.0 * 5 + 1}
_SHARE_OF_SOURCE: Final = 0.4  # of the disk: more than this, and the rest has no place beside it
_NOT_TEXT: Final = "\udcff"  # becomes a byte that no UTF-8 has, so its row is rejected


@dataclass(frozen=True)
class TextLook:
    """What a look at all of a text tells.

    Attributes:
        lines: how many there are, the last one with or without an end.
        trailing_blanks: how many of the last ones are empty.
        quotes: whether quotes occur at all.
    """

    lines: int
    trailing_blanks: int
    quotes: bool


@dataclass(frozen=True)
class Fetched:
    """An object in the workspace.

    Attributes:
        path: UTF-8 text (or Parquet), decompressed unless `compression` says otherwise.
        compression: as DuckDB names it: `none` or `zstd`.
        quote: of CSV.
    """

    path: Path
    compression: str = "none"
    quote: str = '"'

    @property
    def is_plain_text(self) -> bool:
        return self.compression == "none" and self.path.suffix != ".parquet"

    @functools.cached_property
    def look(self) -> TextLook:
        """Of plain text; takes a pass over the file, once."""
        ends, tail, quotes, quote = 0, b"", False, self.quote.encode()
        with self.path.open("rb") as file:
            while piece := file.read(MEGABYTE):
                ends += piece.count(b"\n")
                quotes = quotes or quote in piece
                tail = (tail + piece[-4096:])[-4096:]
        unfinished = bool(tail) and not tail.endswith(b"\n")
        tail = tail.replace(b"\r\n", b"\n")
        blanks = max(0, len(tail) - len(tail.rstrip(b"\n")) - 1)
        return TextLook(ends + unfinished, blanks, quotes)


def refuse_what_cannot_fit(
    size: int, key: str, file_format: Format, ephemeral_megabytes: int, source: str
) -> None:
    """Hold an object's size against the function's disk.

    Args:
        size: bytes, as listed.
        source: how messages name the object.

    Raises:
        InvalidData: it would not fit; says how large it may be and what to do instead.
    """
    compression = _compression(file_format, key)
    needed = size * _DISK[compression] / MEGABYTE
    if needed > ephemeral_megabytes:
        at_most = ephemeral_megabytes / _DISK[compression]
        raise InvalidData(
            f"{source} has {size / MEGABYTE:.0f} MB ({compression} compression), which needs about"
            f" {needed:.0f} MB of disk; this function has {ephemeral_megabytes} MB, enough for"
            f" {at_most:.0f} MB. {_ADVICE}"
        )


_ADVICE: Final = (
    "Split the object, or give the dataset a Spark job (docs/jobs.md) that writes Parquet"
)


def room_for_source(ephemeral_megabytes: int) -> int:
    """Bytes of the function's disk that a source may take, so that its results fit beside it."""
    return int(ephemeral_megabytes * _SHARE_OF_SOURCE) * MEGABYTE


def fetch(
    bucket: str,
    key: str,
    directory: Path,
    file_format: Format,
    *,
    etag: str | None = None,
    room: int | None = None,
    name: str = "source",
) -> Fetched:
    """Copy an object into the directory, decompressed (gzip) and as UTF-8.

    Args:
        etag: what the object must still be, without quotes.
        room: bytes that it may take on disk; absent: any.
        name: of the file, without its ending.

    Raises:
        NotFound: it is not there.
        InvalidData: it is not what it was when it was listed, is damaged, or grows too large.
    """
    url = f"s3://{bucket}/{key}"
    compression = _compression(file_format, key)
    encoding = file_format.encoding if isinstance(file_format, CsvFormat) else "utf-8"
    if compression == "zstd" and encoding != "utf-8":
        raise InvalidData(f"{url}: zstd goes with UTF-8 only; for {encoding} compress with gzip")
    path = directory / f"{name}{_ending(file_format, compression)}"
    with aws.translated(f"reading {url}"), path.open("wb") as file:
        body = _body(bucket, key, etag, url)
        pieces = _pieces(_decompressed(body) if compression == "gzip" else body, url)
        if compression == "zstd" or isinstance(file_format, ParquetFormat):
            _copy(pieces, file, room, url)
            return Fetched(path, compression)
        _copy(_transcoded(pieces, encoding, url), file, room, url)
    if not isinstance(file_format, CsvFormat):
        return Fetched(path)
    fetched = Fetched(path, quote=file_format.quote)
    return with_equal_line_ends(fetched) if _has_only_returns(path) else fetched


def with_equal_line_ends(fetched: Fetched) -> Fetched:
    """A copy in which every line ends in LF, where CR LF, CR and LF were mixed.

    Line ends within quotes become LF, too.
    """
    path = fetched.path.with_suffix(f".lf{fetched.path.suffix}")
    decoder = io.IncrementalNewlineDecoder(None, translate=True)
    with fetched.path.open("rb") as source, path.open("wb") as file:
        # Latin-1 maps every byte to a character and back, so bytes stay what they are.
        while piece := source.read(MEGABYTE):
            file.write(decoder.decode(piece.decode("latin-1")).encode("latin-1"))
        file.write(decoder.decode("", final=True).encode("latin-1"))
    fetched.path.unlink()
    return Fetched(path, quote=fetched.quote)


def _has_only_returns(path: Path) -> bool:
    """Whether lines end in CR, as they did on very old systems."""
    returns = False
    with path.open("rb") as file:
        while piece := file.read(MEGABYTE):
            if b"\n" in piece:
                return False
            returns = returns or b"\r" in piece
    return returns


def _compression(file_format: Format, key: str) -> str:
    if isinstance(file_format, ParquetFormat):
        return "none"
    return effective_compression(file_format.compression, key)


def _ending(file_format: Format, compression: str) -> str:
    if isinstance(file_format, ParquetFormat):
        return ".parquet"
    return ".txt.zst" if compression == "zstd" else ".txt"


def _body(bucket: str, key: str, etag: str | None, url: str) -> BinaryIO:
    condition = {} if etag is None else {"IfMatch": f'"{etag}"'}
    try:
        answer = aws.client("s3").get_object(Bucket=bucket, Key=key, **condition)
    except ClientError as error:
        if aws.error_code(error) in ("PreconditionFailed", "412"):
            raise InvalidData(
                f"{url} has changed since the run listed it; start a new run for it"
            ) from error
        raise
    return cast(BinaryIO, answer["Body"])


def _decompressed(body: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, gzip.GzipFile(fileobj=body, mode="rb"))


def _pieces(file: BinaryIO, url: str) -> Iterator[bytes]:
    try:
        while piece := file.read(MEGABYTE):
            yield piece
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InvalidData(f"{url} cannot be decompressed: {error}") from error


def _copy(pieces: Iterator[bytes], file: BinaryIO, room: int | None, url: str) -> None:
    written = 0
    for piece in pieces:
        written += len(piece)
        if room is not None and written > room:
            raise InvalidData(
                f"{url} takes more than {room / MEGABYTE:.0f} MB and does not fit this function's"
                f" disk with what comes of it. {_ADVICE}"
            )
        file.write(piece)


def _transcoded(pieces: Iterator[bytes], encoding: str, url: str) -> Iterator[bytes]:
    """Bytes of an encoding as UTF-8; what is no text of it becomes no UTF-8 either."""
    if encoding == "utf-8":
        yield from pieces  # DuckDB checks it, row by row
        return
    decoder = codecs.getincrementaldecoder(encoding)(errors="steps.fetching.mark")
    try:
        for piece in pieces:
            yield decoder.decode(piece).encode("utf-8", "surrogateescape")
        yield decoder.decode(b"", final=True).encode("utf-8", "surrogateescape")
    except UnicodeError as error:
        raise InvalidData(f"{url} is not {encoding.upper()}: {error}") from error


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return _NOT_TEXT, error.end


codecs.register_error("steps.fetching.mark", _mark)
