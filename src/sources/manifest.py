"""A run's manifest in S3, frozen once."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from json import dumps
from typing import Final

from contracts import layout
from contracts.errors import NotFound
from contracts.manifest import PACK_OBJECTS, ManifestSummary
from contracts.source.ready import NotReady
from runtime import s3
from sources import frozen
from sources.objects.columns import Listing, Objects

WRITERS: Final = 8
WAITING_AT_MOST: Final = 2 * WRITERS  # packs in memory


@dataclass(frozen=True)
class Packs:
    """What was written of a run's objects.

    Attributes:
        sizes: of each object in order, in bytes; eight bytes of memory each.
        source_objects: those that its groups hold, see `ManifestEntry`; 0: it has none.
    """

    sizes: array[int] = field(default_factory=lambda: array("q"))
    items: int = 0
    source_objects: int = 0

    @property
    def objects(self) -> int:
        return len(self.sizes)


def write_packs(
    objects: Iterable[Objects], run_id: str, data_bucket: str, run_attempt: int
) -> Packs:
    """Write the packs of a manifest, while its objects are listed.

    They count once a summary names them. A repeat that finds none writes all of them anew. They are
    the attempt's own, so those that a former holder is still writing never mix with them.
    """
    sizes, items, source_objects = array("q"), 0, 0

    def counted() -> Iterator[Objects]:
        nonlocal items, source_objects
        for some in objects:
            sizes.extend(some.sizes)
            items += sum(count or 0 for count in some.items or ())
            source_objects += sum(count or 0 for count in some.groups or ())
            yield some

    def write(pack: int, body: bytes) -> None:
        s3.write_body(data_bucket, layout.manifest_pack_key(run_id, pack, run_attempt), body)

    waiting: deque[Future[None]] = deque()
    with ThreadPoolExecutor(WRITERS) as pool:
        try:
            for pack, (bucket, texts) in enumerate(_packed(counted())):
                waiting.append(pool.submit(write, pack, _document(run_id, pack, bucket, texts)))
                if len(waiting) > WAITING_AT_MOST:
                    waiting.popleft().result()
            for written in waiting:
                written.result()
        finally:
            pool.shutdown(cancel_futures=True)
    return Packs(sizes, items, source_objects)


def _packed(objects: Iterable[Objects]) -> Iterator[tuple[str, list[str]]]:
    """The objects' texts in packs, each with its bucket."""
    bucket, texts = "", list[str]()
    for some in objects:
        if texts and some.bucket != bucket:
            raise ValueError(f"objects of {bucket} and of {some.bucket} in one manifest")
        bucket = some.bucket
        texts += some.texts()
        while len(texts) >= PACK_OBJECTS:
            yield bucket, texts[:PACK_OBJECTS]
            del texts[:PACK_OBJECTS]
    if texts:
        yield bucket, texts


def _document(run_id: str, pack: int, bucket: str, texts: list[str]) -> bytes:
    """A `ManifestPack`, an object a line."""
    head = f'{{"runId":{dumps(run_id)},"pack":{pack},"bucket":{dumps(bucket)},"entries":[\n'
    return "".join((head, ",\n".join(texts), "\n]}\n")).encode()


def freeze(
    packs: Packs,
    listing: Listing,
    run_id: str,
    units_per_shard: int,
    data_bucket: str,
    run_attempt: int,
    *,
    of_items: bool = False,
    of_groups: bool = False,
    not_ready: NotReady | None = None,
    already_stored: int | None = None,
) -> ManifestSummary:
    """Write the manifest's summary, which makes its packs count; the first one wins.

    Args:
        listing: what it says beside its objects.
        of_items: the entries are batches of an array's items.
        of_groups: each stands for several objects.
        not_ready, already_stored: see `ManifestSummary`.
    """
    key = layout.manifest_summary_key(run_id)
    summary = ManifestSummary(
        manifest_url=layout.s3_url(data_bucket, key),
        objects=packs.objects,
        total_bytes=sum(packs.sizes),
        shard_sizes=_shard_sizes(packs.objects, units_per_shard),
        pending=(),
        items=packs.items if of_items else None,
        source_objects=packs.source_objects if of_groups else None,
        run_attempt=run_attempt,
        pack_objects=PACK_OBJECTS,
        hidden=listing.hidden,
        excluded=listing.excluded,
        reason=listing.reason,
        looked_at=listing.looked_at,
        not_ready=not_ready,
        already_stored=already_stored,
    )
    if s3.write_json_once(data_bucket, key, summary.to_json()):
        return summary
    return read_summary(data_bucket, run_id) or summary


def _shard_sizes(units: int, units_per_shard: int) -> tuple[int, ...]:
    whole, rest = divmod(units, units_per_shard)
    return (units_per_shard,) * whole + ((rest,) if rest else ())


def read_summary(data_bucket: str, run_id: str) -> ManifestSummary | None:
    """The frozen summary (nothing in it is pending), or None."""
    try:
        return frozen.read_manifest_summary(data_bucket, run_id)
    except NotFound:
        return None
