"""Groups a run's objects into units: a function of the listing alone. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from contracts.dataset import Format, Group
from contracts.errors import InvalidData
from contracts.manifest import ManifestEntry
from sources.limits import MEGABYTE, disk_bytes

Entries = tuple[ManifestEntry, ...]


def grouped(entries: Iterable[ManifestEntry], group: Group) -> Iterator[Entries]:
    """Consecutive objects, in their order, as many as both bounds allow; none is empty.

    An object that is larger than the bound is alone.
    """
    most = group.megabytes * MEGABYTE
    size, unit = 0, list[ManifestEntry]()
    for entry in entries:
        if unit and (len(unit) == group.objects or size + entry.size > most):
            yield tuple(unit)
            size, unit = 0, []
        unit.append(entry)
        size += entry.size
    if unit:
        yield tuple(unit)


def refuse_over_disk(unit: Entries, group: Group, file_format: Format, disk: int) -> None:
    """Check that a unit of several objects fits the disk of the function that validates it.

    Args:
        disk: of the function, in MB.

    Raises:
        InvalidData: it does not; says how large a unit may be.
    """
    needed = sum(disk_bytes(entry, file_format) for entry in unit) / MEGABYTE
    if len(unit) == 1 or needed <= disk:  # validate refuses a single object by its own limit
        return
    size = sum(entry.size for entry in unit) / MEGABYTE
    at_most = max(1, int(disk * size / needed))
    raise InvalidData(
        f"{len(unit)} objects from {unit[0].url} to {unit[-1].url} make a unit of {size:.0f} MB,"
        f" which needs about {needed:.0f} MB of disk; the function that reads it has {disk} MB,"
        f" enough for {at_most} MB of such objects: lower source.group.megabytes of the contract"
        f" ({group.megabytes} now) to {at_most} or less"
    ).without_values()
