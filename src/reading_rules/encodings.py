"""The bytes of an object: how they are compressed, and as UTF-8."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from typing import Final

COMPRESSION_BY_ENDING: Final = {".gz": "gzip", ".zst": "zstd"}
_HANDLER: Final = "reading-rules.mark"
_NOT_TEXT: Final = "\udcff"  # becomes a byte that no UTF-8 has, so its record is rejected


def effective_compression(compression: str, key: str) -> str:
    """`none`, `gzip` or `zstd`, for the object of this key; `auto` takes its ending."""
    if compression != "auto":
        return compression
    endings = (name for end, name in COMPRESSION_BY_ENDING.items() if key.endswith(end))
    return next(endings, "none")


def as_utf8(blocks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Bytes of an encoding as UTF-8; what is no text of it is no UTF-8 either.

    Of several byte order marks at its beginning one is left.

    Raises:
        UnicodeError: UTF-16 without its byte order mark.
    """
    return _with_one_mark(_decoded(blocks, encoding))


def _decoded(blocks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    if encoding == "utf-8":
        yield from blocks  # DuckDB checks it, row by row
        return
    decoder = codecs.getincrementaldecoder(encoding)(errors=_HANDLER)
    for block in blocks:
        yield decoder.decode(block).encode("utf-8", "surrogateescape")
    yield decoder.decode(b"", final=True).encode("utf-8", "surrogateescape")


def _with_one_mark(blocks: Iterable[bytes]) -> Iterator[bytes]:
    rest = iter(blocks)
    begun = b""
    for block in rest:
        begun += block
        while begun.startswith(2 * codecs.BOM_UTF8):
            begun = begun[len(codecs.BOM_UTF8) :]
        if not (2 * codecs.BOM_UTF8).startswith(begun):
            break
    if begun:
        yield begun
    yield from rest


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return _NOT_TEXT, error.end


codecs.register_error(_HANDLER, _mark)
