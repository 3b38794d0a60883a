"""Objects of a run as columns: a tenth of the memory that manifest entries take."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import compress, groupby, islice
from json.encoder import encode_basestring
from typing import Final, TypeVar

from contracts.manifest import ManifestEntry
from contracts.run_request import format_timestamp

Value = TypeVar("Value")
PER_CHUNK: Final = 1000  # as S3's pages have it


@dataclass(frozen=True, slots=True)
class Objects:
    """Some objects of one bucket, in order.

    Attributes:
        sizes: in bytes.
        etags: without quotes.
        modified: ISO 8601, with an offset.
        items: of batches of an array's items, see `ManifestEntry`; absent: of other objects.
        groups: of groups of objects, how many each holds; absent: of other objects.
    """

    bucket: str
    keys: Sequence[str]
    sizes: Sequence[int]
    etags: Sequence[str]
    modified: Sequence[str]
    items: Sequence[int | None] | None = None
    groups: Sequence[int | None] | None = None

    def __len__(self) -> int:
        return len(self.keys)

    @classmethod
    def of(cls, entries: Iterable[ManifestEntry]) -> Iterator[Objects]:
        """The same objects, in chunks of one bucket each."""
        for bucket, found in groupby(entries, key=lambda entry: entry.bucket):
            while some := list(islice(found, PER_CHUNK)):
                yield cls(
                    bucket,
                    [entry.key for entry in some],
                    [entry.size for entry in some],
                    [entry.etag for entry in some],
                    [format_timestamp(entry.last_modified) for entry in some],
                    _counts(entry.items for entry in some),
                    _counts(entry.objects for entry in some),
                )

    def entries(self) -> Iterator[ManifestEntry]:
        """The same objects, one by one."""
        none = [None] * len(self)
        columns = zip(
            self.keys,
            self.sizes,
            self.etags,
            self.modified,
            self.items or none,
            self.groups or none,
            strict=True,
        )
        for key, size, etag, modified, items, objects in columns:
            yield ManifestEntry.from_json(
                {
                    "bucket": self.bucket,
                    "key": key,
                    "size": size,
                    "etag": etag,
                    "lastModified": modified,
                    "items": items,
                    "objects": objects,
                }
            )

    def texts(self) -> list[str]:
        """Each object as JSON, as a pack of the manifest has it: without its bucket."""
        columns = zip(self.keys, self.sizes, self.etags, self.modified, strict=True)
        quoted = encode_basestring
        found = [
            f'{{"key":{quoted(key)},"size":{size},"etag":{quoted(etag)},"lastModified":"{modified}"'
            for key, size, etag, modified in columns
        ]
        for name, counts in (("items", self.items), ("objects", self.groups)):
            if counts is not None:
                named = ["" if count is None else f',"{name}":{count}' for count in counts]
                found = [f"{text}{count}" for text, count in zip(found, named, strict=True)]
        return [f"{text}}}" for text in found]

    def only(self, wanted: Sequence[bool]) -> Objects:
        """Those of the objects that are wanted, one flag for each."""
        if all(wanted):
            return self
        items, groups = self.items, self.groups
        return Objects(
            self.bucket,
            _chosen(self.keys, wanted),
            _chosen(self.sizes, wanted),
            _chosen(self.etags, wanted),
            _chosen(self.modified, wanted),
            None if items is None else _chosen(items, wanted),
            None if groups is None else _chosen(groups, wanted),
        )


@dataclass
class LeftOut:
    """How many objects a listing has left out, as far as it was read.

    Attributes:
        hidden: as hidden.
        excluded: by `source.exclude`.
    """

    hidden: int = 0
    excluded: int = 0


@dataclass(frozen=True)
class Listing:
    """The objects of a run, sorted by key, and what was left out.

    Attributes:
        objects: read once, as they are listed.
        counted: complete when all objects have been read.
        reason: why an uploaded object is not to be processed, where neither count says it.
        looked_at: what was listed, in words; absent: nothing was.
        unready: partitions of the range whose marker is not there, in order of time: left out, or
            to be waited for.
    """

    objects: Iterable[Objects] = ()
    counted: LeftOut = field(default_factory=LeftOut)
    reason: str | None = None
    looked_at: str | None = None
    unready: tuple[str, ...] = ()

    @classmethod
    def of(cls, entries: Iterable[ManifestEntry]) -> Listing:
        return cls(Objects.of(entries))

    @cached_property
    def entries(self) -> list[ManifestEntry]:
        """All objects; reads them."""
        return [entry for some in self.objects for entry in some.entries()]

    @property
    def hidden(self) -> int:
        return self.counted.hidden

    @property
    def excluded(self) -> int:
        return self.counted.excluded


def _chosen(column: Sequence[Value], wanted: Sequence[bool]) -> list[Value]:
    return list(compress(column, wanted))


def _counts(found: Iterable[int | None]) -> list[int | None] | None:
    """None where there is none: most objects have no such count."""
    counts = list(found)
    return counts if any(count is not None for count in counts) else None
