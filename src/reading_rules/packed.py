"""What is packed by bzip2, or as the one member of a zip archive."""

from __future__ import annotations

import bz2
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Final

from reading_rules.text_error import TextError

BLOCK: Final = 1024 * 1024
_METHODS: Final = {zipfile.ZIP_STORED: "stored", zipfile.ZIP_DEFLATED: "deflate"}
_END: Final = struct.Struct("<4s4H2LH")  # of a zip archive's directory, but for the comment
_END_BEGINS: Final = b"PK\x05\x06"
_END_64: Final = struct.Struct("<4sQ2H2L4Q")
_LOCATOR: Final = struct.Struct("<4sLQL")
_IN_THE_OTHER: Final = 0xFFFF
_COMMENT: Final = 0xFFFF
_ENTRY: Final = 46 + 3 * 0xFFFF  # bytes at most of a directory of one member


def bunzipped(file: BinaryIO) -> Iterator[bytes]:
    """Blocks of a bzip2 stream, or of several in a row; of nothing at all, none.

    Raises:
        TextError: it is no bzip2, or is cut off.
    """
    data = file.read(BLOCK)
    while data:
        decoder = bz2.BZ2Decompressor()
        while not decoder.eof:
            try:
                block = decoder.decompress(data, BLOCK)
            except OSError as error:
                raise TextError("cannot be decompressed: it is not bzip2, or damaged") from error
            if block:
                yield block
            data = b""
            if decoder.needs_input and not decoder.eof:
                data = file.read(BLOCK)
                if not data:
                    raise TextError("cannot be decompressed: the bzip2 stream is cut off")
        data = decoder.unused_data or file.read(BLOCK)


def unzipped(file: BinaryIO) -> Iterator[bytes]:
    """Blocks of the one member of a zip archive.

    Args:
        file: of which any part can be read.

    Raises:
        TextError: it is no such archive; says why.
    """
    _refuse_several(file)
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            _refuse_odd(members)
            with archive.open(members[0]) as member:
                while True:
                    block = member.read(BLOCK)
                    if not block:
                        return
                    yield block
    except (zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError, ValueError) as error:
        raise TextError(f"cannot be unpacked: {error}") from error


def _refuse_several(file: BinaryIO) -> None:
    """Look at the archive's end first: a directory of millions would not fit in memory."""
    size = file.seek(0, 2)
    begins = max(0, size - _END.size - _COMMENT)
    file.seek(begins)
    tail = file.read(size - begins)
    at = tail.rfind(_END_BEGINS)
    if at < 0 or at + _END.size > len(tail):
        raise TextError("cannot be unpacked: it is not a zip archive, or its end is missing")
    end = _END.unpack_from(tail, at)
    members, length = end[4], end[5]
    if _IN_THE_OTHER in (members, end[3]) or length == 0xFFFFFFFF:
        members, length = _of_zip64(file, begins + at)
    if members != 1:
        what = f"{members:,} members" if members else "no member"
        raise TextError(f"has {what} as a zip archive; one with exactly one is read")
    if length > _ENTRY:
        raise TextError("cannot be unpacked: the zip archive's directory is larger than its member")


def _of_zip64(file: BinaryIO, end: int) -> tuple[int, int]:
    file.seek(max(0, end - _LOCATOR.size))
    locator = file.read(_LOCATOR.size)
    if len(locator) == _LOCATOR.size and locator.startswith(b"PK\x06\x07"):
        file.seek(_LOCATOR.unpack(locator)[2])
        found = file.read(_END_64.size)
        if len(found) == _END_64.size and found.startswith(b"PK\x06\x06"):
            fields = _END_64.unpack(found)
            return fields[7], fields[8]
    raise TextError("cannot be unpacked: the zip archive's directory cannot be found")


def _refuse_odd(members: list[zipfile.ZipInfo]) -> None:
    if len(members) != 1:
        raise TextError(f"has {len(members):,} members as a zip archive; one is read")
    member = members[0]
    name = member.filename
    if member.flag_bits & 0x1:
        raise TextError(f"has an encrypted member as a zip archive, {name[:200]!r}")
    parts = member.orig_filename.replace("\\", "/").split("/")
    if not name.isprintable() or "" in parts or ".." in parts or ":" in name or "\\" in name:
        raise TextError(
            f"has a member with an odd name as a zip archive, {member.orig_filename[:200]!r}: a"
            " folder, an absolute path, '..', a backslash, a colon or what cannot be printed"
        )
    if member.compress_type not in _METHODS:
        raise TextError(
            f"has a member as a zip archive that is compressed by method {member.compress_type};"
            " deflate is read"
        )
