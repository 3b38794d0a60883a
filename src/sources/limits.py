"""How many objects a run may have, and how large they may be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import compress
from typing import Final

from contracts.dataset import Format, Limits, ParquetFormat
from contracts.errors import InvalidData
from contracts.manifest import OBJECTS_AT_MOST, ManifestEntry
from reading_rules.encodings import effective_compression
from sources.objects.columns import Objects

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


def check_limits(objects: Iterable[Objects], limits: Limits) -> Iterator[Objects]:
    """The same objects, as long as the dataset's limits are not exceeded.

    Raises:
        InvalidData: there are too many, at the first one; or some are too large, once all are read.
    """
    return checked_sizes(limited(objects, limits.objects), limits.object_megabytes, _ADVICE)


def limited(objects: Iterable[Objects], limit: int) -> Iterator[Objects]:
    """The same objects, but for chunks of none.

    Raises:
        InvalidData: there are more; names the first one beyond.
    """
    total = 0
    for some in objects:
        if total + len(some) > limit:
            url = f"s3://{some.bucket}/{some.keys[limit - total]}"
            higher = f", or raise it, up to {OBJECTS_AT_MOST:,}" if limit < OBJECTS_AT_MOST else ""
            raise InvalidData(
                f"more than {limit:,} objects (limits.objects of the dataset), up to {url}: ask for"
                f" a shorter range{higher}"
            )
        total += len(some)
        if len(some):
            yield some


def checked_sizes(objects: Iterable[Objects], megabytes: int, advice: str) -> Iterator[Objects]:
    """The same objects; once all are read, InvalidData is raised if some are larger.

    Args:
        advice: what to do then.

    Raises:
        InvalidData: says how many are larger, and names some.
    """
    count, named = 0, list[str]()
    most = megabytes * MEGABYTE
    for some in objects:
        if max(some.sizes, default=0) > most:
            large = [size > most for size in some.sizes]
            count += sum(large)
            found = zip(compress(some.keys, large), compress(some.sizes, large), strict=True)
            named += [f"s3://{some.bucket}/{key} ({size / MEGABYTE:.1f} MB)" for key, size in found]
            del named[NAMED_AT_MOST:]
        yield some
    if count:
        more = f" and {count - len(named)} more" if count > len(named) else ""
        raise InvalidData(
            f"{count} objects are larger than {megabytes} MB"
            f" (limits.objectMegabytes): {', '.join(named)}{more}; {advice}"
        )


def check_sizes(entries: Sequence[ManifestEntry], megabytes: int, advice: str) -> None:
    """Raise InvalidData, naming the objects, if some are larger; `advice` says what to do."""
    for _ in checked_sizes(Objects.of(entries), megabytes, advice):
        pass
