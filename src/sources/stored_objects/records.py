"""A stored object as 22 bytes: 16 of a digest of what it is, 6 of the contract's version. Pure.

Of objects, only these bytes are stored; a million objects are 22 MB. Files of them are sorted, so
that they are merged without being in memory together.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable, Iterator
from typing import Final

OBJECT_BYTES: Final = 16  # of SHA-256; two of a billion objects are alike by a chance of 1e-21
VERSION_BYTES: Final = 6
RECORD_BYTES: Final = OBJECT_BYTES + VERSION_BYTES
_UNKNOWN: Final = bytes(VERSION_BYTES)


def object_digest(url: str, etag: str) -> bytes:
    """What an object is, by bucket, key and content.

    Args:
        url: `s3://bucket/key`.
        etag: without quotes.
    """
    return hashlib.sha256(f"{url}\n{etag}".encode()).digest()[:OBJECT_BYTES]


def version_bytes(version: str | None) -> bytes:
    """The contract's version, 12 hex digits; of units of earlier releases it may be unknown."""
    return bytes.fromhex(version) if version else _UNKNOWN


def record(url: str, etag: str, version: str | None) -> bytes:
    """That a unit has stored the object by the contract of this version."""
    return object_digest(url, etag) + version_bytes(version)


def packed(records: Iterable[bytes]) -> bytes:
    """The content of a file: the records in order, each once."""
    return b"".join(sorted(set(records)))


def unpacked(content: bytes) -> Iterator[bytes]:
    """The records of a file, or of a part of it that begins and ends between two records."""
    return (content[at : at + RECORD_BYTES] for at in range(0, len(content), RECORD_BYTES))


def merged(contents: Iterable[bytes]) -> Iterator[bytes]:
    """The records of several files in order, each once."""
    last = b""
    for each in heapq.merge(*map(unpacked, contents)):
        if each != last:
            yield each
        last = each


class StoredDigests:
    """Collects the records of one run's stored objects: 22 bytes each, whatever their number."""

    def __init__(self) -> None:
        self._content = bytearray()

    def add(self, url: str, etag: str, version: str | None) -> None:
        self._content += record(url, etag, version)

    def packed(self) -> bytes:
        """The content of the run's file; empty: it has stored nothing."""
        return packed(unpacked(bytes(self._content)))
