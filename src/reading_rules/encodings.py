"""The bytes of an object: how they are compressed, and as UTF-8."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from typing import Final

COMPRESSION_BY_ENDING: Final = {".gz": "gzip", ".zst": "zstd"}
_WITHOUT_MARK: Final = ("utf-16-le", "utf-16-be")  # the order is said, and a mark may be there
_BYTE_ORDER_MARK: Final = "\ufeff"
_OTHER_ORDER: Final = "\ufffe"
_HANDLER: Final = "reading-rules.mark"
_NOT_TEXT: Final = "\udcff"  # becomes a byte that no UTF-8 has, so its record is rejected


def effective_compression(compression: str, key: str) -> str:
    """How the object of this key is compressed, or `none`; `auto` takes its ending."""
    if compression != "auto":
        return compression
    endings = (name for end, name in COMPRESSION_BY_ENDING.items() if key.endswith(end))
    return next(endings, "none")


def as_utf8(blocks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Bytes of an encoding as UTF-8; what is no text of it is no UTF-8 either.

    Of several byte order marks at its beginning one is left.

    Raises:
        UnicodeError: UTF-16 without its byte order mark; or with the other order's.
    """
    return _with_one_mark(_decoded(blocks, encoding))


def _decoded(blocks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    if encoding == "utf-8":
        yield from blocks  # DuckDB checks it, row by row
        return
    decoder = codecs.getincrementaldecoder(encoding)(errors=_HANDLER)
    is_first = encoding in _WITHOUT_MARK
    for block in blocks:
        text = decoder.decode(block)
        if is_first and text:
            text, is_first = _without_mark(text, encoding), False
        yield text.encode("utf-8", "surrogateescape")
    yield decoder.decode(b"", final=True).encode("utf-8", "surrogateescape")


def _without_mark(text: str, encoding: str) -> str:
    """A byte order mark is none of the text; the other one's would be read without a word."""
    if text.startswith(_OTHER_ORDER):
        other = _WITHOUT_MARK[1 - _WITHOUT_MARK.index(encoding)]
        raise UnicodeError(f"it begins with the byte order mark of {other}")
    return text[text.startswith(_BYTE_ORDER_MARK) :]


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
