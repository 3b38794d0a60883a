"""What a contract leaves out of the single objects that messages and uploads name."""

from __future__ import annotations

import json

from contracts.dataset import Source
from sources.listing import in_time
from sources.objects.columns import LeftOut, Listing


def left_out(
    source: Source, bucket: str, key: str, data_bucket: str, *, upload: bool, array: bool
) -> Listing | None:
    """The empty listing of an object that the contract leaves out; None: it is processed.

    An upload is judged as a listing would be. Who names an object means it, wherever it lies and
    whatever its suffix: it is left out only where it is hidden, excluded or a marker.

    Args:
        data_bucket: the bucket of a source that names none.
        array: the object is a JSON array whose items are the units, which no listing reads: as an
            upload it has to lie below the prefix, no more.
    """
    own = source.bucket or data_bucket
    if bucket == own:
        if source.is_marker(key):
            return Listing(reason="it is a partition's marker (source.ready), which is no data")
        if source.hides(key):
            return Listing(counted=LeftOut(hidden=1))
        if source.excludes(key):
            return Listing(counted=LeftOut(excluded=1))
    why = _not_listed(source, own, bucket, key, array=array) if upload else None
    if why is None:
        return None
    return Listing(reason=f"{why}; a message with its inputUrl processes it all the same")


def _not_listed(source: Source, own: str, bucket: str, key: str, *, array: bool) -> str | None:
    """Why no listing of the dataset has the object, whatever the range."""
    if bucket != own:
        return f"the uploaded object lies in the bucket {bucket}, the dataset's objects in {own}"
    if not key.startswith(source.prefix):
        prefix = _quoted(source.prefix)
        return f"the uploaded key does not begin with {prefix}, the contract's source.prefix"
    if array:
        return None
    if partition(source, key) is None:
        pattern = _quoted(source.partition or "")
        return f"the uploaded key lies in no partition {pattern} of the contract's source.partition"
    if not key.endswith(source.suffix):
        suffix = _quoted(source.suffix)
        return f"the uploaded key does not end with {suffix}, the contract's source.suffix"
    if not in_time(source, key):
        return "the uploaded key names no time that fits the contract's source.keyTime"
    return None


def partition(source: Source, key: str) -> str | None:
    """The partition that a key below the prefix lies in; None: in none that a listing visits.

    Empty where that cannot be known, or the source has no partitions.
    """
    try:
        return source.partition_of(key)
    except ValueError:
        return ""


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
