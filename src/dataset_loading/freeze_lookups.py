"""The lookups of a contract as a run finds them: frozen before its first unit."""

from __future__ import annotations

from contracts import layout
from contracts.dataset import LOOKUP_MEGABYTES_AT_MOST, Dataset, FrozenLookup, Lookup
from contracts.errors import InvalidDataset, NotFound, Problem
from sources import listing
from tabular.workspace import MEGABYTE


def freeze_lookups(dataset: Dataset, data_bucket: str) -> tuple[FrozenLookup, ...]:
    """URL, ETag and size of each lookup, in the contract's order.

    Raises:
        InvalidDataset: one is larger than a lookup may be.
        NotFound: one is not there; names all that lack.
    """
    frozen: list[FrozenLookup] = []
    missing: list[str] = []
    large: list[Problem] = []
    for index, lookup in enumerate(dataset.lookups):
        url = lookup_url(lookup, data_bucket)
        try:
            found = listing.describe(url, *layout.split_s3_url(url))
        except NotFound:
            missing.append(f"{lookup.name} at {url}")
            continue
        frozen.append(FrozenLookup(name=lookup.name, url=url, etag=found.etag, size=found.size))
        if found.size > LOOKUP_MEGABYTES_AT_MOST * MEGABYTE:
            large.append(
                Problem(
                    f"lookups[{index}]",
                    f"{url} has {found.size / MEGABYTE:.0f} MB; a lookup may have"
                    f" {LOOKUP_MEGABYTES_AT_MOST}: join larger data in a job",
                    lookup.name,
                )
            )
    if missing:
        raise NotFound(f"dataset {dataset.name}: there is no lookup {', no '.join(missing)}")
    if large:
        raise InvalidDataset(layout.dataset_source_key(dataset.name), large)
    return tuple(frozen)


def lookup_url(lookup: Lookup, data_bucket: str) -> str:
    return lookup.url or layout.s3_url(data_bucket, lookup.key or "")
