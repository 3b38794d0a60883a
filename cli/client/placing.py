"""Where a file has to be put for a dataset's runs to find it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from contracts.dataset import Dataset
from contracts.source.key_time import KeyTime


class CannotPlace(Exception):
    """Runs would not find the file there, or at another time; says what to change."""


@dataclass(frozen=True)
class Place:
    """Where an object goes.

    Attributes:
        day: in which its runs look for it (UTC); None: the day on which it is put there.
        marker: key of the marker that its partition needs before runs read it; None: it needs none.
    """

    key: str
    day: date | None
    marker: str | None = None


def place_of(dataset: Dataset, name: str, moment: datetime | None) -> Place:
    """The place of a file in a dataset's source.

    Args:
        name: of the file, without folders.
        moment: that it is of (UTC); None: not said, which is now for partitions.

    Raises:
        CannotPlace: no run would read it there, or not with that day's objects.
    """
    source = dataset.source
    partition = ""
    if source.partition is not None:
        moment = moment or datetime.now(UTC)
        partition = moment.strftime(source.partition)
    folder, slash, beginning = partition.rpartition("/")
    # A partition may be the beginning of a file's name, which the file may have already.
    named = name if name.startswith(beginning) else beginning + name
    key = source.prefix + folder + slash + named
    if not key.endswith(source.suffix):
        raise CannotPlace(
            f"{name} does not end with {source.suffix}, as the contract's source.suffix wants it;"
            " rename it"
        )
    if source.hides(key):
        raise CannotPlace(f"{key} begins with _ or . below the prefix, so runs pass over it")
    if source.excludes(key):
        raise CannotPlace(f"{key} fits a pattern of the contract's source.exclude")
    if source.is_marker(key):
        raise CannotPlace(f"{key} is the marker of a partition, which is not read; rename it")
    day = _day(dataset, key, moment)
    if moment is not None and day != moment.date():
        raise CannotPlace(
            "the contract places objects by when they are written, so --day cannot be chosen"
            if day is None
            else f"runs place {key} on {day}, not on {moment.date()}; rename it, or change --day"
        )
    marker = source.marker_of(partition) if source.ready else None
    return Place(key, day, marker)


def range_of(places: list[Place], today: date) -> tuple[date, date]:
    """First day, and the day after the last one, of a run over these objects."""
    days = [place.day or today for place in places]
    return min(days), max(days) + timedelta(days=1)


def _day(dataset: Dataset, key: str, moment: datetime | None) -> date | None:
    source = dataset.source
    if source.effective_time_from == "last-modified":
        return None
    if source.effective_time_from == "partition":
        return moment.date() if moment else None
    try:
        return KeyTime.of(source.key_time or "").instant(key).date()
    except ValueError:
        raise CannotPlace(
            f"{key} names no time as the contract's source.keyTime has it ({source.key_time});"
            " rename it"
        ) from None
