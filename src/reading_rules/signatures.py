"""What an object is by its first bytes, where it is not what its key and the contract say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final, cast

from reading_rules.visible import visible

HEAD_BYTES: Final = 512
_READ: Final = frozenset(("gzip", "zstd", "bzip2", "zip"))
_PACKED: Final = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    *((bytes([0x50 + n]) + b"\x2a\x4d\x18", "zstd") for n in range(16)),  # a skippable frame
    (b"BZh", "bzip2"),
    (b"PK\x03\x04", "zip"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
)
# Longer than the formats' own marks where these alone might begin a text.
_BINARY: Final = (
    (b"PAR1\x15", "Parquet", "set format.type: parquet"),
    (b"Obj\x01", "Avro", ""),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook (.xls)", "save it as CSV"),
    (b"%PDF-", "PDF", ""),
    (b"SQLite format 3\x00", "SQLite", ""),
)
_PARQUET: Final = b"PAR1"
_ENCRYPTED: Final = b"PARE"
_UTF_32: Final = (b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
_BZIP2_BLOCKS: Final = (b"1AY&SY", b"\x17rE8P\x90")  # behind `BZh` and a digit
_FEWEST_PAIRS: Final = 8
_HTML: Final = (b"<!doctype html", b"<html")
_SHOWN: Final = 20


class WrongContent(Exception):
    """An object is not what it is read as; the message goes on from "<object> "."""


class Rejoined:
    """A stream whose first bytes were read before."""

    def __init__(self, head: bytes, body: BinaryIO) -> None:
        self._head, self._body = head, body

    def read(self, size: int = -1) -> bytes:
        if not self._head:
            return self._body.read(size)
        end = len(self._head) if size < 0 else size
        found, self._head = self._head[:end], self._head[end:]
        if self._head:
            return found
        return found + self._body.read(size - len(found) if size >= 0 else -1)


def peeked(body: BinaryIO) -> tuple[bytes, BinaryIO]:
    """The first bytes of a stream, and a stream that begins with them."""
    head = b""
    while len(head) < HEAD_BYTES:
        more = body.read(HEAD_BYTES - len(head))
        if not more:
            break
        head += more
    return head, cast(BinaryIO, Rejoined(head, body))


def refuse_packed_otherwise(head: bytes, compression: str) -> None:
    """Compare an object's first bytes with how it is said to be compressed.

    Raises:
        WrongContent: it is compressed in another way, or not at all.
    """
    found = packed_as(head)
    if not head or found == compression:
        return
    if compression == "none":
        if found != "none":
            raise WrongContent(f"is {_named(head, found)}, not text: {_advice(head, found)}")
        return
    if found != "none":
        raise WrongContent(f"is {_named(head, found)}, not {compression}: {_advice(head, found)}")
    if is_text(head):
        raise WrongContent(
            f"is not {compression}, but text ({_beginning(head)}): set format.compression: none"
        )


def checked_text(blocks: Iterable[bytes], kind: str, encoding: str) -> Iterator[bytes]:
    """The blocks of a decompressed text, of which the first one is looked at.

    Args:
        kind: the format's type.
        encoding: how the text is said to be written.

    Raises:
        WrongContent: it is something else.
    """
    rest = iter(blocks)
    first = next(rest, b"")
    _refuse_no_text(first[:HEAD_BYTES], kind, encoding)
    if first:
        yield first
    yield from rest


def refuse_no_parquet(head: bytes) -> None:
    """Compare an object's first bytes with those of every Parquet file.

    Raises:
        WrongContent: it is none.
    """
    if head.startswith(_PARQUET):
        return
    if not head:
        raise WrongContent("is empty, and so no Parquet file: leave it out (source.exclude)")
    if head.startswith(_ENCRYPTED):
        raise WrongContent("is an encrypted Parquet file, which is not read")
    packed = packed_as(head)
    if packed != "none":
        raise WrongContent(
            f"is {_named(head, packed)}, not Parquet, which compresses its columns itself: upload"
            " the file as it was before"
        )
    if is_text(head):
        raise WrongContent(
            f"is text ({_beginning(head)}), not Parquet: set format.type: csv, jsonl or json"
        )
    raise WrongContent("is no Parquet file: it does not begin with PAR1")


def packed_as(head: bytes) -> str:
    """How bytes that begin so are compressed; `none` also for what is not known."""
    for mark, name in _PACKED:
        if head.startswith(mark) and (name != "bzip2" or head[4:10] in _BZIP2_BLOCKS):
            return name
    return "none"


def is_text(head: bytes) -> bool:
    """Whether these may be the first bytes of a text in any encoding but UTF-16."""
    return not any(byte < 32 and byte not in b"\t\n\r\x01\x1e\x1f" for byte in head)


def _refuse_no_text(head: bytes, kind: str, encoding: str) -> None:
    packed = packed_as(head)
    if packed != "none":
        raise WrongContent(f"is {packed} once decompressed: compress it only once")
    for mark, name, advice in _BINARY:
        if head.startswith(mark):
            raise WrongContent(f"is {name}, not text" + (f": {advice}" if advice else ""))
    if head.lstrip().lower().startswith(_HTML):
        raise WrongContent("is an HTML page, not data; was a login or an error saved in its place?")
    if encoding.startswith("utf-16"):
        _refuse_no_utf_16(head, encoding)
        return
    if head.startswith(_UTF_32):
        raise WrongContent("is UTF-32, which is not read: write it as UTF-8")
    pairs = [head[side : len(head) // 2 * 2 : 2] for side in (0, 1)]
    is_wide = any(len(half) >= _FEWEST_PAIRS and not any(half) for half in pairs)
    if head.startswith(_UTF_16) or is_wide:
        has_mark = head.startswith(_UTF_16)
        sign = "it has its byte order mark" if has_mark else "every other byte is 0"
        name = "utf-16" if has_mark else "utf-16-le" if any(pairs[0]) else "utf-16-be"
        advice = f"set format.encoding: {name}" if kind == "csv" else "write it as UTF-8"
        raise WrongContent(f"is UTF-16, not {encoding.upper()} ({sign}): {advice}")


def _refuse_no_utf_16(head: bytes, encoding: str) -> None:
    """Compare where its zeros stand: as delimiters and line ends have one, CSV has some."""
    zeros = [head[side::2].count(0) for side in (0, 1)]
    order = ("utf-16-be", "utf-16-le")[zeros[1] > zeros[0]]
    other = order if any(zeros) else "utf-8"
    if not head or head.startswith(_UTF_16):  # `as_utf8` compares the mark
        return
    if encoding == "utf-16":
        raise WrongContent(
            f"has no byte order mark, which utf-16 needs: set format.encoding: {other}"
        )
    has_none = not any(zeros) and is_text(head)
    has_others = any(zeros) and not zeros[encoding == "utf-16-le"]
    if has_none or has_others:
        why = "no byte of it is 0" if has_none else "its zeros stand on the other side"
        raise WrongContent(f"is not {encoding.upper()} ({why}): set format.encoding: {other}")


def _named(head: bytes, packed: str) -> str:
    if _is_workbook(head, packed):
        return "an Excel workbook (.xlsx)"
    return "a zip archive" if packed == "zip" else packed


def _is_workbook(head: bytes, packed: str) -> bool:
    return packed == "zip" and (b"[Content_Types].xml" in head or b"xl/" in head)


def _advice(head: bytes, packed: str) -> str:
    if _is_workbook(head, packed):
        return "save it as CSV"
    if packed in _READ:
        return f"set format.compression: {packed}"
    return f"unpack it, or compress it as {', '.join(sorted(_READ))}"


def _beginning(head: bytes) -> str:
    """The first line of a text, for people."""
    line = head.partition(b"\n")[0].decode("utf-8", "replace").strip()
    return f"it begins with '{visible(line[:_SHOWN])}{'…' if len(line) > _SHOWN else ''}'"
