"""Which partitions are ready, by the markers of the contract's `source.ready`.

Markers are looked for before anything is listed: of a partition whose marker is there, all objects
are, so what is listed later has them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from contracts import layout
from contracts.dataset import Source
from contracts.errors import NotFound
from contracts.source import Ready
from contracts.source.ready import NotReady
from runtime import clients
from sources.listing import PREFIXES_AT_MOST, first_key, span
from sources.objects.ahead import THREADS

MARKERS_NAMED: Final = 3
STRETCHES_NAMED: Final = 20


def unready_partitions(source: Source, bucket: str, names: Sequence[str]) -> tuple[str, ...]:
    """Those of the partitions whose marker is not there, in the same order.

    Raises:
        NotFound: no such bucket.
    """
    if source.ready is None:
        return ()
    markers = {name: f"{source.prefix}{name}{source.ready.marker}" for name in names}
    there = _by_one_walk if len(names) > PREFIXES_AT_MOST else _one_by_one
    found = there(source, source.ready, bucket, markers)
    unready = tuple(name for name, marker in markers.items() if marker not in found)
    if unready:
        first_key(bucket, source.prefix)  # a bucket that is not there has no markers either
    return unready


def refuse_unready(source: Source, bucket: str, unready: Sequence[str]) -> None:
    """Raise for partitions that are not ready.

    Raises:
        NotFound: there are some; names bucket, prefix and marker.
    """
    if unready:
        raise NotFound(
            f"{missing_markers(source, bucket, unready)} (source.ready of the contract); send the"
            " message again when the data is complete"
        )


def missing_markers(source: Source, bucket: str, unready: Sequence[str]) -> str:
    """The sentence about partitions that are not ready: it names the first of their markers."""
    shown = [layout.s3_url(bucket, source.marker_of(name) or "") for name in unready]
    if len(shown) == 1:
        return f"the partition's marker {shown[0]} is not there"
    more = len(shown) - MARKERS_NAMED
    rest = f" and {more} more" if more > 0 else ""
    return (
        f"the markers of {len(shown)} partitions are not there:"
        f" {', '.join(shown[:MARKERS_NAMED])}{rest}"
    )


def not_ready(ready: Ready, names: Sequence[str], unready: Sequence[str]) -> NotReady | None:
    """What a manifest says about the partitions that were left out; None: there are none.

    Args:
        names: of all partitions of the range, in order of time.
    """
    if not unready:
        return None
    missing, stretches = set(unready), list[list[str]]()
    before = False
    for name in names:
        if name in missing and before:
            stretches[-1].append(name)
        elif name in missing:
            stretches.append([name])
        before = name in missing
    said = [one[0] if len(one) == 1 else f"{one[0]} to {one[-1]}" for one in stretches]
    more = len(said) - STRETCHES_NAMED
    shown = said[:STRETCHES_NAMED] + ([f"and {more} more"] if more > 0 else [])
    return NotReady(count=len(unready), marker=ready.marker, partitions=tuple(shown))


def _one_by_one(
    _source: Source, _ready: Ready, bucket: str, markers: dict[str, str]
) -> frozenset[str]:
    def is_there(key: str) -> bool:
        try:
            with clients.translated(f"looking at {layout.s3_url(bucket, key)}"):
                clients.client("s3").head_object(Bucket=bucket, Key=key)
        except NotFound:
            return False
        return True

    keys = list(markers.values())
    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(is_there, keys))
    return frozenset(key for key, there in zip(keys, found, strict=True) if there)


def _by_one_walk(
    source: Source, ready: Ready, bucket: str, markers: dict[str, str]
) -> frozenset[str]:
    of_markers = source.model_copy(update={"suffix": ready.marker})
    walked = span(of_markers, bucket, list(markers), None)
    wanted = set(markers.values())
    return frozenset(key for some in walked for key in some.keys if key in wanted)
