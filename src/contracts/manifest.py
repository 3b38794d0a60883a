"""The frozen list of a run's S3 objects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from pydantic import Field

from contracts import layout
from contracts.base import Contract
from contracts.messages.operations import planned_for, planned_operations
from contracts.run_request import Timestamp
from contracts.source.ready import NotReady

UNITS_PER_SHARD_AT_MOST: Final = 200
OBJECTS_AT_MOST: Final = 1_000_000  # of a run
UNITS_PER_EXECUTION: Final = 40  # side by side; each holds a thread of the invocation
PACK_OBJECTS: Final = 1000  # as many as a page of S3's listing has: about 200 KB


class ManifestEntry(Contract):
    """One object: the input of one unit. `size` in bytes; `etag` without quotes.

    Attributes:
        items: of a batch of an array's items: how many it holds. Its key then lies under
            `layout.item_batches_prefix` of the run that split the array, and its `last_modified`
            is the array's.
        objects: of a group of objects: how many it holds. Its key is then that of an `ObjectGroup`,
            its `size` theirs together, and its `last_modified` the latest of theirs.
    """

    bucket: str
    key: str
    size: int
    etag: str
    last_modified: Timestamp
    items: int | None = None
    objects: int | None = None

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


class ObjectGroup(Contract):
    """The objects of one unit that holds several, in the listing's order."""

    run_id: str
    entries: tuple[ManifestEntry, ...]


class PackedEntry(Contract):
    """A ManifestEntry without its bucket, which its pack has."""

    key: str
    size: int
    etag: str
    last_modified: Timestamp
    items: int | None = None
    objects: int | None = None


class ManifestPack(Contract):
    """As many consecutive entries of a run as its summary says, of all its shards together.

    Attributes:
        pack: its number, from 0.
    """

    run_id: str
    pack: int
    bucket: str
    entries: tuple[PackedEntry, ...]


class ManifestPart(Contract):
    """The objects of one shard, in order; the entry at position i is unit `unit_id(shard, i)`.

    So earlier releases froze them; now they lie in packs (`ManifestSummary.pack_objects`).
    """

    run_id: str
    shard: int
    entries: tuple[ManifestEntry, ...]


class Waiting(Contract):
    """Some of a run's partitions are not ready, so its objects are not listed yet.

    Attributes:
        what: the markers that are not there.
        look_again_seconds: after how long to ask again; then it may have to wait on, or have
            waited as long as it may.
    """

    what: str
    look_again_seconds: int = Field(ge=1)


class ManifestSummary(Contract):
    """What the orchestrator needs to know of a manifest.

    Attributes:
        manifest_url: the summary object in S3.
        objects: how many units the run has.
        total_bytes: their sizes added up.
        shard_sizes: units per shard, in order.
        pending: for the one shard that was asked for (shard 0 by default), the half-open ranges
            `[first, end)` of unit positions that are not stored yet, and did not fail for good.
        stored: units of that shard that an earlier attempt (or the retried run) has stored.
        failed: units of that shard that failed for good in an earlier attempt: they stay failed.
        items: of a run over a JSON array: how many items its batches hold; absent: the units are
            objects.
        source_objects: of a run in groups: how many objects its units hold together; absent: each
            unit is one.
        run_attempt: the attempt of the run that froze the manifest; its packs (or parts) count.
        pack_objects: how many entries each pack has, but for the last; absent: an earlier release
            froze a part for each shard.
        hidden: objects of the range that were left out as hidden (`source.hidden`).
        excluded: objects of the range that were left out by `source.exclude`; not counted as
            hidden.
        reason: why an uploaded object is not to be processed, where neither count says it.
        looked_at: bucket and prefix that were listed, and which of their keys; absent: no listing.
        not_ready: partitions that were left out by `source.ready`; absent: none.
        already_stored: of a run that takes only new objects: those of the range that were left out,
            as a unit has stored them before; absent: of any other run.
        skipped: nothing is listed and nothing frozen, as the run is not to take place, and why.
        waiting: nothing is listed and nothing frozen yet, as the run has to wait; the rest of the
            summary says nothing then.
    """

    manifest_url: str
    objects: int
    total_bytes: int
    shard_sizes: tuple[int, ...]
    pending: tuple[tuple[int, int], ...]
    stored: int = 0
    failed: int = 0
    items: int | None = None
    source_objects: int | None = None
    run_attempt: int = 1
    pack_objects: int | None = None
    hidden: int = 0
    excluded: int = 0
    reason: str | None = None
    looked_at: str | None = None
    not_ready: NotReady | None = None
    already_stored: int | None = None
    skipped: str | None = None
    waiting: Waiting | None = None

    def pending_positions(self) -> list[int]:
        return positions_of(self.pending)

    def part(self, run_id: str, shard: int, read: Callable[[str], Any]) -> ManifestPart:
        """The objects of one shard.

        Args:
            read: the JSON document under a key of the data bucket.
        """
        if self.pack_objects is None:
            key = layout.manifest_part_key(run_id, shard, self.run_attempt)
            return ManifestPart.from_json(read(key))
        sizes = self.shard_sizes
        first = sum(sizes[:shard])
        end = first + (sizes[shard] if shard < len(sizes) else 0)
        entries: list[ManifestEntry] = []
        for pack in range(first // self.pack_objects, -(-end // self.pack_objects)):
            before = pack * self.pack_objects
            found = read(layout.manifest_pack_key(run_id, pack, self.run_attempt))
            some = found["entries"][max(first - before, 0) : end - before]
            entries += [ManifestEntry.from_json({**one, "bucket": found["bucket"]}) for one in some]
        return ManifestPart(run_id=run_id, shard=shard, entries=tuple(entries))


def ranges(positions: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Ascending positions as half-open ranges: 0, 1, 2, 5 → (0, 3), (5, 6)."""
    found: list[tuple[int, int]] = []
    for position in positions:
        if found and found[-1][1] == position:
            found[-1] = (found[-1][0], position + 1)
        else:
            found.append((position, position + 1))
    return tuple(found)


def positions_of(ranges: Iterable[tuple[int, int]]) -> list[int]:
    """The positions that half-open ranges hold."""
    return [position for first, end in ranges for position in range(first, end)]


def first_of(ranges: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    """The first position that half-open ranges hold, if any, as a range."""
    return tuple((first, first + 1) for first, _ in ranges[:1])


def units_per_shard(operations_per_unit: int, side_by_side: int = 1) -> int:
    """How many units fit into one execution (`contracts.messages.operations`)."""
    fitting = planned_operations(side_by_side) // planned_for(operations_per_unit)
    return max(1, min(UNITS_PER_SHARD_AT_MOST, fitting))


def shard_sizes(
    sizes: Sequence[int], units_per_shard: int, shards_at_once: int = 1
) -> tuple[int, ...]:
    """How many units each shard has, in order.

    One after another, shards are as large as they may be. Side by side, there are enough of them
    for all to be at work, and as each is as quick as its largest part, a shard ends where it has
    its share of the bytes: so they are at most twice as many.

    Args:
        sizes: of each unit, in bytes.
    """
    units = len(sizes)
    least = -(-units // units_per_shard)
    if shards_at_once == 1:
        whole, rest = divmod(units, units_per_shard)
        return (units_per_shard,) * whole + ((rest,) if rest else ())
    shards = max(least, min(shards_at_once, -(-units // UNITS_PER_EXECUTION)))
    most = min(units_per_shard, -(-2 * units // shards)) if shards else 1
    share = sum(sizes) / shards if shards else 0
    found, count, taken = [], 0, 0
    for size in sizes:
        if count == most or (count and taken + size / 2 > share):
            found.append(count)
            count, taken = 0, 0
        count += 1
        taken += size
    return (*found, count) if count else ()


def packed_positions(positions: Iterable[int]) -> str:
    """Positions as the bits of a hexadecimal number: 75 digits for any of 300."""
    return f"{sum(1 << position for position in set(positions)):x}"


def unpacked_positions(packed: str) -> list[int]:
    """What `packed_positions` packed, ascending."""
    bits = int(packed, 16)
    return [position for position in range(bits.bit_length()) if bits >> position & 1]


def left_out(
    hidden: int,
    excluded: int = 0,
    not_ready: NotReady | None = None,
    already_stored: int | None = None,
) -> str:
    """The sentence about what was left out: objects that are hidden, excluded or stored already,
    partitions that are not ready."""
    said = []
    if already_stored:
        objects = "1 object was" if already_stored == 1 else f"{already_stored:,} objects were"
        said.append(f"{objects} left out as already stored (onlyNew)")
    if hidden:
        objects = "1 hidden object was" if hidden == 1 else f"{hidden} hidden objects were"
        said.append(
            f"{objects} left out (a part of the key below the prefix begins with _ or .; the"
            " contract's source.hidden: read reads them)"
        )
    if excluded:
        objects = "1 excluded object was" if excluded == 1 else f"{excluded} excluded objects were"
        said.append(
            f"{objects} left out (the key below the prefix fits a pattern of the contract's"
            " source.exclude)"
        )
    if not_ready:
        one = not_ready.count == 1
        which = ", ".join(not_ready.partitions)
        said.append(
            f"{not_ready.count} {'partition was' if one else 'partitions were'} left out as not"
            f" ready ({which}: {not_ready.marker} is not there); send"
            f" {'its' if one else 'their'} range again when {'it is' if one else 'they are'}"
        )
    return "; ".join(said)
