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

    Raises:
        UnicodeError: the encoding as a whole cannot be told, such as UTF-16 without its mark.
    """
    if encoding == "utf-8":
        yield from blocks  # DuckDB checks it, row by row
        return
    decoder = codecs.getincrementaldecoder(encoding)(errors=_HANDLER)
    for block in blocks:
        yield decoder.decode(block).encode("utf-8", "surrogateescape")
    yield decoder.decode(b"", final=True).encode("utf-8", "surrogateescape")


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return _NOT_TEXT, error.end


codecs.register_error(_HANDLER, _mark)
