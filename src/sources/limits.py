"""How many objects a run may have, and how large they may be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from contracts.dataset import Format, Limits, ParquetFormat
from contracts.errors import InvalidData
from contracts.manifest import ManifestEntry
from reading_rules.encodings import effective_compression

MEGABYTE: Final = 1024 * 1024
_ADVICE: Final = (
    "split them, raise the limit (docs/limits.md says what a function reads), or for more give the"
    " dataset a Spark job (docs/jobs.md) and raise the limit to what that reads"
)
NAMED_AT_MOST: Final = 10
# Most bytes of disk per byte of an object: itself, the valid rows as Parquet and the rejected ones
# as JSON lines. Compressed text is assumed to have a fifth of its original size, by bzip2 a
# seventh.
DISK: Final = {
    "none": 3.0,
    **dict.fromkeys(("gzip", "zstd", "zip"), 3.0 * 5),
    "bzip2": 3.0 * 7,
}


def compression_of(file_format: Format, key: str) -> str:
    """How the object of this key is compressed, or `none`."""
    if isinstance(file_format, ParquetFormat):
        return "none"
    return effective_compression(file_format.compression, key)


def disk_bytes(entry: ManifestEntry, file_format: Format) -> float:
    """What validating the object takes of a function's disk, at most."""
    return entry.size * DISK[compression_of(file_format, entry.key)]


def check_limits(entries: Sequence[ManifestEntry], limits: Limits) -> None:
    """Raise InvalidData, naming the offenders, if the dataset's limits are exceeded."""
    if len(entries) > limits.objects:
        raise InvalidData(f"{len(entries)} objects, at most {limits.objects} (limits.objects)")
    check_sizes(entries, limits.object_megabytes, _ADVICE)


def check_sizes(entries: Sequence[ManifestEntry], megabytes: int, advice: str) -> None:
    """Raise InvalidData, naming the objects, if some are larger; `advice` says what to do."""
    large = [entry for entry in entries if entry.size > megabytes * MEGABYTE]
    if large:
        named = [f"{entry.url} ({entry.size / MEGABYTE:.1f} MB)" for entry in large[:NAMED_AT_MOST]]
        more = f" and {len(large) - len(named)} more" if len(large) > len(named) else ""
        raise InvalidData(
            f"{len(large)} objects are larger than {megabytes} MB"
            f" (limits.objectMegabytes): {', '.join(named)}{more}; {advice}"
        )
